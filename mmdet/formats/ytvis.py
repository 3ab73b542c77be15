"""The reader of YouTube-VIS annotation files. Training, checks and scoring share it.

How strict it is depends on the policy of the :class:`~mmdet.formats.defects.Report` that is passed in. No
mask is decoded; torch is not needed.
"""

import json
import math
from pathlib import Path

import numpy as np

from mmdet.structures.rle import MAX_PIXELS
from mmdet.utils import UserError, atomic_write_text, file_name_fault, is_text

from .annotations import VideoAnnotations
from .defects import Report
from .mask_checks import check_lengths, check_masks
from .reading import read_json
from .recognize import ANNOTATIONS, name_kind
from .usual_form import usual_form
from .ytvis_entries import check_entries, is_int
from .ytvis_tables import (
    Dataset,
    Tracks,
    append_track,
    has_keys,
    is_id,
    is_number,
    is_zero_id,
    kind_of,
    mean_area,
    other_type,
    read_list,
    sort_ids,
    span_of,
)


def read(
    path: str | Path, require_annotations: bool = False, images: str | Path | None = None
) -> VideoAnnotations:
    """Read an annotation file for training, testing or conversion.

    Args:
        path (str | Path): json file with ``videos``, ``categories`` and ``annotations`` (none in test sets).
        require_annotations (bool): refuse a file without annotations.
        images (str | Path | None): folder of the images, for sizes of videos that the file does not have.

    Raises:
        UserError: the file is missing, cut off, or not in YouTube-VIS format; the message names the places.
    """
    return parse_ytvis(read_json(path), path, require_annotations, images)


def parse_ytvis(
    content, path='annotations', require_annotations: bool = False, images=None
) -> VideoAnnotations:
    """Check parsed json as :func:`read` does; ``path`` is what messages call it."""
    report = Report('training')
    content = read_usual(content, str(path), report, images)
    annotations = content.get('annotations')
    if annotations is None and require_annotations:
        raise UserError(f'{path} has no annotations: it only lists videos, as public test sets do')
    return VideoAnnotations(
        path,
        content['categories'],
        content['videos'],
        annotations or [],
        annotations is not None,
        report.warnings,
    )


def read_usual(content, source: str, report: Report, images=None) -> dict:
    """Parsed json in the usual form (see :mod:`.usual_form`), after all checks that training needs.

    Args:
        content (object): the parsed json; it is not changed.
        source (str): what messages call the file.
        report (Report): of the policy ``'training'``; one that collects has the errors in ``report.found``.
        images (str | Path | None): folder of the images, for sizes of videos that the file does not have.
    """
    _check_root(content, source)
    content = usual_form(content, source, report, images)
    read_tables(content, None, source, report)
    return content


def read_tables(root, masks, source: str, report: Report, iou_type: str = 'segm') -> tuple[Dataset, Tracks]:
    """Read the parsed json of an annotation file into checked tables.

    Args:
        root (object): the json, from :func:`~mmdet.formats.packing.read_packed` or ``read_json``.
        masks (Masks | None): its masks; None if they are still in ``root``, then only their form is checked.
        source (str): what messages call the file.
        report (Report): where defects go, and how strict to be.
        iou_type (str): ``'segm'``, or ``'bbox'`` where tracks need no masks.

    Raises:
        UserError: it is not in YouTube-VIS format at all.
        InputDefect: it has a defect that is an error for the policy of ``report``.
    """
    dataset = read_dataset(root, source, report)
    truth = _read_truth(root, masks, dataset, source, report, iou_type)
    if masks is None:
        check_lengths(truth, {v: len(names) for v, names in dataset.file_names.items()}, report)
        report.settle()
    elif iou_type == 'segm':
        check_masks(truth, dataset, report)
    return dataset, truth


def read_dataset(root, source: str, report: Report) -> Dataset:
    """Read the videos and categories of an annotation file; see :func:`read_tables`."""
    _check_root(root, source)
    videos, file_names = {}, {}
    for row, entry in read_list(root, 'videos', source, report):
        place = f'videos[{row}] (id {entry["id"]!r})'
        if entry['id'] in videos:
            report.add('duplicate_video', source, place)
        _check_video(entry, place, source, report)
        names = entry.get('file_names')
        height, width, length = (_count(entry.get(key)) for key in ('height', 'width', 'length'))
        if length is None and isinstance(names, list):
            length = len(names)
        videos[entry['id']] = (height or None, width or None, length)
        file_names[entry['id']] = names if isinstance(names, list) else []
    categories, names = {}, set()
    for row, entry in _list_categories(root, source, report):
        place, name = f'categories[{row}] (id {entry["id"]!r})', entry.get('name')
        if entry['id'] in categories:
            report.add('duplicate_category', source, place)
        _check_id(entry, f'categories[{row}]', 'id', source, report)
        if is_number(entry['id']) and entry['id'] < 0:
            report.add('odd_id', source, f'categories[{row}].id: expected 0 or more, got {entry["id"]!r:.40}')
        if not is_text(name) or name in names:
            report.add('category_name', source, f'{place} name {name!r}')
        names.add(name if isinstance(name, str) else None)
        categories[entry['id']] = str(entry.get('name', entry['id']))
    report.settle()
    return Dataset(videos, categories, sort_ids(videos), sort_ids(categories), file_names)


def _check_root(root, source):
    """Tell what is no YouTube-VIS file at all."""
    start = f'{source} is not a YouTube-VIS annotation file'
    if known := name_kind(root, source, ANNOTATIONS):
        raise UserError(f'{start}, but {known}')
    if not isinstance(root, dict):
        keys = 'videos, categories and annotations'
        raise UserError(f'{start}: expected an object with the keys {keys}, got {kind_of(root)}')
    for key in ('videos', 'annotations'):
        value = root.get(key)
        if isinstance(value, list) or (key == 'annotations' and not value):
            continue
        got = kind_of(value) if key in root else f'only the keys {list(root)[:8]}'
        raise UserError(f'{start}: expected a list under {key!r}, got {got}')


def _list_categories(root, source, report):
    """Rows and entries of the categories; those of the annotations if there is no list."""
    listed = read_list(root, 'categories', source, report, required=False)
    if listed is not None:
        return listed
    if root.get('categories') in ({}, ''):
        # The official code finds no category in these either.
        report.add('bad_value', source, 'categories')
        return []
    report.add('no_categories', source, 'categories')
    found = root.get('annotations') if isinstance(root.get('annotations'), list) else []
    ids = {a['category_id'] for a in found if isinstance(a, dict) and is_id(a.get('category_id'))}
    return [(0, {'id': i, 'name': str(i)}) for i in ids]


def _check_video(entry, place, source, report):
    """What scoring does not need of a video: its size and its frames."""
    _check_id(entry, place, 'id', source, report)
    height, width = (entry.get(key) for key in ('height', 'width'))
    for key, side in (('height', height), ('width', width)):
        if not is_int(side) or side < 1:
            got = kind_of(side) if key in entry else 'nothing'
            report.add('video_size', source, f'{place}.{key}: expected a positive integer, got {got}')
    if is_int(height) and is_int(width) and height * width > MAX_PIXELS:
        report.add('video_size', source, f'{place}: more than {MAX_PIXELS} pixels')
    names, length = entry.get('file_names'), entry.get('length')
    if not isinstance(names, list):
        report.add('file_names', source, f'{place}.file_names: expected a list, got {kind_of(names)}')
        return
    for frame, name in enumerate(names):
        if expected := file_name_fault(name):
            what = f'{place}.file_names[{frame}]: expected {expected}, got {kind_of(name)}'
            report.add('file_names', source, what)
    if not names:
        report.add('video_frames', source, f'{place} has no frames')
    elif length is not None and length != len(names):
        report.add('video_frames', source, f'{place} length {length!r}, {len(names)} file names')


def _check_id(entry, place, key, source, report):
    """Note an id that training cannot use, though scoring can."""
    value = entry[key]
    if not is_id(value) or isinstance(value, bool):
        report.add('odd_id', source, f'{place}.{key}: expected a number or a text, got {kind_of(value)}')


def _count(value):
    """A number of pixels or frames as int; None where there is no such number."""
    if not is_number(value) or not 0 <= value < 2**31 or value != int(value):
        return None
    return int(value)


def _read_truth(root, masks, dataset, source, report, iou_type):
    """Annotations as :class:`Tracks`; none for a file of a test set, which has no "annotations"."""
    tracks = Tracks(source, masks)
    seen, ignore, crowd, spans, areas = set(), [], [], [], []
    annotations = root.get('annotations')
    if annotations is not None and not isinstance(annotations, list):  # empty, only of the wrong type
        report.add('bad_value', source, f'annotations: expected a list, got {kind_of(annotations)}')
    for row, entry in read_list(root, 'annotations', source, report) if annotations else []:
        place = f'annotations[{row}] (id {entry["id"]!r})'
        if not has_keys(entry, place, ('video_id', 'category_id'), source, report):
            continue
        span = span_of(entry, place, source, report, iou_type)
        if span is None:
            continue
        if entry['id'] in seen:
            report.add('duplicate_annotation', source, place)
        if is_zero_id(entry['id']):
            report.add('zero_id', source, place)
        _check_known(entry, place, dataset, source, report)
        flag = _crowd_flag(entry, place, source, report)
        # Training looks at the area of each frame instead.
        area, usual = mean_area(entry.get('areas')) if report.wants('missing_areas') else (0.0, True)
        if area is None:
            report.add('missing_areas' if entry.get('areas') is None else 'unusable_areas', source, place)
        elif not usual:
            report.add('bad_areas', source, place)
        if report.wants('list_length'):
            check_entries(entry, place, span[1] - span[0], dataset.videos, source, report)
        seen.add(entry['id'])
        areas.append(math.nan if area is None else area)
        tracks.no_area.append(area is None)
        ignore.append(bool(flag))
        crowd.append(int(flag) != 0)
        append_track(tracks, row, entry, span, spans)
        tracks.id.append(entry['id'])
    tracks.span = np.array(spans, np.int64).reshape(-1, 2)
    tracks.area = np.array(areas, np.float64)
    tracks.ignore, tracks.crowd = np.array(ignore, bool), np.array(crowd, bool)
    report.settle()
    return tracks


def _check_known(entry, place, dataset, source, report):
    """Whether the file lists the video and the category of an annotation."""
    for key in ('id', 'category_id'):
        _check_id(entry, place, key, source, report)
    if entry['video_id'] not in dataset.videos:
        what = f'{place} video {entry["video_id"]!r}{other_type(entry["video_id"], dataset.videos)}'
        report.add('ground_truth_of_unknown_video', source, what)
    if entry['category_id'] not in dataset.categories:
        hint = other_type(entry['category_id'], dataset.categories)
        what = f'{place} category {entry["category_id"]!r}{hint}'
        report.add('ground_truth_of_unknown_category', source, what)


def _crowd_flag(entry, place, source, report):
    """ "iscrowd" as the official code takes it; 0 where it is unusable."""
    flag = entry.get('iscrowd')
    if isinstance(flag, bool) or (is_number(flag) and (isinstance(flag, int) or math.isfinite(flag))):
        return flag
    report.add('missing_iscrowd' if flag is None else 'bad_iscrowd', source, place)
    if flag is not None:
        report.add('iscrowd_value', source, f'{place}.iscrowd: expected 0 or 1, got {kind_of(flag)}')
    try:
        int(flag if isinstance(flag, str) else '')
    except ValueError:
        return 0
    return flag


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
