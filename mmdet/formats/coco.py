"""COCO images: each becomes a video of one frame, each of its objects a track."""

from mmdet.utils import UserError

from .annotations import VideoAnnotations
from .reading import read_json
from .recognize import ANNOTATIONS, name_kind

_KEYS = {
    'images': ('id', 'width', 'height', 'file_name'),
    'categories': ('id', 'name'),
    'annotations': ('id', 'image_id', 'category_id', 'bbox'),
}


def read(path, require_annotations=False):
    """Read a COCO detection file and check its structure; no mask is decoded.

    Args:
        path (str | Path): json file with ``images``, ``categories`` and ``annotations`` (test sets have
            none).
        require_annotations (bool): refuse a file without annotations.

    Returns:
        VideoAnnotations: videos of one frame, with the ids of the images; an annotation marked ``ignore``
        has no box.

    Raises:
        UserError: the file is missing, truncated, or not COCO; the message names the entry.
    """
    content = read_json(path)
    if not isinstance(content, dict) or 'images' not in content:
        known = name_kind(content, path)
        if known == ANNOTATIONS:
            raise UserError(f'{path} is a video annotation file (it has videos, no images); use YTVOSDataset')
        what = f'but {known}' if known else 'expected an object with images'
        raise UserError(f'{path} is not a COCO annotation file: {what}')
    has_annotations = 'annotations' in content
    if not require_annotations:
        content.setdefault('annotations', [])
    for key, fields in _KEYS.items():
        _check_entries(content.get(key), key, fields, path)
    images = {image['id'] for image in content['images']}
    categories = {category['id'] for category in content['categories']}
    for number, annotation in enumerate(content['annotations']):
        place = f'{path}: annotations[{number}] (id {annotation["id"]})'
        if annotation['image_id'] not in images:
            raise UserError(f'{place}: image_id {annotation["image_id"]} is not among the images')
        if annotation['category_id'] not in categories:
            raise UserError(f'{place}: category_id {annotation["category_id"]} is not among the categories')
        box = annotation['bbox']
        if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box)):
            raise UserError(f'{place}.bbox: expected [x, y, width, height], got {box!r}')
    return VideoAnnotations(
        path,
        content['categories'],
        [_video(image) for image in content['images']],
        [_track(annotation) for annotation in content['annotations']],
        has_annotations,
    )


def _check_entries(entries, key, fields, path):
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


def _video(image):
    return {
        'id': image['id'],
        'file_names': [image['file_name']],
        'width': image['width'],
        'height': image['height'],
    }


def _track(annotation):
    return {
        'id': annotation['id'],
        'video_id': annotation['image_id'],
        'category_id': annotation['category_id'],
        'iscrowd': annotation.get('iscrowd', 0),
        'bboxes': [None if annotation.get('ignore') else annotation['bbox']],
        'areas': [annotation.get('area')],
        'segmentations': [annotation.get('segmentation')],
    }
