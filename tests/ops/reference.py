"""The operators as plain loops over Python numbers (double precision): slow, and easy to believe."""

import math

import numpy as np


def bilinear(plane, y, x):
    """Value of ``plane`` (H, W) at a point; 0 outside [-1, H] x [-1, W]."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * plane[top, left] + dx * plane[top, right]
    lower = (1 - dx) * plane[bottom, left] + dx * plane[bottom, right]
    return float((1 - dy) * upper + dy * lower)


def extent(low, high, scale, mode):
    """Start and length of one axis of a region, in cells."""
    if mode == 'legacy':
        return low * scale, max((high + 1) * scale - low * scale, 0.0)
    # The difference of the scaled edges, as in mmcv and torchvision: its rounding can leave no cell at all.
    shift = 0.5 if mode == 'aligned' else 0.0
    start = low * scale - shift
    length = (high * scale - shift) - start
    return start, length if mode == 'aligned' else max(length, 1.0)


def roi_align(feat, rois, size, scale, ratio, mode):
    """RoIAlign of an array (N, C, H, W) for rois (K, 5): (K, C, size, size)."""
    out = np.zeros((len(rois), feat.shape[1], size, size))
    for k, (image, x1, y1, x2, y2) in enumerate(np.asarray(rois, dtype=float)):
        start_x, width = extent(x1, x2, scale, mode)
        start_y, height = extent(y1, y2, scale, mode)
        bin_w, bin_h = width / size, height / size
        grid_w = ratio or max(math.ceil(bin_w), 0)
        grid_h = ratio or max(math.ceil(bin_h), 0)
        count = grid_w * grid_h if mode == 'legacy' else max(grid_w * grid_h, 1)
        for c in range(feat.shape[1]):
            plane = feat[int(image), c]
            for p in range(size):
                for q in range(size):
                    total = sum(
                        bilinear(
                            plane,
                            start_y + p * bin_h + (i + 0.5) * bin_h / grid_h,
                            start_x + q * bin_w + (j + 0.5) * bin_w / grid_w,
                        )
                        for i in range(grid_h)
                        for j in range(grid_w)
                    )
                    out[k, c, p, q] = total / count if count else float('nan')
    return out


def iou(a, b, offset):
    """IoU of two boxes; 0 where they do not touch or the union is empty."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    area = sum((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b))
    return inter / (area - inter) if area - inter else 0.0


def nms(boxes, scores, threshold, offset=1, groups=None):
    """Greedy suppression: indices that stay, by descending score."""
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    keep = []
    for i in order:
        rivals = [k for k in keep if groups is None or groups[k] == groups[i]]
        if all(iou(boxes[k], boxes[i], offset) <= np.float32(threshold) for k in rivals):
            keep.append(i)
    return keep


def soft_nms(boxes, scores, threshold, sigma, min_score, method, offset=1):
    """Soft suppression: list of (index, new score) in the order they are picked."""
    left = {i: float(score) for i, score in enumerate(scores)}
    picked = []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        picked.append((best, left.pop(best)))
        for i in list(left):
            overlap = iou(boxes[best], boxes[i], offset)
            if overlap <= 0:
                continue
            if method == 'linear':
                left[i] *= 1 - overlap if overlap > threshold else 1
            else:
                left[i] *= math.exp(-(overlap**2) / sigma)
            if left[i] < min_score:
                del left[i]
    return picked
