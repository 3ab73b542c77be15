"""What a transform receives and returns.

A transform maps ``results`` to ``results``::

    results = dict(
        frames=[frame, ...],      # key frame first, then the reference frame if there is one
        rng=np.random.Generator,  # the source of all random choices
        sample_seed=int,          # training only; seeds the random choices of the model
    )

Each frame is a dict. The dataset sets these keys:

=================  ===================================================================================
role               'key' or 'ref'
img_path           image file
img_id             (video id, frame index), or the id of a COCO image
video_id           id in the annotation file
frame_id           index in the video, from 0
video_length       number of frames of the video
height, width      size of the image, from the annotation file
instances          list of dict(bbox=[x1, y1, x2, y2], label, instance_id, crowd, segm), one for each
                   usable object; segm is an RLE or polygons
ann_file           annotation file, for messages
=================  ===================================================================================

``LoadImage`` adds:

=================  ===================================================================================
img                uint8 (H, W, 3) BGR; float32 after ``Resize`` with ``rounding='torchvision'``
ori_shape          (h, w) of the image file
img_shape          (h, w) of ``img``
scale_factor       float, or (w, h) after ``Resize`` with ``keep_ratio=False`` or other roundings
flip               bool
=================  ===================================================================================

``LoadAnnotations`` adds:

=================  ===================================================================================
gt_bboxes          float32 (n, 4) xyxy, non-crowd objects
gt_labels          int64 (n,), from 0
gt_instance_ids    int64 (n,), the identity of each object in the video
gt_masks           uint8 (n, H, W) of 0 and 1; key frame only unless ``with_ref_mask``
gt_bboxes_ignore   float32 (k, 4) xyxy, crowd regions
=================  ===================================================================================
"""

import numpy as np
from mmcv.transforms import BaseTransform


class FrameTransform(BaseTransform):
    """A transform that makes its random choices once and applies them to every frame of the pair
    (docs/conventions.md, "Training pairs").

    Subclasses implement ``apply(frame, **drawn) -> None`` and, if they are random, ``draw(results) -> dict``.

    Args:
        independent (bool): draw separately for each frame, for pseudo pairs made of one image.
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
    """Clip boxes (n, 4) to [0, W] x [0, H]: W and H themselves are allowed, as in 2019 (docs/conventions.md,
    "Clipping of ground truth")."""
    height, width = img_shape
    boxes = boxes.copy()
    boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, width)
    boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, height)
    return boxes
