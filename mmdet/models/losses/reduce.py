"""Weighting and averaging, shared by all losses."""

REDUCTIONS = ('none', 'mean', 'sum')


def check_reduction(reduction, where):
    """Return ``reduction``, or raise a ValueError that names the loss."""
    if reduction not in REDUCTIONS:
        raise ValueError(f'{where}: reduction must be one of {REDUCTIONS}, got {reduction!r}')
    return reduction


def reduce_loss(loss, weight=None, reduction='mean', avg_factor=None):
    """Weight and reduce an element-wise loss.

    Args:
        loss (Tensor): any shape.
        weight (Tensor | None): of a shape that broadcasts to the loss.
        reduction (str): ``'none'``, ``'mean'`` or ``'sum'``.
        avg_factor (float | Tensor | None): with ``'mean'``, the divisor instead of the number of elements.

    Returns:
        Tensor: a scalar, or the weighted loss for ``'none'``. The mean of no elements is 0 and attached to
        the graph, so that a batch without targets can be trained on.

    Raises:
        ValueError: for ``avg_factor`` with ``'sum'``.
    """
    if weight is not None:
        loss = loss * weight
    if reduction == 'none':
        return loss
    if reduction == 'sum':
        if avg_factor is not None:
            raise ValueError("reduce_loss: avg_factor is for reduction='mean', got reduction='sum'")
        return loss.sum()
    return loss.sum() / (max(loss.numel(), 1) if avg_factor is None else avg_factor)
