"""COCO images: each becomes a video of one frame, each of its objects a track."""

from mmdet.utils import UserError

from .defects import InputDefect
from .reading import read_json
from .recognize import ANNOTATIONS, CAPTIONS, name_kind
from .ytvis import parse_ytvis
from .ytvis_entries import box_fault
from .ytvis_tables import is_id

_KEYS = {
    'images': ('id', 'file_name'),
    'categories': ('id', 'name'),
    'annotations': ('id', 'image_id', 'category_id'),
}


def read(path, require_annotations=False, images=None):
    """Read a COCO detection file and check it by the reader of videos.

    Args:
        path (str | Path): json file with ``images``, ``categories`` and ``annotations`` (test sets have
            none).
        require_annotations (bool): refuse a file without annotations.
        images (str | Path | None): folder of the images, for sizes that the file does not have.

    Returns:
        VideoAnnotations: videos of one frame, with the ids of the images; an annotation marked ``ignore``
        has no box.

    Raises:
        UserError: the file is missing, truncated, or not COCO; the message names the entry.
    """
    content = read_json(path)
    known = name_kind(content, path)
    if known == ANNOTATIONS:
        raise UserError(f'{path} is a video annotation file (it has videos, no images); use YTVOSDataset')
    if known == CAPTIONS or not isinstance(content, dict) or 'images' not in content:
        what = f', but {known}' if known else ': expected an object with images'
        raise UserError(f'{path} is not a COCO annotation file{what}')
    has_annotations = 'annotations' in content
    if not require_annotations:
        content.setdefault('annotations', [])
    for key, fields in _KEYS.items():
        _check_entries(content.get(key), key, fields, path)
    _check_references(content, path)
    videos = {
        'videos': [_video(image) for image in content['images']],
        'categories': content['categories'],
        'annotations': [_track(annotation) for annotation in content['annotations']],
    }
    try:
        made = parse_ytvis(videos, path, images=images)
    except InputDefect as error:  # what are videos to the reader are images to the user
        start, name, rest = str(error).partition(str(path))
        raise UserError(start + name + rest.replace('video', 'image')) from None
    made.has_annotations = has_annotations
    return made


def _check_references(content, path):
    """Whether each annotation is of a known image and category, and has a box or a mask."""
    known = {key: {entry['id'] for entry in content[key]} for key in ('images', 'categories')}
    for number, annotation in enumerate(content['annotations']):
        place = f'{path}: annotations[{number}] (id {annotation["id"]})'
        for key, name in (('image_id', 'images'), ('category_id', 'categories')):
            if not is_id(annotation[key]) or annotation[key] not in known[name]:
                raise UserError(f'{place}: {key} {annotation[key]!r:.60} is not among the {name}')
        box = annotation.get('bbox')
        if box_fault(box) and (box or not annotation.get('segmentation')):
            raise UserError(f'{place}.bbox: expected [x, y, width, height], got {box!r:.60}')


def _check_entries(entries, key, fields, path):
    if not isinstance(entries, list):
        raise UserError(f'{path} is not a COCO annotation file: expected a list under {key!r}')
    seen = set()
    for number, entry in enumerate(entries):
        missing = [field for field in fields if not isinstance(entry, dict) or field not in entry]
        if missing:
            raise UserError(f'{path}: {key}[{number}]: the key {missing[0]!r} is missing')
        if not is_id(entry['id']):
            raise UserError(
                f'{path}: {key}[{number}]: the id {entry["id"]!r:.60} is neither a number nor a text'
            )
        if entry['id'] in seen:
            raise UserError(f'{path}: {key}[{number}]: the id {entry["id"]} is used twice')
        seen.add(entry['id'])


def _video(image):
    sides = {key: image[key] for key in ('width', 'height') if key in image}
    return {'id': image['id'], 'file_names': [image['file_name']], **sides}


def _track(annotation):
    ignored = bool(annotation.get('ignore'))
    return {
        'id': annotation['id'],
        'video_id': annotation['image_id'],
        'category_id': annotation['category_id'],
        'iscrowd': annotation.get('iscrowd', 0),
        'bboxes': [None if ignored else annotation.get('bbox') or None],
        'areas': [annotation.get('area')],
        'segmentations': [None if ignored else annotation.get('segmentation')],
    }
