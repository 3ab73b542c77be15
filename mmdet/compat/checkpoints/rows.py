"""Rows of the predictors, from either order into background first; softmax RPNs into sigmoid ones."""

import torch

from .common import ConversionRefused, require


def _repeat(rows, times):
    """Every class gets its own copy of the rows of a class-agnostic predictor."""
    return rows.repeat(times, *([1] * (rows.dim() - 1)))


def _with_dead_block(rows, block=1):
    """Zero rows in front for the background, which nothing ever reads."""
    return torch.cat([rows.new_zeros(block, *rows.shape[1:]), rows])


def fix_box_head(state, background, source_format):
    """Bring ``fc_cls`` and ``fc_reg`` into C + 1 rows and blocks with background first; changes ``state``.

    Args:
        state (dict[str, Tensor]): native names.
        background (str): ``'first'`` (fc_reg has C + 1 blocks) or ``'last'`` (fc_reg has C blocks).
        source_format (str): for messages.

    Raises:
        ConversionRefused: the rows of the regressor fit neither C, C + 1 nor one class-agnostic block.
    """
    columns = require(state, 'bbox_head.fc_cls.weight', source_format).shape[0]
    for name in ('weight', 'bias'):
        if background == 'last':
            key = f'bbox_head.fc_cls.{name}'
            state[key] = require(state, key, source_format).roll(1, 0)  # the last row to the front
        key = f'bbox_head.fc_reg.{name}'
        rows = require(state, key, source_format)
        # Class-agnostic regression equals class-wise regression with the same block for every class.
        if rows.shape[0] == 4 and (columns > 2 or background == 'first'):
            state[key] = _repeat(rows, columns)
        elif background == 'last' and rows.shape[0] == 4 * (columns - 1):
            state[key] = _with_dead_block(rows, 4)
        elif background == 'first' and rows.shape[0] == 4 * columns:
            continue
        else:
            raise ConversionRefused(
                f'{key} has {rows.shape[0]} rows, which fits {columns} columns of fc_cls '
                f'(background {background}) '
                'neither per class nor class-agnostic'
            )


def fix_mask_head(state, background, source_format):
    """Bring ``conv_logits`` into C + 1 channels with the dead background channel first; changes ``state``.

    Args:
        state (dict[str, Tensor]): native names; a model without a mask head is left alone.
        background (str): ``'first'`` (C + 1 channels) or ``'none'`` (C channels).
        source_format (str): for messages.
    """
    if 'mask_head.conv_logits.weight' not in state:
        return
    columns = require(state, 'bbox_head.fc_cls.weight', source_format).shape[0]
    for name in ('weight', 'bias'):
        key = f'mask_head.conv_logits.{name}'
        rows = require(state, key, source_format)
        if rows.shape[0] == 1 and (columns > 2 or background == 'first'):
            state[key] = _repeat(rows, columns)
        elif background == 'none' and rows.shape[0] == columns - 1:
            state[key] = _with_dead_block(rows)
        elif background == 'first' and rows.shape[0] == columns:
            continue
        else:
            raise ConversionRefused(
                f'{key} has {rows.shape[0]} channels, which fits {columns - 1} classes (background '
                f'{background}) '
                'neither per class nor class-agnostic'
            )


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
