"""What becomes of the frames of a video: a video with drawn objects, masks, images and tracks."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmdet.formats.indexed_png import write_indexed_png
from mmdet.formats.track_log import TrackLog
from mmdet.media import ResumableVideo, VideoWriter, can_resume_videos, write_image
from mmdet.structures.rle import decode_rle, rle_area
from mmdet.utils import UserError
from mmdet.visualization import Trails, draw_instances

#: Objects of at least this score are shown if no other threshold is asked for.
SHOWN = 0.3
_MOST_IDS = 65535  # of a 16-bit PNG


@dataclasses.dataclass(frozen=True)
class VideoOptions:
    """What is made of a video.

    Attributes:
        out: video to write, or None.
        json: results json of the tracks, or None.
        masks: folder of an indexed PNG for each frame, whose values are the identities from 1, or None.
        frames: folder of a JPEG for each frame, or None.
        fps: frames per second of the video; None: the times of the input are kept.
        classes: names of the classes that are kept; None: all.
        score_thr: least score of the objects in all outputs. None: video, images and masks have those of at
            least 0.3, the json has all.
        start, end, stride: frames of the input, as of a slice.
        batch_size: frames in one pass of the network.
        boxes: draw boxes too.
        trails: frames that the trail of an object goes back; 0: none.
        opacity: of the tint over objects, 0..1.
    """

    out: Path | None = None
    json: Path | None = None
    masks: Path | None = None
    frames: Path | None = None
    fps: float | None = None
    classes: tuple[str, ...] | None = None
    score_thr: float | None = None
    start: int = 0
    end: int | None = None
    stride: int = 1
    batch_size: int = 1
    boxes: bool = False
    trails: int = 0
    opacity: float = 0.45


class VideoOutputs:
    """Writes the outputs, all of the same frames.

    Args:
        options (VideoOptions): what to write.
        base (str): beginning of the names of temporary files.
        fps (float): frame rate of the video, where frames come without times.
        names (Sequence[str] | None): class names.
        cat_ids (Sequence[int] | None): category id of each label; needed for the json.
        box_offset (int): 1 for boxes in inclusive pixels, 0 for modern ones.
        state (Mapping | None): of :meth:`checkpoint`: continue after it.

    Attributes:
        count (int): number of frames.
        tracks (set): identities in the outputs.
    """

    def __init__(self, options, base, fps, names, cat_ids=None, box_offset=1, state: Mapping | None = None):
        state = state or {}
        self.options, self.names, self.cat_ids, self.box_offset = options, names, cat_ids, box_offset
        self.count, self.shown = state.get('count', 0), state.get('shown', 0)
        self.tracks = set(state.get('tracks', ()))
        self.trails = Trails(options.trails, state.get('trails'))
        self.labels = None if options.classes is None else [names.index(name) for name in options.classes]
        self.video = self.log = None
        if options.out and can_resume_videos():
            self.video = ResumableVideo(options.out, fps, state.get('video'))
        elif options.out:
            self.video = VideoWriter(options.out, fps)
        if options.json:
            self.log = TrackLog(f'{base}.partial.jsonl', state.get('log'))

    def add(self, image, result, time=None, aspect=None) -> None:
        """Write one frame.

        Args:
            image (np.ndarray): uint8 (H, W, 3) BGR.
            result (FrameResult): its objects.
            time (Fraction | None): when it is shown, in seconds.
            aspect (Fraction | None): width of a pixel by its height; None: square.
        """
        options = self.options
        kept = self._select(result, options.score_thr or 0.0)
        shown = self._select(result, SHOWN if options.score_thr is None else options.score_thr)
        ids = kept['instance_ids'] if self.log else shown['instance_ids']
        self.tracks.update((ids if ids is not None else np.zeros(0)).tolist())
        self.shown += len(shown['scores'])
        drawn = self._draw(image, shown)
        if isinstance(self.video, ResumableVideo):
            self.video.write(drawn, None if options.fps else time, aspect)
        elif self.video:
            self.video.write(drawn)
        if options.frames:
            write_image(options.frames / f'{self.count:05d}.jpg', drawn)
        if options.masks:
            write_indexed_png(options.masks / f'{self.count:05d}.png', _numbers(image.shape[:2], shown))
        if self.log:
            boxes = kept['bboxes'].copy()
            boxes[:, 2:] += self.box_offset - boxes[:, :2]
            self.log.add(kept['instance_ids'], kept['scores'], kept['labels'], boxes, kept.get('masks'))
        self.count += 1

    def _select(self, result, least):
        """Fields of the objects of the wanted classes with at least this score."""
        keep = result.scores >= least
        if self.labels is not None:
            keep &= np.isin(result.labels, self.labels)
        rows = np.flatnonzero(keep)
        ids = result.ids
        fields = {
            'scores': result.scores[rows],
            'labels': result.labels[rows],
            'bboxes': result.boxes[rows],
            'instance_ids': None if ids is None else ids[rows],
        }
        codes = result.pred_instances.get('masks')
        return fields if codes is None else {**fields, 'masks': [codes[row] for row in rows]}

    def _draw(self, image, shown):
        ids = shown['instance_ids']
        if ids is not None:
            self.trails.add(ids, shown['bboxes'])
            shown = {**shown, 'instance_ids': ids + 1, 'color_ids': ids}
        return draw_instances(
            image,
            shown,
            self.names,
            draw_boxes=self.options.boxes or None,
            mask_alpha=self.options.opacity,
            trails=self.trails.paths,
        )

    def checkpoint(self) -> dict:
        """Bring everything to the disk; returns what is needed to continue, plain values."""
        return {
            'count': self.count,
            'shown': self.shown,
            'tracks': sorted(self.tracks),
            'trails': self.trails.state(),
            'video': self.video and self.video.checkpoint(),
            'log': self.log and self.log.checkpoint(),
        }

    def finish(self) -> list[str]:
        """Complete the files; returns their names. The temporary files stay."""
        options, written = self.options, []
        if self.video:
            self.video.close()
        if not self.count:
            return written
        if self.video:
            written.append(str(self.video.path))
        for folder in (options.frames, options.masks):
            if folder:
                written.append(f'{folder}/')
        if self.log:
            self.log.write(options.json, self.cat_ids)
            written.append(str(options.json))
        return written

    def discard(self) -> None:
        """Remove the temporary files."""
        for part in (self.video, self.log):
            if hasattr(part, 'discard'):
                part.discard()


def _numbers(shape, fields):
    """uint16 (H, W): identities from 1. Small objects are in front, as in the drawing; 0 is background."""
    numbers = np.zeros(shape, np.uint16)
    if len(fields['instance_ids']) and fields['instance_ids'].max() >= _MOST_IDS:
        raise UserError(f'--masks: PNG can number {_MOST_IDS} objects, and this video has more')
    for row in sorted(range(len(fields['masks'])), key=lambda row: -rle_area(fields['masks'][row])):
        numbers[decode_rle(fields['masks'][row]) > 0] = fields['instance_ids'][row] + 1
    return numbers
