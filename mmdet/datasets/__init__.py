"""Data sets, transforms and samplers."""

from .base import DetDataset
from .samplers import GroupSampler, SampleIndex, VideoBatchSampler, VideoSampler
from .transforms import (
    FrameTransform,
    LoadAnnotations,
    LoadImage,
    PackInputs,
    RandomFlip,
    RefBoxJitter,
    Resize,
)
from .ytvos import OVISDataset, YouTubeVIS2019Dataset, YouTubeVIS2021Dataset, YTVOSDataset

__all__ = [
    'DetDataset',
    'FrameTransform',
    'GroupSampler',
    'LoadAnnotations',
    'LoadImage',
    'OVISDataset',
    'PackInputs',
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
