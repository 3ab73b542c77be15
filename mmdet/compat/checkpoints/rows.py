"""Class rows and blocks of the three predictors, from either order into background first."""

from .common import ConversionRefused, add_dead_block, background_to_front, repeat_blocks, require


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
            state[key] = background_to_front(require(state, key, source_format))
        key = f'bbox_head.fc_reg.{name}'
        rows = require(state, key, source_format)
        # Class-agnostic regression equals class-wise regression with the same block for every class.
        if rows.shape[0] == 4 and (columns > 2 or background == 'first'):
            state[key] = repeat_blocks(rows, columns)
        elif background == 'last' and rows.shape[0] == 4 * (columns - 1):
            state[key] = add_dead_block(rows, 4)
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
            state[key] = repeat_blocks(rows, columns)
        elif background == 'none' and rows.shape[0] == columns - 1:
            state[key] = add_dead_block(rows)
        elif background == 'first' and rows.shape[0] == columns:
            continue
        else:
            raise ConversionRefused(
                f'{key} has {rows.shape[0]} channels, which fits {columns - 1} classes (background '
                f'{background}) '
                'neither per class nor class-agnostic'
            )
