"""What inference gives for one frame: numpy arrays, a drawing, and the sample behind them."""

import weakref
from collections import Counter

import numpy as np

from mmdet.media import read_image
from mmdet.structures import DetDataSample
from mmdet.structures.rle import decode_rle
from mmdet.visualization import draw_instances


class FrameResult:
    """The objects of one frame. Row ``i`` of every field belongs to object ``i``.

    Other names lead to the sample: ``pred_instances`` (tensors, RLE), ``frame_id`` and further metainfo.

    Args:
        sample (DetDataSample): with ``pred_instances``.
        classes (Sequence[str] | None): class names.
        image (np.ndarray | None): the frame, uint8 (H, W, 3) BGR. Only a weak reference is kept, so that a
            list of results does not hold a video in memory.
    """

    def __init__(self, sample: DetDataSample, classes=None, image: np.ndarray | None = None):
        self.sample = sample
        self.classes = classes
        self._image = (lambda: None) if image is None else weakref.ref(image)

    def __getattr__(self, name):
        if name == 'sample':  # while a copy is made
            raise AttributeError(name)
        return getattr(self.sample, name)

    def __len__(self):
        return len(self.boxes)

    def _field(self, name, dtype):
        values = self.sample.pred_instances.get(name)
        return None if values is None else values.detach().cpu().numpy().astype(dtype)

    @property
    def boxes(self) -> np.ndarray:
        """(n, 4) float32, xyxy in pixels of the frame."""
        return self._field('bboxes', np.float32)[:, :4]

    @property
    def scores(self) -> np.ndarray:
        """(n,) float32 in 0..1."""
        return self._field('scores', np.float32)

    @property
    def labels(self) -> np.ndarray:
        """(n,) int64, counted from 0."""
        return self._field('labels', np.int64)

    @property
    def names(self) -> list[str]:
        """The n class names; ``class 3`` where the name is not known."""
        known = self.classes or ()
        return [str(known[k]) if k < len(known) else f'class {k}' for k in self.labels.tolist()]

    @property
    def ids(self) -> np.ndarray | None:
        """(n,) int64 identities in the video, counted from 0; None without a tracker."""
        return self._field('instance_ids', np.int64)

    @property
    def masks(self) -> np.ndarray | None:
        """(n, H, W) bool, decoded by each access; None of a model without masks."""
        codes = self.sample.pred_instances.get('masks')
        if codes is None:
            return None
        if not len(codes):
            return np.zeros((0, *self.sample.ori_shape), bool)
        return np.stack([decode_rle(code) for code in codes]).astype(bool)

    def plot(self, image: np.ndarray | None = None, **style) -> np.ndarray:
        """Draw the objects.

        Args:
            image (np.ndarray | None): uint8 (H, W, 3) BGR. None: the image file, or the frame of a video,
                which is in memory until the next one comes, or longer if the caller keeps it.
            **style: of :func:`~mmdet.visualization.draw_instances`, such as ``score_thr``.

        Returns:
            np.ndarray: uint8 (H, W, 3) BGR.

        Raises:
            ValueError: the frame is no longer in memory.
        """
        image = self._image() if image is None else image
        if image is None and self.sample.get('img_path'):
            image = read_image(self.sample.img_path)
        if image is None:
            raise ValueError(
                f'frame {self.frame_id} is no longer in memory: pass it to plot(), as '
                'inference_video(..., with_frames=True) yields it'
            )
        return draw_instances(image, self.sample.pred_instances, self.classes, **style)

    def __repr__(self):
        count = len(self)
        found = ', '.join(f'{n} {name}' for name, n in Counter(self.names).most_common())
        objects = f'{count} object{"" if count == 1 else "s"}'
        return f'FrameResult(frame {self.sample.get("frame_id")}, {objects}{": " if found else ""}{found})'
