"""Metrics of the runner: what validation and testing print, and what ``save_best`` can name."""

from .coco_metric import CocoMetric
from .ytvis_metric import YTVISMetric

__all__ = ['CocoMetric', 'YTVISMetric']
