"""Samplers: which of the assigned boxes are learned from, and the generators they draw with."""

from .generator import image_generator
from .random_sampler import RandomSampler
from .sampling_result import SamplingResult

__all__ = ['RandomSampler', 'SamplingResult', 'image_generator']
