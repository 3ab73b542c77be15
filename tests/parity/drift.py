"""How far predictions move on another device or in another precision, by the models of the goldens."""

import torch

from mmdet.structures.rle import decode_rle

from .models import small_model
from .test_small_infer import load_video


def predict_small(device, context):
    """Predictions of the small trained model on its three videos.

    Args:
        device (str): where it runs.
        context (Callable): gives a context manager, such as that of a precision.

    Returns:
        list[dict]: of each frame: identity -> (box (4,), score, label, RLE).
    """
    model, frames = small_model().to(device), []
    model.test_cfg['rcnn']['score_thr'] = 0.05
    for index in range(3):
        with torch.no_grad(), context():
            samples = model.predict(**model.data_preprocessor(load_video(index)))
        frames += [as_objects(sample.pred_instances) for sample in samples]
    return frames


def as_objects(found):
    """Identity -> (box, score, label, RLE) of the objects of a frame."""
    rows = zip(found.bboxes.float().cpu(), found.scores.tolist(), found.labels.tolist(), found.masks)
    return dict(zip(found.instance_ids.tolist(), rows))


def recorded_objects(record):
    """The same from the frames of a golden file."""
    return [
        {
            int(identity): (torch.tensor(o['bbox'][:4]), o['bbox'][4], o['label'], o['segmentation'])
            for identity, o in frame['objects'].items()
        }
        for frame in record
    ]


def drift(got, want):
    """Differences of two lists of :func:`as_objects`.

    Returns:
        dict: ``frames_with_equal_identities`` and ``equal_masks`` (shares in [0, 1]), ``box_px`` and
        ``score`` (largest differences), ``mask_iou`` (smallest), over the identities
        that a frame has in both.
    """
    boxes, scores, equal, ious = [0.0], [0.0], [], [1.0]
    for ours, theirs in zip(got, want, strict=True):
        for identity in ours.keys() & theirs.keys():
            (box, score, _, rle), (other_box, other_score, _, other_rle) = ours[identity], theirs[identity]
            boxes.append(float((box - other_box).abs().max()))
            scores.append(abs(score - other_score))
            mask, other = decode_rle(rle) > 0, decode_rle(other_rle) > 0
            equal.append(bool((mask == other).all()))
            union = (mask | other).sum()
            ious.append(float((mask & other).sum() / union) if union else 1.0)
    same = [ours.keys() == theirs.keys() for ours, theirs in zip(got, want)]
    return {
        'frames_with_equal_identities': sum(same) / len(same),
        'box_px': max(boxes),
        'score': max(scores),
        'equal_masks': sum(equal) / max(len(equal), 1),
        'mask_iou': min(ious),
    }
