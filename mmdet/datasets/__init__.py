"""Datasets, transforms and samplers."""

from mmdet.utils import import_submodules

from .base import DetDataset
from .coco import Coco2017Dataset, CocoDataset, CocoPseudoPairs
from .samplers import GroupSampler, SampleIndex, VideoBatchSampler, VideoSampler
from .transforms import (
    FrameTransform,
    LoadAnnotations,
    LoadImage,
    PackInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RefBoxJitter,
    Resize,
)
from .wrappers import ConcatDataset
from .ytvos import OVISDataset, YouTubeVIS2019Dataset, YouTubeVIS2021Dataset, YTVOSDataset

__all__ = [
    'Coco2017Dataset',
    'CocoDataset',
    'CocoPseudoPairs',
    'ConcatDataset',
    'DetDataset',
    'FrameTransform',
    'GroupSampler',
    'LoadAnnotations',
    'LoadImage',
    'OVISDataset',
    'PackInputs',
    'PhotoMetricDistortion',
    'RandomCrop',
    'RandomFlip',
    'RefBoxJitter',
    'Resize',
    'SampleIndex',
    'VideoBatchSampler',
    'VideoSampler',
    'YTVOSDataset',
    'YouTubeVIS2019Dataset',
    'YouTubeVIS2021Dataset',
]

import_submodules(__name__)  # registers what a new file in this folder defines
