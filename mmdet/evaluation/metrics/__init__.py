"""Metrics that the runner computes in validation and testing; ``save_best`` takes their names."""

from mmdet.utils import import_submodules

from .coco_metric import CocoMetric
from .ytvis_metric import YTVISMetric

__all__ = ['CocoMetric', 'YTVISMetric']

import_submodules(__name__)  # registers what a new file in this folder defines
