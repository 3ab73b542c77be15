"""MaskTrack R-CNN for video instance segmentation (Yang, Fan and Xu, arXiv 1905.04804)."""

from .version import __version__

__all__ = ['__version__']
