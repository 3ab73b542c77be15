"""What every checkpoint format shares: the containers, the refusals and the row surgery."""

import re
from dataclasses import dataclass, field

import torch

from mmdet.utils import UserError


class ConversionRefused(UserError):
    """The weights follow a rule that is not supported; the message names the rule and the key."""


@dataclass
class Source:
    """A foreign checkpoint, unpacked.

    Attributes:
        state_dict (dict[str, Tensor]): weights, without a ``module.`` prefix.
        meta (dict): what the file says of itself; empty for bare state dicts.
        config (dict): the literal parts of the config text stored in ``meta`` (never executed).
        name (str): file name, for messages and for telling official files apart.
    """

    state_dict: dict
    meta: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)
    name: str = ''


@dataclass
class Converted:
    """A checkpoint in this project's names and layout.

    Attributes:
        state_dict (dict[str, Tensor]): native names; background first everywhere.
        model (dict): native model config that goes with the weights.
        conventions (Conventions): what could not be folded into the weights.
        classes (tuple[str, ...] | None): class names without background, where the file has them.
        source_format (str): which table was used.
        notes (list[str]): decisions and assumptions a person should read.
    """

    state_dict: dict
    model: dict
    conventions: object
    classes: tuple | None
    source_format: str
    notes: list


@dataclass
class Options:
    """Choices of the command line that the weights cannot tell.

    Attributes:
        style (str | None): ``'pytorch'`` or ``'caffe'``: where a bottleneck's stride is.
        image_norm (str | None): ``'pytorch'``, ``'caffe'`` (BGR means 103.53, ...) or ``'caffe1'`` (102.98,
            ...).
        bn_eps (float | None): epsilon the frozen batch norms were run with (torchvision).
        rpn_foreground (int | None): foreground column of a softmax RPN, 0 or 1.
        coco80 (bool): of torchvision's 90 COCO columns keep the 80 that COCO uses.
        classes (tuple[str, ...] | None): class names that replace those of the file.
    """

    style: str | None = None
    image_norm: str | None = None
    bn_eps: float | None = None
    rpn_foreground: int | None = None
    coco80: bool = False
    classes: tuple | None = None


# What an unknown key most likely means, so that a refusal says more than "unknown key".
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


def explain_unknown(keys, source_format):
    """Build the refusal for keys no rule of ``source_format`` covers.

    Args:
        keys (list[str]): the keys left over.
        source_format (str): the table that was tried.

    Returns:
        ConversionRefused: to raise.
    """
    reasons = sorted({text for pattern, text in FOREIGN_PARTS for key in keys if re.search(pattern, key)})
    shown = ', '.join(sorted(keys)[:4]) + (f', ... ({len(keys)} in all)' if len(keys) > 4 else '')
    because = f'; the checkpoint has {" and ".join(reasons)}, which this project has not' if reasons else ''
    return ConversionRefused(f'no rule of format {source_format!r} covers {shown}{because}')


def unwrap(checkpoint, name=''):
    """Find the weights in the content of a checkpoint file.

    Args:
        checkpoint (dict): a bare state dict, or a dict with ``state_dict`` or ``model``, and perhaps
            ``meta``.
        name (str): file name.

    Returns:
        Source: with ``module.`` prefixes taken off and the stored config text parsed.

    Raises:
        ConversionRefused: nothing in it looks like weights.
    """
    from .stored_config import parse_config_text

    if not isinstance(checkpoint, dict):
        raise ConversionRefused(f'{name or "checkpoint"}: expected a dict, got {type(checkpoint).__name__}')
    state = next(
        (checkpoint[k] for k in ('state_dict', 'model') if isinstance(checkpoint.get(k), dict)), checkpoint
    )
    meta = checkpoint.get('meta')
    meta = dict(meta) if isinstance(meta, dict) else {}
    state = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise ConversionRefused(
            f'{name or "checkpoint"}: no tensors found under state_dict, model or the top level'
        )
    if all(key.startswith('module.') for key in state):
        state = {key[len('module.') :]: value for key, value in state.items()}
    text = meta.get('config') or meta.get('cfg') or ''
    return Source(state, meta, parse_config_text(text) if isinstance(text, str) else {}, name)


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
        raise explain_unknown(unknown, source_format)
    check_ranks(result)
    return result


def check_ranks(state):
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


def background_to_front(rows):
    """Move the last row to the front: ``(C+1, ...)`` background last becomes background first."""
    return torch.cat([rows[-1:], rows[:-1]])


def add_dead_block(rows, block=1):
    """Put ``block`` zero rows in front: the slot of the background class, which nothing ever reads."""
    return torch.cat([rows.new_zeros(block, *rows.shape[1:]), rows])


def repeat_blocks(rows, times):
    """Repeat the rows of a class-agnostic predictor: every class and background get their own copy."""
    return rows.repeat(times, *([1] * (rows.dim() - 1)))


def require(state, key, source_format):
    """Return ``state[key]`` or refuse, naming the missing key."""
    if key not in state:
        raise ConversionRefused(f'format {source_format!r} needs {key!r}, which the checkpoint has not')
    return state[key]


def fold_softmax_rpn(state, foreground, source_format):
    """Turn a two-column softmax RPN into the one-column sigmoid RPN with the same scores.

    ``softmax([a, b])[0] = sigmoid(a - b)``, so subtracting the background filter from the foreground filter
    is exact. Channels of ``rpn_cls`` are anchor-major: ``2 * anchor + column``.

    Args:
        state (dict[str, Tensor]): native names; changed in place.
        foreground (int | None): column of the foreground, 0 or 1; None if it is not known.
        source_format (str): for messages.

    Returns:
        bool: whether there was anything to fold.
    """
    weight = require(state, 'rpn_head.rpn_cls.weight', source_format)
    anchors = require(state, 'rpn_head.rpn_reg.weight', source_format).shape[0] // 4
    if weight.shape[0] == anchors:
        return False
    if weight.shape[0] != 2 * anchors:
        raise ConversionRefused(
            f'rpn_head.rpn_cls has {weight.shape[0]} channels for {anchors} anchors; expected '
            f'{anchors} (sigmoid) '
            f'or {2 * anchors} (softmax)'
        )
    if foreground is None:
        raise ConversionRefused(
            'the RPN uses softmax and the file does not say which column is foreground (index 1 up to '
            'mmdetection 2.4, index 0 from 2.5): give --rpn-foreground 0 or 1'
        )
    for name in ('weight', 'bias'):
        rows = state[f'rpn_head.rpn_cls.{name}']
        pairs = rows.reshape(anchors, 2, *rows.shape[1:])
        state[f'rpn_head.rpn_cls.{name}'] = (pairs[:, foreground] - pairs[:, 1 - foreground]).contiguous()
    return True
