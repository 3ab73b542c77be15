"""Ground truth and predictions as checked tables of numbers, from parsed json."""

import math
from dataclasses import dataclass, field

import numpy as np

from mmdet.structures.packed_masks import Masks
from mmdet.utils import UserError


@dataclass
class Tracks:
    """Tracks of one file; all lists and arrays have one entry a track, in file order.

    Attributes:
        source (str): name for messages.
        entries (list[dict]): the json entries, ``segmentations`` replaced by a range of masks.
        rows (list[int]): position of each in the file.
        video, category (list): ids.
        span (ndarray): (n, 2) int64, range in ``masks``.
        masks (Masks): all masks of the file.
        boxes (list): per track a list over frames of [x, y, w, h] or None, or None without "bboxes".
        area (ndarray): (n,) float64, mean area; of predictions known only after their masks are read.
        score (ndarray): (n,) float64, predictions only.
        id (list): ids; of predictions 1..N.
        ignore, crowd (ndarray): (n,) bool, ground truth only: not counted; may be matched many times.
        no_area (list[bool]): whether ``area`` has still to be taken from the masks or boxes.
    """

    source: str
    masks: Masks
    entries: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    video: list = field(default_factory=list)
    category: list = field(default_factory=list)
    span: np.ndarray = None
    boxes: list = field(default_factory=list)
    area: np.ndarray = None
    score: np.ndarray = None
    id: list = field(default_factory=list)
    ignore: np.ndarray = None
    crowd: np.ndarray = None
    no_area: list = field(default_factory=list)

    def __len__(self):
        return len(self.entries)

    def place(self, i, frame=None):
        """Where track ``i`` stands in its file, for messages."""
        name = 'annotations' if self.score is None else 'results'
        text = f'{name}[{self.rows[i]}] (video {self.video[i]!r}'
        text += f', id {self.id[i]!r})' if self.score is None else ')'
        return text if frame is None else f'{text} frame {frame}'


@dataclass
class Dataset:
    """Videos and categories of an annotation file.

    Attributes:
        videos (dict): id -> ``(height, width, length)``, each None where the file does not say.
        categories (dict): id -> name.
        vid_ids, cat_ids (list): sorted.
        names (dict): video id -> folder of its frames, or '' where the file does not say.
    """

    videos: dict
    categories: dict
    vid_ids: list
    cat_ids: list
    names: dict


def is_number(value):
    """Whether a json value is a number (NaN and infinities included)."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def sort_ids(ids):
    """Ids in ascending order; mixed types by the name of the type, as there is no order between them."""
    try:
        return sorted(ids)
    except TypeError:
        return sorted(ids, key=lambda value: (type(value).__name__, str(value)))


def _is_finite(value):
    """Whether a number is finite; one too large for a float is."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return True


def is_zero_id(identity):
    """Whether an id is 0 to the official code, which keeps ids as floats, also those given as text."""
    try:
        return float(identity) == 0
    except (TypeError, ValueError, OverflowError):
        return False


def _hashable(value):
    return isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))


def _read_list(root, key, source, report, required=True):
    """Entries of the list ``key`` that are objects with a usable id: ``[(row, entry)]``."""
    entries = root.get(key)
    if not isinstance(entries, list):
        if required:
            raise UserError(f'{source}: a list "{key}" is expected, got {type(entries).__name__}')
        return None
    kept = []
    for row, entry in enumerate(entries):
        if not isinstance(entry, dict):
            report.add('not_an_object', source, f'{key}[{row}]')
        elif 'id' not in entry:
            report.add('missing_key', source, f'{key}[{row}] has no "id"')
        elif _hashable(entry['id']) or (key == 'annotations' and not isinstance(entry['id'], (list, dict))):
            kept.append((row, entry))
            if not _hashable(entry['id']):
                report.add('bad_id', source, f'{key}[{row}] id {entry["id"]!r:.40}')
        else:
            report.add('bad_value', source, f'{key}[{row}] id {entry["id"]!r:.40}')
    return kept


def read_dataset(root, source, report):
    """Videos and categories of a parsed annotation file.

    Raises:
        UserError: it is not in YouTube-VIS format at all.
    """
    if not isinstance(root, dict):
        raise UserError(
            f'{source}: not in YouTube-VIS format: an object is expected, got {type(root).__name__}'
        )
    if 'videos' not in root:
        raise UserError(
            f'{source}: not in YouTube-VIS format: no "videos", only {", ".join(map(repr, list(root)[:8]))}'
        )
    videos, categories, names = {}, {}, {}
    for row, entry in _read_list(root, 'videos', source, report):
        if entry['id'] in videos:
            report.add('duplicate_video', source, f'videos[{row}] (id {entry["id"]!r})')
        height, width, length = (_count(entry.get(key)) for key in ('height', 'width', 'length'))
        files = entry.get('file_names')
        files = files if isinstance(files, list) else None
        if length is None and files is not None:
            length = len(files)
        first = files[0] if files and isinstance(files[0], str) else ''
        names[entry['id']] = first.rpartition('/')[0]
        videos[entry['id']] = (height, width, length)
    listed = _read_list(root, 'categories', source, report, required=False)
    if listed is None and root.get('categories') in ({}, ''):
        # Nothing, only of the wrong kind: the official code finds no category in it either.
        report.add('bad_value', source, 'categories')
        listed = []
    elif listed is None:
        report.add('no_categories', source, 'categories')
        found = root.get('annotations') if isinstance(root.get('annotations'), list) else []
        ids = {a['category_id'] for a in found if isinstance(a, dict) and _hashable(a.get('category_id'))}
        listed = [(0, {'id': i}) for i in ids]
    for row, entry in listed:
        if entry['id'] in categories:
            report.add('duplicate_category', source, f'categories[{row}] (id {entry["id"]!r})')
        categories[entry['id']] = str(entry.get('name', entry['id']))
    report.settle()
    return Dataset(videos, categories, sort_ids(videos), sort_ids(categories), names)


def mean_area(areas):
    """Mean of the entries of a json list that are neither empty nor 0.

    Returns:
        tuple: the mean (float, 0.0 without entries; None if the list is unusable), and whether all entries
        are finite and not negative.
    """
    if areas in ('', {}):  # nothing, only of the wrong kind
        areas = []
    if not isinstance(areas, list):
        return None, True
    present = [a for a in areas if a]
    try:
        values = np.array(present)
        entries = values.ravel().tolist()
        if values.dtype.kind not in 'biufO' or not all(map(is_number_or_bool, entries)):
            return None, True
        # numpy's own mean: its order of summation is part of the official number.
        mean = float(values.mean()) if values.size else math.nan if present else 0.0
    except ValueError:  # lists of different lengths
        return None, True
    except OverflowError:
        return math.inf, True
    return mean, all(0 <= a < math.inf for a in entries)


def is_number_or_bool(value):
    """Whether a json value can be counted with."""
    return isinstance(value, bool) or is_number(value)


def _count(value):
    """A number of pixels or frames as int; None where there is no such number."""
    if not is_number(value) or not 0 <= value < 2**31 or value != int(value):
        return None
    return int(value)


def _check_keys(entry, place, keys, source, report):
    """Whether an entry has the keys, with ids that can be looked up."""
    for key in keys:
        if key not in entry:
            report.add('missing_key', source, f'{place} has no "{key}"')
            return False
    for key in ('video_id', 'category_id'):
        if not _hashable(entry[key]):
            report.add('bad_value', source, f'{place} {key} {entry[key]!r:.40}')
            return False
    return True


def read_truth(root, masks, dataset, source, report, iou_type='segm'):
    """Annotations of a parsed file as :class:`Tracks`; see :func:`read_dataset` for the order of checks.

    A file without "annotations" (or null), like those of the official val sets, gives no tracks.
    """
    tracks = Tracks(source, masks)
    seen, ignore, crowd, spans, areas = set(), [], [], [], []
    listed = [] if not root.get('annotations') else _read_list(root, 'annotations', source, report)
    for row, entry in listed:
        place = f'annotations[{row}] (id {entry["id"]!r})'
        if not _check_keys(entry, place, ('video_id', 'category_id'), source, report):
            continue
        span = _span_of(entry, place, source, report, iou_type)
        if span is None:
            continue
        if entry['id'] in seen:
            report.add('duplicate_annotation', source, place)
        if is_zero_id(entry['id']):
            report.add('zero_id', source, place)
        if entry['video_id'] not in dataset.videos:
            report.add('ground_truth_of_unknown_video', source, f'{place} video {entry["video_id"]!r}')
        if entry['category_id'] not in dataset.categories:
            report.add(
                'ground_truth_of_unknown_category', source, f'{place} category {entry["category_id"]!r}'
            )
        flag = entry.get('iscrowd')
        if not isinstance(flag, bool) and not (is_number(flag) and _is_finite(flag)):
            report.add('missing_iscrowd', source, place)
            flag = flag if _is_whole_text(flag) else 0
        area, usual = mean_area(entry.get('areas'))
        if area is None:
            report.add('missing_areas', source, place)
        elif not usual:
            report.add('bad_areas', source, place)
        seen.add(entry['id'])
        areas.append(math.nan if area is None else area)
        tracks.no_area.append(area is None)
        ignore.append(bool(flag))
        crowd.append(int(flag) != 0)
        _append(tracks, row, entry, span, spans)
        tracks.id.append(entry['id'])
    tracks.span = np.array(spans, np.int64).reshape(-1, 2)
    tracks.area = np.array(areas, np.float64)
    tracks.ignore, tracks.crowd = np.array(ignore, bool), np.array(crowd, bool)
    report.settle()
    return tracks


def _is_whole_text(value):
    try:
        return isinstance(value, str) and int(value) is not None
    except ValueError:
        return False


def read_predictions(root, masks, dataset, source, report, iou_type='segm', indexed=False):
    """Entries of a parsed result file as :class:`Tracks`.

    Args:
        root (list): the entries.
        masks, dataset, source, report, iou_type: as for :func:`read_truth`.
        indexed (bool): the entries are those of a :class:`YTVOS`: their own ids and areas, which a script may
            have set, count.

    Raises:
        UserError: the file is no list.
    """
    if not isinstance(root, list):
        raise UserError(f'{source}: a list of predictions is expected, got {type(root).__name__}')
    tracks = Tracks(source, masks, score=np.zeros(0))
    scores, spans, areas = [], [], []
    if not root:
        report.add('empty_results', source, 'the whole file')
    for row, entry in enumerate(root):
        place = f'results[{row}]'
        if not isinstance(entry, dict):
            report.add('not_an_object', source, place)
            continue
        if not _check_keys(entry, place, ('video_id', 'category_id'), source, report):
            continue
        place += f' (video {entry["video_id"]!r})'
        if entry['video_id'] not in dataset.videos:
            report.add('prediction_of_unknown_video', source, place)
            continue
        if entry['category_id'] not in dataset.categories:
            hint = ', a label that counts from 0?' if entry['category_id'] == 0 else ''
            what = f'category {entry["category_id"]!r}{hint}'
            report.add('prediction_of_unknown_category', source, f'{place} {what}')
            continue
        score = entry.get('score')
        if 'score' not in entry:
            report.add('missing_key', source, f'{place} has no "score"')
            continue
        if not is_number_or_bool(score):
            report.add('bad_value', source, f'{place} score {score!r:.40}')
            continue
        score = _to_float(score)
        if not math.isfinite(score):
            report.add('bad_score', source, f'{place} score {score}')
        span = _span_of(entry, place, source, report, iou_type)
        if span is None:
            continue
        scores.append(score)
        _append(tracks, row, entry, span, spans)
        area = mean_area(entry['areas'])[0] if indexed and iou_type == 'segm' and 'areas' in entry else None
        areas.append(0.0 if area is None else area)
        tracks.no_area.append(area is None)
        tracks.id.append(entry['id'] if indexed and _hashable(entry.get('id')) else row + 1)
    tracks.span, tracks.score = np.array(spans, np.int64).reshape(-1, 2), np.array(scores, np.float64)
    tracks.area = np.array(areas, np.float64)
    report.settle()
    return tracks


def _to_float(score):
    try:
        return float(score)
    except OverflowError:
        return math.inf if score > 0 else -math.inf


def _append(tracks, row, entry, span, spans):
    tracks.rows.append(row)
    tracks.entries.append(entry)
    tracks.video.append(entry['video_id'])
    tracks.category.append(entry['category_id'])
    boxes = entry.get('bboxes')
    tracks.boxes.append(boxes if isinstance(boxes, list) else None)
    spans.append(span)


def _span_of(entry, place, source, report, iou_type):
    """Range of the masks of an entry; an empty one for boxes without masks; None if it has neither."""
    span = entry.get('segmentations')
    if isinstance(span, tuple):  # a Span: lists of masks, and tuples of them, have become one
        return span
    if isinstance(span, (str, dict)) and not span:
        # To the official code a track without frames; its length is noted as wrong later.
        return (0, 0)
    if iou_type == 'bbox' and span is None and isinstance(entry.get('bboxes'), list):
        return (0, 0)
    if 'segmentations' not in entry:
        report.add('missing_key', source, f'{place} has no "segmentations"')
    else:
        report.add('bad_value', source, f'{place} segmentations {type(span).__name__}')
    return None
