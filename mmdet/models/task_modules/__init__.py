"""Assigners, samplers and box coders, which decide the targets; registered in ``TASK_UTILS``."""

from .assigners import AssignResult, MaxIoUAssigner, assign_images
from .coders import DeltaXYWHBBoxCoder, LegacyDeltaXYWHBBoxCoder
from .samplers import RandomSampler, SamplingResult, image_generator, sample_images

__all__ = [
    'AssignResult',
    'DeltaXYWHBBoxCoder',
    'LegacyDeltaXYWHBBoxCoder',
    'MaxIoUAssigner',
    'RandomSampler',
    'SamplingResult',
    'assign_images',
    'image_generator',
    'sample_images',
]
