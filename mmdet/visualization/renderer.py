"""Rendering videos while their predictions stream in."""

import re
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from mmdet.media import VideoWriter, write_image
from mmdet.structures.rle import decode_rle, segm_to_rle
from mmdet.utils.errors import UserError

from .draw import as_array, draw_instances, field_of
from .sheet import side_by_side


def video_names(videos):
    """A folder name for every video: the folder of its frames, with the id added where two share one.

    Args:
        videos (Iterable[dict]): ``id`` and ``file_names`` as in a YouTube-VIS json.

    Returns:
        dict: video id -> name, free of path separators.
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
    if isinstance(segmentation, dict):
        return segmentation
    if size is None:
        raise ValueError('masks are polygons: the size of the video is needed')
    return segm_to_rle(segmentation, *size)


def frames_of_tracks(tracks, length, labels_of=None, size=None, colors=None):
    """Turn tracks of a results or annotation json back into frames.

    Args:
        tracks (Sequence[dict]): of one video: ``segmentations``, ``category_id`` and, in results, ``score``.
        length (int): number of frames of the video.
        labels_of (dict | None): category id -> label; None keeps the category ids as labels.
        size (tuple[int, int] | None): (height, width) of the video; needed where masks are polygons.
        colors (Sequence[int] | None): what :func:`match_colors` gave.

    Yields:
        dict: masks, labels, instance_ids (id of an annotation; of results the index of the track), color_ids
        and, where known, scores of one frame.

    Raises:
        UserError: for a category that is not among ``labels_of``.
    """
    for track in tracks if labels_of else ():
        if track['category_id'] not in labels_of:
            known = ', '.join(str(cat_id) for cat_id in list(labels_of)[:20])
            raise UserError(
                f'category {track["category_id"]!r} of a track is not among the categories {known}'
            )
    for frame in range(length):
        here = [
            (index, track)
            for index, track in enumerate(tracks)
            if frame < len(track['segmentations']) and track['segmentations'][frame]
        ]
        fields = {
            'masks': [_as_rle(track['segmentations'][frame], size) for _, track in here],
            'labels': [
                labels_of[track['category_id']] if labels_of else track['category_id'] for _, track in here
            ],
            'instance_ids': [track.get('id', index) for index, track in here],
            # By place, not by id: match_colors gives predictions the colors of annotations by their place.
            'color_ids': [index if colors is None else colors[index] for index, _ in here],
        }
        if all('score' in track for _, track in here) and here:
            fields['scores'] = [track['score'] for _, track in here]
        yield fields


def enlarge(image, instances, factor, image_done=False):
    """Enlarge a small image and what is drawn on it.

    Args:
        image (np.ndarray): uint8 (H, W, 3).
        instances (InstanceData | Mapping): see :func:`draw_instances`.
        factor (int): whole number; 1 and less change nothing.
        image_done (bool): the image is enlarged already.

    Returns:
        tuple: image and a dict of those fields that are there.
    """
    if factor <= 1:
        return image, instances
    fields = {}
    for name in ('masks', 'bboxes', 'labels', 'scores', 'instance_ids', 'color_ids'):
        value = field_of(instances, name)
        if value is not None:
            fields[name] = value
    if 'masks' in fields:
        masks = [decode_rle(mask) if isinstance(mask, dict) else as_array(mask) for mask in fields['masks']]
        # Smooth outlines: repeated pixels would draw stairs that the mask does not mean.
        fields['masks'] = [
            (cv2.resize(np.float32(mask), None, fx=factor, fy=factor) > 0.5).astype(np.uint8)
            for mask in masks
        ]
    if 'bboxes' in fields:
        # Inclusive pixels: the last pixel of the box becomes `factor` of them.
        fields['bboxes'] = as_array(fields['bboxes'])[:, :4] * factor + np.array(
            [0, 0, factor - 1, factor - 1]
        )
    if not image_done:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return image, fields


class TrackRenderer:
    """Draws tracks over the frames of videos: ``DIR/<name>/00000.jpg``, ... and ``DIR/<name>.webm``.

    Every frame is written, with or without objects. Frames of several videos may come interleaved.

    Args:
        out_dir (str | Path): output folder.
        classes (Sequence[str] | None): class names.
        fps (float): frames a second of the videos.
        score_thr (float): objects below this score are not drawn.
        frames (bool): write the single images.
        video (bool): write the videos.
        suffix (str): of the videos, see :class:`VideoWriter`.
        min_side (int): images whose shorter side is below this are enlarged by a whole number first, so
            that labels can be read.
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
        self.min_side = min_side
        self.style = {'score_thr': score_thr, **style}
        self._writers = {}

    def add(self, name, frame_id, image, instances, truth=None):
        """Draw one frame of video ``name``.

        Args:
            name (str): folder and file name of the video.
            frame_id (int): 0-based index of the frame.
            image (np.ndarray): uint8 (H, W, 3) BGR.
            instances (InstanceData | Mapping): predictions, see :func:`draw_instances`.
            truth (Mapping | None): ground truth to show beside them.

        Returns:
            np.ndarray: the image.
        """
        factor = -(-self.min_side // min(image.shape[:2]))
        image, instances = enlarge(image, instances, factor)
        picture = draw_instances(image, instances, self.classes, **self.style)
        if truth is not None:
            truth = enlarge(image, truth, factor, image_done=True)[1]
            expected = draw_instances(image, truth, self.classes, **{**self.style, 'score_thr': 0.0})
            picture = side_by_side([expected, picture], ['ground truth', 'prediction'])
        if self.frames:
            write_image(self.out_dir / name / f'{frame_id:05d}.jpg', picture)
        if self.video:
            if name not in self._writers:
                self._writers[name] = VideoWriter(self.out_dir / f'{name}{self.suffix}', self.fps)
            self._writers[name].write(picture)
        return picture

    def finish(self, name, keep=True):
        """Close the video of ``name``; returns its path, or None where there is none."""
        writer = self._writers.pop(name, None)
        if writer is None:
            return None
        writer.close(keep)
        return writer.path

    def close(self, keep=True):
        """Close every video that is still open."""
        for name in list(self._writers):
            self.finish(name, keep)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(keep=kind is None)
