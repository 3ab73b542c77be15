"""Detections of made-up videos for tests of trackers."""

import numpy as np


def moving_video(seed, frames=12, objects=4, size=(200, 300), miss=0.15, clutter=1, classes=2):
    """A video whose objects move in lines and are sometimes missed, with false detections between them.

    Returns:
        list[dict]: for each frame bboxes (n, 4) float32, scores (n,), labels (n,) and embeddings (n, 8).
    """
    rng = np.random.default_rng(seed)
    height, width = size
    start = rng.uniform((0, 0), (width - 60, height - 60), (objects, 2))
    speed, sides = rng.uniform(-5, 5, (objects, 2)), rng.uniform(20, 50, (objects, 2))
    classes_of, looks = rng.integers(0, classes, objects), rng.normal(size=(objects, 8)) * 3
    video = []
    for frame in range(frames):
        seen = rng.random(objects) > miss
        corner = (start + frame * speed + rng.normal(0, 0.7, (objects, 2)))[seen]
        far = rng.uniform((0, 0), (width - 40, height - 40), (rng.integers(0, clutter + 1), 2))
        corner, extent = np.concatenate([corner, far]), np.concatenate([sides[seen], far * 0 + 30])
        count = len(corner)
        look = looks[seen] + rng.normal(0, 0.3, (int(seen.sum()), 8))
        order = rng.permutation(count)
        found = dict(
            bboxes=np.concatenate([corner, corner + extent], axis=1).astype(np.float32),
            scores=rng.uniform(0.3, 1, count).astype(np.float32),
            labels=np.concatenate([classes_of[seen], rng.integers(0, classes, len(far))]).astype(np.int64),
            embeddings=np.concatenate([look, rng.normal(size=(len(far), 8)) * 3]).astype(np.float32),
        )
        video.append({name: values[order] for name, values in found.items()})
    return video


def box_masks(bboxes, size=(200, 300)):
    """Masks (n, H, W) bool that fill their boxes."""
    masks = np.zeros((len(bboxes), *size), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, np.clip(bboxes, 0, 1e4).astype(int)):
        mask[y1 : y2 + 1, x1 : x2 + 1] = True
    return masks
