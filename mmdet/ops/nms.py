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
    return _nms(boxes, scores, None, iou_threshold, offset, 'nms')


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
    return _nms(
        boxes, scores, _check_groups(boxes, idxs, 'batched_nms'), iou_threshold, offset, 'batched_nms'
    )


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
    decayed, keep = run(*arguments)
    order = decayed.sort(descending=True, stable=True).indices
    order = order[keep[order]]
    return torch.cat([wide[order], decayed[order, None]], dim=1).to(boxes.dtype), order


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
    kind, options = read_nms_cfg(nms_cfg)
    groups = torch.zeros_like(labels) if options.pop('class_agnostic', False) else labels
    if kind == 'nms':
        order = batched_nms(kept_boxes, kept_scores, groups, offset=offset, **options)
        dets = torch.cat([kept_boxes[order], kept_scores[order, None]], dim=1)
    else:
        dets, order = soft_nms(kept_boxes, kept_scores, offset=offset, idxs=groups, **options)
    labels, rows = labels[order], rows[order]
    limit = max_per_img if max_per_img >= 0 else dets.shape[0]
    order = labels.sort(stable=True).indices
    if always_sort or dets.shape[0] > limit:
        # Of equal scores in several classes the lower class comes first, as in 2019.
        order = order[dets[order, 4].sort(descending=True, stable=True).indices][:limit]
    return dets[order], labels[order], rows[order]


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
    order = scores.detach().sort(descending=True, stable=True).indices
    wide = boxes.detach() if boxes.dtype == torch.float64 else boxes.detach().float()
    groups = None if groups is None else groups[order]
    run = torch.ops.masktrack.nms_mask if use_compiled(boxes) else _plain.nms_mask
    return order[run(wide[order], groups, float(iou_threshold), int(offset))]


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
