"""Box coders: boxes to regression targets and back."""

from .delta_xywh import DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder

__all__ = ['DeltaXYWHBBoxCoder', 'LegacyDeltaXYWHBBoxCoder']
