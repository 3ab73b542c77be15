"""Tracks with decoded fields, for writers of other formats; results as tracks."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmdet.structures.rle import segm_to_rle
from mmdet.utils import UserError

from .annotations import VideoAnnotations
from .builder import track_lists
from .reading import read_json


@dataclass
class Track:
    """One object of a video.

    Attributes:
        number (int | None): its number in the masks that it was read from (``object_id``), if any.
        category_id (int): category.
        crowd (bool): whether it is a crowd region.
        score (float | None): confidence; None for ground truth.
        masks (dict[int, dict]): index of a frame -> compressed RLE.
        entry (dict): its other keys in the annotation file.
    """

    number: int | None
    category_id: int
    crowd: bool
    score: float | None
    masks: dict
    entry: dict


def decode_tracks(annotations: VideoAnnotations) -> Iterator[tuple[dict, list[Track]]]:
    """Videos and their tracks, whatever form the segmentations have.

    Raises:
        UserError: there are no annotations, or a mask is damaged; the message names the object and the frame.
    """
    if not annotations.has_annotations:
        raise UserError(f'{annotations.path} has no annotations; give results to take the objects from')
    for video in annotations.videos:
        yield video, [_decode(entry, video, annotations.path) for entry in annotations.by_video[video['id']]]


def _decode(entry, video, path):
    place = f'{path}: video {video["id"]!r}, object {entry["id"]}'
    return Track(
        number=entry.get('object_id'),
        category_id=entry['category_id'],
        crowd=bool(entry.get('iscrowd', 0)),
        score=entry.get('score'),
        masks=_rles(entry['segmentations'], video, place),
        entry={k: v for k, v in entry.items() if k not in ('segmentations', 'bboxes', 'areas')},
    )


def _rles(segmentations, video, place):
    """Index of a frame -> compressed RLE."""
    masks = {}
    for frame, segm in enumerate(segmentations):
        if not segm:  # None, or an empty list of polygons
            continue
        try:
            masks[frame] = segm_to_rle(segm, video['height'], video['width'])
        except ValueError as error:
            raise UserError(f'{place}, frame {frame}: {error}') from None
    return masks


def read_results(annotations: VideoAnnotations, path: str | Path, score_thr: float = 0.0) -> VideoAnnotations:
    """Read a results json as tracks of the videos it belongs to, for example to correct them by hand.

    Args:
        annotations (VideoAnnotations): gives the videos and categories; its own tracks are not used.
        path (str | Path): results json.
        score_thr (float): results with a lower score are left out.

    Returns:
        VideoAnnotations: tracks with a ``score``, in the order of their videos, highest score first, and with
        ids 1, 2, ... in this order.

    Raises:
        UserError: a result is invalid; the message names it.
    """
    content = read_json(path, 'results file')
    if not isinstance(content, list):
        raise UserError(f'results file {path}: expected a list of tracks, got {type(content).__name__}')
    by_video = {video['id']: [] for video in annotations.videos}
    videos = {video['id']: video for video in annotations.videos}
    for row, entry in enumerate(content):
        place = f'{path}: results[{row}]'
        _check_result(entry, videos, annotations, place)
        if entry['score'] >= score_thr:
            video = videos[entry['video_id']]
            masks = _rles(entry['segmentations'], video, place)
            lists = track_lists(masks, len(video['file_names']))
            by_video[video['id']].append({**entry, 'iscrowd': 0, **lists})
    tracks = [t for found in by_video.values() for t in sorted(found, key=lambda track: -track['score'])]
    for number, track in enumerate(tracks, 1):
        track['id'] = number
    return VideoAnnotations(path, annotations.categories, annotations.videos, tracks)


def _check_result(entry, videos, annotations, place):
    given = entry if isinstance(entry, dict) else ()
    missing = [key for key in ('video_id', 'category_id', 'score', 'segmentations') if key not in given]
    if missing:
        raise UserError(f'{place}: {", ".join(missing)} missing')
    video, segms = entry['video_id'], entry['segmentations']
    if isinstance(video, (list, dict)) or video not in videos:
        raise UserError(f'{place}: video_id {video!r} is not among the videos of {annotations.path}')
    if entry['category_id'] not in annotations.category_ids:
        raise UserError(f'{place}: category_id {entry["category_id"]!r} is not among the categories')
    if not isinstance(entry['score'], (int, float)) or not math.isfinite(entry['score']):
        raise UserError(f'{place}: expected a finite score, got {entry["score"]!r}')
    length = len(videos[video]['file_names'])
    if not isinstance(segms, list) or len(segms) != length:
        count = len(segms) if isinstance(segms, list) else 'no list'
        raise UserError(f'{place}: expected {length} segmentations, one per frame, got {count}')
