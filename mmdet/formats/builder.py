"""A YouTube-VIS annotation file, put together video by video."""

import json

from mmdet.structures.rle import rle_area, rle_to_bbox
from mmdet.utils import UserError, atomic_open

from .ytvis import parse_ytvis


class DatasetBuilder:
    """Collects videos and tracks; boxes and areas are those of the masks.

    Args:
        categories (Sequence[dict | str]): dicts with ``id`` and ``name``, or names, which get the ids 1, 2,
            ... in their order.
        info (dict | None): goes into the file as ``info``.
    """

    def __init__(self, categories, info=None):
        self.categories = [
            {'id': number, 'name': category} if isinstance(category, str) else category
            for number, category in enumerate(categories, 1)
        ]
        self.category_ids = {category['name']: category['id'] for category in self.categories}
        self.info = info
        self.videos, self.annotations = [], []
        self._by_id = {}

    def add_video(self, file_names, height, width, video_id=None, **extra):
        """Add a video; its id is the next number unless ``video_id`` gives one.

        Args:
            file_names (Sequence[str]): its frames in order, relative to the folder of images.
            height, width (int): pixels.
            video_id (int | str | None): its id in the file.
            **extra: further keys of the entry.

        Returns:
            int | str: its id.

        Raises:
            UserError: the id is taken.
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

    def add_track(self, video_id, category_id, masks, iscrowd=0, **extra):
        """Add one object of a video that :meth:`add_video` has numbered.

        Args:
            video_id (int | str): its video.
            category_id (int): its category.
            masks (dict[int, dict]): index of a frame -> RLE; frames without pixels count as absent.
            iscrowd (int): 1 for a region to be ignored.
            **extra: further keys of the entry.

        Returns:
            int | None: its id; None, and nothing is added, if no frame has a pixel.
        """
        video = self._by_id[video_id]
        entry = {
            'id': len(self.annotations) + 1,
            'video_id': video_id,
            'category_id': category_id,
            'iscrowd': int(iscrowd),
            'height': video['height'],
            'width': video['width'],
            'length': video['length'],
            **extra,
            **track_lists(masks, video['length']),
        }
        if not any(entry['segmentations']):
            return None
        self.annotations.append(entry)
        return entry['id']

    def content(self):
        """The file as a dict."""
        if not self.videos:
            raise UserError('there is not one video to convert')
        head = {} if self.info is None else {'info': self.info}
        return {
            **head,
            'categories': self.categories,
            'videos': self.videos,
            'annotations': self.annotations,
        }


def track_lists(masks, length):
    """``segmentations``, ``bboxes`` and ``areas`` of a track.

    Args:
        masks (dict[int, dict]): index of a frame -> RLE.
        length (int): number of frames.

    Returns:
        dict: the three lists, None in frames without a pixel of the object.
    """
    lists = {key: [None] * length for key in ('segmentations', 'bboxes', 'areas')}
    for frame, rle in masks.items():
        area = rle_area(rle)
        if area:
            lists['segmentations'][frame] = rle
            lists['bboxes'][frame] = rle_to_bbox(rle)
            lists['areas'][frame] = area
    return lists


def write_dataset(path, content):
    """Check and write an annotation file (under a temporary name, then renamed).

    Returns:
        str: a line that sums it up.

    Raises:
        UserError: the content is no YouTube-VIS file; nothing is written.
    """
    parse_ytvis(content, path)
    with atomic_open(path) as file:
        json.dump(content, file, separators=(',', ':'))
    frames = sum(len(video['file_names']) for video in content['videos'])
    return (
        f'wrote {path}: {len(content["videos"])} videos, {frames} frames, '
        f'{len(content["annotations"])} objects of {len(content["categories"])} categories'
    )
