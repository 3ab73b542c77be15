"""Reading results in YouTube-VIS format: one entry for each predicted track."""

import math

import numpy as np

from mmdet.utils import UserError

from .recognize import RESULTS, name_kind
from .ytvis_tables import (
    Tracks,
    append_track,
    has_keys,
    is_id,
    is_number_or_bool,
    kind_of,
    mean_area,
    other_type,
    span_of,
)


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
    check_result_list(root, source)
    tracks = Tracks(source, masks, score=np.zeros(0))
    scores, spans, areas = [], [], []
    if not root:
        report.add('empty_results', source, 'the whole file')
    for row, entry in enumerate(root):
        place = f'results[{row}]'
        if not isinstance(entry, dict):
            report.add('not_an_object', source, place)
            continue
        if not has_keys(entry, place, ('video_id', 'category_id'), source, report):
            continue
        place += f' (video {entry["video_id"]!r})'
        if entry['video_id'] not in dataset.videos:
            hint = other_type(entry['video_id'], dataset.videos)
            report.add('prediction_of_unknown_video', source, place + hint)
            continue
        if entry['category_id'] not in dataset.categories:
            hint = other_type(entry['category_id'], dataset.categories)
            hint = ', a label that counts from 0?' if entry['category_id'] == 0 else hint
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
        span = span_of(entry, place, source, report, iou_type)
        if span is None:
            continue
        scores.append(score)
        append_track(tracks, row, entry, span, spans)
        area = mean_area(entry['areas'])[0] if indexed and iou_type == 'segm' and 'areas' in entry else None
        areas.append(0.0 if area is None else area)
        tracks.no_area.append(area is None)
        tracks.id.append(entry['id'] if indexed and is_id(entry.get('id')) else row + 1)
    tracks.span, tracks.score = np.array(spans, np.int64).reshape(-1, 2), np.array(scores, np.float64)
    tracks.area = np.array(areas, np.float64)
    report.settle()
    return tracks


def check_result_list(root, source) -> None:
    """Raise a UserError if the parsed json of a result file is no list, or of another kind."""
    known = name_kind(root, source, RESULTS)
    if not isinstance(root, list):
        got = f'but it is {known}' if known else f'got {type(root).__name__}'
        raise UserError(f'{source}: a list of predictions is expected, {got}')
    if known and not any(isinstance(entry, dict) and 'segmentations' in entry for entry in root):
        raise UserError(f'{source}: predictions of tracks are expected, but it is {known}')


def check_result(entry, place, videos=None, category_ids=None, boxes=False) -> None:
    """Check one prediction for conversion and drawing; its masks are not decoded.

    Args:
        entry (object): from the list of results.
        place (str): where it stands, for messages.
        videos (dict | None): id -> video, with ``file_names``; None: any will do.
        category_ids (Container | None): of the annotation file; None: any will do.
        boxes (bool): ``bboxes`` may stand in place of ``segmentations``.

    Raises:
        UserError: a key is missing or has an unusable value; the message names it.
    """
    given = entry if isinstance(entry, dict) else ()
    key = 'bboxes' if boxes and 'bboxes' in given and 'segmentations' not in given else 'segmentations'
    missing = [name for name in ('video_id', 'category_id', 'score', key) if name not in given]
    if missing:
        raise UserError(f'{place}: {", ".join(missing)} missing')
    video, category, segms = entry['video_id'], entry['category_id'], entry[key]
    if not is_id(video) or (videos is not None and video not in videos):
        raise UserError(f'{place}: video_id {video!r:.60} is not among the videos of the annotation file')
    if not is_id(category) or (category_ids is not None and category not in category_ids):
        raise UserError(f'{place}: category_id {category!r:.60} is not among the categories')
    if not is_number_or_bool(entry['score']) or not math.isfinite(_to_float(entry['score'])):
        raise UserError(f'{place}: expected a finite score, got {entry["score"]!r:.60}')
    if not isinstance(segms, list):
        raise UserError(f'{place}: expected a list of {key}, got {kind_of(segms)}')
    length = len(segms) if videos is None else len(videos[video]['file_names'])
    if len(segms) != length:
        raise UserError(f'{place}: expected {length} {key}, one per frame, got {len(segms)}')


def _to_float(score):
    try:
        return float(score)
    except OverflowError:
        return math.inf if score > 0 else -math.inf
