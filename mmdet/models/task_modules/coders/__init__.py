"""Box coders: what a regressor's four numbers mean."""

from .delta_xywh import DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder

__all__ = ['DeltaXYWHBBoxCoder', 'LegacyDeltaXYWHBBoxCoder']
