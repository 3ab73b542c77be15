"""Trackers: plain objects that assign identities to the detections of a video."""

from .masktrack_tracker import MaskTrackTracker
from .memory import TrackMemory

__all__ = ['MaskTrackTracker', 'TrackMemory']
