"""Tracks of a YouTube-VIS annotation file or of a results json, video by video."""

import math
from dataclasses import dataclass, field

from mmdet.structures.rle import segm_to_rle
from mmdet.utils import UserError

from .ytvis import read_json


@dataclass
class Track:
    """One object of a video.

    Attributes:
        number (int | None): object number it had before (``object_id``), if any.
        category_id (int): category.
        crowd (bool): a region to be ignored.
        score (float | None): confidence, of results only.
        masks (dict[int, dict]): index of a frame -> compressed RLE.
        entry (dict): the other keys of its entry in the file.
    """

    number: int | None
    category_id: int
    crowd: bool
    score: float | None
    masks: dict
    entry: dict = field(default_factory=dict)


def read_tracks(index, results=None, score_thr=0.0):
    """Tracks of every video.

    Args:
        index (VideoAnnotations): annotation file; for results it names the videos and categories.
        results (str | Path | None): results json; None takes the annotations of ``index``.
        score_thr (float): results below it are left out.

    Returns:
        Iterator[tuple[dict, list[Track]]]: video and its tracks; results by score, best first, ties as in the
        file.

    Raises:
        UserError: naming the entry at fault.
    """
    if results is None and not index.has_annotations:
        raise UserError(f'{index.path} has no annotations; give results to take the objects from')
    if results is None:
        by_video, kind = index.by_video, index.path
    else:
        by_video, kind = _results_by_video(index, results, score_thr), str(results)
    for video in index.videos:
        yield video, [_track(entry, video, kind) for entry in by_video[video['id']]]


def _track(entry, video, path):
    masks = {}
    for frame, segm in enumerate(entry['segmentations']):
        if not segm:  # None, or an empty list of polygons
            continue
        try:
            masks[frame] = segm_to_rle(segm, video['height'], video['width'])
        except ValueError as error:
            who = f'object {entry["id"]}' if 'id' in entry else f'a result of score {entry["score"]}'
            raise UserError(f'{path}: video {video["id"]!r}, {who}, frame {frame}: {error}') from None
    lists = ('segmentations', 'bboxes', 'areas')
    return Track(
        number=entry.get('object_id'),
        category_id=entry['category_id'],
        crowd=bool(entry.get('iscrowd', 0)),
        score=entry.get('score'),
        masks=masks,
        entry={key: value for key, value in entry.items() if key not in lists},
    )


def _results_by_video(index, path, score_thr):
    content = read_json(path, 'results file')
    if not isinstance(content, list):
        raise UserError(f'results file {path}: expected a list of tracks, got {type(content).__name__}')
    lengths = {video['id']: len(video['file_names']) for video in index.videos}
    by_video = {video: [] for video in lengths}
    for row, entry in enumerate(content):
        place = f'{path}: results[{row}]'
        missing = {'video_id', 'category_id', 'score', 'segmentations'} - set(
            entry if _is_dict(entry) else ()
        )
        if missing:
            raise UserError(f'{place}: {", ".join(sorted(missing))} missing')
        video, segms = entry['video_id'], entry['segmentations']
        if isinstance(video, (list, dict)) or video not in lengths:
            raise UserError(f'{place}: video_id {video!r} is not among the videos of {index.path}')
        if entry['category_id'] not in index.category_ids:
            raise UserError(f'{place}: category_id {entry["category_id"]!r} is not among the categories')
        if not isinstance(entry['score'], (int, float)) or not math.isfinite(entry['score']):
            raise UserError(f'{place}: expected a finite score, got {entry["score"]!r}')
        if not isinstance(segms, list) or len(segms) != lengths[video]:
            count = len(segms) if isinstance(segms, list) else 'no list'
            raise UserError(f'{place}: expected {lengths[video]} segmentations, one a frame, got {count}')
        if entry['score'] >= score_thr:
            by_video[video].append(entry)
    return {video: sorted(entries, key=lambda entry: -entry['score']) for video, entries in by_video.items()}


def _is_dict(value):
    return isinstance(value, dict)
