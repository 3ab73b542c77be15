"""RoIAlign and non-maximum suppression, compiled (``bash compile.sh``) or in plain PyTorch."""

from ._library import ops_available
from .nms import batched_nms, batched_nms_mask, multiclass_nms, multiclass_nms_of_batch, nms, soft_nms
from .roi_align import RoIAlign, multilevel_roi_align, roi_align

__all__ = [
    'RoIAlign',
    'batched_nms',
    'batched_nms_mask',
    'multiclass_nms',
    'multiclass_nms_of_batch',
    'multilevel_roi_align',
    'nms',
    'ops_available',
    'roi_align',
    'soft_nms',
]
