"""Renaming tensors: tables of regular expressions from foreign names to ours."""

import re

from .common import ConversionRefused

BN = r'(?:weight|bias|running_mean|running_var|num_batches_tracked)'
WB = r'(?:weight|bias)'
INDEX = r'\d+'


def backbone_rules(prefix):
    """Rules for a ResNet or ResNeXt under ``prefix`` (a regular expression); its names are torchvision's."""
    return [
        (rf'{prefix}((?:conv1|layer[1-4]\.{INDEX}\.(?:conv[1-3]|downsample\.0))\.weight)', r'backbone.\1'),
        (rf'{prefix}((?:bn1|layer[1-4]\.{INDEX}\.(?:bn[1-3]|downsample\.1))\.{BN})', r'backbone.\1'),
    ]


def mmdet_rules(detector='', heads=''):
    """Rules for a Mask R-CNN of mmdetection.

    Args:
        detector (str): regular expression in front of every key, ``''`` or ``'detector\\.'``.
        heads (str): regular expression in front of the second stage, ``''`` (1.x) or ``'roi_head\\.'`` (2.x,
            3.x).

    Returns:
        list[tuple[str, str]]: patterns and native names.
    """
    return [
        *backbone_rules(rf'{detector}backbone\.'),
        (rf'{detector}(neck\.(?:lateral_convs|fpn_convs)\.{INDEX}\.conv\.{WB})', r'\1'),
        (rf'{detector}(rpn_head\.(?:rpn_conv|rpn_cls|rpn_reg)\.{WB})', r'\1'),
        (rf'{detector}{heads}(bbox_head\.(?:shared_fcs\.{INDEX}|shared_convs\.{INDEX}\.conv)\.{WB})', r'\1'),
        (rf'{detector}{heads}(bbox_head\.(?:fc_cls|fc_reg)\.{WB})', r'\1'),
        (rf'{detector}{heads}(mask_head\.(?:convs\.{INDEX}\.conv|upsample|conv_logits)\.{WB})', r'\1'),
    ]


# Buffers without weights of their own: the normalization of mmengine's preprocessor, and the copies that the
# EMA hook of mmcv leaves beside the averaged weights, which it saves under the ordinary names.
DROP = (r'(?:detector\.)?data_preprocessor\.(?:mean|std)', r'ema_.*')

# What an unknown key most likely belongs to, for the error message.
FOREIGN_PARTS = (
    (r'conv2_offset|conv_offset', 'deformable convolutions'),
    (r'roi_head\.(bbox|mask)_head\.\d+\.|^(bbox|mask)_head\.\d+\.', 'a cascade of heads (Cascade or HTC)'),
    (r'semantic_head|fusion_head', 'a semantic branch (HTC or panoptic)'),
    (r'mask_iou_head', 'a mask-IoU head (Mask Scoring R-CNN)'),
    (r'point_head', 'a point head (PointRend)'),
    (r'\.gn\.|\.gn\d?\.', 'group normalization'),
    (r'backbone\.stem\.', 'a deep-stem ResNet'),
    (r'context_block|gen_attention_block|nonlocal', 'plugin blocks in the backbone'),
    (r'relation', 'relation modules'),
    (
        r'^(track_head\.track_head|track_roi_head)',
        'an unfinished track head of mmtracking before its first release',
    ),
    (r'^(reid|motion)\.', 'a re-identification or motion model of another tracker'),
    (r'^transformer|^query_embed|^panoptic_head', 'a transformer model'),
)


def _explain_unknown(keys, source_format):
    """Build the refusal for keys no rule of ``source_format`` covers.

    Args:
        keys (list[str]): the keys left over.
        source_format (str): the table that was tried.

    Returns:
        ConversionRefused: to raise.
    """
    reasons = sorted({text for pattern, text in FOREIGN_PARTS for key in keys if re.search(pattern, key)})
    shown = ', '.join(sorted(keys)[:4]) + (f', ... ({len(keys)} in all)' if len(keys) > 4 else '')
    because = f'; the checkpoint has {" and ".join(reasons)}, which is not supported' if reasons else ''
    return ConversionRefused(f'no rule of format {source_format!r} covers {shown}{because}')


def rename(state, rules, source_format, drop=()):
    """Rename keys by the first rule that matches the whole key.

    Args:
        state (dict[str, Tensor]): foreign weights.
        rules (Sequence[tuple[str, str]]): regular expressions and replacements.
        source_format (str): for messages.
        drop (Sequence[str]): regular expressions of keys to leave out silently.

    Returns:
        dict[str, Tensor]: native names, same tensors.

    Raises:
        ConversionRefused: a key is covered by no rule, or two keys end under one name.
    """
    compiled = [(re.compile(pattern), target) for pattern, target in rules]
    dropped = [re.compile(pattern) for pattern in drop]
    result, unknown = {}, []
    for key, value in state.items():
        if any(pattern.fullmatch(key) for pattern in dropped):
            continue
        for pattern, target in compiled:
            match = pattern.fullmatch(key)
            if match:
                new = match.expand(target)
                if new in result:
                    raise ConversionRefused(f'two keys of format {source_format!r} would become {new!r}')
                result[new] = value
                break
        else:
            unknown.append(key)
    if unknown:
        raise _explain_unknown(unknown, source_format)
    _check_ranks(result)
    return result


def _check_ranks(state):
    """Refuse tensors whose number of dimensions is not that of their layer, or that are empty.

    Args:
        state (dict[str, Tensor]): native names.

    Raises:
        ConversionRefused: names key and shape.
    """
    for key, value in state.items():
        layer, part = key.rsplit('.', 2)[-2:]
        if part == 'num_batches_tracked':
            rank = 0
        elif part != 'weight' or layer.startswith('bn') or '.downsample.1.' in key:
            rank = 1
        else:
            rank = 2 if re.search(r'(^|\.)(fcs|shared_fcs|fc_cls|fc_reg)\.', key) else 4
        if value.dim() != rank or (rank and not value.numel()):
            raise ConversionRefused(
                f'{key} has shape {tuple(value.shape)}, expected {rank} dimensions, none empty'
            )
