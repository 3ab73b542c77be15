"""From predicted frames to the tracks of a video (docs/conventions.md, "Results of a video"). No torch."""

import numpy as np


def numbers(values):
    """Return a tensor, array or list as a list of Python numbers; ids may also be text."""
    if hasattr(values, 'tolist'):
        return values.tolist()
    return [value.tolist() if hasattr(value, 'tolist') else value for value in values]


def plain_rle(rle):
    """Return a copy of a compressed RLE with ``counts`` as text, as json takes it."""
    counts = rle['counts']
    if isinstance(counts, bytes):
        counts = counts.decode('ascii')
    return {'size': [int(side) for side in rle['size']], 'counts': counts}


def track_score(scores):
    """Score of a track: the float32 mean of its detection scores."""
    return np.asarray(scores, dtype=np.float32).mean().item()


def track_category(labels):
    """Label of a track: that of most of its detections, the smallest in a tie."""
    return int(np.bincount(labels).argmax())


class VideoTracks:
    """The objects of one video, in order of first appearance.

    Args:
        video_id: the dataset's own id of the video.
        length (int | None): number of frames of the video; None if it is not known before the end.
        box_offset (int): of boxes without masks: 1 for inclusive pixels (width = x2 - x1 + 1), 0 for modern
            ones.
    """

    def __init__(self, video_id, length=None, box_offset=1):
        if length is not None and length < 1:
            raise ValueError(f'video {video_id!r}: expected a length of at least 1 frame, got {length}')
        self.video_id = video_id
        self.length = length
        self.box_offset = box_offset
        self.frames = set()
        self.objects = {}

    @property
    def complete(self):
        """bool: whether every frame was added."""
        return len(self.frames) == self.length

    def add(self, frame_id, instance_ids, scores, labels, masks=None, bboxes=None):
        """Add the detections of one frame.

        Args:
            frame_id (int): 0-based index of the frame in the video.
            instance_ids (Sequence[int]): (n,) identities; detections with a negative one are dropped.
            scores (Sequence[float]): (n,) detection scores.
            labels (Sequence[int]): (n,) 0-based labels.
            masks (Sequence[dict] | None): n compressed RLEs at the original resolution.
            bboxes (Sequence | None): (n, 4) xyxy, of a detector without masks.

        Raises:
            ValueError: the frame is outside the video or was added before, the lengths differ, or an identity
                occurs twice.
        """
        place = f'video {self.video_id!r}, frame {frame_id}'
        if frame_id < 0 or (self.length is not None and frame_id >= self.length):
            raise ValueError(f'{place}: expected a frame index below the video length {self.length}')
        if frame_id in self.frames:
            raise ValueError(f'{place}: came twice')
        ids, scores, labels = numbers(instance_ids), numbers(scores), numbers(labels)
        kind, found = ('masks', masks) if bboxes is None else ('bboxes', self._xywh(bboxes))
        if not len(ids) == len(scores) == len(labels) == len(found):
            raise ValueError(
                f'{place}: expected as many ids, scores, labels and {kind}, '
                f'got {len(ids)}, {len(scores)}, {len(labels)}, {len(found)}'
            )
        kept = [identity for identity in ids if identity >= 0]
        if len(set(kept)) != len(kept):
            raise ValueError(f'{place}: an identity occurs twice in {kept}')
        self.frames.add(frame_id)
        for identity, score, label, where in zip(ids, scores, labels, found):
            if identity < 0:
                continue
            track = self.objects.setdefault(int(identity), {'scores': [], 'labels': [], kind: {}})
            track['scores'].append(score)
            track['labels'].append(int(label))
            track[kind][frame_id] = plain_rle(where) if kind == 'masks' else where

    def _xywh(self, bboxes):
        offset = self.box_offset
        return [[x1, y1, x2 - x1 + offset, y2 - y1 + offset] for x1, y1, x2, y2, *_ in numbers(bboxes)]

    def entries(self, cat_ids):
        """Return the results of the video, one dict for each object.

        Args:
            cat_ids (Sequence[int]): category id of each label (docs/conventions.md, "Ids in results");
                objects of classes that the dataset lacks, whose id is negative, are left out.

        Returns:
            list[dict]: ``video_id``, ``score`` (float32 mean over the frames with the object),
            ``category_id`` (majority of its labels, ties to the smallest) and ``segmentations`` (RLE or None
            for every frame of the video), or ``bboxes`` ([x, y, w, h] or None) of a detector without masks.
        """
        length = max(self.frames, default=-1) + 1 if self.length is None else self.length
        found = []
        for track in self.objects.values():
            label = track_category(track['labels'])
            if label >= len(cat_ids):
                raise ValueError(
                    f'video {self.video_id!r}: label {label} has no category: the dataset has {len(cat_ids)}'
                )
            if isinstance(cat_ids[label], (int, float)) and cat_ids[label] < 0:
                continue
            key, places = ('segmentations', 'masks') if 'masks' in track else ('bboxes', 'bboxes')
            found.append(
                {
                    'video_id': self.video_id,
                    'score': track_score(track['scores']),
                    'category_id': cat_ids[label],
                    key: [track[places].get(frame) for frame in range(length)],
                }
            )
        return found


class TrackCollector:
    """A sink that turns predicted frames into tracks. Frames of several videos may be interleaved.

    Args:
        cat_ids (Sequence[int | str]): the dataset's category id of each label.
        on_video (Callable[[Any, list[dict]], Any] | None): called with the id and the results of each video
            when its last frame was added.
        box_offset (int): see :class:`VideoTracks`.
    """

    def __init__(self, cat_ids, on_video=None, box_offset=1):
        self.cat_ids = numbers(cat_ids)
        self.box_offset = box_offset
        self.on_video = on_video
        self.open_videos = {}

    def add(self, sample):
        """Add one predicted frame.

        Args:
            sample (DetDataSample | dict): metainfo video_id, frame_id and video_length, and pred_instances
                with instance_ids, scores, labels and masks, or bboxes without masks; a dict as
                ``DetDataSample.to_dict`` gives it.

        Returns:
            list[dict] | None: the results of the video if this was its last missing frame.

        Raises:
            ValueError: something of that is missing, or does not fit the frames before.
        """
        get = sample.get if hasattr(sample, 'get') else lambda key: getattr(sample, key, None)
        missing = [key for key in ('video_id', 'frame_id', 'video_length') if get(key) is None]
        pred = get('pred_instances')
        if missing or pred is None:
            missing += ['pred_instances'] if pred is None else []
            raise ValueError(f'a predicted frame needs {", ".join(missing)}; did the dataset give videos?')
        place = 'masks' if 'masks' in pred or 'bboxes' not in pred else 'bboxes'
        keys = ('instance_ids', 'scores', 'labels', place)
        absent = [key for key in keys if key not in pred]
        if absent:
            raise ValueError(f'the detector gave no {", ".join(absent)}: has it a tracker?')
        fields = {key: pred[key] for key in keys}
        return self.add_frame(get('video_id'), int(get('frame_id')), int(get('video_length')), **fields)

    def add_frame(
        self, video_id, frame_id, video_length, instance_ids, scores, labels, masks=None, bboxes=None
    ):
        """Add the detections of one frame as plain values; see :meth:`VideoTracks.add`."""
        tracks = self.open_videos.get(video_id)
        if tracks is None:
            tracks = self.open_videos[video_id] = VideoTracks(video_id, video_length, self.box_offset)
        elif tracks.length != video_length:
            raise ValueError(f'video {video_id!r}: length was {tracks.length}, now {video_length}')
        tracks.add(frame_id, instance_ids, scores, labels, masks, bboxes)
        if not tracks.complete:
            return None
        entries = tracks.entries(self.cat_ids)
        if self.on_video is not None:
            self.on_video(video_id, entries)
        del self.open_videos[video_id]
        return entries
