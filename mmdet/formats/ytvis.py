"""Reading and checking YouTube-VIS annotation files in plain Python: no torch, no mask is decoded."""

import gc
import json
import math
from pathlib import Path

from mmdet.utils import UserError, atomic_write_text

from .annotations import VideoAnnotations


def read_json(path, kind='annotation file'):
    """Parse a json file; ``UserError`` names the file and, where it can, the place at which it is broken."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f'{kind} {path} does not exist') from None
    except OSError as error:
        raise UserError(f'{kind} {path} cannot be read: {error.strerror or error}') from None
    if not data.strip():
        raise UserError(f'{kind} {path} is empty')
    # The collector would walk the growing tree again and again, for a third of the time, and find nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        text = error.doc.rstrip()
        cut = error.pos >= len(text) - 1 or not text.endswith(('}', ']'))
        hint = ': the file seems to be cut off' if cut else ''
        place = f'line {error.lineno}, column {error.colno} ({error.msg})'
        raise UserError(f'{kind} {path} is not valid json at {place}{hint}') from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise UserError(f'{kind} {path} is not valid json ({error})') from None
    finally:
        if collecting:
            gc.enable()


def load_ytvis(path, require_annotations=False):
    """Read a YouTube-VIS annotation file and check its structure.

    Masks are looked at from outside only (type of each entry): a file of 61 000 frames loads in seconds.

    Args:
        path (str | Path): json file with ``videos``, ``categories`` and ``annotations`` (test sets have
            none).
        require_annotations (bool): refuse a file without annotations.

    Returns:
        VideoAnnotations: videos, categories and annotations.

    Raises:
        UserError: the file is missing, cut off, or not YouTube-VIS; the message names the place.
    """
    content = read_json(path)
    return parse_ytvis(content, path, require_annotations)


def parse_ytvis(content, path='annotations', require_annotations=False):
    """Check parsed json as :func:`load_ytvis` does; ``path`` is what messages call it."""
    if not isinstance(content, dict):
        raise UserError(
            f'{path} is not a YouTube-VIS annotation file: expected an object with the keys '
            f'videos, categories and annotations, got {_kind(content)}'
        )
    if 'videos' not in content and 'images' in content:
        raise UserError(
            f'{path} is a COCO image annotation file (it has images, no videos), not a YouTube-VIS one'
        )
    for key in ('videos', 'categories'):
        if not isinstance(content.get(key), list):
            raise UserError(
                f'{path} is not a YouTube-VIS annotation file: expected a list under {key!r}, got '
                + (_kind(content[key]) if key in content else f'only the keys {sorted(map(str, content))}')
            )
    annotations = content.get('annotations')
    if annotations is None:
        if require_annotations:
            raise UserError(f'{path} has no annotations: it names videos only, as the public test sets do')
    elif not isinstance(annotations, list):
        raise UserError(f'{path}: expected a list under annotations, got {_kind(annotations)}')
    category_ids = _check_categories(content['categories'], path)
    lengths = _check_videos(content['videos'], path)
    _check_annotations(annotations or [], lengths, category_ids, path)
    return VideoAnnotations(
        path, content['categories'], content['videos'], annotations or [], annotations is not None
    )


def _kind(value):
    names = {dict: 'an object', list: 'a list', str: 'a string', bool: 'a boolean', type(None): 'null'}
    return names.get(type(value), f'{value!r}')


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _require(entry, key, test, expected, place):
    """Return ``entry[key]`` if ``test`` holds for it; otherwise say where and what was expected."""
    if not isinstance(entry, dict):
        raise UserError(f'{place}: expected an object, got {_kind(entry)}')
    if key not in entry:
        raise UserError(f'{place}: the key {key!r} is missing')
    if not test(entry[key]):
        raise UserError(f'{place}.{key}: expected {expected}, got {_kind(entry[key])}')
    return entry[key]


def _check_categories(categories, path):
    ids, names = set(), set()
    for number, category in enumerate(categories):
        place = f'{path}: categories[{number}]'
        identity = _require(category, 'id', _is_int, 'an integer', place)
        name = _require(category, 'name', lambda value: isinstance(value, str), 'a string', place)
        if identity in ids:
            raise UserError(f'{place}: the id {identity} is used twice')
        if name in names:
            raise UserError(f'{place}: the name {name!r} is used twice')
        ids.add(identity)
        names.add(name)
    return ids


def _check_videos(videos, path):
    """Check the videos; returns a dict from video id to number of frames."""
    lengths = {}
    for number, video in enumerate(videos):
        place = f'{path}: videos[{number}]'
        identity = _require(
            video, 'id', lambda value: _is_int(value) or isinstance(value, str), 'an id', place
        )
        if identity in lengths:
            raise UserError(f'{place}: the id {identity} is used twice')
        for key in ('width', 'height'):
            _require(video, key, lambda value: _is_int(value) and value > 0, 'a positive integer', place)
        names = _require(video, 'file_names', lambda value: isinstance(value, list), 'a list', place)
        for frame, name in enumerate(names):
            if not isinstance(name, str) or not name:
                raise UserError(f'{place}.file_names[{frame}]: expected a file name, got {_kind(name)}')
        lengths[identity] = len(names)
    return lengths


def _check_annotations(annotations, lengths, category_ids, path):
    ids = set()
    for number, annotation in enumerate(annotations):
        place = f'{path}: annotations[{number}]'
        identity = _require(annotation, 'id', _is_int, 'an integer', place)
        if identity in ids:
            raise UserError(f'{place}: the id {identity} is used twice')
        ids.add(identity)
        place = f'{place} (id {identity})'
        video = _require(
            annotation, 'video_id', lambda value: not isinstance(value, (dict, list)), 'an id', place
        )
        if video not in lengths:
            raise UserError(f'{place}: video_id {video!r} is not among the videos')
        category = _require(annotation, 'category_id', _is_int, 'an integer', place)
        if category not in category_ids:
            raise UserError(f'{place}: category_id {category} is not among the categories')
        if annotation.get('iscrowd', 0) not in (0, 1):
            raise UserError(f'{place}.iscrowd: expected 0 or 1, got {_kind(annotation["iscrowd"])}')
        for key, check in (('segmentations', _segm_fault), ('bboxes', _bbox_fault), ('areas', _area_fault)):
            if key == 'areas' and annotation.get(key) is None:
                continue
            entries = _require(annotation, key, lambda value: isinstance(value, list), 'a list', place)
            if len(entries) != lengths[video]:
                raise UserError(
                    f'{place}.{key}: expected one entry for each of the {lengths[video]} frames '
                    f'of video {video!r}, got {len(entries)}'
                )
            for frame, entry in enumerate(entries):
                if entry is not None and (fault := check(entry)):
                    raise UserError(f'{place}.{key}[{frame}]: expected {fault}, got {_kind(entry)}')


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _segm_fault(entry):
    """What was expected if ``entry`` is no RLE and no list of polygons, else None."""
    if isinstance(entry, dict):
        size = entry.get('size')
        if not (isinstance(size, list) and len(size) == 2 and all(_is_int(value) for value in size)):
            return 'an RLE with size [height, width]'
        return None if isinstance(entry.get('counts'), (str, list)) else 'an RLE with counts'
    if isinstance(entry, list):
        good = all(isinstance(polygon, list) and len(polygon) >= 6 for polygon in entry)
        return None if good else 'polygons of at least three points [x1, y1, x2, y2, x3, y3, ...]'
    return 'null, an RLE or polygons'


def _bbox_fault(entry):
    good = isinstance(entry, list) and len(entry) == 4 and all(_number(value) for value in entry)
    return None if good else 'null or a box [x, y, width, height]'


def _area_fault(entry):
    return None if _number(entry) else 'null or a number'


def write(annotations: VideoAnnotations, out: str | Path, info: dict | None = None) -> dict[str, int]:
    """Check and write an annotation file.

    Args:
        annotations (VideoAnnotations): what to write.
        out (str | Path): json file.
        info (dict | None): goes into the file as ``info``.

    Returns:
        dict[str, int]: what was written.

    Raises:
        UserError: the annotations are invalid; nothing is written.
    """
    content = {} if info is None else {'info': info}
    content.update(categories=annotations.categories, videos=annotations.videos)
    if annotations.has_annotations:
        content['annotations'] = annotations.tracks
    parse_ytvis(content, out)
    atomic_write_text(out, json.dumps(content))
    return {
        'videos': len(annotations.videos),
        'frames': sum(len(video['file_names']) for video in annotations.videos),
        'objects': len(annotations.tracks),
        'categories': len(annotations.categories),
    }


read = load_ytvis  # the name that mmdet.formats expects
