"""How transforms pass frames on.

A transform maps ``results`` to ``results``::

    results = dict(
        frames=[frame, ...],   # key frame first, then the reference frame if there is one
        rng=np.random.Generator, # every random choice comes from it
        sample_seed=int,         # absent in testing; for what the model draws
    )

A frame holds, from the dataset on:

=================  ===================================================================================
role               'key' or 'ref'
img_path           file of the image
img_id             (video id, frame), or the id of a COCO image
video_id           the dataset's own id
frame_id           position in the video, from 0
video_length       frames of the video
height, width      size that the annotation file states
instances          list of dict(bbox=[x1, y1, x2, y2], label, instance_id, crowd, segm)
ann_file           where all this was read
=================  ===================================================================================

from ``LoadImage`` on ``img`` (uint8, (H, W, 3), BGR), ``ori_shape`` and ``img_shape`` (both (h, w)),
``scale_factor`` and ``flip``; from ``LoadAnnotations`` on

=================  ===================================================================================
gt_bboxes          float32 (n, 4) xyxy
gt_labels          int64 (n,), from 0
gt_instance_ids    int64 (n,)
gt_masks           uint8 (n, H, W); key frame only, and only if asked for
gt_bboxes_ignore   float32 (k, 4), crowd
=================  ===================================================================================
"""

import numpy as np
from mmcv.transforms import BaseTransform


class FrameTransform(BaseTransform):
    """A transform that draws its randomness once and applies it to every frame alike (semantics A29).

    Subclasses implement ``draw(results) -> dict`` and ``apply(frame, **drawn) -> None``.

    Args:
        independent (bool): draw anew for every frame: for pseudo pairs out of one image.
    """

    def __init__(self, independent=False):
        self.independent = independent

    def draw(self, results):
        """Choose parameters; ``results['rng']`` is the only source of randomness."""
        return {}

    def apply(self, frame, **drawn):
        """Change one frame in place."""
        raise NotImplementedError

    def transform(self, results):
        drawn = None if self.independent else self.draw(results)
        for frame in results['frames']:
            self.apply(frame, **(self.draw({**results, 'frames': [frame]}) if self.independent else drawn))
        return results


BOX_KEYS = ('gt_bboxes', 'gt_bboxes_ignore')


def clip_boxes(boxes, img_shape):
    """Clip boxes (n, 4) to [0, W] x [0, H]: W and H themselves are allowed, as in 2019 (semantics A28)."""
    height, width = img_shape
    boxes = boxes.copy()
    boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, width)
    boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, height)
    return boxes
