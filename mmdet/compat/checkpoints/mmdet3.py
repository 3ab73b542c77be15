"""Mask R-CNN of mmdetection 3.x, and its MaskTrack R-CNN (which is mmtracking's).

Names and conventions of the detector are those of 2.x. With masks, NMS runs in pixels of the resized image
and boxes are scaled afterwards; as IoU without +1 does not change with scale, this equals NMS after scaling
but for rounding.
"""

from . import mmdet2, mmtracking
from .openmmlab import modern

FORMAT = 'mmdet3'
SUMMARY = 'Mask R-CNN and MaskTrack R-CNN of mmdetection 3.x'
RULES = mmdet2.RULES


def matches(source):
    """Whether the file says 3.x (a ``dataset_meta``, an mmengine version) and has one of the two layouts."""
    if mmdet2.major_version(source.meta) != 3:
        return False
    return mmdet2.has_layout(source) or (mmtracking.matches(source) and 'mmtrack_version' not in source.meta)


def convert(source, options, notes):
    """Return native weights and conventions; see :func:`legacy2019.convert`."""
    if mmtracking.matches(source):
        return mmtracking.convert(source, options, notes, FORMAT)
    return mmdet2.convert_names(source, options, notes, RULES, FORMAT), modern(source, options, notes)
