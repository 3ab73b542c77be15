"""Assigners, samplers and box coders: what decides targets, built from configs through ``TASK_UTILS``."""

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
