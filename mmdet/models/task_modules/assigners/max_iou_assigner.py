"""Assignment by overlap thresholds, with a best box for every ground truth."""

import torch

from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps

from .assign_result import AssignResult


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
        bboxes = bboxes[:, :4]
        ignored = self._ignored(bboxes, gt_bboxes_ignore)
        if valid is not None:
            ignored = ~valid if ignored is None else ignored | ~valid
        if len(bboxes) == 0 or len(gt_bboxes) == 0:
            gt_inds = bboxes.new_zeros(len(bboxes), dtype=torch.int64)
            max_overlaps = bboxes.new_zeros(len(bboxes))
            if ignored is not None:
                gt_inds.masked_fill_(ignored, -1)
                max_overlaps.masked_fill_(ignored, -1)
        else:
            overlaps = bbox_overlaps(gt_bboxes, bboxes, offset=self.offset)
            if ignored is not None:
                overlaps.masked_fill_(ignored, -1)
            gt_inds, max_overlaps = self._assign_by_overlaps(overlaps)
        labels = None if gt_labels is None else self._labels(gt_inds, gt_labels)
        return AssignResult(len(gt_bboxes), gt_inds, max_overlaps, labels)

    def _ignored(self, bboxes, regions):
        """(n,) bool of the boxes in ignored regions, or None if there are no such regions."""
        if self.ignore_iof_thr <= 0 or regions is None or len(regions) == 0 or len(bboxes) == 0:
            return None
        if self.ignore_wrt_candidates:
            share = bbox_overlaps(bboxes, regions, mode='iof', offset=self.offset).amax(dim=1)
        else:
            share = bbox_overlaps(regions, bboxes, mode='iof', offset=self.offset).amax(dim=0)
        return share > self.ignore_iof_thr

    def _assign_by_overlaps(self, overlaps):
        """Steps 2 to 4 for overlaps (g, n), g and n > 0; returns gt_inds (n,) and max_overlaps (n,)."""
        max_overlaps, best_gt = overlaps.max(dim=0)
        gt_best, gt_best_box = overlaps.max(dim=1)
        low, high = self.neg_band
        gt_inds = torch.full_like(best_gt, -1)
        gt_inds.masked_fill_((max_overlaps >= low) & (max_overlaps < high), 0)
        gt_inds = torch.where(max_overlaps >= self.pos_iou_thr, best_gt + 1, gt_inds)

        if not self.match_low_quality:
            return gt_inds, max_overlaps
        reaches = (gt_best >= self.min_pos_iou)[:, None]
        if self.gt_max_assign_all:
            claims = (overlaps == gt_best[:, None]) & reaches
        else:
            claims = (
                torch.zeros_like(overlaps, dtype=torch.bool).scatter_(1, gt_best_box[:, None], True) & reaches
            )
        # In the loop of 2019 a later ground truth overwrites: the largest claiming index wins.
        number = torch.arange(1, len(claims) + 1, dtype=torch.int32, device=claims.device)
        last_claim = torch.where(claims, number[:, None], 0).amax(dim=0).long()
        return torch.where(last_claim > 0, last_claim, gt_inds), max_overlaps

    @staticmethod
    def _labels(gt_inds, gt_labels):
        if len(gt_labels) == 0:
            return torch.full_like(gt_inds, -1)
        return torch.where(gt_inds > 0, gt_labels[(gt_inds - 1).clamp(min=0)], -1)
