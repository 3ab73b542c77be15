"""Reading results in YouTube-VIS format: one entry for each predicted track."""

import math

import numpy as np

from mmdet.utils import UserError

from .ytvis_tables import (
    Tracks,
    append_track,
    has_keys,
    is_id,
    is_number_or_bool,
    mean_area,
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
        if not has_keys(entry, place, ('video_id', 'category_id'), source, report):
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


def _to_float(score):
    try:
        return float(score)
    except OverflowError:
        return math.inf if score > 0 else -math.inf
