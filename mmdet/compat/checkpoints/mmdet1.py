"""Mask R-CNN (and ports of MaskTrack R-CNN) of mmdetection 1.x.

Facts: docs/en/compatibility.md of mmdetection, "Compatibility with MMDetection 1.x": background is label 0,
+1 in box sizes, integer anchors, RoIAlign without the half-pixel shift, masks cropped and pasted in whole
pixels. Names are those of 2019. A softmax RPN has its foreground in column 1.
"""

from .common import fold_softmax_rpn, rename
from .legacy2019 import RULES
from .openmmlab import legacy, match_coefficients
from .rows import fix_box_head, fix_mask_head
from .state_names import DROP

FORMAT = 'mmdet1'
SUMMARY = 'Mask R-CNN of mmdetection 1.x'


def matches(source):
    """Whether the keys have no ``roi_head.`` and the file says version 1."""
    keys = source.state_dict
    return (
        'rpn_head.rpn_conv.weight' in keys
        and 'bbox_head.fc_cls.weight' in keys
        and str(source.meta.get('mmdet_version', '')).startswith('1.')
    )


def convert(source, options, notes):
    """Return native weights and conventions; see :func:`legacy2019.convert`."""
    state = rename(source.state_dict, RULES, FORMAT, DROP)
    foreground = 1 if options.rpn_foreground is None else options.rpn_foreground
    if fold_softmax_rpn(state, foreground, FORMAT):
        notes.append('the softmax RPN was folded into an equal sigmoid RPN')
    fix_box_head(state, 'first', FORMAT)
    fix_mask_head(state, 'first', FORMAT)
    tracking = 'track_head.fcs.0.weight' in state
    conventions = legacy(
        source,
        options,
        notes,
        rpn_test=dict(nms_pre=1000, nms_post=1000, max_per_img=1000, iou_threshold=0.7, min_bbox_size=0),
        rcnn_test=dict(score_thr=0.05, iou_threshold=0.5, max_per_img=100, mask_thr_binary=0.5),
        scale=(640, 360) if tracking else (1333, 800),
    )
    if tracking:
        conventions.tracker = dict(match_coeff=match_coefficients(source.config))
    return state, conventions
