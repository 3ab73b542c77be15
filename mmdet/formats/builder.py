"""Builds annotations video by video."""

import sys
from collections.abc import Sequence

from mmdet.structures.rle import rle_area, rle_to_bbox
from mmdet.utils import UserError

from .annotations import VideoAnnotations


class AnnotationsBuilder:
    """Collects videos and tracks; boxes and areas are computed from the masks.

    Args:
        categories (Sequence[dict | str]): dicts with ``id`` and ``name``, or names; names get the ids
            1, 2, ...

    Attributes:
        videos (list[dict]), tracks (list[dict]): what was added so far, in YouTube-VIS layout.
        category_ids (dict[str, int]): name of a category -> its id.
    """

    def __init__(self, categories: Sequence[dict | str]):
        self.categories = [
            {'id': number, 'name': category} if isinstance(category, str) else category
            for number, category in enumerate(categories, 1)
        ]
        self.category_ids = {category['name']: category['id'] for category in self.categories}
        self.videos, self.tracks = [], []
        self._by_id, self._empty = {}, 0

    def add_video(self, file_names: Sequence[str], height: int, width: int, video_id=None, **extra):
        """Add a video.

        Args:
            file_names (Sequence[str]): its frames in order, relative to the image folder.
            height, width (int): pixels.
            video_id (int | str | None): its id; None gives it the next number.
            **extra: further keys of the entry.

        Returns:
            int | str: its id.

        Raises:
            UserError: another video has this id.
        """
        video = {
            'id': len(self.videos) + 1 if video_id is None else video_id,
            'width': int(width),
            'height': int(height),
            'length': len(file_names),
            'file_names': list(file_names),
            **extra,
        }
        if video['id'] in self._by_id:
            raise UserError(f'the video id {video["id"]!r} is used twice')
        self._by_id[video['id']] = video
        self.videos.append(video)
        return video['id']

    def add_track(self, video_id, category_id: int, masks: dict[int, dict], iscrowd: int = 0, **extra):
        """Add an object of a video; an object without a pixel in any frame is skipped.

        Args:
            video_id (int | str): its video, as returned by :meth:`add_video`.
            category_id (int): its category.
            masks (dict[int, dict]): index of a frame -> RLE.
            iscrowd (int): 1 for a crowd region.
            **extra: further keys of the entry.
        """
        video = self._by_id[video_id]
        track = {
            'id': len(self.tracks) + 1,
            'video_id': video_id,
            'category_id': category_id,
            'iscrowd': int(iscrowd),
            'height': video['height'],
            'width': video['width'],
            'length': video['length'],
            **extra,
            **track_lists(masks, video['length']),
        }
        self._empty += len(masks) - sum(map(bool, track['segmentations']))
        if any(track['segmentations']):
            self.tracks.append(track)

    def build(self, path, stream=None) -> VideoAnnotations:
        """The annotations; ``path`` is where they come from. A note on ``stream`` counts empty masks.

        Raises:
            UserError: no video was added.
        """
        if not self.videos:
            raise UserError(f'{path}: found no video')
        if self._empty:
            what = f'masks without a pixel: {self._empty}; their objects count as absent there'
            print(f'note: {path}: {what}', file=stream or sys.stderr)
        return VideoAnnotations(path, self.categories, self.videos, self.tracks)


def track_lists(masks: dict[int, dict], length: int) -> dict[str, list]:
    """``segmentations``, ``bboxes`` and ``areas`` of a track.

    Args:
        masks (dict[int, dict]): index of a frame -> RLE.
        length (int): number of frames.

    Returns:
        dict[str, list]: the three lists, with None in frames where the object has no pixel.
    """
    lists = {key: [None] * length for key in ('segmentations', 'bboxes', 'areas')}
    for frame, rle in masks.items():
        area = rle_area(rle)
        if area:
            lists['segmentations'][frame] = rle
            lists['bboxes'][frame] = rle_to_bbox(rle)
            lists['areas'][frame] = area
    return lists
