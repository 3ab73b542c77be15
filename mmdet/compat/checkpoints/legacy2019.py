"""Checkpoints of the 2019 code (youtubevos/MaskTrackRCNN) and of mmdetection 0.x, from which it was forked.

Names, row order and numeric rules are this project's own, so nothing changes but the file; the converter
still reads the architecture, writes the config that goes with it and records the conventions.
"""

from .common import rename
from .openmmlab import legacy, match_coefficients
from .rows import fix_box_head, fix_mask_head
from .state_names import DROP, WB, mmdet_rules

FORMAT = '2019'
SUMMARY = 'MaskTrack R-CNN of 2019 and Mask R-CNN of mmdetection 0.x'
RULES = [*mmdet_rules(), (rf'(track_head\.fcs\.\d+\.{WB})', r'\1')]


def matches(source):
    """Whether the keys are those of an mmdetection before 2.0 with a track head, or without a version."""
    keys = source.state_dict
    if 'rpn_head.rpn_conv.weight' not in keys or 'bbox_head.fc_cls.weight' not in keys:
        return False
    version = str(source.meta.get('mmdet_version', ''))
    return 'track_head.fcs.0.weight' in keys or not version or version.startswith('0.')


def convert(source, options, notes):
    """Return native weights and the 2019 conventions.

    Args:
        source (Source): the file.
        options (Options): command-line choices.
        notes (list[str]): gets assumptions.

    Returns:
        tuple[dict, Conventions]
    """
    state = rename(source.state_dict, RULES, FORMAT, DROP)
    fix_box_head(state, 'first', FORMAT)
    fix_mask_head(state, 'first', FORMAT)
    tracking = 'track_head.fcs.0.weight' in state
    rpn = 200 if tracking else 1000
    conventions = legacy(
        source,
        options,
        notes,
        rpn_test=dict(nms_pre=rpn, nms_post=rpn, max_per_img=rpn, iou_threshold=0.7, min_bbox_size=0),
        rcnn_test=dict(
            score_thr=0.05, iou_threshold=0.5, max_per_img=10 if tracking else 100, mask_thr_binary=0.5
        ),
        scale=(640, 360) if tracking else (1333, 800),
    )
    if tracking:
        conventions.tracker = dict(match_coeff=match_coefficients(source.config))
    return state, conventions
