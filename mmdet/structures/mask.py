"""Mask targets for training, and pasting of predicted masks into the image.

``convention`` selects one of three (docs/conventions.md, "Mask targets", "Mask pasting"):

* ``'legacy'`` (2019, the default): boxes are truncated to whole pixels and include their last one; targets
  are OpenCV's uint8 bilinear resize of the crop, predictions OpenCV's float resize to the box.
* ``'continuous'`` (mmdetection 2 and later): targets are an aligned RoIAlign of the mask, thresholded at 0.5;
  predictions are sampled at the pixel centers of the image with the exact box, zero outside the 28x28 grid.
* ``'torchvision'``: soft RoIAlign targets (not aligned); predictions padded by one cell, boxes widened to
  match and truncated to whole pixels.

torch is imported inside functions, so that this module can be imported without it.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .rle import pack_counts

if TYPE_CHECKING:
    from torch import Tensor

MASK_CONVENTIONS = ('legacy', 'continuous', 'torchvision')


def check_mask_convention(convention: str, where: str) -> None:
    """Raise a ValueError that names the caller if the convention is unknown."""
    if convention not in MASK_CONVENTIONS:
        raise ValueError(f'{where}: mask_convention must be one of {MASK_CONVENTIONS}, got {convention!r}')


# ---------------------------------------------------------------------------------------------------- targets


def mask_targets(
    masks: 'Tensor | Sequence[Tensor]',
    boxes: 'Tensor | Sequence[Tensor]',
    gt_inds: 'Tensor | Sequence[Tensor]',
    size: int = 28,
    convention: str = 'legacy',
) -> 'Tensor':
    """Training targets of the mask head: each box's part of its object's mask, resized to a square.

    Args:
        masks (Tensor | Sequence[Tensor]): (G, H, W) uint8 of 0 and 1, in the pixels of the padded network
            input; or one of each image, all three arguments alike.
        boxes (Tensor | Sequence[Tensor]): (n, 4) xyxy in the same pixels.
        gt_inds (Tensor | Sequence[Tensor]): (n,) int64, index of the mask of each box.
        size (int): side of the target.
        convention (str): see the module. ``'legacy'`` is bit-equal to the 2019 code; an empty crop, on which
            that code crashed, gives a target of zeros (docs/conventions.md, "Mask targets").

    Returns:
        Tensor: (n, size, size) float32; 0 or 1, or values between for ``'torchvision'``. Image by image.

    Raises:
        ValueError: if the convention is unknown or the lengths disagree.
    """
    import torch

    check_mask_convention(convention, 'mask_targets')
    images = [(masks, boxes, gt_inds)] if isinstance(masks, torch.Tensor) else [*zip(masks, boxes, gt_inds)]
    for _, one, inds in images:
        if len(one) != len(inds):
            raise ValueError(f'mask_targets: {len(one)} boxes but {len(inds)} object indices')
    if len({one.shape[1:] for one, _, _ in images}) > 1:  # images that are padded to different sizes
        return torch.cat([mask_targets(*image, size, convention) for image in images])
    # Masks of one size: those of an image are numbered after those of the images before.
    starts = itertools.accumulate((len(one) for one, _, _ in images), initial=0)
    numbered = [(one, box, inds + start) for (one, box, inds), start in zip(images, starts)]
    masks, boxes, gt_inds = (torch.cat(parts) for parts in zip(*numbered))
    if not len(boxes):
        return torch.zeros((0, size, size), dtype=torch.float32, device=boxes.device)
    if convention == 'legacy':
        return _crop_and_resize(masks, boxes, gt_inds, size)

    from mmdet.ops import roi_align

    rois = torch.cat([gt_inds.to(boxes.dtype)[:, None], boxes], dim=1).float()
    mode = 'aligned' if convention == 'continuous' else 'unaligned'
    targets = roi_align(masks[:, None].float(), rois, size, 1.0, 0, mode)[:, 0]
    return (targets >= 0.5).float() if convention == 'continuous' else targets


def _crop_and_resize(masks, boxes, gt_inds, size):
    """OpenCV's fixed-point bilinear resize of uint8, for all boxes at once: four gathers, integer sums."""
    import torch

    height, width = masks.shape[-2:]
    corner = boxes.to(torch.int64)  # truncates toward zero, as the 2019 int cast
    extent = (corner[:, 2:] - corner[:, :2] + 1).clamp(min=1)
    x1, x2 = (corner[:, 0]).clamp(0, width), (corner[:, 0] + extent[:, 0]).clamp(0, width)
    y1, y2 = (corner[:, 1]).clamp(0, height), (corner[:, 1] + extent[:, 1]).clamp(0, height)
    filled = (x2 > x1) & (y2 > y1)

    left, right, a0, a1 = _fixed_point_taps(x2 - x1, size, stop_at_border=True)  # each (n, size)
    top, bottom, b0, b1 = _fixed_point_taps(y2 - y1, size, stop_at_border=False)
    pixels = masks.reshape(-1)
    first = gt_inds * (height * width)
    left, right = (x1[:, None] + left).clamp(max=width - 1), (x1[:, None] + right).clamp(max=width - 1)
    above, below = (
        (y1[:, None] + row).clamp(max=height - 1) * width + first[:, None] for row in (top, bottom)
    )

    def across(row):  # (n, size) offsets of a row -> (n, size, size) interpolated along x, scaled by 2048
        one = pixels[row[:, :, None] + left[:, None, :]].to(torch.int32)
        two = pixels[row[:, :, None] + right[:, None, :]].to(torch.int32)
        return one * a0[:, None, :] + two * a1[:, None, :]

    upper, lower = across(above) >> 4, across(below) >> 4
    value = ((b0[:, :, None] * upper >> 16) + (b1[:, :, None] * lower >> 16) + 2) >> 2
    return value.float() * filled[:, None, None]


def _fixed_point_taps(extent, size, stop_at_border):
    """The two source cells of every target cell and their weights in 2048ths, as OpenCV computes them.

    Along x OpenCV sets the weights to (1, 0) where a tap would leave the image; along y it repeats the
    border row and keeps both weights, which rounds differently.

    Args:
        extent (Tensor): (n,) int64 lengths of the sources.
        size (int): length of the target.
        stop_at_border (bool): the rule of x.

    Returns:
        tuple[Tensor]: indices int64 (n, size) twice, weights int32 (n, size) twice.
    """
    import torch

    last = (extent - 1).clamp(min=0)[:, None]
    scale = 1.0 / (size / extent.clamp(min=1).double())
    center = torch.arange(size, device=extent.device, dtype=torch.float64) + 0.5
    # The order of roundings matters: double arithmetic, one cast to float, the fraction in float.
    position = (center[None] * scale[:, None] - 0.5).float()
    cell = position.floor()
    fraction = position - cell
    cell = cell.to(torch.int64)
    if stop_at_border:
        fraction = fraction.masked_fill((cell < 0) | (cell >= last), 0.0)
    near = (1.0 - fraction).mul(2048).round().to(torch.int32)
    far = fraction.mul(2048).round().to(torch.int32)
    return torch.minimum(cell.clamp(min=0), last), torch.minimum((cell + 1).clamp(min=0), last), near, far


# ------------------------------------------------------------------------------------------------------ paste


def paste_masks(
    probs: 'Tensor | np.ndarray',
    boxes: 'Tensor | np.ndarray',
    img_shape: Sequence[int],
    threshold: float = 0.5,
    convention: str = 'legacy',
) -> list[dict]:
    """Turn predicted mask probabilities into RLE masks of the image. Only pixels of the box are computed.

    Args:
        probs (Tensor | np.ndarray): (n, h, w) probabilities of each object's own class.
        boxes (Tensor | np.ndarray): (n, 4) xyxy in pixels of the output image.
        img_shape (Sequence[int]): (H, W) of the output image.
        threshold (float): a pixel belongs to the object above it (``'continuous'``: from it on).
        convention (str): see the module.

    Returns:
        list[dict]: n COCO RLEs of size [H, W]. A box that is not finite or lies outside gives an empty mask.

    Raises:
        ValueError: if the convention is unknown or the lengths disagree.
    """
    check_mask_convention(convention, 'paste_masks')
    probs, boxes = (
        value.detach().cpu().numpy() if hasattr(value, 'detach') else np.asarray(value)
        for value in (probs, boxes)
    )
    if len(probs) != len(boxes):
        raise ValueError(f'paste_masks: {len(probs)} masks but {len(boxes)} boxes')
    height, width = int(img_shape[0]), int(img_shape[1])
    region_of = {
        'legacy': _legacy_region,
        'continuous': _continuous_region,
        'torchvision': _torchvision_region,
    }[convention]
    results = []
    for prob, box in zip(probs.astype(np.float32, copy=False), boxes):
        if np.isfinite(box).all():
            region, x1, y1 = region_of(prob, box, height, width, threshold)
        else:
            region, x1, y1 = np.zeros((0, 0), bool), 0, 0
        results.append(encode_region(region, x1, y1, height, width))
    return results


def encode_region(region: np.ndarray, x1: int, y1: int, height: int, width: int) -> dict:
    """RLE of a mask that is empty outside a rectangle, without building the whole mask.

    Args:
        region (np.ndarray): (h, w) bool, the rectangle.
        x1, y1 (int): its upper left pixel; the rectangle must lie inside the image.
        height, width (int): size of the image.

    Returns:
        dict: COCO RLE, equal to :func:`encode_mask` of the whole image.

    Raises:
        ValueError: if the rectangle leaves the image.
    """
    h, w = region.shape
    if region.size and not (0 <= x1 <= width - w and 0 <= y1 <= height - h):
        raise ValueError(
            f'encode_region: a region of {h} x {w} at x {x1}, y {y1} leaves the image {height} x {width}'
        )
    columns = np.zeros((w, h + 2), np.uint8)
    columns[:, 1:-1] = region.T
    # In every column the framed mask goes up and down equally often: borders alternate between start and end.
    column, row = np.divmod(np.flatnonzero(columns[:, 1:] != columns[:, :-1]), h + 1)
    border = (column + x1) * height + row + y1
    if h == height and len(border):  # a run down to the last row goes on in the next column's first
        joined = np.flatnonzero(border[1:-1:2] == border[2::2]) * 2 + 1
        border = np.delete(border, np.concatenate([joined, joined + 1]))
    end = [] if len(border) and border[-1] == height * width else [height * width]
    counts = np.diff(np.concatenate([[0], border, end]).astype(np.int64))
    return pack_counts(counts.tolist(), height, width)


def _legacy_region(prob, box, height, width, threshold):
    x1, y1, x2, y2 = (int(side) for side in box)  # truncates toward zero
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    return _resized_region(prob, x1, y1, w, h, height, width, threshold)


def _torchvision_region(prob, box, height, width, threshold):
    side = np.array(prob.shape[::-1], np.float32)  # (w, h) of the prediction
    padded = np.pad(prob, 1)
    center, half = (box[2:] + box[:2]) * 0.5, (box[2:] - box[:2]) * 0.5 * ((side + 2) / side)
    x1, y1 = (int(value) for value in center - half)
    x2, y2 = (int(value) for value in center + half)
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    return _resized_region(padded, x1, y1, w, h, height, width, threshold)


def _resized_region(prob, x1, y1, w, h, height, width, threshold):
    """Resize ``prob`` to (h, w) at (x1, y1), half-pixel centers, border repeated, and cut it to the image."""
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x1 + w, width), min(y1 + h, height)
    if right <= left or bottom <= top:
        return np.zeros((0, 0), bool), 0, 0
    if (left, top, right, bottom) == (x1, y1, x1 + w, y1 + h):
        return cv2.resize(prob, (w, h), interpolation=cv2.INTER_LINEAR) > threshold, left, top
    # Predicted boxes are clipped. For others resize only the visible part, as the box may be huge.
    columns = (np.arange(left, right) - float(x1) + 0.5) * (prob.shape[1] / w) - 0.5
    rows = (np.arange(top, bottom) - float(y1) + 0.5) * (prob.shape[0] / h) - 0.5
    columns, rows = np.clip(columns, 0, prob.shape[1] - 1), np.clip(rows, 0, prob.shape[0] - 1)
    return _sample(prob, columns, rows) > threshold, left, top


def _continuous_region(prob, box, height, width, threshold):
    x1, y1, x2, y2 = (float(side) for side in box)
    # Pixels up to one cell outside the box still depend on the border cells.
    reach_x, reach_y = (x2 - x1) / prob.shape[1], (y2 - y1) / prob.shape[0]
    left, right = _pixel_range(x1 - reach_x, x2 + reach_x, width)
    top, bottom = _pixel_range(y1 - reach_y, y2 + reach_y, height)
    if x2 <= x1 or y2 <= y1 or right <= left or bottom <= top:
        return np.zeros((0, 0), bool), 0, 0
    columns = (np.arange(left, right) + 0.5 - x1) / (x2 - x1) * prob.shape[1] - 0.5
    rows = (np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * prob.shape[0] - 0.5
    # Padded by zeros, everything within one cell of the grid is an ordinary interpolation.
    inside = np.clip(columns + 1, 0, prob.shape[1] + 1), np.clip(rows + 1, 0, prob.shape[0] + 1)
    return _sample(np.pad(prob, 1), *inside) >= threshold, left, top


def _pixel_range(low, high, limit):
    """First and last-plus-one pixel whose center may lie between two coordinates, inside 0..limit."""
    return int(np.floor(np.clip(low, 0, limit))), int(np.ceil(np.clip(high, 0, limit)))


def _sample(grid, columns, rows):
    """Bilinear samples of ``grid`` where ``rows`` and ``columns`` cross: (rows, columns) float32."""

    def taps(position, length):
        near = np.minimum(position.astype(np.int64), max(length - 2, 0))
        return near, np.minimum(near + 1, length - 1), (position - near).astype(np.float32)

    left, right, along = taps(columns, grid.shape[1])
    top, bottom, down = taps(rows, grid.shape[0])
    across = grid[:, left] * (1 - along) + grid[:, right] * along
    return across[top] * (1 - down)[:, None] + across[bottom] * down[:, None]
