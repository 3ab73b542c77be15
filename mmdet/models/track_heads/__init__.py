"""Heads that tell objects of two frames apart."""

from .track_head import TrackHead

__all__ = ['TrackHead']
