"""Mask R-CNN of mmdetection 2.x.

Facts: docs/en/compatibility.md of mmdetection. Background is the last column, the regressor and the mask
head have no background rows, boxes are continuous, RoIAlign is aligned with adaptive sampling. A softmax RPN
has its foreground in column 1 up to version 2.4 and in column 0 from 2.5 on; a sigmoid RPN is the same in
all versions.
"""

import re

from .common import fold_softmax_rpn, rename
from .openmmlab import modern
from .rows import fix_box_head, fix_mask_head
from .state_names import DROP, mmdet_rules

FORMAT = 'mmdet2'
SUMMARY = 'Mask R-CNN of mmdetection 2.x'
RULES = mmdet_rules(heads=r'roi_head\.')


def major_version(meta):
    """Major version of mmdetection a file says it was written by; 0 if it does not say."""
    if 'mmengine_version' in meta or 'dataset_meta' in meta:
        return 3
    match = re.match(r'(\d+)\.', str(meta.get('mmdet_version', '')))
    return int(match.group(1)) if match else 0


def rpn_foreground(meta):
    """Foreground column of a softmax RPN by version; None where the version is unknown."""
    match = re.match(r'(\d+)\.(\d+)', str(meta.get('mmdet_version', '')))
    if match is None:
        return 0 if major_version(meta) == 3 else None
    return 0 if (int(match.group(1)), int(match.group(2))) >= (2, 5) else 1


def has_layout(source, prefix=''):
    """Whether there are an RPN and, under ``roi_head.``, box heads of one or more stages."""
    keys = source.state_dict
    return f'{prefix}rpn_head.rpn_conv.weight' in keys and any(
        key.startswith(f'{prefix}roi_head.bbox_head.') for key in keys
    )


def matches(source):
    """Whether the second stage is under ``roi_head.`` and the file is not from 3.x."""
    return has_layout(source) and major_version(source.meta) != 3


def convert_names(source, options, notes, rules, source_format):
    """Rename, fold a softmax RPN and bring all rows into background-first order.

    Args:
        source (Source): the file.
        options (Options): ``rpn_foreground`` overrides what the version says.
        notes (list[str]): gets what was folded.
        rules (list): key table.
        source_format (str): for messages.

    Returns:
        dict[str, Tensor]: native weights.
    """
    state = rename(source.state_dict, rules, source_format, DROP)
    foreground = options.rpn_foreground
    foreground = rpn_foreground(source.meta) if foreground is None else foreground
    if fold_softmax_rpn(state, foreground, source_format):
        notes.append(
            f'the softmax RPN (foreground in column {foreground}) was folded into an equal sigmoid RPN'
        )
    fix_box_head(state, 'last', source_format)
    fix_mask_head(state, 'none', source_format)
    return state


def convert(source, options, notes):
    """Return native weights and conventions; see :func:`legacy2019.convert`."""
    return convert_names(source, options, notes, RULES, FORMAT), modern(source, options, notes)
