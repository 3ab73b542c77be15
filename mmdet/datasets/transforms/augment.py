"""Crops and color changes, which 2019 did not have."""

import cv2
import numpy as np

from mmdet.registry import TRANSFORMS
from mmdet.structures.rle import mask_extent

from .base import FrameTransform, clip_boxes


def crop_frame(frame, left, top, width, height, min_visible=0.1, offset=1):
    """Crop a frame in place and drop objects that are mostly outside.

    Args:
        frame (dict): with ``img`` and, if annotations are loaded, boxes. With ``gt_masks``, the box of a cut
            object becomes the bounding box of its remaining mask; otherwise it is clipped.
        left, top, width, height (int): the window, inside the image.
        min_visible (float): share of an object's mask (or box) that must remain.
        offset (int): 1 for boxes in inclusive pixels, 0 for x2 = x + w.
    """
    window = np.s_[top : top + height, left : left + width]
    frame['img'] = frame['img'][window]
    frame['img_shape'] = (height, width)
    if 'gt_bboxes' not in frame:
        return
    shift = np.array([left, top, left, top], np.float32)
    edge = (height - offset, width - offset)
    moved = frame['gt_bboxes'] - shift
    boxes = clip_boxes(moved, edge)
    if 'gt_masks' in frame:
        before = _mask_areas(frame['gt_masks'])
        frame['gt_masks'] = masks = frame['gt_masks'][(slice(None), *window)]
        after = _mask_areas(masks)
        for number in np.flatnonzero((after > 0) & (after < before)):
            boxes[number] = mask_extent(masks[number])
            boxes[number, 2:] += 1 - offset
    else:
        before, after = _visible_areas(moved, None, offset), _visible_areas(moved, edge, offset)
    keep = (after > 0) & (after >= min_visible * before)
    frame['gt_bboxes'] = boxes[keep]
    for key in ('gt_labels', 'gt_instance_ids', 'gt_masks'):
        if key in frame:
            frame[key] = frame[key][keep]
    moved = frame['gt_bboxes_ignore'] - shift
    frame['gt_bboxes_ignore'] = clip_boxes(moved, edge)[_visible_areas(moved, edge, offset) > 0]


def _mask_areas(masks):
    """Pixels of each mask; counting is faster than adding up."""
    return np.array([np.count_nonzero(mask) for mask in masks.view(bool)], np.int64)


def _visible_areas(boxes, edge, offset):
    """Areas of boxes inside [0, edge] (whole areas if edge is None); 0 for boxes outside."""
    low, high = boxes[:, :2], boxes[:, 2:]
    if edge is not None:
        low, high = np.maximum(low, 0), np.minimum(high, np.array(edge[::-1], np.float32))
    return np.prod(np.maximum(high - low + offset, 0), axis=1)


@TRANSFORMS.register_module()
class RandomCrop(FrameTransform):
    """Crop the frames to windows of one size.

    A window is drawn up to ``attempts`` times until every frame keeps an object and, in a pair, the frames
    share one. If no draw succeeds, the frames are not cropped.

    Args:
        scale (tuple[float, float]): range of the window's sides, as a fraction of the image's.
        independent (bool): draw a position for each frame (pseudo pairs) instead of one for both.
        min_visible (float): share of an object that must remain for it to be kept.
        attempts (int): number of draws.
        offset (int): see :func:`crop_frame`.
    """

    def __init__(self, scale=(0.5, 1.0), independent=False, min_visible=0.1, attempts=10, offset=1):
        super().__init__(independent)
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(f'RandomCrop: scale must be a range within (0, 1], got {scale}')
        self.scale, self.min_visible, self.attempts = tuple(scale), min_visible, attempts
        self.offset = offset

    def transform(self, results):
        rng, frames = results['rng'], results['frames']
        height, width = frames[0]['img'].shape[:2]
        low, high = self.scale
        for _ in range(self.attempts):
            part = low + (high - low) * rng.random()
            size = max(1, round(width * part)), max(1, round(height * part))
            places = rng.random((len(frames) if self.independent else 1, 2))
            cropped = []
            for number, frame in enumerate(frames):
                x, y = places[number if self.independent else 0]
                left, top = int(x * (width - size[0] + 1)), int(y * (height - size[1] + 1))
                cropped.append(dict(frame))
                crop_frame(cropped[-1], left, top, *size, self.min_visible, self.offset)
            if self._accepts(cropped):
                results['frames'] = cropped
                break
        return results

    @staticmethod
    def _accepts(frames):
        if 'gt_instance_ids' not in frames[0]:
            return True
        return bool(set.intersection(*(set(frame['gt_instance_ids'].tolist()) for frame in frames)))


@TRANSFORMS.register_module()
class PhotoMetricDistortion(FrameTransform):
    """Random brightness, contrast, saturation and hue, each with a probability of one half.

    Args:
        brightness_delta (int): maximum shift of all channels.
        contrast_range, saturation_range (tuple[float, float]): ranges of the factors.
        hue_delta (int): maximum rotation of the hue in degrees.
        independent (bool): draw separately for each frame instead of once for both.
    """

    def __init__(
        self,
        brightness_delta=32,
        contrast_range=(0.5, 1.5),
        saturation_range=(0.5, 1.5),
        hue_delta=18,
        independent=False,
    ):
        super().__init__(independent)
        self.brightness_delta, self.hue_delta = brightness_delta, hue_delta
        self.contrast_range, self.saturation_range = contrast_range, saturation_range

    def draw(self, results):
        active, value = results['rng'].random((2, 4))
        signed = 2 * value - 1

        def factor(number, low, high):
            return low + (high - low) * value[number] if active[number] < 0.5 else 1.0

        return {
            'shift': signed[0] * self.brightness_delta if active[0] < 0.5 else 0.0,
            'contrast': factor(1, *self.contrast_range),
            'saturation': factor(2, *self.saturation_range),
            'hue': signed[3] * self.hue_delta if active[3] < 0.5 else 0.0,
        }

    def apply(self, frame, shift, contrast, saturation, hue):
        image = frame['img'].astype(np.float32) * np.float32(contrast) + np.float32(shift)
        image = np.clip(image, 0, 255)
        if saturation != 1.0 or hue:
            hsv = cv2.cvtColor(image / 255, cv2.COLOR_BGR2HSV)
            hsv[..., 0] = (hsv[..., 0] + np.float32(hue)) % 360
            hsv[..., 1] = np.clip(hsv[..., 1] * np.float32(saturation), 0, 1)
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR) * 255
        frame['img'] = np.clip(image + 0.5, 0, 255).astype(np.uint8)
