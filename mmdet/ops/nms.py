"""Non-maximum suppression: plain, per class, and soft (Bodla et al., arXiv 1704.04503).

A box is suppressed by a better one if their IoU is *greater* than the threshold, which is compared as
float32, as in the GPU kernel of 2019 (docs/conventions.md, "Proposals"). With ``offset=1`` boxes are
inclusive pixels (width ``x2 - x1 + 1``), with ``offset=0`` continuous.
"""

import torch
from torch import Tensor

from . import _plain
from ._library import LOAD_ERROR, use_compiled
from .constants import SOFT_METHODS


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 1) -> Tensor:
    """Greedy suppression over all boxes.

    Args:
        boxes (Tensor): (n, 4), xyxy, any floating-point type (half types are compared in float32).
        scores (Tensor): (n,).
        iou_threshold (float): boxes whose IoU with a better one exceeds this are removed.
        offset (int): 1 for inclusive pixels, 0 for continuous coordinates.

    Returns:
        Tensor: (k,) int64, indices of the kept boxes, by descending score; ties in the order given.

    Raises:
        TypeError, ValueError: an argument has a wrong type, shape, device or value.
    """
    order, kept = _nms(boxes, scores, None, iou_threshold, offset, 'nms')
    return order[kept]


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, offset: int = 1) -> Tensor:
    """Greedy suppression within each group of boxes, all groups in one call.

    Groups are compared as integers; no coordinates are shifted, so the result is exact for any box.

    Args:
        boxes (Tensor): (n, 4), as in :func:`nms`.
        scores (Tensor): (n,).
        idxs (Tensor): (n,) integers; only boxes of equal idxs suppress each other.
        iou_threshold (float): as in :func:`nms`.
        offset (int): as in :func:`nms`.

    Returns:
        Tensor: (k,) int64, by descending score over all groups.

    Raises:
        TypeError, ValueError: as :func:`nms`.
    """
    groups = _check_groups(boxes, idxs, 'batched_nms')
    order, kept = _nms(boxes, scores, groups, iou_threshold, offset, 'batched_nms')
    return order[kept]


def batched_nms_mask(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, offset: int = 1
) -> Tensor:
    """Which boxes :func:`batched_nms` keeps. The shape is known beforehand, so a GPU does not wait.

    Args:
        boxes, scores, idxs, iou_threshold, offset: as in :func:`batched_nms`.

    Returns:
        Tensor: (n,) bool, in the order given.
    """
    groups = _check_groups(boxes, idxs, 'batched_nms_mask')
    order, kept = _nms(boxes, scores, groups, iou_threshold, offset, 'batched_nms_mask')
    return torch.zeros_like(kept).index_copy_(0, order, kept)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = 'linear',
    offset: int = 1,
    idxs: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Soft suppression: overlap lowers the score of the lower-scoring box instead of removing it.

    As in 2019 a box is dropped only if a better one overlaps it and its new score is below ``min_score``.

    Args:
        boxes (Tensor): (n, 4), as in :func:`nms`.
        scores (Tensor): (n,).
        iou_threshold (float): with ``'linear'``, overlap from which on a score is multiplied by 1 - IoU.
        sigma (float): with ``'gaussian'``, the score is multiplied by exp(-IoU^2 / sigma).
        min_score (float): boxes that fall below are dropped.
        method (str): ``'linear'`` or ``'gaussian'``.
        offset (int): as in :func:`nms`.
        idxs (Tensor | None): (n,) groups, as in :func:`batched_nms`.

    Returns:
        tuple[Tensor, Tensor]: boxes with their new scores (m, 5) and their indices (m,) int64, by descending
        new score.

    Raises:
        TypeError, ValueError: as :func:`nms`; also for an unknown method or a sigma that is not positive.
    """
    wide, decayed, keep = _soft_nms(boxes, scores, iou_threshold, sigma, min_score, method, offset, idxs)
    order = decayed.sort(descending=True, stable=True).indices
    order = order[keep[order]]
    return torch.cat([wide[order], decayed[order, None]], dim=1).to(boxes.dtype), order


def _soft_nms(boxes, scores, iou_threshold, sigma=0.5, min_score=1e-3, method='linear', offset=1, idxs=None):
    """Boxes and new scores in the type of the sums, and which stay (n,), all in the order given."""
    _check_boxes(boxes, scores, iou_threshold, offset, 'soft_nms')
    if method not in SOFT_METHODS:
        raise ValueError(
            f'soft_nms: expected method to be one of {", ".join(map(repr, SOFT_METHODS))}, got {method!r}'
        )
    if not sigma > 0:
        raise ValueError(f'soft_nms: expected sigma > 0, got {sigma}')
    groups = None if idxs is None else _check_groups(boxes, idxs, 'soft_nms')
    wide = boxes.double() if torch.float64 in (boxes.dtype, scores.dtype) else boxes.float()
    arguments = (
        wide.detach().contiguous(),
        scores.detach().to(wide.dtype).contiguous(),
        groups,
        float(iou_threshold),
        float(sigma),
        float(min_score),
        SOFT_METHODS[method],
        int(offset),
    )
    run = torch.ops.masktrack.soft_nms if use_compiled(boxes) else _plain.soft_nms
    return wide, *run(*arguments)


def multiclass_nms(
    boxes: Tensor,
    scores: Tensor,
    score_thr: float,
    nms_cfg: dict,
    max_per_img: int = -1,
    always_sort: bool = False,
    offset: int = 1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Detections of all classes from the output of a box head.

    Detections are ordered by class, then by score; if there are more than ``max_per_img``, by score alone
    (docs/conventions.md, "Order of detections").

    Args:
        boxes (Tensor): (n, 4), or (n, 4 * (C + 1)) with a box per class; the first block is background.
        scores (Tensor): (n, C + 1), column 0 is background.
        score_thr (float): scores must be greater than this.
        nms_cfg (dict): ``type`` ('nms' or 'soft_nms', default 'nms'), ``iou_threshold`` (``iou_thr`` in
            2019), ``class_agnostic`` (False; True: a box also suppresses boxes of other classes) and, for
            'soft_nms', ``sigma``, ``min_score`` and ``method``.
        max_per_img (int): number of detections to keep; negative for all.
        always_sort (bool): sort by score also if there are no more than ``max_per_img``.
        offset (int): as in :func:`nms`.

    Returns:
        tuple[Tensor, Tensor, Tensor]: dets (k, 5) as x1, y1, x2, y2, score; labels (k,) int64 from 0; inds
        (k,) int64, the row of ``boxes`` that each detection comes from.

    Raises:
        TypeError, ValueError: an argument has a wrong type, shape or value.
    """
    images = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    dets, labels, inds, counts = multiclass_nms_of_batch(
        boxes, scores, images, 1, score_thr, nms_cfg, max_per_img, always_sort, offset
    )
    count = int(counts)
    return dets[0, :count], labels[0, :count], inds[0, :count]


def multiclass_nms_of_batch(
    boxes: Tensor,
    scores: Tensor,
    images: Tensor,
    num_images: int,
    score_thr: float,
    nms_cfg: dict,
    max_per_img: int = -1,
    always_sort: bool = False,
    offset: int = 1,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """:func:`multiclass_nms` for all images of a batch; a GPU waits once, for the number of candidates.

    Args:
        boxes, scores: as in :func:`multiclass_nms`, image by image.
        images (Tensor): (n,) int64, image of each row, ascending.
        num_images (int): N.
        score_thr, nms_cfg, max_per_img, always_sort, offset: as in :func:`multiclass_nms`.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: dets (N, D, 5), labels (N, D), inds (N, D) and the number of
        detections of each image (N,). The first ones of a row count, the others are padding; D is
        ``max_per_img``, or less where there are fewer candidates.

    Raises:
        TypeError, ValueError: as :func:`multiclass_nms`.
    """
    columns = scores.shape[-1]
    if scores.dim() != 2 or boxes.shape not in ((len(scores), 4), (len(scores), 4 * columns)):
        raise ValueError(
            f'multiclass_nms: expected boxes (n, 4) or (n, 4 * (C + 1)) and scores (n, C + 1), '
            f'got {tuple(boxes.shape)} and {tuple(scores.shape)}'
        )
    rows, labels = (scores[:, 1:] > score_thr).nonzero(as_tuple=True)
    kept_scores = scores[rows, labels + 1]
    if boxes.shape[1] == 4:
        kept_boxes = boxes[rows]
    else:
        kept_boxes = boxes.reshape(-1, columns, 4)[rows, labels + 1]
    image = images[rows]
    kind, options = read_nms_cfg(nms_cfg)
    groups = image if options.pop('class_agnostic', False) else image * columns + labels
    if kind == 'nms':
        keep = batched_nms_mask(kept_boxes, kept_scores, groups, offset=offset, **options)
    else:
        _, kept_scores, keep = _soft_nms(kept_boxes, kept_scores, offset=offset, idxs=groups, **options)
    counts = torch.zeros(num_images, dtype=torch.int64, device=image.device)
    counts = counts.index_add_(0, image, keep.long())
    size = len(rows) if max_per_img < 0 else min(max_per_img, len(rows))
    by_score = torch.ones_like(counts, dtype=torch.bool) if always_sort else counts > size
    place = torch.where(keep, image, num_images)
    order = _detection_order(place, labels, kept_scores, by_score[image])
    slots = (counts.cumsum(0) - counts)[:, None] + torch.arange(size, device=counts.device)
    chosen = order[slots.clamp(max=max(len(rows) - 1, 0))]
    dets = torch.cat([kept_boxes, kept_scores.to(boxes.dtype)[:, None]], dim=1)
    return dets[chosen], labels[chosen], rows[chosen], counts.clamp(max=size)


def _detection_order(place, labels, scores, by_score):
    """Indices (m,) by place, then by class and score, or by score alone where ``by_score`` is true.

    Of equal scores in several classes the lower class comes first, as in 2019.
    """
    order = scores.sort(descending=True, stable=True).indices
    # Stable sorts: the last one decides first.
    for key, descending in ((labels, False), (torch.where(by_score, scores, 0), True), (place, False)):
        order = order[key[order].sort(descending=descending, stable=True).indices]
    return order


def read_nms_cfg(nms_cfg):
    """Type and arguments of the suppression that a config names.

    Args:
        nms_cfg (dict): ``type`` ('nms' or 'soft_nms') and its arguments.

    Returns:
        tuple[str, dict]: the type; the arguments, with ``iou_threshold``.

    Raises:
        ValueError: the type or an argument is unknown.
    """
    options = dict(nms_cfg)
    kind = options.pop('type', 'nms')
    known = {
        'nms': ('iou_threshold', 'class_agnostic'),
        'soft_nms': ('iou_threshold', 'class_agnostic', 'sigma', 'min_score', 'method'),
    }
    if kind not in known:
        raise ValueError(f"multiclass_nms: expected nms type 'nms' or 'soft_nms', got {kind!r}")
    if 'iou_thr' in options:
        options['iou_threshold'] = options.pop('iou_thr')
    unknown = sorted(set(options) - set(known[kind]))
    if unknown or 'iou_threshold' not in options:
        raise ValueError(
            f'multiclass_nms: expected the keys {", ".join(known[kind])} for nms type {kind!r}, '
            f'got {nms_cfg!r}'
        )
    return kind, options


def _nms(boxes, scores, groups, iou_threshold, offset, name):
    _check_boxes(boxes, scores, iou_threshold, offset, name)
    """Indices by descending score (n,), and which of them stay (n,), in that order."""
    order = scores.detach().sort(descending=True, stable=True).indices
    wide = boxes.detach() if boxes.dtype == torch.float64 else boxes.detach().float()
    groups = None if groups is None else groups[order]
    run = torch.ops.masktrack.nms_mask if use_compiled(boxes) else _plain.nms_mask
    if groups is None or not boxes.is_cuda:
        return order, run(wide[order], groups, float(iou_threshold), int(offset))
    # The CUDA kernel takes group after group: its memory grows with the boxes and not with their square.
    groups, rows = groups.sort(stable=True)
    keep = run(wide[order[rows]], groups, float(iou_threshold), int(offset))
    return order, torch.empty_like(keep).scatter_(0, rows, keep)


def _check_boxes(boxes, scores, iou_threshold, offset, name):
    for label, value in (('boxes', boxes), ('scores', scores)):
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            got = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
            raise TypeError(f'{name}: expected {label} to be a floating-point tensor, got {got}')
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ValueError(f'{name}: expected boxes of shape (n, 4), got {tuple(boxes.shape)}')
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f'{name}: expected scores of shape ({boxes.shape[0]},), got {tuple(scores.shape)}')
    if scores.device != boxes.device:
        raise ValueError(f'{name}: expected scores on {boxes.device}, got {scores.device}')
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f'{name}: expected iou_threshold in [0, 1], got {iou_threshold}')
    if offset not in (0, 1):
        raise ValueError(f'{name}: expected offset 0 or 1, got {offset!r}')


def _check_groups(boxes, idxs, name):
    if not isinstance(idxs, torch.Tensor) or idxs.is_floating_point() or idxs.is_complex():
        got = idxs.dtype if isinstance(idxs, torch.Tensor) else type(idxs).__name__
        raise TypeError(f'{name}: expected idxs to be an integer tensor, got {got}')
    if idxs.shape != boxes.shape[:1]:
        raise ValueError(f'{name}: expected idxs of shape ({boxes.shape[0]},), got {tuple(idxs.shape)}')
    if idxs.device != boxes.device:
        raise ValueError(f'{name}: expected idxs on {boxes.device}, got {idxs.device}')
    return idxs.long().contiguous()


if LOAD_ERROR is None:

    @torch.library.register_fake('masktrack::nms_mask')
    def _fake_nms_mask(boxes, groups, iou_threshold, offset):
        return boxes.new_empty(boxes.shape[0], dtype=torch.bool)

    @torch.library.register_fake('masktrack::soft_nms')
    def _fake_soft_nms(boxes, scores, groups, iou_threshold, sigma, min_score, method, offset):
        return scores.new_empty(scores.shape), boxes.new_empty(boxes.shape[0], dtype=torch.bool)
