"""Drawing the objects of one frame: tinted mask, contour, box, and a label with class, identity and score."""

import cv2
import numpy as np

from mmdet.structures.rle import decode_rle

from .colors import readable_on, track_color
from .text import draw_label, plate_size

# Share of the image that labels may cover before they are cut down to the identities.
CROWDED = 0.1


def as_array(values):
    """Tensor, array or list as a numpy array; None stays None."""
    if values is None:
        return None
    if hasattr(values, 'detach'):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def field_of(instances, name):
    """A field of an ``InstanceData`` or mapping, or None."""
    if hasattr(instances, 'get'):
        return instances.get(name)
    return getattr(instances, name, None)


def _decode(masks, index, shape):
    mask = masks[index]
    mask = decode_rle(mask) if isinstance(mask, dict) else as_array(mask)
    if mask.shape != shape:
        raise ValueError(f'mask {index}: expected the size of the image {shape}, got {tuple(mask.shape)}')
    return np.ascontiguousarray(mask, dtype=np.uint8)


def line_width_for(shape):
    """Width of lines in pixels that suits an image of shape (H, W, ...): 2 for 720 rows."""
    return max(1, round(min(shape[:2]) / 320))


def font_size_for(shape):
    """Font size in pixels that suits an image of shape (H, W, ...)."""
    return int(np.clip(round(min(shape[:2]) / 30), 10, 40))


def _paint_mask(image, mask, color, alpha, width):
    """Tint and outline one mask; works on its bounding box only."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    margin = 2 * width + 2
    top, bottom = max(rows[0] - margin, 0), min(rows[-1] + margin + 1, mask.shape[0])
    left, right = max(columns[0] - margin, 0), min(columns[-1] + margin + 1, mask.shape[1])
    region, inside = image[top:bottom, left:right], mask[top:bottom, left:right]
    selected = inside.astype(bool)
    tinted = region[selected] * (1 - alpha) + np.array(color, np.float32) * alpha
    region[selected] = (tinted + 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    patch = np.ascontiguousarray(region)
    dark = tuple(int(0.25 * value) for value in color)
    if width > 1:  # a dark rim keeps touching objects of like colors apart
        cv2.drawContours(patch, contours, -1, dark, width + 2, cv2.LINE_AA)
    cv2.drawContours(patch, contours, -1, color, width, cv2.LINE_AA)
    region[...] = patch


def _mask_box(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (columns[0], rows[0], columns[-1], rows[-1]) if len(rows) else None


def _overlap(plate, others):
    left, top, right, bottom = plate
    return sum(
        max(0, min(right, o[2]) - max(left, o[0])) * max(0, min(bottom, o[3]) - max(top, o[1]))
        for o in others
    )


def _place_label(size, box, shape, taken):
    """Corner for a label plate near its object, inside the image, on as few other labels as can be."""
    width, height = size
    left, top, right, bottom = box
    middle = (left + right - width) // 2
    rows = (top - height - 1, top + 1, bottom + 2, bottom - height - 1, (top + bottom - height) // 2)
    best = None
    for rank, (x, y) in enumerate((x, y) for y in rows for x in (left, middle, right - width + 1)):
        x = int(np.clip(x, 0, max(shape[1] - width, 0)))
        y = int(np.clip(y, 0, max(shape[0] - height, 0)))
        cost = (_overlap((x, y, x + width, y + height), taken), rank)
        if best is None or cost < best[0]:
            best = (cost, (x, y))
        if cost[0] == 0:
            break
    return best[1]


def label_text(index, labels, ids, scores, classes):
    """``class #id score`` of object ``index``, as far as they are known."""
    parts = []
    if labels is not None:
        label = int(labels[index])
        parts.append(str(classes[label]) if classes and 0 <= label < len(classes) else f'class {label}')
    if ids is not None:
        parts.append(f'#{int(ids[index])}')
    if scores is not None:
        parts.append(f'{float(scores[index]):.2f}')
    return ' '.join(parts)


def draw_instances(
    image,
    instances,
    classes=None,
    *,
    score_thr=0.0,
    mask_alpha=0.45,
    draw_boxes=None,
    draw_labels=True,
    line_width=None,
    font_size=None,
):
    """Draw the objects of a frame over its image.

    Args:
        image (np.ndarray): uint8 (H, W, 3) BGR; it is not changed.
        instances (InstanceData | Mapping): any of masks (n RLEs or (n, H, W)), bboxes (n, 4) xyxy, labels
            (n,), scores (n,), instance_ids (n,). Colors follow color_ids (n,) if
            given, else the identities, else the labels.
        classes (Sequence[str] | None): class names.
        score_thr (float): objects below this score are left out.
        mask_alpha (float): strength of the tint, 0..1.
        draw_boxes (bool | None): None draws boxes where there are no masks; True draws those of the masks
            where no boxes are given.
        draw_labels (bool): write class, identity and score.
        line_width, font_size (int | None): in pixels; by default they go with the size of the image.

    Returns:
        np.ndarray: uint8 (H, W, 3) BGR.

    Raises:
        ValueError: if the image is not uint8 (H, W, 3), or a mask has another size.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'expected an image uint8 (H, W, 3), got {image.dtype} {tuple(image.shape)}')
    canvas = np.ascontiguousarray(image).copy()
    width = line_width or line_width_for(canvas.shape)
    masks, boxes = field_of(instances, 'masks'), as_array(field_of(instances, 'bboxes'))
    labels, scores, ids = (as_array(field_of(instances, key)) for key in ('labels', 'scores', 'instance_ids'))
    count = max((len(values) for values in (masks, boxes, labels) if values is not None), default=0)
    hues = as_array(field_of(instances, 'color_ids'))
    kept = [i for i in range(count) if scores is None or scores[i] >= score_thr]
    kept = [i for i in kept if ids is None or ids[i] >= 0]
    decoded = {i: _decode(masks, i, canvas.shape[:2]) for i in kept} if masks is not None else {}
    colors = {
        i: track_color(next((part[i] for part in (hues, ids, labels) if part is not None), i)) for i in kept
    }
    # Large objects first, so that small ones in front of them stay visible.
    for i in sorted(decoded, key=lambda i: -int(decoded[i].sum())):
        _paint_mask(canvas, decoded[i], colors[i], mask_alpha, width)
    if draw_boxes or (draw_boxes is None and masks is None):
        for i in kept:
            box = boxes[i] if boxes is not None else _mask_box(decoded[i]) if decoded else None
            if box is not None:
                x1, y1, x2, y2 = (int(round(float(value))) for value in box[:4])
                cv2.rectangle(canvas, (x1, y1), (x2, y2), colors[i], width)
    if draw_labels:
        _draw_labels(canvas, kept, decoded, boxes, colors, font_size, (labels, ids, scores, classes))
    return canvas


def _draw_labels(canvas, kept, masks, boxes, colors, font_size, fields):
    """Write the labels over everything else, the most certain ones first.

    Where they would cover more than a tenth of the image, the identities alone are written.
    """
    size = font_size or font_size_for(canvas.shape)
    scores, ids = fields[2], fields[1]
    texts = {i: label_text(i, *fields) for i in kept}
    area = sum(np.prod(plate_size(text, size)) for text in texts.values() if text)
    if ids is not None and area > CROWDED * canvas.shape[0] * canvas.shape[1]:
        texts = {i: f'#{int(ids[i])}' for i in kept}
    taken = []
    for i in sorted(kept, key=lambda i: 0 if scores is None else -float(scores[i])):
        box = _mask_box(masks[i]) if i in masks else None
        if box is None and boxes is not None:
            box = tuple(int(value) for value in boxes[i][:4])
        if box is None or not texts[i]:
            continue
        corner = _place_label(plate_size(texts[i], size), box, canvas.shape, taken)
        taken.append(draw_label(canvas, texts[i], corner, size, readable_on(colors[i]), colors[i]))
