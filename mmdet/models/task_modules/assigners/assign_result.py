"""Result of an assigner."""

from dataclasses import dataclass

import torch


@dataclass
class AssignResult:
    """Assignment of n boxes to g ground truths.

    Attributes:
        num_gts (int): g.
        gt_inds (Tensor): (n,) int64; -1 ignored, 0 negative, i + 1 assigned to ground truth i.
        max_overlaps (Tensor): (n,) best overlap of each box with any ground truth; -1 in an ignored region.
        labels (Tensor | None): (n,) int64 0-based label of the assigned ground truth, or -1.
    """

    num_gts: int
    gt_inds: torch.Tensor
    max_overlaps: torch.Tensor
    labels: torch.Tensor | None = None
