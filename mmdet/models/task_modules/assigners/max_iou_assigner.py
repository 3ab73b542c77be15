"""Assignment by overlap thresholds, with a best box for every ground truth."""

import torch

from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps

from ...padding import stack_padded
from .assign_result import AssignResult

#: Overlaps that are computed at once, if there are several images: 128 MiB.
MOST_PAIRS = 2**25


@TASK_UTILS.register_module()
class MaxIoUAssigner:
    """Assign every box to a ground truth or the background, or ignore it.

    1. Boxes in an ignored region are ignored.
    2. Boxes whose best overlap is below ``neg_iou_thr`` are negative.
    3. Boxes whose best overlap is at least ``pos_iou_thr`` go to that ground truth.
    4. Every ground truth whose best overlap reaches ``min_pos_iou`` gets the boxes that have that overlap,
       even those that step 3 gave to a better match; if several claim a box, the last one wins
       (docs/conventions.md, "Low-quality matches").

    Args:
        pos_iou_thr (float): step 3.
        neg_iou_thr (float | tuple[float, float]): step 2; a pair is the half-open band of negatives.
        min_pos_iou (float): step 4.
        match_low_quality (bool): apply step 4; mmdetection 2 and later skip it in the second stage of models
            without masks.
        gt_max_assign_all (bool): step 4 takes every box tied at the best overlap instead of only the first.
        ignore_iof_thr (float): a box is ignored if more than this share of it lies in an ignored region;
            <= 0: never.
        ignore_wrt_candidates (bool): the share of the box, otherwise of the ignored region.
        offset (int): 1 for inclusive pixels (2019), 0 for continuous coordinates.

    Raises:
        ValueError: for a band of negatives that is not (low, high).
    """

    def __init__(
        self,
        pos_iou_thr,
        neg_iou_thr,
        min_pos_iou=0.0,
        match_low_quality=True,
        gt_max_assign_all=True,
        ignore_iof_thr=-1,
        ignore_wrt_candidates=True,
        offset=1,
    ):
        band = (0.0, neg_iou_thr) if isinstance(neg_iou_thr, int | float) else tuple(neg_iou_thr)
        if len(band) != 2 or band[0] > band[1]:
            raise ValueError(
                f'MaxIoUAssigner: neg_iou_thr must be a number or (low, high), got {neg_iou_thr!r}'
            )
        self.pos_iou_thr = pos_iou_thr
        self.neg_band = band
        self.min_pos_iou = min_pos_iou
        self.match_low_quality = match_low_quality
        self.gt_max_assign_all = gt_max_assign_all
        self.ignore_iof_thr = ignore_iof_thr
        self.ignore_wrt_candidates = ignore_wrt_candidates
        self.offset = offset

    def assign(self, bboxes, gt_bboxes, gt_bboxes_ignore=None, gt_labels=None, valid=None):
        """Assign boxes to ground truths.

        Args:
            bboxes (Tensor): (n, 4), xyxy; n may be 0.
            gt_bboxes (Tensor): (g, 4); without ground truths every box outside ignored regions is negative.
            gt_bboxes_ignore (Tensor | None): (k, 4) crowd regions.
            gt_labels (Tensor | None): (g,) int64, 0-based.
            valid (Tensor | None): (n,) bool, False for boxes to ignore.

        Returns:
            AssignResult: ``labels`` is None if ``gt_labels`` is.
        """
        one = (None if value is None else [value] for value in (gt_bboxes_ignore, gt_labels, valid))
        return self.assign_batch([bboxes], [gt_bboxes], *one)[0]

    def assign_batch(self, bboxes, gt_bboxes, gt_bboxes_ignore=None, gt_labels=None, valid=None):
        """:meth:`assign` for the images of a batch at once, in as many steps as one image takes.

        Args:
            bboxes (Tensor | list[Tensor]): (n, 4) for all images, or (n_i, 4) of each.
            gt_bboxes, gt_bboxes_ignore, gt_labels, valid (list | None): of each image, see :meth:`assign`.

        Returns:
            list[AssignResult]: of each image.
        """
        if isinstance(bboxes, torch.Tensor):
            lengths, bboxes, real = [len(bboxes)] * len(gt_bboxes), bboxes[None, :, :4], None
        else:
            lengths = [len(boxes) for boxes in bboxes]
            bboxes, real = stack_padded([boxes[:, :4] for boxes in bboxes])
        gts, gts_real = stack_padded(gt_bboxes)
        ignored = self._ignored(bboxes, gt_bboxes_ignore)
        for kept in (real, None if valid is None else stack_padded(valid)[0]):
            if kept is not None:
                ignored = ~kept if ignored is None else ignored | ~kept

        if gts.size(1) and bboxes.size(1):
            overlaps = bbox_overlaps(gts, bboxes, offset=self.offset)
            if ignored is not None:
                overlaps.masked_fill_(ignored[:, None], -1)
            if gts_real is not None:
                overlaps.masked_fill_(~gts_real[:, :, None], -1)
            gt_inds, max_overlaps = self._assign_by_overlaps(overlaps)
            if gts_real is not None:
                without = ~gts_real.any(dim=1, keepdim=True)
                gt_inds, max_overlaps = gt_inds.masked_fill(without, 0), max_overlaps.masked_fill(without, 0)
        else:
            max_overlaps = gts.new_zeros((len(gts), bboxes.size(1)))
            gt_inds = torch.zeros_like(max_overlaps, dtype=torch.int64)
        if ignored is not None:
            gt_inds, max_overlaps = gt_inds.masked_fill(ignored, -1), max_overlaps.masked_fill(ignored, -1)
        labels = None if gt_labels is None else self._labels(gt_inds, stack_padded(gt_labels)[0])
        return [
            AssignResult(
                len(gt_bboxes[i]),
                gt_inds[i, :n],
                max_overlaps[i, :n],
                None if labels is None else labels[i, :n],
            )
            for i, n in enumerate(lengths)
        ]

    def _ignored(self, bboxes, regions):
        """(N, n) bool of the boxes (1 or N, n, 4) in ignored regions, or None if there are none."""
        regions = [None if one is None or len(one) == 0 else one for one in regions or []]
        if self.ignore_iof_thr <= 0 or bboxes.size(1) == 0 or all(one is None for one in regions):
            return None
        shares = []
        for boxes, one in zip(bboxes.expand(len(regions), -1, -1), regions):
            if one is None:
                shares.append(torch.zeros_like(boxes[:, 0]))
            elif self.ignore_wrt_candidates:
                shares.append(bbox_overlaps(boxes, one, mode='iof', offset=self.offset).amax(dim=1))
            else:
                shares.append(bbox_overlaps(one, boxes, mode='iof', offset=self.offset).amax(dim=0))
        return torch.stack(shares) > self.ignore_iof_thr

    def _assign_by_overlaps(self, overlaps):
        """Steps 2 to 4 for overlaps (N, g, n), g and n > 0; returns gt_inds and max_overlaps, both (N, n)."""
        max_overlaps, best_gt = overlaps.max(dim=1)
        gt_best, gt_best_box = overlaps.max(dim=2, keepdim=True)
        low, high = self.neg_band
        gt_inds = torch.full_like(best_gt, -1)
        gt_inds.masked_fill_((max_overlaps >= low) & (max_overlaps < high), 0)
        gt_inds = torch.where(max_overlaps >= self.pos_iou_thr, best_gt + 1, gt_inds)

        if not self.match_low_quality:
            return gt_inds, max_overlaps
        # Padding and ignored boxes have overlap -1, which no ground truth may claim.
        reaches = (gt_best >= self.min_pos_iou) & (gt_best >= 0)
        if self.gt_max_assign_all:
            claims = (overlaps == gt_best) & reaches
        else:
            claims = torch.zeros_like(overlaps, dtype=torch.bool).scatter_(2, gt_best_box, True) & reaches
        # In the loop of 2019 a later ground truth overwrites: the largest claiming index wins.
        number = torch.arange(1, overlaps.size(1) + 1, dtype=torch.int32, device=claims.device)
        last_claim = torch.where(claims, number[:, None], 0).amax(dim=1).long()
        return torch.where(last_claim > 0, last_claim, gt_inds), max_overlaps

    @staticmethod
    def _labels(gt_inds, gt_labels):
        """Labels (N, n) of assigned boxes, -1 of others, from the labels (N, g) of ground truths."""
        if gt_labels.size(1) == 0:
            return torch.full_like(gt_inds, -1)
        return torch.where(gt_inds > 0, gt_labels.gather(1, (gt_inds - 1).clamp(min=0)), -1)


def assign_images(assigner, bboxes, gt_bboxes, gt_bboxes_ignore, gt_labels=None, valid=None):
    """Assign the boxes of all images: at once with :class:`MaxIoUAssigner`, one by one with another assigner.

    With so many objects that all overlaps at once would take too much memory, it is some images at a time.

    Args:
        assigner: with ``assign`` of :class:`MaxIoUAssigner`.
        bboxes, gt_bboxes, gt_bboxes_ignore, gt_labels, valid: of :meth:`MaxIoUAssigner.assign_batch`.

    Returns:
        list[AssignResult]: of each image.
    """
    results = []
    if getattr(type(assigner), 'assign', None) is MaxIoUAssigner.assign:
        shared = isinstance(bboxes, torch.Tensor)
        pairs = max(map(len, gt_bboxes)) * (len(bboxes) if shared else max(map(len, bboxes)))
        step = max(1, MOST_PAIRS // max(pairs, 1))
        for start in range(0, len(gt_bboxes), step):
            rows = slice(start, start + step)
            others = (
                None if values is None else values[rows]
                for values in (gt_bboxes, gt_bboxes_ignore, gt_labels, valid)
            )
            results += assigner.assign_batch(bboxes if shared else bboxes[rows], *others)
        return results
    for i, gts in enumerate(gt_bboxes):
        boxes = bboxes if isinstance(bboxes, torch.Tensor) else bboxes[i]
        ignored, labels = (None if values is None else values[i] for values in (gt_bboxes_ignore, gt_labels))
        padding = {} if valid is None else {'valid': valid[i]}
        results.append(assigner.assign(boxes, gts, ignored, labels, **padding))
    return results
