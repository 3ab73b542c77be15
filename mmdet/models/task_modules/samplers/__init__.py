"""Samplers, which choose the assigned boxes to train on, and their random generators."""

from .generator import image_generator
from .random_sampler import RandomSampler, sample_images
from .sampling_result import SamplingResult

__all__ = ['RandomSampler', 'SamplingResult', 'image_generator', 'sample_images']
