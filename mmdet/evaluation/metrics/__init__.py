"""Metrics of the runner: what validation and testing print, and what ``save_best`` can name."""

from mmdet.utils import import_submodules

from .coco_metric import CocoMetric
from .ytvis_metric import YTVISMetric

__all__ = ['CocoMetric', 'YTVISMetric']

import_submodules(__name__)  # registers what a new file in this folder defines
