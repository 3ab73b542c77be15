"""Tracks with decoded fields, for writers of other formats; results as tracks."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmdet.structures.rle import segm_to_rle
from mmdet.utils import UserError

from .annotations import VideoAnnotations
from .builder import track_lists
from .defects import KINDS
from .files import video_name
from .reading import read_json
from .usual_form import usual_mask
from .ytvis_results import check_result, check_result_list


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
    for frame, segm in enumerate(usual_mask(segm)[0] for segm in segmentations):
        if segm is None:
            continue
        try:
            masks[frame] = segm_to_rle(segm, video['height'], video['width'])
        except ValueError as error:
            raise UserError(f'{place}, frame {frame}: {error}') from None
    return masks


def read_results(
    annotations: VideoAnnotations, path: str | Path, score_thr: float = 0.0, stream=None
) -> VideoAnnotations:
    """Read a results json as tracks of the videos it belongs to, for example to correct them by hand.

    Args:
        annotations (VideoAnnotations): gives the videos and categories; its own tracks are not used.
        path (str | Path): results json.
        score_thr (float): results with a lower score are left out.
        stream (IO | None): where a note is printed if there are no results of some videos; stderr by default.

    Returns:
        VideoAnnotations: tracks with a ``score``, in the order of their videos, highest score first, and with
        ids 1, 2, ... in this order.

    Raises:
        UserError: a result is invalid; the message names it.
    """
    content = read_json(path, 'results file')
    check_result_list(content, path)
    by_video = {video['id']: [] for video in annotations.videos}
    videos = {video['id']: video for video in annotations.videos}
    for row, entry in enumerate(content):
        place = f'{path}: results[{row}]'
        check_result(entry, place, videos, annotations.category_ids)
        if entry['score'] >= score_thr:
            video = videos[entry['video_id']]
            masks = _rles(entry['segmentations'], video, place)
            lists = track_lists(masks, len(video['file_names']))
            by_video[video['id']].append({**entry, 'iscrowd': 0, **lists})
    if remains := sum(usual_mask(mask)[1] for entry in content for mask in entry['segmentations']):
        what = KINDS['polygon_remains'][0]
        print(f'note: {path}: {what}: {remains}; these polygons are left out', file=stream or sys.stderr)
    numbers = {entry['video_id'] for entry in content}
    if 0 < len(numbers) < len(videos):
        named = [video_name(video) for key, video in videos.items() if key in numbers]
        shown = ', '.join(named[:5]) + (', ...' if len(named) > 5 else '')
        note = f'note: {path} has results of {len(named)} of {len(videos)} videos: {shown}'
        print(note, file=stream or sys.stderr)
    tracks = [t for found in by_video.values() for t in sorted(found, key=lambda track: -track['score'])]
    for number, track in enumerate(tracks, 1):
        track['id'] = number
    return VideoAnnotations(path, annotations.categories, annotations.videos, tracks)
