"""Result of a sampler."""

from dataclasses import dataclass

import torch


@dataclass
class SamplingResult:
    """p positive and q negative boxes of one image.

    Attributes:
        pos_inds, neg_inds (Tensor): (p,), (q,) int64 ascending, into the boxes given to the sampler (with the
            ground truths in front if it adds them).
        pos_bboxes, neg_bboxes (Tensor): (p, 4), (q, 4), xyxy.
        pos_assigned_gt_inds (Tensor): (p,) int64, 0-based.
        pos_gt_bboxes (Tensor): (p, 4) the ground truths assigned to the positives.
        pos_gt_labels (Tensor | None): (p,) int64, 0-based.
        pos_is_gt (Tensor): (p,) bool, positives that are ground truths added as proposals.
    """

    pos_inds: torch.Tensor
    neg_inds: torch.Tensor
    pos_bboxes: torch.Tensor
    neg_bboxes: torch.Tensor
    pos_assigned_gt_inds: torch.Tensor
    pos_gt_bboxes: torch.Tensor
    pos_gt_labels: torch.Tensor | None
    pos_is_gt: torch.Tensor

    @property
    def bboxes(self):
        """(p + q, 4) positives first, then negatives: the order of the rois in every head."""
        return torch.cat([self.pos_bboxes, self.neg_bboxes])
