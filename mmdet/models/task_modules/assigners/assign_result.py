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

    def with_gts(self, gt_labels=None):
        """Return the result for ``[ground truths, boxes]``: each ground truth is assigned to itself.

        Args:
            gt_labels (Tensor | None): (g,) labels of the ground truths; None if the boxes have no labels.
        """
        own = torch.arange(1, self.num_gts + 1, device=self.gt_inds.device)
        labels = None if self.labels is None else torch.cat([gt_labels, self.labels])
        return AssignResult(
            self.num_gts,
            torch.cat([own, self.gt_inds]),
            torch.cat([self.max_overlaps.new_ones(self.num_gts), self.max_overlaps]),
            labels,
        )
