"""Assigners, samplers and box coders, which decide the targets; registered in ``TASK_UTILS``."""

from .assigners import AssignResult, MaxIoUAssigner
from .coders import DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder
from .samplers import RandomSampler, SamplingResult, image_generator

__all__ = [
    'AssignResult',
    'DeltaXYWHBBoxCoder',
    'LegacyDeltaXYWHBBoxCoder',
    'MaxIoUAssigner',
    'RandomSampler',
    'SamplingResult',
    'image_generator',
]
