"""Images annotated in the COCO format: alone, or as pseudo pairs for training a tracker."""

from mmdet.formats import coco
from mmdet.registry import DATASETS
from mmdet.structures.classes import COCO_CLASSES

from .base import DetDataset


@DATASETS.register_module()
class CocoDataset(DetDataset):
    """Images with boxes and masks, for training and testing detectors without tracking.

    An image is a video of one frame. Training leaves out images without a usable non-crowd object, and those
    whose shorter side is below ``min_size``.

    Args:
        ann_file (str): COCO annotation file.
        pipeline (Sequence[dict | Callable]): the transforms.
        filter_empty (bool): leave images without objects out of training.
        min_size (int): pixels.
        **kwargs: see :class:`DetDataset`; ``ref_frame`` is False by default.
    """

    single_images = True

    def __init__(self, ann_file, pipeline=(), filter_empty=True, min_size=32, ref_frame=False, **kwargs):
        self.filter_empty, self.min_size = filter_empty, min_size
        super().__init__(ann_file, pipeline, ref_frame=ref_frame, **kwargs)

    def load_annotations(self):
        return coco.read(self.ann_file, not self.test_mode, self.img_prefix)

    def usable_frames(self, number):
        video = self.videos[number]
        if min(video['width'], video['height']) < self.min_size:
            return []
        return super().usable_frames(number) if self.filter_empty else [0]

    def raw_frame(self, number, frame=0, role='key'):
        """A frame dict whose ``img_id`` is the id of the image."""
        return {**super().raw_frame(number, frame, role), 'img_id': self.videos[number]['id']}


@DATASETS.register_module()
class CocoPseudoPairs(CocoDataset):
    """Every image twice, as key and reference frame, for joint training with videos.

    The pipeline makes the two differ, by transforms that draw separately for each frame, such as
    ``RandomCrop(independent=True)`` and ``PhotoMetricDistortion(independent=True)``. To train together with a
    video dataset, give both the same ``classes`` and, to this one, ``filter_classes=True``.
    """

    def __init__(self, ann_file, pipeline=(), ref_frame=True, **kwargs):
        super().__init__(ann_file, pipeline, ref_frame=ref_frame, **kwargs)


@DATASETS.register_module()
class Coco2017Dataset(CocoDataset):
    """COCO 2017 detection: 80 categories, labels in the order of their official ids."""

    CLASSES = COCO_CLASSES
