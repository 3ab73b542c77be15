"""Drawing the objects of one frame: tinted mask, contour, box, and a label with class, identity and score."""

from typing import NamedTuple

import cv2
import numpy as np

from mmdet.structures.rle import decode_rle, decode_rle_box, mask_extent

from .colors import readable_on, track_color
from .text import draw_label, plate_size

# Shares of the image that labels may cover before they are shortened to the identities, and before the labels
# of the lowest scores are left out.
CROWDED, FULL = 0.1, 0.3

# Steps from the middle of an object at which a label may be, the nearest first: in halves of the width of its
# plate, and in heights.
_STEPS = np.array(
    sorted(
        ((x, y) for y in range(-4, 5) for x in range(-6, 7)),
        key=lambda step: (step[0] / 2) ** 2 + step[1] ** 2,
    )
)

FIELDS = ('masks', 'bboxes', 'labels', 'scores', 'instance_ids', 'color_ids')


def _as_array(values):
    """Tensor, array or list as a numpy array; None stays None."""
    if values is None:
        return None
    if hasattr(values, 'detach'):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def _dense(mask):
    return decode_rle(mask) if isinstance(mask, dict) else _as_array(mask)


class _Part(NamedTuple):
    """A mask without its empty margin."""

    pixels: np.ndarray  # uint8 (h, w)
    x: int
    y: int

    @property
    def box(self):
        """First and last column and row, x1, y1, x2, y2; None of an empty mask."""
        height, width = self.pixels.shape
        return (self.x, self.y, self.x + width - 1, self.y + height - 1) if width else None


def _decode(masks, index, shape):
    mask = masks[index]
    found = tuple(mask['size'] if isinstance(mask, dict) else mask.shape)
    if found != shape:
        raise ValueError(f'mask {index}: expected the size of the image {shape}, got {found}')
    if isinstance(mask, dict):
        return _Part(*decode_rle_box(mask))
    mask = _as_array(mask)
    x1, y1, x2, y2 = mask_extent(mask) or (0, 0, -1, -1)
    return _Part(np.ascontiguousarray(mask[y1 : y2 + 1, x1 : x2 + 1], dtype=np.uint8), x1, y1)


def line_width_for(shape):
    """Width of lines in pixels for an image of shape (H, W, ...): 2 for 720 rows."""
    return max(1, round(min(shape[:2]) / 320))


def font_size_for(shape):
    """Font size in pixels for an image of shape (H, W, ...)."""
    return int(np.clip(round(min(shape[:2]) / 27), 11, 84))


def _paint_mask(image, mask, color, alpha, width):
    """Tint and outline one mask; works on its bounding box only."""
    if mask.box is None:
        return
    margin = 2 * width + 2
    left, top = (max(edge - margin, 0) for edge in mask.box[:2])
    right, bottom = (edge + margin + 1 for edge in mask.box[2:])
    region = image[top:bottom, left:right]
    inside = np.zeros(region.shape[:2], np.uint8)
    inside[mask.y - top :, mask.x - left :][: mask.pixels.shape[0], : mask.pixels.shape[1]] = mask.pixels
    patch = np.ascontiguousarray(region)
    values = np.arange(256)[None, :, None] * (1 - alpha) + np.array(color, np.float32) * alpha
    cv2.copyTo(cv2.LUT(patch, (values + 0.5).astype(np.uint8)), inside, patch)
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    dark = tuple(int(0.25 * value) for value in color)
    if width > 1:  # a dark rim keeps touching objects of like colors apart
        cv2.drawContours(patch, contours, -1, dark, width + 2, cv2.LINE_AA)
    cv2.drawContours(patch, contours, -1, color, width, cv2.LINE_AA)
    region[...] = patch


def _place_label(size, box, shape, taken):
    """Corner for a label plate near its object, inside the image, that overlaps no other plate.

    Args:
        size (tuple[int, int]): width and height of the plate.
        box (tuple[int, int, int, int]): of the object, xyxy.
        shape (tuple): of the image.
        taken (list[tuple]): plates, left, top, right, bottom (exclusive).

    Returns:
        tuple[int, int] | None: None if there is no room.
    """
    width, height = size
    left, top, right, bottom = box
    middle = (left + right - width) // 2
    rows = (top - height - 1, top + 1, bottom + 2, bottom - height - 1, (top + bottom - height) // 2)
    corners = np.array([(x, y) for y in rows for x in (left, middle, right - width + 1)])
    if taken:  # then around the object
        center = np.array([(left + right) // 2, (top + bottom) // 2])
        around = center + (_STEPS * [1, 2] - 1) * [width, height] // 2
        corners = np.concatenate([corners, around])
    corners = np.clip(corners, 0, [max(shape[1] - width, 0), max(shape[0] - height, 0)])
    if taken:
        others = np.array(taken)
        apart = (corners[:, None] >= others[None, :, 2:]).any(2)
        apart |= (corners[:, None] + [width, height] <= others[None, :, :2]).any(2)
        corners = corners[apart.all(1)]
    return (int(corners[0][0]), int(corners[0][1])) if len(corners) else None


def _label_text(index, labels, ids, scores, classes):
    """``class #id score`` of object ``index``, as far as known."""
    parts = []
    if labels is not None:
        label = int(labels[index])
        parts.append(str(classes[label]) if classes and 0 <= label < len(classes) else f'class {label}')
    if ids is not None:
        parts.append(f'#{int(ids[index])}')
    if scores is not None:
        parts.append(f'{float(scores[index]):.2f}')
    return ' '.join(parts)


def enlarge(image, instances, factor):
    """Enlarge a small image and the objects on it.

    Args:
        image (np.ndarray): uint8 (H, W, 3).
        instances (InstanceData | Mapping): see :func:`draw_instances`.
        factor (int): whole number; 1 and less change nothing.

    Returns:
        tuple: the image uint8 (factor * H, factor * W, 3); a dict of the given fields, with dense masks.
    """
    if factor <= 1:
        return image, instances
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    fields = {name: instances.get(name) for name in FIELDS if instances.get(name) is not None}
    if 'masks' in fields:
        # Interpolation gives smooth outlines; repeated pixels would give stairs.
        fields['masks'] = [
            (cv2.resize(np.float32(_dense(mask)), None, fx=factor, fy=factor) > 0.5).astype(np.uint8)
            for mask in fields['masks']
        ]
    if 'bboxes' in fields:
        # Inclusive pixels: the last pixel of a box becomes `factor` pixels.
        grown = np.array([0, 0, factor - 1, factor - 1])
        fields['bboxes'] = _as_array(fields['bboxes'])[:, :4] * factor + grown
    return image, fields


def draw_instances(
    image,
    instances,
    classes=None,
    *,
    score_thr=0.0,
    min_side=0,
    mask_alpha=0.45,
    draw_boxes=None,
    draw_labels=True,
    line_width=None,
    font_size=None,
    trails=None,
):
    """Draw the objects of a frame over its image.

    Args:
        image (np.ndarray): uint8 (H, W, 3) BGR; it is not changed.
        instances (InstanceData | Mapping): any of masks (n RLEs or (n, H, W)), bboxes (n, 4) xyxy, labels
            (n,), scores (n,), instance_ids (n,). Colors follow color_ids (n,) if given, else the identities,
            else the labels.
        classes (Sequence[str] | None): class names.
        score_thr (float): objects below this score are left out.
        min_side (int): an image whose shorter side is below this is enlarged by a whole number first, so that
            labels can be read.
        mask_alpha (float): strength of the tint, 0..1.
        draw_boxes (bool | None): None: only if there are no masks; True draws boxes of masks without boxes.
        draw_labels (bool): write class, identity and score.
        line_width, font_size (int | None): in pixels; chosen by the size of the image if None.
        trails (Mapping | None): what the color follows -> ``paths`` of :class:`~mmdet.visualization.Trails`.

    Returns:
        np.ndarray: uint8 (H, W, 3) BGR, H and W enlarged as ``min_side`` asks.

    Raises:
        ValueError: if the image is not uint8 (H, W, 3), or a mask has another size.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'expected an image uint8 (H, W, 3), got {image.dtype} {tuple(image.shape)}')
    image, instances = enlarge(image, instances, -(-min_side // min(image.shape[:2])))
    canvas = np.ascontiguousarray(image).copy()
    width = line_width or line_width_for(canvas.shape)
    masks = instances.get('masks')
    boxes, labels, scores, ids, hues = (_as_array(instances.get(name)) for name in FIELDS[1:])
    count = max((len(values) for values in (masks, boxes, labels) if values is not None), default=0)
    kept = [i for i in range(count) if scores is None or scores[i] >= score_thr]
    kept = [i for i in kept if ids is None or ids[i] >= 0]
    decoded = {i: _decode(masks, i, canvas.shape[:2]) for i in kept} if masks is not None else {}
    colors = {i: track_color(_color_key(i, hues, ids, labels, range(count))) for i in kept}
    # Large objects first, so that small ones in front of them stay visible.
    for i in sorted(decoded, key=lambda i: -int(decoded[i].pixels.sum())):
        _paint_mask(canvas, decoded[i], colors[i], mask_alpha, width)
    if draw_boxes or (draw_boxes is None and masks is None):
        _draw_boxes(canvas, kept, decoded, boxes, colors, width)
    if trails:
        followed = {int(key): colors[i] for i in kept if (key := _color_key(i, hues, ids)) is not None}
        _draw_trails(canvas, trails, followed, width)
    if draw_labels:
        _draw_labels(canvas, kept, decoded, boxes, colors, font_size, (labels, ids, scores, classes))
    return canvas


def _color_key(i, *fields):
    """What the color of object ``i`` follows: the first field that is there."""
    return next((field[i] for field in fields if field is not None), None)


def _draw_boxes(canvas, kept, masks, boxes, colors, width):
    """Draw the boxes, or those around the masks if there are none."""
    for i in kept:
        box = boxes[i] if boxes is not None else masks[i].box if masks else None
        if box is not None:
            x1, y1, x2, y2 = (int(round(float(value))) for value in box[:4])
            cv2.rectangle(canvas, (x1, y1), (x2, y2), colors[i], width)


def _draw_labels(canvas, kept, masks, boxes, colors, font_size, fields):
    """Write the labels over everything else, the highest scores first.

    No plate overlaps another; a label without room near its object is left out. If they would cover more than
    a tenth of the image, only the identities are written.
    """
    size = font_size or font_size_for(canvas.shape)
    scores, ids = fields[2], fields[1]
    texts = {i: _label_text(i, *fields) for i in kept}
    area = sum(np.prod(plate_size(text, size)) for text in texts.values() if text)
    if ids is not None and area > CROWDED * canvas.shape[0] * canvas.shape[1]:
        texts = {i: f'#{int(ids[i])}' for i in kept}
    taken, room = [], FULL * canvas.shape[0] * canvas.shape[1]
    for i in sorted(kept, key=lambda i: 0 if scores is None else -float(scores[i])):
        box = masks[i].box if i in masks else None
        if box is None and boxes is not None:
            box = tuple(int(value) for value in boxes[i][:4])
        if box is None or not texts[i]:
            continue
        plate = plate_size(texts[i], size)
        room -= plate[0] * plate[1]
        corner = _place_label(plate, box, canvas.shape, taken) if room > 0 or not taken else None
        if corner is not None:
            taken.append(draw_label(canvas, texts[i], corner, size, readable_on(colors[i]), colors[i]))


def _draw_trails(canvas, trails, colors, width):
    """Draw where objects were: a line that gets thinner and fades with age."""
    margin = 2 * width + 3
    for path, color in (
        (trails[key], color) for key, color in colors.items() if len(trails.get(key, ())) > 1
    ):
        oldest = max(age for _, _, age in path) + 1
        points = np.round([point[:2] for point in path]).astype(int)
        left, top = np.maximum(points.min(0) - margin, 0).tolist()
        right, bottom = np.maximum(points.max(0) + margin, 0).tolist()
        region = canvas[top:bottom, left:right]
        if not region.size:
            continue
        # Blended once: where two pieces of the line meet, it would be darker otherwise.
        cover = np.zeros(region.shape[:2], np.uint8)
        ends = (points - [left, top]).tolist()
        for (_, _, age), start, end in zip(path, ends, ends[1:]):
            strength = 1 - age / oldest
            thickness = max(1, round(2 * width * strength))
            cv2.line(cover, start, end, round(255 * (0.3 + 0.7 * strength)), thickness, cv2.LINE_AA)
        covered = cv2.findNonZero(cover)
        if covered is None:  # all outside the image
            continue
        columns, rows = covered.reshape(-1, 2).T
        part, pixels = cover[rows, columns][:, None] / np.float32(255), region[rows, columns]
        region[rows, columns] = pixels + part * (np.array(color, np.float32) - pixels) + 0.5
