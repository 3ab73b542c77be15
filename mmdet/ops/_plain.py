"""The operators in plain PyTorch: the fallback without a compiled library, and the reference for the kernels.

Arithmetic and order of operations are those of ``csrc/roi_align.h`` and ``csrc/nms.h``, so that both paths
give the same numbers.
"""

import numpy as np
import torch

from .constants import ALIGNED, GAUSSIAN, LEGACY, MAX_GRID, UNALIGNED


def is_channels_last(feat):
    """Whether memory of ``feat`` (N, C, H, W) runs over channels first; csrc/roi_align_args.h agrees."""
    return feat.shape[1] > 1 and feat.stride(1) == 1 and not feat.is_contiguous()


def _axis(low, high, scale, pooled, sampling_ratio, mode):
    """Start, bin size and cells per bin of one axis of K regions, each of shape (K,)."""
    if mode == LEGACY:
        start = low * scale
        extent = (high + 1) * scale - start
        extent = torch.where(extent > 0, extent, torch.zeros_like(extent))
    else:
        shift = 0.5 if mode == ALIGNED else 0.0
        start = low * scale - shift
        extent = (high * scale - shift) - start
        if mode == UNALIGNED:
            extent = torch.where(extent > 1, extent, torch.ones_like(extent))
    size = extent / pooled
    if sampling_ratio > 0:
        return start, size, torch.full_like(start, sampling_ratio)
    cells = size.ceil()
    cells = torch.where(torch.isfinite(cells) & (cells > 0), cells, torch.zeros_like(cells))
    return start, size, cells.clamp(max=float(MAX_GRID))


def _coordinates(axis, bins, cell):
    """Coordinate of cell number ``cell`` (K, bins) of every bin: (K, bins)."""
    start, size, grid = (value[:, None] for value in axis)
    return (start + bins * size) + (cell + 0.5) * size / grid


def _first_cell(axis, bins, below):
    """First cell of each bin whose coordinate is not ``below``: (K, bins); they never decrease, so bisect."""
    low = torch.zeros_like(axis[0])[:, None] + torch.zeros_like(bins)
    high = torch.zeros_like(low) + axis[2][:, None]
    for _ in range(MAX_GRID.bit_length()):
        middle = torch.floor((low + high) / 2)
        open_ = low < high
        smaller = below(_coordinates(axis, bins, middle))
        low = torch.where(open_ & smaller, middle + 1, low)
        high = torch.where(open_ & ~smaller, middle, high)
    return low


def _taps(axis, pooled, size):
    """Samples of one axis, in rounds: round i holds the i-th sample inside the map of each bin.

    Yields:
        tuple: ``inside`` bool, ``low`` and ``high`` int64, ``w_low`` and ``w_high``; each (K, pooled).
    """
    bins = torch.arange(pooled, dtype=axis[0].dtype, device=axis[0].device)[None]
    first = torch.zeros_like(axis[0])[:, None] + torch.zeros_like(bins)
    last = axis[2][:, None]
    if axis[2].numel() and axis[2].max() > 32:
        # A reversed region (negative size) has a fixed, hence short, grid; its coordinates fall.
        rising = axis[1][:, None] >= 0
        first = torch.where(rising, _first_cell(axis, bins, lambda v: ~(v >= -1)), first)
        last = torch.where(rising, _first_cell(axis, bins, lambda v: ~(v > size)), last)
    rounds = int((last - first).max()) if first.numel() else 0
    for i in range(rounds):
        cell = first + i
        v = _coordinates(axis, bins, cell)
        inside = (cell < last) & (v >= -1) & (v <= size)
        v = torch.where(inside, v, torch.zeros_like(v)).clamp(min=0)
        low = v.floor().clamp(max=size - 1)
        at_edge = low >= size - 1
        v = torch.where(at_edge, low, v)
        high = torch.where(at_edge, low, low + 1)
        w_high = v - low
        yield inside, low.long(), high.long(), 1 - w_high, w_high


def _roi_align_level(feat, rois, scale, output_size, sampling_ratio, mode):
    """RoIAlign of one map: feat (N, C, H, W) and rois (K, 5) in the type of the sums -> (K, h, w, C)."""
    batch, channels, height, width = feat.shape
    pooled_h, pooled_w = output_size
    count = rois.shape[0]
    axis_y = _axis(rois[:, 2], rois[:, 4], scale, pooled_h, sampling_ratio, mode)
    axis_x = _axis(rois[:, 1], rois[:, 3], scale, pooled_w, sampling_ratio, mode)
    samples = axis_y[2] * axis_x[2]
    # A region without cells along one axis reads nothing along the other.
    empty = samples == 0
    axis_y, axis_x = (
        (start, size, torch.where(empty, torch.zeros_like(grid), grid))
        for start, size, grid in (axis_y, axis_x)
    )
    pixels = feat.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    base = rois[:, 0].long()[:, None, None] * (height * width)
    total = feat.new_zeros(count, pooled_h, pooled_w, channels)
    columns = list(_taps(axis_x, pooled_w, width))
    for inside_y, y_low, y_high, wy_low, wy_high in _taps(axis_y, pooled_h, height):
        for inside_x, x_low, x_high, wx_low, wx_high in columns:
            value = 0
            for y, wy in ((y_low, wy_low), (y_high, wy_high)):
                for x, wx in ((x_low, wx_low), (x_high, wx_high)):
                    row = base + y[:, :, None] * width + x[:, None, :]
                    corner = pixels.index_select(0, row.reshape(-1)).reshape(total.shape)
                    value = value + (wy[:, :, None] * wx[:, None, :])[..., None] * corner
            inside = (inside_y[:, :, None] & inside_x[:, None, :])[..., None]
            total = total + torch.where(inside, value, torch.zeros_like(value))
    if mode != LEGACY:
        samples = samples.clamp(min=1)
    samples = samples[:, None, None, None]
    # 0 / 0 is NaN in the legacy mode; dividing by 1 instead keeps that NaN out of the gradient.
    mean = total / torch.where(samples == 0, torch.ones_like(samples), samples)
    return torch.where(samples == 0, torch.full_like(mean, float('nan')), mean)


def roi_align(feats, rois, levels, scales, output_size, sampling_ratio, mode):
    """RoIAlign of a pyramid; arguments as for the operator. Differentiable in ``feats`` by autograd."""
    dtype = torch.float64 if feats[0].dtype == torch.float64 else torch.float32
    out = feats[0].new_zeros(rois.shape[0], *output_size, feats[0].shape[1])
    for index, (feat, scale) in enumerate(zip(feats, scales)):
        rows = (
            torch.arange(rois.shape[0], device=rois.device)
            if levels is None
            else (levels == index).nonzero()[:, 0]
        )
        out = out + feat[:0].sum()  # zero, so that a map without regions still gets a gradient
        if rows.numel() == 0:
            continue
        scale = torch.tensor(scale, dtype=dtype, device=rois.device)
        part = _roi_align_level(feat.to(dtype), rois[rows], scale, output_size, sampling_ratio, mode)
        out = out.index_copy(0, rows, part.to(out.dtype))
    out = out.permute(0, 3, 1, 2)
    return out if is_channels_last(feats[0]) else out.contiguous()


def _overlaps(rows, boxes, offset):
    """IoU of ``rows`` (m, 4) with ``boxes`` (n, 4): the IoU (m, n) and the intersection (m, n)."""
    area_rows = (rows[:, 2] - rows[:, 0] + offset) * (rows[:, 3] - rows[:, 1] + offset)
    area = (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)
    low = torch.maximum(rows[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(rows[:, None, 2:], boxes[None, :, 2:])
    extent = (high - low + offset).clamp(min=0)
    inter = extent[..., 0] * extent[..., 1]
    return inter / (area_rows[:, None] + area[None] - inter), inter


def nms_mask(boxes, groups, iou_threshold, offset):
    """Greedy suppression of boxes (n, 4) in descending score: bool (n,), True where a box stays."""
    n = boxes.shape[0]
    threshold = float(np.float32(iou_threshold))
    removed = np.zeros(n, dtype=bool)
    block = 512  # rows of the overlap matrix at a time, so that memory grows with n and not with its square
    for begin in range(0, n, block):
        rows = slice(begin, min(begin + block, n))
        above = _overlaps(boxes[rows], boxes[begin:], offset)[0] > threshold
        if groups is not None:
            above &= groups[rows, None] == groups[None, begin:]
        above = above.cpu().numpy()
        for i in range(above.shape[0]):
            if not removed[begin + i]:
                removed[begin + i + 1 :] |= above[i, i + 1 :]
    return torch.from_numpy(~removed).to(boxes.device)


def soft_nms(boxes, scores, groups, iou_threshold, sigma, min_score, method, offset):
    """Soft suppression: decayed scores (n,) and True where a box stays (n,). Arguments as of the operator."""
    device = boxes.device
    boxes, scores = boxes.cpu(), scores.cpu().clone()
    kind = boxes.numpy().dtype.type
    threshold, sigma, min_score = kind(np.float32(iou_threshold)), kind(sigma), kind(min_score)
    keep = torch.zeros(boxes.shape[0], dtype=torch.bool)
    values = scores.numpy()
    ids = np.zeros(len(values), dtype=np.int64) if groups is None else groups.cpu().numpy()
    for group in np.unique(ids):
        left = np.flatnonzero(ids == group)
        while left.size:
            ranked = np.where(np.isnan(values[left]), -np.inf, values[left])
            best = left[int(ranked.argmax())]
            keep[best] = True
            left = left[left != best]
            iou, inter = _overlaps(boxes[best : best + 1], boxes[left], offset)
            iou, touched = iou[0].numpy(), (inter[0] > 0).numpy()
            if method == GAUSSIAN:
                weight = np.exp((-(iou * iou) / sigma).astype(np.float64)).astype(kind)
            else:
                weight = np.where(iou > threshold, kind(1) - iou, kind(1))
            values[left] = np.where(touched, values[left] * weight, values[left])
            left = left[~(touched & (values[left] < min_score))]
    return scores.to(device), keep.to(device)
