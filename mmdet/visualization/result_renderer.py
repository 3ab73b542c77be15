"""Rendering results: the tracks of whole videos, drawn over their frames."""

from collections.abc import Sequence
from pathlib import Path

from mmdet.formats import ytvis
from mmdet.formats.results import results_by_video
from mmdet.media import read_image, write_image
from mmdet.structures.rle import segm_to_rle
from mmdet.utils import Progress, UserError, check_output_folder, was_interrupted

from .color_matching import hide_duplicates, match_colors
from .renderer import TrackRenderer, frames_of_tracks, matched_numbers, places_of, video_names
from .sheet import contact_sheet, pick_frames, sheet_of_folder


class ResultRenderer:
    """Renders videos of a YouTube-VIS file: ``DIR/<video>/00000.jpg``, ... and ``DIR/<video>.webm``.

    It can be the function of a :class:`~mmdet.formats.video_tracks.TrackCollector`, which calls it during
    testing with each video whose last frame was predicted::

        sink = TrackCollector(cat_ids, renderer)

    Args:
        out_dir (str | Path): output folder.
        videos (Sequence[dict]): ``id``, ``file_names``, ``height`` and ``width`` of each video.
        categories (dict[int, str]): category id -> name.
        img_prefix (str | Path): folder that the file names are relative to.
        truth (dict | None): video id -> annotations to draw to the left of the predictions, which take the
            colors and the numbers of the objects that they cover.
        score_thr (float): tracks below this score are not drawn.
        fps (float): frames per second of the videos.
        duplicates (bool): False hides tracks that lie on a better one, see :func:`hide_duplicates`.
        **style: see :class:`TrackRenderer` and :func:`draw_instances`.

    Attributes:
        rendered (list): ids of the videos rendered so far.
    """

    def __init__(
        self,
        out_dir: str | Path,
        videos: Sequence[dict],
        categories: dict[int, str],
        img_prefix: str | Path = '',
        truth: dict | None = None,
        score_thr: float = 0.3,
        fps: float = 6.0,
        duplicates: bool = True,
        **style,
    ):
        files = (video['file_names'][0] for video in videos if video['file_names'])
        check_output_folder(out_dir, img_prefix, files)
        self.out_dir = Path(out_dir)
        self.img_prefix = Path(img_prefix)
        self.videos = {video['id']: video for video in videos}
        self.names = video_names(videos)
        self.labels = {cat_id: label for label, cat_id in enumerate(categories)}
        self.truth = truth
        self.duplicates = duplicates
        self.renderer = TrackRenderer(out_dir, list(categories.values()), fps, score_thr, **style)
        self.rendered = []

    def __call__(self, video_id, tracks: Sequence[dict]) -> Path:
        """Render one video.

        Args:
            video_id: its id.
            tracks (Sequence[dict]): its results or annotations.

        Returns:
            Path: the video file.

        Raises:
            UserError: a frame cannot be read, or a mask or category does not fit.
        """
        video = self.videos[video_id]
        name, length = self.names[video_id], len(video['file_names'])
        size = (video['height'], video['width'])
        truth, colors, numbers = [None] * length, None, None
        try:
            if not self.duplicates:
                tracks = self._best(tracks, size)
            if self.truth is not None:
                expected = [track for track in self.truth.get(video_id, []) if not track.get('iscrowd')]
                truth = frames_of_tracks(expected, length, self.labels, size)
                colors = self._colors(tracks, expected, size)
                numbers = matched_numbers(colors, expected)
            frames = frames_of_tracks(tracks, length, self.labels, size, colors, numbers)
            for index, (fields, wanted) in enumerate(zip(frames, truth)):
                if was_interrupted():
                    raise KeyboardInterrupt
                image = read_image(str(self.img_prefix / video['file_names'][index]))
                self.renderer.add(name, index, image, fields, wanted)
        except UserError:
            self.renderer.finish(name, keep=False)
            raise
        except ValueError as error:  # masks that are damaged, or of another size than the frames
            self.renderer.finish(name, keep=False)
            raise UserError(f'video {video_id!r} cannot be drawn: {error}') from None
        except BaseException:
            self.renderer.finish(name, keep=False)
            raise
        self.rendered.append(video_id)
        return self.renderer.finish(name)

    def render(self, tracks: dict, videos: Sequence[dict]):
        """Render several videos and show the progress.

        Args:
            tracks (dict): video id -> its results or annotations.
            videos (Sequence[dict]): videos to render.
        """
        with Progress(len(videos), 'videos rendered') as progress:
            for video in videos:
                self(video['id'], tracks.get(video['id'], []))
                progress.update()

    def write_sheet(self) -> Path:
        """Write ``DIR/contact_sheet.jpg`` with frames of the rendered videos; returns its path."""
        path = self.out_dir / 'contact_sheet.jpg'
        write_image(path, sheet_of_folder(self.out_dir))
        return path

    @staticmethod
    def _best(tracks, size):
        """Tracks without those that lie on better ones."""
        masks = [_rles(track['segmentations'], size) for track in tracks]
        return [tracks[i] for i in hide_duplicates(masks, [track.get('score', 1.0) for track in tracks])]

    @staticmethod
    def _colors(tracks, expected, size):
        """Colors of the predictions, those of the objects that they cover."""
        order = sorted(range(len(tracks)), key=lambda index: -tracks[index].get('score', 1.0))
        masks = [_rles(places_of(tracks[index]), size) for index in order]
        matched = match_colors(masks, [_rles(places_of(track), size) for track in expected])
        colors = dict(zip(order, matched))
        return [colors[index] for index in range(len(tracks))]


def render_worst(
    ann: str | Path,
    results: str | Path,
    per_video: dict,
    images: str | Path,
    out_dir: str | Path,
    count: int = 5,
    score_thr: float = 0.3,
) -> list[Path]:
    """Render the videos whose objects are covered worst, annotations beside predictions, and a sheet of them.

    Args:
        ann (str | Path): annotation file.
        results (str | Path): result file, json or zip.
        per_video (dict): of :func:`~mmdet.evaluation.analysis.analyze`, worst first.
        images (str | Path): folder that the file names are relative to.
        out_dir (str | Path): output folder.
        count (int): number of videos.
        score_thr (float): predictions below it are not drawn.

    Returns:
        list[Path]: the sheet, then the video files, worst first.

    Raises:
        UserError: a file cannot be read, or a video cannot be drawn.
    """
    index = ytvis.read(ann)
    known = {str(video['id']): video for video in index.videos}
    worst = [known[name] for name, row in per_video.items() if row['objects'] and name in known][:count]
    if not worst:
        return []
    tracks = results_by_video(results)
    categories = {category['id']: category['name'] for category in index.categories}
    renderer = ResultRenderer(out_dir, worst, categories, images, index.by_video, score_thr)
    written, rows, titles = [], [], []
    for video in worst:
        found = [track for track in tracks.get(video['id'], []) if track['category_id'] in categories]
        written.append(renderer(video['id'], found))
        frames = sorted((Path(out_dir) / renderer.names[video['id']]).glob('*.jpg'))
        rows.append([read_image(str(frames[i])) for i in pick_frames(len(frames), 3)])
        row = per_video[str(video['id'])]
        titles.append(f'{renderer.names[video["id"]]}: track IoU {row["mean_iou"]:.3f}')
    sheet = Path(out_dir) / 'worst_videos.jpg'
    write_image(sheet, contact_sheet(rows, titles))
    return [sheet, *written]


def _rles(places, size):
    return [None if place is None else segm_to_rle(_segmentation(place), *size) for place in places]


def _segmentation(place):
    """A segmentation as it is; a box as the polygon of its corners."""
    if not isinstance(place, list) or isinstance(place[0], list):
        return place
    x, y, w, h = place
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]
