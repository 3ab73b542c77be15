"""Assigners: which ground truth, if any, each box is to learn."""

from .assign_result import AssignResult
from .max_iou_assigner import MaxIoUAssigner, assign_images

__all__ = ['AssignResult', 'MaxIoUAssigner', 'assign_images']
