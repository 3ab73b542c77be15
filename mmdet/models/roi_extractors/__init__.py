"""RoI extractors: features of each RoI from a feature pyramid."""

from .single_level import SingleRoIExtractor

__all__ = ['SingleRoIExtractor']
