"""Center shift and log size relative to a reference box, in two conventions."""

from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox2delta, delta2bbox


@TASK_UTILS.register_module()
class DeltaXYWHBBoxCoder:
    """Deltas of continuous boxes (``x2 - x1`` wide): mmdetection 2 and later, torchvision.

    Args:
        target_means, target_stds (Sequence[float]): four numbers each; deltas are ``(delta - mean) / std``.
        wh_ratio_clip (float): limit of the size ratio in decoding, in both directions.
        clip_border (bool): decoded boxes are clipped to the image.
        clip_shrinking (bool): ``wh_ratio_clip`` also limits shrinking, as in mmdetection; torchvision limits
            only growth.
    """

    offset = 0

    def __init__(
        self,
        target_means=(0.0, 0.0, 0.0, 0.0),
        target_stds=(1.0, 1.0, 1.0, 1.0),
        wh_ratio_clip=16 / 1000,
        clip_border=True,
        clip_shrinking=True,
    ):
        if len(target_means) != 4 or len(target_stds) != 4:
            raise ValueError(
                f'{type(self).__name__}: four means and four stds expected, '
                f'got {target_means!r}, {target_stds!r}'
            )
        self.means = tuple(target_means)
        self.stds = tuple(target_stds)
        self.wh_ratio_clip = wh_ratio_clip
        self.clip_border = clip_border
        self.clip_shrinking = clip_shrinking

    def encode(self, bboxes, gt_bboxes):
        """Deltas (n, 4) that turn ``bboxes`` (n, 4) into ``gt_bboxes`` (n, 4)."""
        return bbox2delta(bboxes, gt_bboxes, self.means, self.stds, offset=self.offset)

    def decode(self, bboxes, deltas, max_shape=None):
        """Boxes (n, 4 * k) from reference boxes (n, 4) and deltas (n, 4 * k).

        Args:
            bboxes (Tensor): (n, 4), xyxy.
            deltas (Tensor): (n, 4 * k).
            max_shape (tuple | Tensor | None): (h, w) to clip to, or (n, 2) with one (h, w) per row.
        """
        max_shape = max_shape if self.clip_border else None
        return delta2bbox(
            bboxes,
            deltas,
            self.means,
            self.stds,
            max_shape,
            self.wh_ratio_clip,
            offset=self.offset,
            clip_shrinking=self.clip_shrinking,
        )


@TASK_UTILS.register_module()
class LegacyDeltaXYWHBBoxCoder(DeltaXYWHBBoxCoder):
    """Deltas of boxes in inclusive pixels, ``x2 - x1 + 1`` wide (docs/conventions.md, "Box decoding")."""

    offset = 1
