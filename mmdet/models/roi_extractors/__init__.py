"""RoI extractors: a feature pyramid and rois in, one feature map a roi out."""

from .single_level import SingleRoIExtractor

__all__ = ['SingleRoIExtractor']
