"""Box operations: overlaps, delta coding, flips, clips and scales.

Boxes are xyxy float tensors. ``offset=1``, the default, is the convention of 2019: corners are inclusive
pixels and a box is ``x2 - x1 + 1`` wide. ``offset=0`` is the continuous convention of mmdetection 2 and
later and of torchvision, where a box is ``x2 - x1`` wide. See docs/conventions.md, "Inclusive pixels".
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def tensor_like(values: Sequence | float, like: Tensor) -> Tensor:
    """Numbers as a tensor of the type and on the device of ``like``; a GPU does not wait for the copy."""
    return torch.tensor(values, dtype=like.dtype).to(like.device, non_blocking=True)


def _check_boxes(boxes, name, where):
    if boxes.dim() < 2 or boxes.size(-1) < 4:
        raise ValueError(f'{where}: {name} must have shape (n, 4), got {tuple(boxes.shape)}')


def _areas(boxes, offset):
    return (boxes[..., 2] - boxes[..., 0] + offset) * (boxes[..., 3] - boxes[..., 1] + offset)


def _shared_side(bboxes1, bboxes2, axis, offset):
    """Width (axis 0) or height (1) of intersections; in place, as allocating costs more than computing."""
    side = torch.minimum(bboxes1[..., axis + 2], bboxes2[..., axis + 2])
    return side.sub_(torch.maximum(bboxes1[..., axis], bboxes2[..., axis])).add_(offset).clamp_(min=0)


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, mode: str = 'iou', is_aligned: bool = False, offset: int = 1
) -> Tensor:
    """Overlaps of two sets of boxes, or of the sets of several images.

    Args:
        bboxes1 (Tensor): (n, 4), xyxy; or (N, n, 4), set by set.
        bboxes2 (Tensor): (m, 4), xyxy; m == n if ``is_aligned``; or (N, m, 4).
        mode (str): ``'iou'`` (intersection over union) or ``'iof'`` (over the area of ``bboxes1``).
        is_aligned (bool): compare row by row instead of every pair.
        offset (int): 1 for inclusive pixels, 0 for continuous coordinates.

    Returns:
        Tensor: (n, m), or (n,) if ``is_aligned``; (N, n, m) or (N, n) of several sets. With ``offset=1`` the
        'iof' of a box without area is 0/0 = NaN as in 2019; with ``offset=0`` the denominator is at least
        1e-6.

    Raises:
        ValueError: for an unknown mode or invalid shapes.
    """
    if mode not in ('iou', 'iof'):
        raise ValueError(f"bbox_overlaps: mode must be 'iou' or 'iof', got {mode!r}")
    _check_boxes(bboxes1, 'bboxes1', 'bbox_overlaps')
    _check_boxes(bboxes2, 'bboxes2', 'bbox_overlaps')
    if is_aligned and bboxes1.size(-2) != bboxes2.size(-2):
        raise ValueError(
            f'bbox_overlaps: aligned boxes must have equal length, got {bboxes1.size(-2)} and '
            f'{bboxes2.size(-2)}'
        )
    area1, area2 = _areas(bboxes1, offset), _areas(bboxes2, offset)
    if not is_aligned:
        bboxes1, area1 = bboxes1[..., :, None, :], area1[..., :, None]
        bboxes2, area2 = bboxes2[..., None, :, :], area2[..., None, :]
    overlap = _shared_side(bboxes1, bboxes2, 0, offset) * _shared_side(bboxes1, bboxes2, 1, offset)
    denominator = (area1 + area2).sub_(overlap) if mode == 'iou' else area1
    if offset == 0:
        denominator = denominator.clamp(min=1e-6)
    return overlap / denominator


def bbox2delta(
    rois: Tensor,
    gt: Tensor,
    means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    offset: int = 1,
) -> Tensor:
    """Encode boxes relative to reference boxes (inverse of :func:`delta2bbox`; Faster R-CNN, section 3.1.2).

    Args:
        rois (Tensor): (n, 4) reference boxes (anchors or proposals), xyxy.
        gt (Tensor): (n, 4) boxes to encode, xyxy.
        means, stds (Sequence[float]): the four deltas are returned as ``(delta - mean) / std``.
        offset (int): 1 for inclusive pixels, 0 for continuous coordinates.

    Returns:
        Tensor: (n, 4) float deltas ``(dx, dy, dw, dh)``.

    Raises:
        ValueError: if the two shapes differ.
    """
    if rois.shape != gt.shape:
        raise ValueError(
            f'bbox2delta: boxes of equal shape expected, got {tuple(rois.shape)} and {tuple(gt.shape)}'
        )
    rois, gt = rois.float(), gt.float()
    roi_size = rois[:, 2:] - rois[:, :2] + offset
    gt_size = gt[:, 2:] - gt[:, :2] + offset
    shift = ((gt[:, :2] + gt[:, 2:]) * 0.5 - (rois[:, :2] + rois[:, 2:]) * 0.5) / roi_size
    deltas = torch.cat([shift, torch.log(gt_size / roi_size)], dim=1)
    return (deltas - tensor_like(means, deltas)) / tensor_like(stds, deltas)


def delta2bbox(
    rois: Tensor,
    deltas: Tensor,
    means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    max_shape: Sequence[int] | Tensor | None = None,
    wh_ratio_clip: float = 16 / 1000,
    offset: int = 1,
    clip_shrinking: bool = True,
) -> Tensor:
    """Decode deltas to boxes (docs/conventions.md, "Box decoding").

    Args:
        rois (Tensor): (n, 4) reference boxes, xyxy.
        deltas (Tensor): (n, 4) or (n, 4 * k) for k classes.
        means, stds (Sequence[float]): the coder's normalization.
        max_shape (tuple | Tensor | None): (h, w) to clip the boxes to, or a tensor (n, 2) with one (h, w)
            per row; None: no clipping.
        wh_ratio_clip (float): the log-scale of width and height is limited to ``+-|ln(wh_ratio_clip)|``.
        offset (int): 1 for inclusive pixels (clip to ``[0, W - 1]``), 0 for continuous ones (``[0, W]``).
        clip_shrinking (bool): ``wh_ratio_clip`` also limits shrinking; torchvision limits only growth.

    Returns:
        Tensor: boxes of the shape of ``deltas``.

    Raises:
        ValueError: for invalid shapes.
    """
    if deltas.dim() != 2 or deltas.size(1) % 4 or len(deltas) != len(rois):
        raise ValueError(
            f'delta2bbox: deltas must have shape ({len(rois)}, 4 * k), got {tuple(deltas.shape)}'
        )
    deltas = deltas.view(len(deltas), deltas.size(1) // 4, 4)
    deltas = deltas * tensor_like(stds, deltas) + tensor_like(means, deltas)
    limit = abs(math.log(wh_ratio_clip))
    center = ((rois[:, :2] + rois[:, 2:4]) * 0.5).unsqueeze(1)
    size = (rois[:, 2:4] - rois[:, :2] + offset).unsqueeze(1)
    new_size = size * deltas[..., 2:].clamp(-limit if clip_shrinking else None, limit).exp()
    new_center = center + size * deltas[..., :2]
    half = 0.5 * offset
    boxes = torch.cat([new_center - new_size * 0.5 + half, new_center + new_size * 0.5 - half], dim=-1)
    boxes = boxes.flatten(1)
    return boxes if max_shape is None else bbox_clip(boxes, max_shape, offset)


def bbox_clip(bboxes: Tensor, img_shape: Sequence[int] | Tensor, offset: int = 1) -> Tensor:
    """Clip boxes to an image.

    Args:
        bboxes (Tensor): (n, 4 * k), xyxy.
        img_shape (tuple | Tensor): (h, w, ...), or a tensor (n, 2) with one (h, w) per row.
        offset (int): x is clipped to ``[0, w - offset]`` and y to ``[0, h - offset]``.

    Returns:
        Tensor: the clipped boxes, in a new tensor of the same shape.
    """
    boxes = bboxes.reshape(*bboxes.shape[:-1], bboxes.size(-1) // 2, 2)
    if isinstance(img_shape, torch.Tensor) and img_shape.dim() == 2:
        limit = (img_shape.flip(1).to(boxes) - offset).unsqueeze(1)
        return torch.minimum(boxes.clamp(min=0), limit).reshape(bboxes.shape)
    height, width = (float(side) for side in img_shape[:2])
    x = boxes[..., 0].clamp(0, width - offset)
    y = boxes[..., 1].clamp(0, height - offset)
    return torch.stack([x, y], dim=-1).reshape(bboxes.shape)


def bbox_flip(bboxes: Tensor, img_shape: Sequence[int], offset: int = 1) -> Tensor:
    """Mirror boxes left to right.

    Args:
        bboxes (Tensor): (..., 4 * k), xyxy.
        img_shape (tuple): (h, w, ...) of the image.
        offset (int): 1 for inclusive pixels (``x' = w - x - 1``), 0 for continuous ones (``x' = w - x``).

    Returns:
        Tensor: the mirrored boxes, in a new tensor.

    Raises:
        ValueError: if the last dimension is not a multiple of 4.
    """
    if bboxes.size(-1) % 4:
        raise ValueError(f'bbox_flip: the last dimension must be 4 * k, got {tuple(bboxes.shape)}')
    flipped = bboxes.clone()
    flipped[..., 0::4] = img_shape[1] - bboxes[..., 2::4] - offset
    flipped[..., 2::4] = img_shape[1] - bboxes[..., 0::4] - offset
    return flipped


def bboxes_to_rois(bbox_list: Sequence[Tensor]) -> Tensor:
    """Join the boxes of several images into one tensor of RoIs.

    Args:
        bbox_list (list[Tensor]): (n_i, 4) boxes of image i; n_i may be 0.

    Returns:
        Tensor: (sum n_i, 5) rows of ``[image index, x1, y1, x2, y2]``.
    """
    boxes = torch.cat([boxes[:, :4] for boxes in bbox_list])
    counts = torch.tensor([len(one) for one in bbox_list])
    images = torch.arange(len(bbox_list), dtype=boxes.dtype).repeat_interleave(counts)
    return torch.cat([images.to(boxes.device, non_blocking=True)[:, None], boxes], dim=1)


def _scale_vector(bboxes, scale_factor):
    if isinstance(scale_factor, int | float):
        return float(scale_factor)
    if isinstance(scale_factor, torch.Tensor):
        return scale_factor.repeat(1, bboxes.size(-1) // scale_factor.size(-1))
    factor = [float(value) for value in scale_factor]
    if len(factor) not in (2, 4):
        raise ValueError(f'scale_factor must be a number, (w, h) or four numbers, got {scale_factor!r}')
    return tensor_like(factor * (4 // len(factor)), bboxes).repeat(bboxes.size(-1) // 4)


def scale_bboxes(bboxes: Tensor, scale_factor: float | Sequence[float]) -> Tensor:
    """Multiply boxes (n, 4 * k) by a scale: a number, or (width scale, height scale)."""
    return bboxes * _scale_vector(bboxes, scale_factor)


def unscale_bboxes(bboxes: Tensor, scale_factor: float | Sequence[float] | Tensor) -> Tensor:
    """Divide boxes (n, 4 * k) by a scale: a number, (width scale, height scale), or (n, 2), one for each row.

    This divides instead of multiplying with the inverse, as float32 results must be bit-equal to those of
    2019: mask pasting truncates them to integers (docs/conventions.md, "Mask pasting").
    """
    return bboxes / _scale_vector(bboxes, scale_factor)
