"""Mask R-CNN of mmdetection in all its versions, and MaskTrack R-CNN of 2019, which was forked from 0.x.

Facts: docs/en/compatibility.md of mmdetection.

* 0.x, 1.x and 2019: background is label 0, +1 in box sizes, rounded anchors, RoIAlign without the half-pixel
  shift, masks cropped and pasted in whole pixels. Names and rules are this project's own.
* 2.x and 3.x: background is the last column, the regressor and the mask head have no background rows, boxes
  are continuous, RoIAlign is aligned with adaptive sampling. In 3.x NMS runs in pixels of the resized image
  and boxes are scaled afterwards; IoU without +1 does not change with scale, so only rounding differs.
* A softmax RPN has its foreground in column 1 up to 2.4 and in column 0 from 2.5; a sigmoid RPN is the same
  in all versions.
"""

import re

from .keys import DROP, WB, mmdet_rules, rename
from .openmmlab import legacy, match_coefficients, modern
from .rows import fix_box_head, fix_mask_head, fold_softmax_rpn

RULES_1X = [*mmdet_rules(), (rf'(track_head\.fcs\.\d+\.{WB})', r'\1')]
RULES_2X = mmdet_rules(heads=r'roi_head\.')


def version_of(meta):
    """(major, minor) of the mmdetection that wrote a file; (0, 0) if it does not say."""
    found = re.match(r'(\d+)\.(?:(\d+))?', str(meta.get('mmdet_version', '')))
    major, minor = (int(part or 0) for part in found.groups()) if found else (0, 0)
    return (3, minor) if 'mmengine_version' in meta or 'dataset_meta' in meta else (major, minor)


def has_layout_2x(source, prefix=''):
    """Whether there are an RPN and, under ``roi_head.``, box heads of one or more stages."""
    keys = source.state_dict
    return f'{prefix}rpn_head.rpn_conv.weight' in keys and any(
        key.startswith(f'{prefix}roi_head.bbox_head.') for key in keys
    )


def _has_layout_1x(source):
    return {'rpn_head.rpn_conv.weight', 'bbox_head.fc_cls.weight'} <= source.state_dict.keys()


def is_2019(source):
    """Whether the names are those of an mmdetection before 2.0 with a track head, or without a version."""
    version = str(source.meta.get('mmdet_version', ''))
    old = 'track_head.fcs.0.weight' in source.state_dict or not version or version.startswith('0.')
    return _has_layout_1x(source) and old


def is_1x(source):
    """Whether the names are those before 2.0, and the file says 1.x."""
    return _has_layout_1x(source) and str(source.meta.get('mmdet_version', '')).startswith('1.')


def convert_1x(source, options, notes, source_format):
    """Native weights and conventions; names and rows stay, a softmax RPN of 1.x becomes a sigmoid one.

    Args:
        source (Source): the file.
        options (Options): choices of the command line.
        notes (list[str]): gets assumptions.
        source_format (str): for messages.

    Returns:
        tuple[dict, Conventions]
    """
    state = rename(source.state_dict, RULES_1X, source_format, DROP)
    if source_format == 'mmdet1':
        foreground = 1 if options.rpn_foreground is None else options.rpn_foreground
        if fold_softmax_rpn(state, foreground, source_format):
            notes.append('the softmax RPN was folded into an equal sigmoid RPN')
    fix_box_head(state, 'first', source_format)
    fix_mask_head(state, 'first', source_format)
    tracking = 'track_head.fcs.0.weight' in state
    few = tracking and source_format == '2019'
    boxes = 200 if few else 1000
    conventions = legacy(
        source,
        options,
        notes,
        rpn_test=dict(nms_pre=boxes, nms_post=boxes, max_per_img=boxes, iou_threshold=0.7, min_bbox_size=0),
        rcnn_test=dict(
            score_thr=0.05, iou_threshold=0.5, max_per_img=10 if few else 100, mask_thr_binary=0.5
        ),
        scale=(640, 360) if tracking else (1333, 800),
    )
    if tracking:
        conventions.tracker = dict(match_coeff=match_coefficients(source.config))
    return state, conventions


def convert_weights_2x(source, options, notes, rules, source_format):
    """Rename, fold a softmax RPN and bring all rows into background-first order.

    Args:
        source (Source): the file.
        options (Options): ``rpn_foreground`` overrides what the version says.
        notes (list[str]): gets what was folded.
        rules (list): table of names.
        source_format (str): for messages.

    Returns:
        dict[str, Tensor]: native weights.
    """
    state = rename(source.state_dict, rules, source_format, DROP)
    foreground, version = options.rpn_foreground, version_of(source.meta)
    if foreground is None and version != (0, 0):
        foreground = 0 if version >= (2, 5) else 1
    if fold_softmax_rpn(state, foreground, source_format):
        notes.append(
            f'the softmax RPN (foreground in column {foreground}) was folded into an equal sigmoid RPN'
        )
    fix_box_head(state, 'last', source_format)
    fix_mask_head(state, 'none', source_format)
    return state


def convert_2x(source, options, notes, source_format):
    """Native weights and conventions; see :func:`convert_1x`."""
    state = convert_weights_2x(source, options, notes, RULES_2X, source_format)
    return state, modern(source, options, notes)
