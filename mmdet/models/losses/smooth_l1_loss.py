"""Losses of box regression."""

import torch.nn.functional as F
from torch import nn

from mmdet.registry import MODELS

from .reduce import check_reduction, reduce_loss


class _RegressionLoss(nn.Module):
    """Element-wise loss of two tensors of the same shape, weighted and reduced."""

    def __init__(self, reduction='mean', loss_weight=1.0):
        super().__init__()
        self.reduction = check_reduction(reduction, type(self).__name__)
        self.loss_weight = loss_weight

    def elementwise(self, pred, target):
        """Loss of every element; subclasses define it."""
        raise NotImplementedError(f'{type(self).__name__} must define elementwise()')

    def forward(self, pred, target, weight=None, avg_factor=None, reduction_override=None):
        """Compute the loss.

        Args:
            pred, target (Tensor): of the same shape.
            weight (Tensor | None): broadcasts to that shape.
            avg_factor (float | Tensor | None): divisor instead of the number of elements.
            reduction_override (str | None): replaces ``reduction``.

        Returns:
            Tensor: scalar, or element-wise for ``'none'``.

        Raises:
            ValueError: if the two shapes differ.
        """
        if pred.shape != target.shape:
            raise ValueError(
                f'{type(self).__name__}: pred and target of one shape expected, '
                f'got {tuple(pred.shape)} and {tuple(target.shape)}'
            )
        reduction = check_reduction(reduction_override or self.reduction, type(self).__name__)
        loss = self.elementwise(pred.float() if pred.dtype != target.dtype else pred, target)
        return self.loss_weight * reduce_loss(loss, weight, reduction, avg_factor)


@MODELS.register_module()
class SmoothL1Loss(_RegressionLoss):
    """``0.5 d^2 / beta`` below ``beta``, ``d - 0.5 beta`` above (Fast R-CNN, section 2.3).

    Args:
        beta (float): L1/L2 transition, > 0.
        reduction (str): ``'none'``, ``'mean'`` or ``'sum'``.
        loss_weight (float): factor.
    """

    def __init__(self, beta=1.0, reduction='mean', loss_weight=1.0):
        super().__init__(reduction, loss_weight)
        if beta <= 0:
            raise ValueError(f'SmoothL1Loss: beta > 0 expected (L1Loss is its limit), got {beta}')
        self.beta = beta

    def elementwise(self, pred, target):
        """Smooth L1 distance of every element."""
        return F.smooth_l1_loss(pred, target, beta=self.beta, reduction='none')


@MODELS.register_module()
class L1Loss(_RegressionLoss):
    """Absolute difference, the box loss of mmdetection 2 and later.

    Args:
        reduction (str): ``'none'``, ``'mean'`` or ``'sum'``.
        loss_weight (float): factor.
    """

    def elementwise(self, pred, target):
        """Absolute difference of every element."""
        return F.l1_loss(pred, target, reduction='none')
