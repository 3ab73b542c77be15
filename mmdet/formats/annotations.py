"""The one in-memory form of video annotations; every format reads into it and writes out of it."""


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
        by_video (dict): video id -> its tracks, in order.
    """

    def __init__(self, path, categories, videos, tracks, has_annotations=True):
        self.path = str(path)
        self.categories = sorted(categories, key=lambda category: category['id'])
        self.videos = videos
        self.tracks = tracks
        self.has_annotations = has_annotations
        self.by_video = {video['id']: [] for video in videos}
        for track in tracks:
            self.by_video[track['video_id']].append(track)

    @property
    def class_names(self):
        """tuple[str]: category names in the order of their ids."""
        return tuple(category['name'] for category in self.categories)

    @property
    def category_ids(self):
        """tuple[int]: sorted category ids."""
        return tuple(category['id'] for category in self.categories)
