"""The one in-memory form of video annotations; every format reads into it and writes out of it."""

from .ytvis_tables import sort_ids


class VideoAnnotations:
    """Videos, their categories and the tracks of their objects.

    Videos and tracks are dicts in the layout of YouTube-VIS; keys that a format adds are kept.

    Attributes:
        path (str): where they were read from, for messages.
        categories (list[dict]): ``id`` and ``name``, sorted by ``id``.
        videos (list[dict]): ``id``, ``file_names`` (one for each frame), ``width`` and ``height`` in pixels.
        tracks (list[dict]): one for each object of a video: ``id``, ``video_id``, ``category_id``,
            ``iscrowd``, and for each frame one entry in ``segmentations`` (RLE or polygons), ``bboxes``
            ([x, y, w, h]) and ``areas`` (pixels); an entry is None where the object is absent.
        has_annotations (bool): False for a file that only lists videos, as public test sets do.
        notes (list[str]): what was read in another than the usual form, for messages.
        by_video (dict): video id -> its tracks, in order.
    """

    def __init__(self, path, categories, videos, tracks, has_annotations=True, notes=()):
        self.path = str(path)
        self.categories = sort_ids(categories, lambda category: category['id'])
        self.videos = videos
        self.tracks = tracks
        self.has_annotations = has_annotations
        self.notes = list(notes)
        self.by_video = {video['id']: [] for video in videos}
        for track in tracks:
            self.by_video[track['video_id']].append(track)

    @property
    def class_names(self):
        """tuple[str]: category names in the order of their ids."""
        return tuple(category['name'] for category in self.categories)

    @property
    def category_ids(self):
        """tuple[int | str]: sorted category ids."""
        return tuple(category['id'] for category in self.categories)


def usable_box(track, frame):
    """Box of an object that can be trained on in a frame.

    Args:
        track (dict): as in :class:`VideoAnnotations`.
        frame (int): index of the frame.

    Returns:
        list | None: [x, y, w, h] in pixels; None if the object is absent, its box less than one pixel wide or
        high, or its area, where given, not above zero.
    """
    box = track['bboxes'][frame]
    if box is None:
        return None
    area = track['areas'][frame] if track.get('areas') else None
    return None if (area is not None and area <= 0) or box[2] < 1 or box[3] < 1 else box
