"""Steps of the data pipeline; :mod:`.base` lists the keys of results and frames."""

from .augment import PhotoMetricDistortion, RandomCrop
from .base import FrameTransform
from .geometric import RandomFlip, RefBoxJitter, Resize
from .load import LoadAnnotations, LoadImage
from .pack import PackInputs

__all__ = [
    'FrameTransform',
    'LoadAnnotations',
    'LoadImage',
    'PackInputs',
    'PhotoMetricDistortion',
    'RandomCrop',
    'RandomFlip',
    'RefBoxJitter',
    'Resize',
]
