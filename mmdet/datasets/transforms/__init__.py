"""Steps of the data pipeline; :mod:`.base` says what they pass on."""

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
