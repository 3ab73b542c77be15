"""MaskTrack R-CNN for video instance segmentation (Yang, Fan and Xu, arXiv 1905.04804)."""

from mmdet.utils.lazy import attach
from mmdet.version import __version__

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'apis': (),
        'datasets': (),
        'engine': (),
        'evaluation': (),
        'models': (),
        'ops': (),
        'registry': (),
        'structures': (),
        'utils': (),
        'visualization': (),
    },
)
__all__ = [*__all__, '__version__']
