"""Tables of tracks in YouTube-VIS format, and what readers of annotations and of results have in common."""

import math
import sys
from dataclasses import dataclass, field

import numpy as np

from mmdet.structures.packed_masks import Masks
from mmdet.utils import UserError

from .packing import Span


@dataclass
class Tracks:
    """Tracks of one file; all lists and arrays have one entry a track, in file order.

    Attributes:
        source (str): what messages call the file.
        entries (list[dict]): the json entries, ``segmentations`` replaced by a range of masks.
        rows (list[int]): position of each in the file.
        video, category (list): ids.
        span (ndarray): (n, 2) int64, range in ``masks``.
        masks (Masks | None): all masks of the file; None if they are still lists in the entries.
        boxes (list): per track a list over frames of [x, y, w, h] or None, or None without "bboxes".
        area (ndarray): (n,) float64, mean area; of predictions known only after their masks are read.
        score (ndarray): (n,) float64, predictions only.
        id (list): ids; of predictions 1..N.
        ignore, crowd (ndarray): (n,) bool, ground truth only: not counted; may be matched many times.
        no_area (list[bool]): whether ``area`` has still to be taken from the masks or boxes.
    """

    source: str
    masks: Masks | None
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
        file_names (dict): video id -> list of its frames; empty where the file does not list them.
    """

    videos: dict
    categories: dict
    vid_ids: list
    cat_ids: list
    file_names: dict

    def folder(self, video):
        """Folder of the frames of a video (its id); '' where the file does not say."""
        first = self.file_names[video][0] if self.file_names[video] else ''
        return first.rpartition('/')[0] if isinstance(first, str) else ''


def kind_of(value) -> str:
    """What a json value is, for messages."""
    names = {dict: 'an object', list: 'a list', str: 'a string', bool: 'a boolean', type(None): 'null'}
    return names.get(type(value), f'{value!r:.60}')


def is_number(value):
    """Whether a json value is a number (NaN and infinities included)."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_number_or_bool(value):
    """Whether a json value can be counted with."""
    return isinstance(value, bool) or is_number(value)


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


def sort_ids(values, id_of=lambda value: value):
    """Ids, or values that have one, in ascending order of the ids; ids of mixed types by the name of the
    type, as there is no order between them."""
    try:
        return sorted(values, key=id_of)
    except TypeError:
        return sorted(values, key=lambda value: (type(id_of(value)).__name__, str(id_of(value))))


def is_id(value):
    """Whether a json value can be looked up as an id."""
    return isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))


def other_type(identity, known):
    """Hint for an id that is not among ``known``, where the same id of another type is; else no text."""
    if isinstance(identity, str) and identity.isascii() and identity.isdigit() and len(identity) < 20:
        other, kind = int(identity), 'a number'
    else:
        other, kind = str(identity), 'a text'
    return f' (listed is {other!r}, {kind})' if other in known else ''


def is_finite(value):
    """Whether a json value is a number that a float can hold; integers may have any length."""
    return is_number(value) and abs(value) <= sys.float_info.max


def is_zero_id(identity):
    """Whether an id is 0 to the official code, which keeps ids as floats, also those given as text."""
    try:
        return float(identity) == 0
    except (TypeError, ValueError, OverflowError):
        return False


def read_list(root, key, source, report, required=True):
    """Entries of the list ``key`` that are objects with a usable id.

    Returns:
        list[tuple[int, dict]] | None: row and entry; None if there is no such list and it is not required.

    Raises:
        UserError: a required list is missing.
    """
    entries = root.get(key)
    if not isinstance(entries, list):
        if required:
            raise UserError(f'{source}: expected a list under {key!r}, got {kind_of(entries)}')
        return None
    kept = []
    for row, entry in enumerate(entries):
        if not isinstance(entry, dict):
            report.add('not_an_object', source, f'{key}[{row}]: expected an object, got {kind_of(entry)}')
        elif 'id' not in entry:
            report.add('missing_key', source, f'{key}[{row}] has no "id"')
        elif is_id(entry['id']) or (key == 'annotations' and not isinstance(entry['id'], (list, dict))):
            kept.append((row, entry))
            if not is_id(entry['id']):
                report.add('bad_id', source, f'{key}[{row}] id {entry["id"]!r:.40}')
        else:
            report.add('bad_value', source, f'{key}[{row}] id {entry["id"]!r:.40}')
    return kept


def has_keys(entry, place, keys, source, report):
    """Whether an entry has ``keys``, and its ids of a video and a category can be looked up."""
    for key in keys:
        if key not in entry:
            report.add('missing_key', source, f'{place} has no "{key}"')
            return False
    for key in ('video_id', 'category_id'):
        if not is_id(entry[key]):
            report.add('bad_value', source, f'{place} {key} {entry[key]!r:.40}')
            return False
    return True


def span_of(entry, place, source, report, iou_type):
    """Range of the masks of an entry; empty for boxes without masks; None if it has neither."""
    span = entry.get('segmentations')
    if isinstance(span, Span):
        return span
    if isinstance(span, list):  # masks that were not packed
        return (0, len(span))
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


def append_track(tracks, row, entry, span, spans):
    """Add what all entries have: ids, boxes and the range of their masks."""
    tracks.rows.append(row)
    tracks.entries.append(entry)
    tracks.video.append(entry['video_id'])
    tracks.category.append(entry['category_id'])
    boxes = entry.get('bboxes')
    tracks.boxes.append(boxes if isinstance(boxes, list) else None)
    spans.append(span)
