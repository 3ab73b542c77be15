"""Still images annotated in the COCO format: alone, or as pseudo pairs for training a tracker."""

import os.path as osp

import numpy as np

from mmdet.formats.ytvis import read_json
from mmdet.registry import DATASETS
from mmdet.structures.classes import COCO_CLASSES
from mmdet.utils import UserError

from .base import DetDataset

_KEYS = {
    'images': ('id', 'width', 'height', 'file_name'),
    'categories': ('id', 'name'),
    'annotations': ('id', 'image_id', 'category_id', 'bbox'),
}


def load_coco(path, require_annotations=False):
    """Read a COCO detection file and check its structure; no mask is decoded.

    Args:
        path (str | Path): json file with ``images``, ``categories`` and ``annotations`` (test sets have
            none).
        require_annotations (bool): refuse a file without annotations.

    Returns:
        tuple: images in file order, categories, dict from image id to its annotations.

    Raises:
        UserError: the file is missing, cut off, or not COCO; the message names the place.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f'{path} is not a COCO annotation file: expected an object at top level')
    if 'images' not in content and 'videos' in content:
        raise UserError(f'{path} is a video annotation file (it has videos, no images); use YTVOSDataset')
    if not require_annotations:
        content.setdefault('annotations', [])
    for key, fields in _KEYS.items():
        entries = content.get(key)
        if not isinstance(entries, list):
            raise UserError(f'{path} is not a COCO annotation file: expected a list under {key!r}')
        seen = set()
        for number, entry in enumerate(entries):
            missing = [field for field in fields if not isinstance(entry, dict) or field not in entry]
            if missing:
                raise UserError(f'{path}: {key}[{number}]: the key {missing[0]!r} is missing')
            if entry['id'] in seen:
                raise UserError(f'{path}: {key}[{number}]: the id {entry["id"]} is used twice')
            seen.add(entry['id'])
    by_image = {image['id']: [] for image in content['images']}
    known = {category['id'] for category in content['categories']}
    for number, annotation in enumerate(content['annotations']):
        place = f'{path}: annotations[{number}] (id {annotation["id"]})'
        if annotation['image_id'] not in by_image:
            raise UserError(f'{place}: image_id {annotation["image_id"]} is not among the images')
        if annotation['category_id'] not in known:
            raise UserError(f'{place}: category_id {annotation["category_id"]} is not among the categories')
        box = annotation['bbox']
        if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box)):
            raise UserError(f'{place}.bbox: expected [x, y, width, height], got {box!r}')
        by_image[annotation['image_id']].append(annotation)
    return content['images'], content['categories'], by_image


@DATASETS.register_module()
class CocoDataset(DetDataset):
    """Images with boxes and masks, for training and testing detectors without tracking.

    In training, images without a usable object that is no crowd are left out, and those whose shorter edge is
    below ``min_size``. In testing every image of the file is an item and, for samplers, a video of one frame.

    Args:
        filter_empty (bool): leave images without objects out of training.
        min_size (int): pixels.
        **kwargs: see :class:`DetDataset`.
    """

    def __init__(self, ann_file, pipeline=(), filter_empty=True, min_size=32, **kwargs):
        self.filter_empty, self.min_size = filter_empty, min_size
        super().__init__(ann_file, pipeline, **kwargs)

    def load(self):
        images, categories, by_image = load_coco(self.ann_file, require_annotations=not self.test_mode)
        used = {annotation['category_id'] for entries in by_image.values() for annotation in entries}
        self.set_classes(categories, used)
        self.annotations = by_image
        self.images = images if self.test_mode else [image for image in images if self._is_usable(image)]
        self.group_flags = np.array([image['width'] > image['height'] for image in self.images], np.uint8)
        self.video_slices = [(number, number + 1) for number in range(len(self.images))]

    def _is_usable(self, image):
        if min(image['width'], image['height']) < self.min_size:
            return False
        return not self.filter_empty or any(
            not entry['crowd'] for entry in self._instances(self.annotations[image['id']])
        )

    def _instances(self, annotations):
        entries = []
        for annotation in annotations:
            box = self.read_box(annotation['bbox'], annotation.get('area'))
            if box is None or annotation.get('ignore') or annotation['category_id'] not in self.cat2label:
                continue
            entries.append(
                {
                    'bbox': box,
                    'label': self.cat2label[annotation['category_id']],
                    'instance_id': annotation['id'],
                    'crowd': bool(annotation.get('iscrowd', 0)),
                    'segm': annotation.get('segmentation'),
                }
            )
        return entries

    def __len__(self):
        return len(self.images)

    def raw_frame(self, index, role='key'):
        """A frame dict (see :mod:`mmdet.datasets.transforms.base`) of an image."""
        image = self.images[index]
        return {
            'role': role,
            'img_path': osp.join(self.img_prefix, image['file_name']),
            'img_id': image['id'],
            'video_id': image['id'],
            'frame_id': 0,
            'video_length': 1,
            'height': image['height'],
            'width': image['width'],
            'instances': self._instances(self.annotations[image['id']]),
            'ann_file': self.ann_file,
        }

    def frames_of(self, index, rng):
        return [self.raw_frame(index)]


@DATASETS.register_module()
class CocoPseudoPairs(CocoDataset):
    """Every image twice, as key and reference frame, for joint training with videos.

    The pipeline makes the two differ, by transforms that draw anew for each frame, such as
    ``RandomCrop(independent=True)`` and ``PhotoMetricDistortion(independent=True)``. To train together with a
    video dataset, give both the same ``classes`` and, to this one, ``filter_classes=True``.
    """

    def frames_of(self, index, rng):
        frames = [self.raw_frame(index, 'key')]
        if not self.test_mode:
            frames.append(self.raw_frame(index, 'ref'))
        return frames


@DATASETS.register_module()
class Coco2017Dataset(CocoDataset):
    """COCO 2017 detection: 80 categories, labels in the order of their official ids."""

    CLASSES = COCO_CLASSES
