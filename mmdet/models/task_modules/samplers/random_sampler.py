"""Random choice of positives and negatives in a fixed proportion."""

import numpy as np
import torch

from mmdet.registry import TASK_UTILS

from .sampling_result import SamplingResult


@TASK_UTILS.register_module()
class RandomSampler:
    """Choose at most ``num`` boxes, at most ``pos_fraction`` of them positive.

    Args:
        num (int): boxes per image.
        pos_fraction (float): largest share of positives; the rest are negatives.
        neg_pos_ub (float): most negatives per positive, counting at least one positive; < 0: no limit.
        add_gt_as_proposals (bool): add the ground truths in front of the boxes, as positives.
    """

    def __init__(self, num, pos_fraction, neg_pos_ub=-1, add_gt_as_proposals=True):
        if num <= 0 or not 0 <= pos_fraction <= 1:
            raise ValueError(
                f'RandomSampler: num > 0 and 0 <= pos_fraction <= 1 expected, got {num} and {pos_fraction}'
            )
        self.num = num
        self.pos_fraction = pos_fraction
        self.neg_pos_ub = neg_pos_ub
        self.add_gt_as_proposals = add_gt_as_proposals

    def random_choice(self, candidates, k, generator=None):
        """Choose ``k`` of the candidates uniformly. All randomness of the sampler is here.

        Args:
            candidates (Tensor): (n,) int64, n > k.
            k (int): number to choose.
            generator (numpy.random.Generator | None): None uses numpy's global state, as in 2019.

        Returns:
            Tensor: (k,) in any order.
        """
        if generator is None:
            chosen = np.random.permutation(len(candidates))[:k]
        else:
            chosen = generator.choice(len(candidates), k, replace=False, shuffle=False)
        return candidates[
            torch.from_numpy(np.ascontiguousarray(chosen)).to(candidates.device, non_blocking=True)
        ]

    def sample(self, assign_result, bboxes, gt_bboxes, gt_labels=None, generator=None):
        """Choose the boxes of one image to train on.

        Args:
            assign_result (AssignResult): of ``bboxes``; with ``counts`` a GPU does not wait.
            bboxes (Tensor): (n, 4 or more), xyxy first.
            gt_bboxes (Tensor): (g, 4).
            gt_labels (Tensor | None): (g,) int64, 0-based.
            generator (numpy.random.Generator | None): see :func:`image_generator`.

        Returns:
            SamplingResult: indices count the added ground truths first, if any are added.
        """
        bboxes = bboxes[:, :4]
        added = 0
        if self.add_gt_as_proposals and len(gt_bboxes):
            added = len(gt_bboxes)
            bboxes = torch.cat([gt_bboxes, bboxes])
            assign_result = assign_result.with_gts(gt_labels)
        gt_inds = assign_result.gt_inds
        num_pos, num_zero = assign_result.counts or (None, None)
        pos_inds = self._choose(gt_inds > 0, num_pos, int(self.num * self.pos_fraction), generator)
        num_neg = self.num - len(pos_inds)
        if self.neg_pos_ub >= 0:
            num_neg = min(num_neg, int(self.neg_pos_ub * max(1, len(pos_inds))))
        neg_inds = self._choose(gt_inds == 0, num_zero, num_neg, generator)
        assigned = gt_inds[pos_inds] - 1
        return SamplingResult(
            pos_inds=pos_inds,
            neg_inds=neg_inds,
            pos_bboxes=bboxes[pos_inds],
            neg_bboxes=bboxes[neg_inds],
            pos_assigned_gt_inds=assigned,
            pos_gt_bboxes=gt_bboxes[assigned] if len(gt_bboxes) else gt_bboxes.new_zeros((0, 4)),
            pos_gt_labels=None if gt_labels is None else gt_labels[assigned],
            pos_is_gt=pos_inds < added,
        )

    def _choose(self, mask, count, k, generator):
        if count is None or mask.device.type == 'cpu':
            candidates = mask.nonzero(as_tuple=True)[0]
        else:  # the same indices, without a wait for their number
            candidates = mask.sort(descending=True, stable=True).indices[:count]
        if len(candidates) <= k:
            return candidates
        return self.random_choice(candidates, k, generator).sort().values
