"""Track heads: embeddings of boxes, and how they are compared."""

from .track_head import TrackHead

__all__ = ['TrackHead']
