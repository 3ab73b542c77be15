"""Trackers: plain objects that assign identities to the detections of a video."""

from .base import BaseTracker
from .iou_tracker import IoUTracker
from .masktrack_tracker import MaskTrackTracker
from .memory import TrackMemory
from .sort_tracker import SortTracker

__all__ = ['BaseTracker', 'IoUTracker', 'MaskTrackTracker', 'SortTracker', 'TrackMemory']
