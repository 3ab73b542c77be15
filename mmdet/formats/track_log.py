"""Tracks of a long video: kept on the disk while it runs, written as a results json at the end. No torch."""

import json
from array import array
from pathlib import Path

from mmdet.utils import AppendedFile, atomic_open

from .video_tracks import numbers, plain_rle, track_category, track_score


class TrackLog:
    """The objects of a video, one line for each detection, so that memory does not grow with its length.

    Args:
        path (str | Path): file of the lines.
        state (dict | None): of :meth:`checkpoint`: continue after it.

    Attributes:
        frames (int): number of frames added.

    Raises:
        UserError: the file is not the one of ``state``.
    """

    def __init__(self, path: str | Path, state: dict | None = None):
        self._file = AppendedFile(Path(path), state)
        self.frames = 0 if state is None else state['frames']

    def add(self, instance_ids, scores, labels, bboxes, masks=None) -> None:
        """Add the detections of the next frame.

        Args:
            instance_ids (Sequence[int]): (n,) identities, not negative.
            scores (Sequence[float]): (n,).
            labels (Sequence[int]): (n,), 0-based.
            bboxes (Sequence): (n, 4), x, y, width, height.
            masks (Sequence[dict] | None): n compressed RLEs.
        """
        codes = [None] * len(bboxes) if masks is None else [plain_rle(mask) for mask in masks]
        rows = zip(*(numbers(field) for field in (instance_ids, scores, labels, bboxes)), codes, strict=True)
        lines = [json.dumps([self.frames, *row]) + '\n' for row in rows]
        self._file.write(''.join(lines).encode())
        self.frames += 1

    def checkpoint(self) -> dict:
        """Bring the lines to the disk; returns what is needed to continue."""
        return {**self._file.sync(), 'frames': self.frames}

    def write(self, path: str | Path, cat_ids, video_id=1) -> None:
        """Write the results json of YouTube-VIS.

        Beside the usual keys (:meth:`~mmdet.formats.video_tracks.VideoTracks.entries`) an entry has ``id``,
        the identity counted from 1, and ``bboxes`` ([x, y, w, h]) and ``scores`` of each frame, or None.

        Args:
            path (str | Path): the json.
            cat_ids (Sequence[int]): category id of each label.
            video_id: of the entries.
        """
        tracks = {}  # identity -> offsets of its lines, scores and labels
        with open(self._file.path, 'rb') as lines:
            offset = 0
            for line in lines:
                if offset >= self._file.size:
                    break
                _, identity, score, label, *_ = json.loads(line)
                track = tracks.setdefault(identity, (array('q'), array('f'), array('i')))
                for values, value in zip(track, (offset, score, label)):
                    values.append(value)
                offset += len(line)
            with atomic_open(path) as out:
                separator = '['
                for identity, (offsets, scores, labels) in tracks.items():
                    category = cat_ids[track_category(labels)]
                    if isinstance(category, (int, float)) and category < 0:
                        continue
                    entry = {
                        'video_id': video_id,
                        'id': identity + 1,
                        'score': track_score(scores),
                        'category_id': category,
                        **self._fields(lines, offsets),
                    }
                    out.write(separator + json.dumps(entry))
                    separator = ',\n'
                out.write('[]\n' if separator == '[' else ']\n')

    def _fields(self, lines, offsets):
        """Masks, boxes and scores of one track in every frame."""
        masks, boxes, scores = ([None] * self.frames for _ in range(3))
        for offset in offsets:
            lines.seek(offset)
            frame, _, score, _, boxes[frame], masks[frame] = json.loads(lines.readline())
            scores[frame] = score
        return {**({} if not any(masks) else {'segmentations': masks}), 'bboxes': boxes, 'scores': scores}

    def close(self) -> None:
        """Close the file of the lines, which stays."""
        self._file.close()

    def discard(self) -> None:
        """Remove the file of the lines."""
        self.close()
        self._file.path.unlink(missing_ok=True)
