"""From the detections of a video's frames to its tracks (semantics A27). Free of torch."""

import numpy as np


def _numbers(values):
    """Any tensor, array or list as a list of Python numbers."""
    return values.tolist() if hasattr(values, 'tolist') else list(values)


def _plain_rle(rle):
    """A copy of a compressed RLE whose counts are text; the caller's dict stays as it is (semantics B12)."""
    counts = rle['counts']
    if isinstance(counts, bytes):
        counts = counts.decode('ascii')
    return {'size': [int(side) for side in rle['size']], 'counts': counts}


class VideoTracks:
    """The objects of one video while its frames come in, in order of first appearance.

    Args:
        video_id: the dataset's own id of the video.
        length (int): number of frames of the video.
    """

    def __init__(self, video_id, length):
        if length < 1:
            raise ValueError(f'video {video_id!r}: expected a length of at least 1 frame, got {length}')
        self.video_id = video_id
        self.length = length
        self.frames = set()
        self.objects = {}

    @property
    def complete(self):
        """bool: whether every frame has come."""
        return len(self.frames) == self.length

    def add(self, frame_id, instance_ids, scores, labels, masks):
        """Take the kept detections of one frame.

        Args:
            frame_id (int): 0-based index of the frame in the video.
            instance_ids (Sequence[int]): (n,) identities; negative ones are dropped detections.
            scores (Sequence[float]): (n,) detection scores.
            labels (Sequence[int]): (n,) 0-based labels.
            masks (Sequence[dict]): n compressed RLEs at the original resolution.

        Raises:
            ValueError: for a frame outside the video, one that came before, lengths that differ or an
                identity that occurs twice.
        """
        place = f'video {self.video_id!r}, frame {frame_id}'
        if not 0 <= frame_id < self.length:
            raise ValueError(f'{place}: expected a frame index below the video length {self.length}')
        if frame_id in self.frames:
            raise ValueError(f'{place}: came twice')
        ids, scores, labels = _numbers(instance_ids), _numbers(scores), _numbers(labels)
        if not len(ids) == len(scores) == len(labels) == len(masks):
            raise ValueError(
                f'{place}: expected as many ids, scores, labels and masks, '
                f'got {len(ids)}, {len(scores)}, {len(labels)}, {len(masks)}'
            )
        kept = [identity for identity in ids if identity >= 0]
        if len(set(kept)) != len(kept):
            raise ValueError(f'{place}: an identity occurs twice in {kept}')
        self.frames.add(frame_id)
        for identity, score, label, mask in zip(ids, scores, labels, masks):
            if identity < 0:
                continue
            track = self.objects.setdefault(int(identity), {'scores': [], 'labels': [], 'masks': {}})
            track['scores'].append(score)
            track['labels'].append(int(label))
            track['masks'][frame_id] = _plain_rle(mask)

    def entries(self, cat_ids):
        """Return the results of the video, one dict an object (semantics A27 with the ids of D/B11).

        Args:
            cat_ids (Sequence[int]): the dataset's category id of every label; negative for classes that the
                dataset lacks, whose objects are left out.

        Returns:
            list[dict]: ``video_id``, ``score`` (float32 mean over the frames the object was seen in),
            ``category_id`` (majority of its labels, ties to the smallest) and ``segmentations`` (RLE or None
            for every frame of the video).
        """
        found = []
        for track in self.objects.values():
            label = int(np.bincount(track['labels']).argmax())
            if label >= len(cat_ids):
                raise ValueError(
                    f'video {self.video_id!r}: label {label} has no category: the dataset has {len(cat_ids)}'
                )
            if cat_ids[label] < 0:
                continue  # a class of the model that the dataset does not have: there is no id to give
            found.append(
                {
                    'video_id': self.video_id,
                    'score': np.asarray(track['scores'], dtype=np.float32).mean().item(),
                    'category_id': cat_ids[label],
                    'segmentations': [track['masks'].get(frame) for frame in range(self.length)],
                }
            )
        return found
