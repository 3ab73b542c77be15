"""Reading configs of 2019 (mmdetection 0.5/0.6 and MaskTrackRCNN): the upgrade to the native schema."""

from .upgrade import LEGACY_KEYS, is_legacy, upgrade_config

__all__ = ['LEGACY_KEYS', 'is_legacy', 'upgrade_config']
