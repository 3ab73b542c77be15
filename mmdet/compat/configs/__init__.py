"""Configs of other schemas: 2019, mmdetection 1 and MaskTrack R-CNN of mmtracking and mmdetection 3."""

from .convert import known_keys, to_native
from .schema import NATIVE, NEW_NAMES, describe_fragment, recognize
from .upgrade import LEGACY_KEYS, upgrade_config

__all__ = [
    'LEGACY_KEYS',
    'NATIVE',
    'NEW_NAMES',
    'describe_fragment',
    'known_keys',
    'recognize',
    'to_native',
    'upgrade_config',
]
