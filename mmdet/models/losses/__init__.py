"""Losses. All share the keywords ``weight``, ``avg_factor`` and ``reduction_override``."""

from .accuracy import accuracy
from .cross_entropy_loss import CrossEntropyLoss
from .smooth_l1_loss import L1Loss, SmoothL1Loss

__all__ = ['CrossEntropyLoss', 'L1Loss', 'SmoothL1Loss', 'accuracy']
