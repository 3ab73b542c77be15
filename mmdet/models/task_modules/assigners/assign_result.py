"""Result of an assigner."""

from dataclasses import dataclass

import torch

from ...padding import stack_padded


@dataclass
class AssignResult:
    """Assignment of n boxes to g ground truths.

    Attributes:
        num_gts (int): g.
        gt_inds (Tensor): (n,) int64; -1 ignored, 0 negative, i + 1 assigned to ground truth i.
        max_overlaps (Tensor): (n,) best overlap of each box with any ground truth; -1 in an ignored region.
        labels (Tensor | None): (n,) int64 0-based label of the assigned ground truth, or -1.
        counts (tuple[int, int] | None): numbers of positives and of negatives, see :func:`count_boxes`.
    """

    num_gts: int
    gt_inds: torch.Tensor
    max_overlaps: torch.Tensor
    labels: torch.Tensor | None = None
    counts: tuple[int, int] | None = None

    def with_gts(self, gt_labels=None):
        """Return the result for ``[ground truths, boxes]``: each ground truth is assigned to itself.

        Args:
            gt_labels (Tensor | None): (g,) labels of the ground truths; None if the boxes have no labels.
        """
        own = torch.arange(1, self.num_gts + 1, device=self.gt_inds.device)
        labels = None if self.labels is None else torch.cat([gt_labels, self.labels])
        counts = None if self.counts is None else (self.counts[0] + self.num_gts, self.counts[1])
        return AssignResult(
            self.num_gts,
            torch.cat([own, self.gt_inds]),
            torch.cat([self.max_overlaps.new_ones(self.num_gts), self.max_overlaps]),
            labels,
            counts,
        )


def count_boxes(results):
    """Let the assignments of a batch know their ``counts``, which samplers need. A GPU waits once for all.

    Args:
        results (list[AssignResult]): of each image.

    Returns:
        list[AssignResult]: the given ones.
    """
    gt_inds, real = stack_padded([result.gt_inds for result in results])
    negative = gt_inds == 0 if real is None else (gt_inds == 0) & real
    counts = torch.stack([(gt_inds > 0).sum(dim=1), negative.sum(dim=1)], dim=1)
    for result, pair in zip(results, counts.tolist()):
        result.counts = tuple(pair)
    return results
