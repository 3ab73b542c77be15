"""Resizing, flipping and jittering: images, boxes and masks move together."""

import cv2
import numpy as np

from mmdet.registry import TRANSFORMS

from .base import BOX_KEYS, FrameTransform, clip_boxes


def rescaled_size(shape, scale, round_down=False):
    """Keep-ratio size of an image and the ratio itself (docs/conventions.md, "Images").

    Args:
        shape (tuple[int, int]): (h, w).
        scale (tuple[int, int]): longest and shortest edge allowed, in any order.
        round_down (bool): sizes are ``int(edge * ratio)``, as in torchvision.

    Returns:
        tuple: ((new w, new h), ratio); sizes are ``int(edge * ratio + 0.5)``, the ratio is exact.
    """
    height, width = shape
    ratio = min(max(scale) / max(height, width), min(scale) / min(height, width))
    if round_down:
        return (int(width * ratio), int(height * ratio)), ratio
    return (int(width * ratio + 0.5), int(height * ratio + 0.5)), ratio


def resize_masks(masks, size):
    """Nearest-neighbor resize of uint8 masks (n, H, W) to ``size`` (w, h)."""
    if masks.shape[1:] == (size[1], size[0]):
        return masks
    resized = np.empty((len(masks), size[1], size[0]), np.uint8)
    for target, mask in zip(resized, masks):
        target[:] = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    return resized


@TRANSFORMS.register_module()
class Resize(FrameTransform):
    """Resize images bilinearly by OpenCV, masks by nearest neighbor; both frames of a pair to one scale.

    Args:
        scale (tuple[int, int] | None): (longest, shortest) edge; an alias for ``scales`` with one entry.
        scales (Sequence[tuple] | None): several scales. ``mode='value'`` draws one of them; ``mode='range'``
            draws the longest edge from the range of the longest edges and the shortest edge from the range of
            the shortest, ends included.
        keep_ratio (bool): False stretches the image to exactly ``scale``, (w, h).
        mode (str): 'value' or 'range'.
        rounding (str): '2019' scales boxes by the exact ratio (``scale_factor`` is a float); 'modern' by the
            ratios of the rounded sizes (``scale_factor`` is (w, h)), as mmdetection 2 and 3 do. 'torchvision'
            resizes as its detectors: sizes are rounded down, and the image becomes float32.
    """

    def __init__(self, scale=None, scales=None, keep_ratio=True, mode='value', rounding='2019'):
        super().__init__()
        if (scale is None) == (scales is None):
            raise ValueError('Resize: give either scale or scales')
        scales = [scale] if scales is None else scales
        if not scales or any(len(pair) != 2 or min(pair) < 1 for pair in scales):
            raise ValueError(f'Resize: every scale must be two positive numbers, got {scales}')
        if mode not in ('value', 'range'):
            raise ValueError(f"Resize: mode must be 'value' or 'range', got {mode!r}")
        if rounding not in ('2019', 'modern', 'torchvision'):
            raise ValueError(f"Resize: rounding must be '2019', 'modern' or 'torchvision', got {rounding!r}")
        self.scales = [tuple(int(edge) for edge in pair) for pair in scales]
        self.keep_ratio, self.mode, self.rounding = keep_ratio, mode, rounding

    def draw(self, results):
        if len(self.scales) == 1:
            return {'scale': self.scales[0]}
        rng = results['rng']
        if self.mode == 'value':
            return {'scale': self.scales[int(rng.integers(len(self.scales)))]}
        long_edges, short_edges = [max(s) for s in self.scales], [min(s) for s in self.scales]
        long_edge = int(rng.integers(min(long_edges), max(long_edges) + 1))
        short_edge = int(rng.integers(min(short_edges), max(short_edges) + 1))
        return {'scale': (long_edge, short_edge)}

    def apply(self, frame, scale):
        height, width = frame['img'].shape[:2]
        exact = self.rounding == 'torchvision'
        if self.keep_ratio:
            size, ratio = rescaled_size((height, width), scale, round_down=exact)
        else:
            size, ratio = scale, None
        size = (max(size[0], 1), max(size[1], 1))
        if ratio is None or self.rounding != '2019':
            ratio = (size[0] / width, size[1] / height)
            factors = np.array([*ratio, *ratio], np.float32)
        else:
            factors = ratio
        image = frame['img'].astype(np.float32) if exact else frame['img']
        frame['img'] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        frame['img_shape'] = (size[1], size[0])
        frame['scale_factor'] = ratio
        for key in BOX_KEYS:
            if key in frame:
                frame[key] = frame[key] * factors
        if 'gt_masks' in frame:
            frame['gt_masks'] = resize_masks(frame['gt_masks'], size)


@TRANSFORMS.register_module()
class RandomFlip(FrameTransform):
    """Flip both frames of a pair horizontally with a given probability; boxes x -> W - x - offset.

    Args:
        prob (float): in [0, 1]; a draw below it flips.
        offset (int): 1 for boxes in inclusive pixels (2019), 0 for x2 = x + w.
    """

    def __init__(self, prob=0.5, offset=1):
        super().__init__()
        if not 0 <= prob <= 1:
            raise ValueError(f'RandomFlip: prob must be between 0 and 1, got {prob}')
        self.prob, self.offset = prob, offset

    def draw(self, results):
        return {'flip': bool(results['rng'].random() < self.prob)}

    def apply(self, frame, flip):
        frame['flip'] = flip
        if not flip:
            return
        width = frame['img'].shape[1]
        frame['img'] = cv2.flip(frame['img'], 1)
        for key in BOX_KEYS:
            if key in frame:
                boxes = frame[key].copy()
                boxes[:, 0::2] = width - frame[key][:, 2::-2] - self.offset
                frame[key] = boxes
        if 'gt_masks' in frame:
            frame['gt_masks'] = frame['gt_masks'][:, :, ::-1]


@TRANSFORMS.register_module()
class RefBoxJitter(FrameTransform):
    """Move and rescale the boxes of the reference frame at random (``aug_ref_bbox_param`` of 2019).

    Args:
        center (float): largest shift of the center, as a fraction of width and height.
        size (float): largest change of width and height, as a fraction.
    """

    def __init__(self, center=0.0, size=0.0):
        super().__init__()
        self.center, self.size = center, size

    def transform(self, results):
        for frame in results['frames']:
            if frame['role'] == 'ref':
                self.apply(frame, rng=results['rng'])
        return results

    def apply(self, frame, rng):
        boxes = clip_boxes(frame['gt_bboxes'], frame['img_shape'])
        shift = (2 * rng.random((len(boxes), 2)) - 1) * self.center
        stretch = (2 * rng.random((len(boxes), 2)) - 1) * self.size + 1
        extent = boxes[:, 2:] - boxes[:, :2]
        center = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift * extent
        half = extent * stretch / 2
        boxes = np.concatenate([center - half, center + half], axis=1)
        frame['gt_bboxes'] = clip_boxes(boxes, frame['img_shape']).astype(np.float32)
