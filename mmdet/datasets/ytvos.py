"""Videos annotated in the YouTube-VIS format."""

from mmdet.formats import ytvis
from mmdet.formats.ytvis_layout import find_ann_file, find_image_folder
from mmdet.registry import DATASETS
from mmdet.structures.classes import OVIS_CLASSES, YTVIS_2019_CLASSES, YTVIS_2021_CLASSES

from .base import DetDataset


@DATASETS.register_module()
class YTVOSDataset(DetDataset):
    """YouTube-VIS annotations with any categories; see :class:`DetDataset` for the arguments.

    Files may be named as in 2019 or as in the official archives (:mod:`mmdet.formats.ytvis_layout`).
    """

    def load_annotations(self):
        self.ann_file = find_ann_file(self.ann_file)
        annotations = ytvis.read(self.ann_file, not self.test_mode, self.img_prefix)
        first = next((name for video in annotations.videos for name in video['file_names']), None)
        if first is not None:
            self.img_prefix = find_image_folder(self.img_prefix, first)
        return annotations


@DATASETS.register_module()
class YouTubeVIS2019Dataset(YTVOSDataset):
    """YouTube-VIS 2019: 40 categories, labels in the order of their official ids."""

    CLASSES = YTVIS_2019_CLASSES


@DATASETS.register_module()
class YouTubeVIS2021Dataset(YTVOSDataset):
    """YouTube-VIS 2021: 40 categories, not those of 2019."""

    CLASSES = YTVIS_2021_CLASSES


@DATASETS.register_module()
class OVISDataset(YTVOSDataset):
    """OVIS: 25 categories, long videos, heavy occlusion."""

    CLASSES = OVIS_CLASSES
