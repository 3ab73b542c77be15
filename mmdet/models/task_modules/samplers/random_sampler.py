"""Random choice of positives and negatives in a fixed proportion."""

import itertools

import numpy as np
import torch

from mmdet.registry import TASK_UTILS

from ...padding import stack_padded
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

    def random_choice(self, count, k, generator=None):
        """Choose ``k`` of ``count`` candidates uniformly. All randomness of the sampler is here.

        Args:
            count (int): number of candidates, > k; they are in the order of their boxes.
            k (int): number to choose.
            generator (numpy.random.Generator | None): None uses numpy's global state, as in 2019.

        Returns:
            ndarray: (k,) int64, numbers from 0 to count - 1 in any order.
        """
        if generator is None:
            return np.random.permutation(count)[:k]
        return generator.choice(count, k, replace=False, shuffle=False)

    def sample(self, assign_result, bboxes, gt_bboxes, gt_labels=None, generator=None):
        """Choose the boxes of one image to train on.

        Args:
            assign_result (AssignResult): of ``bboxes``.
            bboxes (Tensor): (n, 4 or more), xyxy first.
            gt_bboxes (Tensor): (g, 4).
            gt_labels (Tensor | None): (g,) int64, 0-based.
            generator (numpy.random.Generator | None): see :func:`image_generator`.

        Returns:
            SamplingResult: indices count the added ground truths first, if any are added.
        """
        labels = None if gt_labels is None else [gt_labels]
        return self.sample_batch([assign_result], [bboxes], [gt_bboxes], labels, [generator])[0]

    def sample_batch(self, assign_results, bboxes, gt_bboxes, gt_labels, generators):
        """:meth:`sample` for the images of a batch at once. A GPU waits once, for the numbers of candidates.

        Args:
            bboxes (Tensor | list[Tensor]): (n, 4 or more) for all images, or (n_i, 4 or more) of each.
            assign_results, gt_bboxes, gt_labels, generators (list): of each image, see :meth:`sample`;
                ``gt_labels`` may be None.

        Returns:
            list[SamplingResult]: of each image.
        """
        images = len(assign_results)
        if isinstance(bboxes, torch.Tensor):
            bboxes = [bboxes] * images
        gt_inds = [result.gt_inds for result in assign_results]
        gt_numbers = [len(gts) for gts in gt_bboxes]
        added = gt_numbers if self.add_gt_as_proposals else [0] * images
        positives, negatives = _count(gt_inds)
        positives = [number + own for number, own in zip(positives, added)]
        picks = [self._draw(*given) for given in zip(positives, negatives, generators)]
        picks = [pick for kind in zip(*picks) for pick in kind]  # positives of all images, then negatives
        sizes = [len(pick) for pick in picks]

        # The boxes of all images in a row, the ground truths of each in front.
        lengths = [own + len(inds) for own, inds in zip(added, gt_inds)]
        gt_inds = _interleave(_ranges(added, gt_inds[0].device), gt_inds)
        bboxes = _interleave(
            [gts[:own] for gts, own in zip(gt_bboxes, added)], [box[:, :4] for box in bboxes]
        )
        candidates = [_positions(gt_inds > 0, sum(positives)), _positions(gt_inds == 0, sum(negatives))]
        # What follows from numbers alone is computed by the host, and copied at once.
        numbers = np.concatenate(picks) + np.repeat(_starts([*positives, *negatives]), sizes)
        facts = [np.repeat(2 * fact, sizes) for fact in (_starts(lengths), _starts(gt_numbers), added)]
        facts = torch.from_numpy(np.stack([numbers, *facts])).to(gt_inds.device, non_blocking=True)
        numbers, starts, gt_starts, own = facts.unbind()
        rows = torch.cat(candidates)[numbers]
        inds, bboxes = (rows - starts).split(sizes), bboxes[rows].split(sizes)

        sizes = sizes[:images]
        positive = slice(sum(sizes))
        assigned = gt_inds[rows[positive]] - 1
        gts = assigned + gt_starts[positive]
        gt_bboxes = torch.cat(gt_bboxes)[gts].split(sizes)
        gt_labels = [None] * images if gt_labels is None else torch.cat(gt_labels)[gts].split(sizes)
        is_gt = ((rows - starts)[positive] < own[positive]).split(sizes)
        assigned = assigned.split(sizes)
        return [
            SamplingResult(
                pos_inds=inds[i],
                neg_inds=inds[images + i],
                pos_bboxes=bboxes[i],
                neg_bboxes=bboxes[images + i],
                pos_assigned_gt_inds=assigned[i],
                pos_gt_bboxes=gt_bboxes[i],
                pos_gt_labels=gt_labels[i],
                pos_is_gt=is_gt[i],
            )
            for i in range(images)
        ]

    def _draw(self, positives, negatives, generator):
        """Numbers of the chosen of so many candidates, ascending: (p,) positives and (q,) negatives."""
        pos = self._choose(positives, int(self.num * self.pos_fraction), generator)
        most = self.num - len(pos)
        if self.neg_pos_ub >= 0:
            most = min(most, int(self.neg_pos_ub * max(1, len(pos))))
        return pos, self._choose(negatives, most, generator)

    def _choose(self, count, k, generator):
        return np.arange(count) if count <= k else np.sort(self.random_choice(count, k, generator))


def sample_images(sampler, assign_results, bboxes, gt_bboxes, gt_labels, generators):
    """Sample the boxes of all images: at once with :class:`RandomSampler`, one by one with another sampler.

    Args:
        sampler: with ``sample`` of :class:`RandomSampler`.
        assign_results, bboxes, gt_bboxes, gt_labels, generators: of :meth:`RandomSampler.sample_batch`.

    Returns:
        list[SamplingResult]: of each image.
    """
    if getattr(type(sampler), 'sample', None) is RandomSampler.sample:
        return sampler.sample_batch(assign_results, bboxes, gt_bboxes, gt_labels, generators)
    boxes = [bboxes] * len(assign_results) if isinstance(bboxes, torch.Tensor) else bboxes
    labels = gt_labels or [None] * len(assign_results)
    return [
        sampler.sample(*given, generator=generator)
        for *given, generator in zip(assign_results, boxes, gt_bboxes, labels, generators)
    ]


def _count(gt_inds):
    """Numbers of positives and of negatives of each image. A GPU waits once for all."""
    gt_inds, real = stack_padded(gt_inds)
    negative = gt_inds == 0 if real is None else (gt_inds == 0) & real
    return torch.stack([(gt_inds > 0).sum(dim=1), negative.sum(dim=1)]).tolist()


def _positions(mask, count):
    """Indices of the ``count`` true elements of ``mask``, ascending."""
    if mask.device.type == 'cpu':
        return mask.nonzero(as_tuple=True)[0]
    return mask.sort(descending=True, stable=True).indices[:count]  # without a wait for their number


def _ranges(lengths, device):
    """1, 2, ... of each length."""
    longest = torch.arange(1, max(lengths) + 1, device=device)
    return [longest[:length] for length in lengths]


def _interleave(fronts, rests):
    """Rows of each image in one tensor: of ``fronts``, then of ``rests``."""
    return torch.cat([part for pair in zip(fronts, rests) for part in pair])


def _starts(lengths):
    """Where each of the parts begins that lie one behind another."""
    return [0, *itertools.accumulate(lengths)][:-1]
