"""From results back to images: the tracks of videos drawn over their frames."""

from pathlib import Path

from mmdet.formats.reading import parse_json, read_bytes
from mmdet.formats.ytvis import load_ytvis
from mmdet.media import read_image, write_image
from mmdet.structures.rle import segm_to_rle
from mmdet.utils import UserError
from mmdet.visualization import (
    TrackRenderer,
    contact_sheet,
    frames_of_tracks,
    match_colors,
    pick_frames,
    video_names,
)


class ResultRenderer:
    """Renders videos of a YouTube-VIS file: ``DIR/<video>/00000.jpg``, ... and ``DIR/<video>.webm``.

    Args:
        out_dir (str | Path): output folder.
        videos (Sequence[dict]): the videos of the annotation file.
        categories (dict[int, str]): category id -> name.
        img_prefix (str | Path): folder that the file names are relative to.
        truth (dict | None): video id -> annotations, drawn to the left of the predictions,
            which take the colors of the objects they cover.
        score_thr (float): tracks below this score are not drawn.
        fps (float): frames a second of the videos.
        **style: see :class:`~mmdet.visualization.TrackRenderer` and
            :func:`~mmdet.visualization.draw_instances`.
    """

    def __init__(
        self, out_dir, videos, categories, img_prefix='', truth=None, score_thr=0.3, fps=6.0, **style
    ):
        self.out_dir = Path(out_dir)
        self.img_prefix = Path(img_prefix)
        self.names = video_names(videos)
        self.labels = {cat_id: label for label, cat_id in enumerate(categories)}
        self.truth = truth
        self.renderer = TrackRenderer(out_dir, list(categories.values()), fps, score_thr, **style)

    def __call__(self, video, tracks):
        """Render one video.

        Args:
            video (dict): ``id`` and ``file_names``.
            tracks (Sequence[dict]): its results or annotations.

        Returns:
            Path: the video file.

        Raises:
            UserError: if a frame cannot be read, or a mask or category does not fit.
        """
        name, length = self.names[video['id']], len(video['file_names'])
        size = (video['height'], video['width'])
        truth, colors = [None] * length, None
        try:
            if self.truth is not None:
                expected = [track for track in self.truth.get(video['id'], []) if not track.get('iscrowd')]
                truth = frames_of_tracks(expected, length, self.labels, size)
                colors = self._colors(tracks, expected, size)
            frames = frames_of_tracks(tracks, length, self.labels, size, colors)
            for index, (fields, wanted) in enumerate(zip(frames, truth)):
                image = read_image(str(self.img_prefix / video['file_names'][index]))
                self.renderer.add(name, index, image, fields, wanted)
        except UserError:
            self.renderer.finish(name, keep=False)
            raise
        except ValueError as error:  # masks that are damaged, or of another size than the frames
            self.renderer.finish(name, keep=False)
            raise UserError(f'video {video["id"]!r} cannot be drawn: {error}') from None
        except BaseException:
            self.renderer.finish(name, keep=False)
            raise
        return self.renderer.finish(name)

    @staticmethod
    def _colors(tracks, expected, size):
        """Colors by which predictions go with the ground truth beside them."""
        order = sorted(range(len(tracks)), key=lambda index: -tracks[index].get('score', 1.0))
        masks = [_rles(tracks[index]['segmentations'], size) for index in order]
        matched = match_colors(masks, [_rles(track['segmentations'], size) for track in expected])
        colors = dict(zip(order, matched))
        return [colors[index] for index in range(len(tracks))]


def render_worst(ann, results, per_video, images, out_dir, count=5, score_thr=0.3):
    """Draw the videos whose objects are covered worst, annotations beside predictions, and a sheet of them.

    Args:
        ann (str | Path): annotation file.
        results (str | Path): result file, json or zip.
        per_video (dict): of :func:`~mmdet.evaluation.analysis.analyze`, worst first.
        images (str | Path): folder that the file names are relative to.
        out_dir (str | Path): output folder.
        count (int): how many videos with objects to draw.
        score_thr (float): predictions below it are not drawn.

    Returns:
        list[Path]: the sheet, then a video file for each, worst first.

    Raises:
        UserError: a file or frame cannot be read or drawn.
    """
    index = load_ytvis(ann)
    known = {str(video['id']): video for video in index.videos}
    worst = [known[name] for name, row in per_video.items() if row['objects'] and name in known][:count]
    if not worst:
        return []
    tracks = tracks_by_video(parse_json(read_bytes(results), results))
    categories = {category['id']: category['name'] for category in index.categories}
    renderer = ResultRenderer(out_dir, worst, categories, images, index.by_video, score_thr)
    written, rows, titles = [], [], []
    for video in worst:
        found = [track for track in tracks.get(video['id'], []) if track['category_id'] in categories]
        written.append(renderer(video, found))
        frames = sorted((Path(out_dir) / renderer.names[video['id']]).glob('*.jpg'))
        rows.append([read_image(str(frames[i])) for i in pick_frames(len(frames), 3)])
        row = per_video[str(video['id'])]
        titles.append(f'{renderer.names[video["id"]]}: track IoU {row["mean_iou"]:.3f}')
    sheet = Path(out_dir) / 'worst_videos.jpg'
    write_image(sheet, contact_sheet(rows, titles))
    return [sheet, *written]


def _rles(segmentations, size):
    return [None if mask is None else segm_to_rle(mask, *size) for mask in segmentations]


def tracks_by_video(entries):
    """Group results or annotations by video: dict of lists."""
    grouped = {}
    for entry in entries:
        grouped.setdefault(entry['video_id'], []).append(entry)
    return grouped
