"""Cross entropy: softmax over classes, sigmoid, and the sigmoid of the labeled class's mask."""

import torch
import torch.nn.functional as F
from torch import nn

from mmdet.registry import MODELS

from .reduce import check_reduction, reduce_loss


@MODELS.register_module()
class CrossEntropyLoss(nn.Module):
    """Cross entropy of logits.

    Args:
        use_sigmoid (bool): independent binary problems instead of a softmax.
        use_mask (bool): binary, on the channel of the labeled class only (Mask R-CNN, section 3).
        reduction (str): ``'none'``, ``'mean'`` or ``'sum'``.
        loss_weight (float): factor.
        class_weight (Sequence[float] | None): one weight per class (softmax) or for positives (sigmoid).

    Raises:
        ValueError: for both ``use_sigmoid`` and ``use_mask``, or an unknown reduction.
    """

    def __init__(
        self, use_sigmoid=False, use_mask=False, reduction='mean', loss_weight=1.0, class_weight=None
    ):
        super().__init__()
        if use_sigmoid and use_mask:
            raise ValueError('CrossEntropyLoss: use_sigmoid and use_mask exclude each other')
        self.use_sigmoid = use_sigmoid
        self.use_mask = use_mask
        self.reduction = check_reduction(reduction, 'CrossEntropyLoss')
        self.loss_weight = loss_weight
        self.class_weight = class_weight

    def forward(self, cls_score, label, weight=None, avg_factor=None, reduction_override=None, **kwargs):
        """Compute the loss, in float32 if the logits are half precision.

        Args:
            cls_score (Tensor): logits. Softmax: (n, C). Sigmoid: any shape. Mask: (n, C, h, w).
            label (Tensor): softmax: (n,) int64 column. Sigmoid: 0/1 of the shape of the logits, or (n,) int64
                with logits (n, C). Mask: (n, h, w) 0/1 targets, with keyword ``channels`` (n,) int64.
            weight (Tensor | None): (n,), or of the logits' shape.
            avg_factor (float | Tensor | None): divisor instead of the number of elements.
            reduction_override (str | None): replaces ``reduction``.

        Returns:
            Tensor: scalar, or element-wise for ``'none'``.
        """
        reduction = check_reduction(reduction_override or self.reduction, 'CrossEntropyLoss')
        if self.use_mask:
            cls_score = self._channel(cls_score, **kwargs)
        cls_score = cls_score.float() if cls_score.dtype in (torch.float16, torch.bfloat16) else cls_score
        class_weight = None if self.class_weight is None else cls_score.new_tensor(self.class_weight)
        if self.use_mask:
            loss = F.binary_cross_entropy_with_logits(cls_score, label.to(cls_score), reduction='none')
        elif self.use_sigmoid:
            loss, weight = self._binary(cls_score, label, weight, class_weight)
        else:
            loss = F.cross_entropy(cls_score, label, weight=class_weight, reduction='none')
        return self.loss_weight * reduce_loss(loss, weight, reduction, avg_factor)

    @staticmethod
    def _binary(cls_score, label, weight, class_weight):
        if label.shape != cls_score.shape:
            if label.dim() != 1 or cls_score.dim() != 2:
                raise ValueError(
                    f'CrossEntropyLoss: labels of shape {tuple(cls_score.shape)} or ({len(cls_score)},) '
                    f'expected, got {tuple(label.shape)}'
                )
            if cls_score.size(1) == 1:
                label = label[:, None]
            else:
                label = F.one_hot(label, cls_score.size(1))
        if weight is not None and weight.dim() < cls_score.dim():
            weight = weight[:, None]
        loss = F.binary_cross_entropy_with_logits(
            cls_score, label.to(cls_score), pos_weight=class_weight, reduction='none'
        )
        return loss, weight

    @staticmethod
    def _channel(cls_score, channels):
        return cls_score[torch.arange(len(cls_score), device=cls_score.device), channels]
