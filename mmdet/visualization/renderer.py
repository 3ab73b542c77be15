"""Rendering videos frame by frame."""

import re
from pathlib import Path, PurePosixPath

from mmdet.media import VideoWriter, write_image
from mmdet.structures.rle import segm_to_rle
from mmdet.utils import UserError, inside

from .draw import draw_instances
from .sheet import side_by_side


def video_names(videos):
    """Names of output folders: the folder of a video's frames, followed by its id if the name is taken.

    Args:
        videos (Iterable[dict]): ``id`` and ``file_names`` as in a YouTube-VIS json.

    Returns:
        dict: video id -> name, without path separators.
    """
    names, used = {}, set()
    for video in videos:
        files = video.get('file_names') or ['']
        name = PurePosixPath(str(files[0]).replace('\\', '/')).parent.name
        name = re.sub(r'[^\w.+-]+', '_', name).strip('.') or f'video_{video["id"]}'
        if name in used:
            name = f'{name}_{video["id"]}'
        used.add(name)
        names[video['id']] = name
    return names


def _as_rle(segmentation, size):
    if size is not None:
        return segm_to_rle(segmentation, *size)
    if isinstance(segmentation, dict):
        return segmentation
    raise ValueError('masks are polygons: the size of the video is needed')


def places_of(track):
    """Segmentations of a track, one for each frame; of one that has boxes alone its boxes, [x, y, w, h]."""
    return track['segmentations'] if 'segmentations' in track else track['bboxes']


def track_numbers(tracks):
    """What is written as the identity of each track: its id if that is a number, else its index."""
    return [track['id'] if type(track.get('id')) is int else index for index, track in enumerate(tracks)]


def matched_numbers(colors, expected):
    """Identities of predicted tracks in the words of the ground truth, to compare the two by eye.

    Args:
        colors (Sequence[int]): of the predicted tracks, from :func:`match_colors`.
        expected (Sequence[dict]): the annotations that they were matched with.

    Returns:
        list[int]: the number of the matched object; numbers above all of these for the other tracks.
    """
    known = track_numbers(expected)
    above = max(known, default=0) + 1 - len(expected)
    return [known[color] if color < len(expected) else above + color for color in colors]


def frames_of_tracks(tracks, length, labels_of=None, size=None, colors=None, numbers=None):
    """Turn tracks of a results or annotation file into frames.

    Args:
        tracks (Sequence[dict]): of one video: ``segmentations`` (or only ``bboxes``), ``category_id`` and,
            in results, ``score``.
        length (int): number of frames of the video.
        labels_of (dict | None): category id -> label; None keeps the category ids as labels.
        size (tuple[int, int] | None): (height, width) of the video; needed if masks are polygons.
        colors (Sequence[int] | None): color of each track, from :func:`match_colors`; None: its index.
        numbers (Sequence[int] | None): what to write as the identity of each track, from
            :func:`matched_numbers`; None: the id of an annotation, the index of a result.

    Yields:
        dict: masks or bboxes, labels, instance_ids (``numbers``), color_ids and, of results, scores of one
        frame.

    Raises:
        UserError: for a category that is not among ``labels_of``.
    """
    for track in tracks if labels_of else ():
        if track['category_id'] not in labels_of:
            known = ', '.join(str(cat_id) for cat_id in list(labels_of)[:20])
            raise UserError(
                f'category {track["category_id"]!r} of a track is not among the categories {known}'
            )
    if numbers is None:
        numbers = track_numbers(tracks)
    for frame in range(length):
        here = [
            (index, track)
            for index, track in enumerate(tracks)
            if frame < len(places_of(track)) and places_of(track)[frame]
        ]
        fields = {
            'labels': [
                labels_of[track['category_id']] if labels_of else track['category_id'] for _, track in here
            ],
            'instance_ids': [numbers[index] for index, _ in here],
            # By index, not by id: match_colors refers to annotations by their index.
            'color_ids': [index if colors is None else colors[index] for index, _ in here],
        }
        if here and all('segmentations' not in track for _, track in here):
            boxes = [track['bboxes'][frame] for _, track in here]
            fields['bboxes'] = [[x, y, x + w - 1, y + h - 1] for x, y, w, h in boxes]
        else:
            fields['masks'] = [_as_rle(track['segmentations'][frame], size) for _, track in here]
        if all('score' in track for _, track in here) and here:
            fields['scores'] = [track['score'] for _, track in here]
        yield fields


class TrackRenderer:
    """Draws tracks over the frames of videos: ``DIR/<name>/00000.jpg``, ... and ``DIR/<name>.webm``.

    Every frame is written, also without objects. Frames of several videos may be interleaved.

    Args:
        out_dir (str | Path): output folder.
        classes (Sequence[str] | None): class names.
        fps (float): frames per second of the videos.
        score_thr (float): objects below this score are not drawn.
        frames (bool): write an image for each frame.
        video (bool): write a video for each name.
        suffix (str): of the videos, see :class:`~mmdet.media.VideoWriter`.
        min_side (int): smaller images are enlarged, see :func:`draw_instances`.
        **style: further arguments of :func:`draw_instances`.
    """

    def __init__(
        self,
        out_dir,
        classes=None,
        fps=6.0,
        score_thr=0.3,
        frames=True,
        video=True,
        suffix='.webm',
        min_side=320,
        **style,
    ):
        self.out_dir = Path(out_dir)
        self.classes = classes
        self.fps = fps
        self.frames = frames
        self.video = video
        self.suffix = suffix
        self.style = {'score_thr': score_thr, 'min_side': min_side, **style}
        self._writers = {}

    def add(self, name, frame_id, image, instances, truth=None):
        """Draw one frame of video ``name``.

        Args:
            name (str): folder and file name of the video.
            frame_id (int): 0-based index of the frame.
            image (np.ndarray): uint8 (H, W, 3) BGR.
            instances (InstanceData | Mapping): predictions, see :func:`draw_instances`.
            truth (Mapping | None): ground truth to draw to the left of them.

        Returns:
            np.ndarray: uint8 BGR, the drawn image.
        """
        drawn = draw_instances(image, instances, self.classes, **self.style)
        if truth is not None:
            expected = draw_instances(image, truth, self.classes, **{**self.style, 'score_thr': 0.0})
            drawn = side_by_side([expected, drawn], ['ground truth', 'prediction'])
        if self.frames:
            write_image(inside(self.out_dir, f'{name}/{frame_id:05d}.jpg'), drawn)
        if self.video:
            if name not in self._writers:
                self._writers[name] = VideoWriter(self.out_dir / f'{name}{self.suffix}', self.fps)
            self._writers[name].write(drawn)
        return drawn

    def finish(self, name, keep=True):
        """Close video ``name``; returns its path, or None if nothing was written."""
        writer = self._writers.pop(name, None)
        if writer is None:
            return None
        writer.close(keep)
        return writer.path

    def close(self, keep=True):
        """Close all open videos."""
        for name in list(self._writers):
            self.finish(name, keep)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(keep=kind is None)
