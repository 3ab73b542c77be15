"""Detectors, which the ``model`` of a config builds."""

from .base import BaseDetector
from .faster_rcnn import FasterRCNN
from .mask_rcnn import MaskRCNN
from .masktrack_rcnn import MaskTrackRCNN
from .rpn import RPN
from .two_stage import TwoStageDetector

__all__ = ['RPN', 'BaseDetector', 'FasterRCNN', 'MaskRCNN', 'MaskTrackRCNN', 'TwoStageDetector']
