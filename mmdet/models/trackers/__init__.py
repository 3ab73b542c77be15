"""Trackers: plain objects that give detections of a video their identities."""

from .masktrack_tracker import MaskTrackTracker
from .memory import TrackMemory

__all__ = ['MaskTrackTracker', 'TrackMemory']
