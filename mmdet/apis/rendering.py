"""From results back to pictures: the tracks of videos drawn over their frames."""

from pathlib import Path

from mmdet.datasets.transforms.load import read_image
from mmdet.visualization import TrackRenderer, frames_of_tracks, video_names


class ResultRenderer:
    """Renders videos of a YouTube-VIS file: ``DIR/<video>/00000.jpg``, ... and ``DIR/<video>.mp4``.

    Args:
        out_dir (str | Path): output folder.
        videos (Sequence[dict]): the videos of the annotation file.
        categories (dict[int, str]): category id -> name.
        img_prefix (str | Path): folder that the file names are relative to.
        truth (dict | None): video id -> annotations, drawn to the left of the predictions.
        score_thr (float): tracks below this score are not drawn.
        fps (float): frames a second of the videos.
        **style: see :func:`~mmdet.visualization.draw_instances`.
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

    def path_of(self, video):
        """Where the video is, or is to be."""
        return self.out_dir / f'{self.names[video["id"]]}.mp4'

    def done(self, video):
        """Whether a video has been rendered."""
        path = self.path_of(video)
        return path.exists() or path.with_suffix('.avi').exists()

    def __call__(self, video, tracks):
        """Render one video.

        Args:
            video (dict): ``id`` and ``file_names``.
            tracks (Sequence[dict]): its results or annotations.

        Returns:
            Path: the video file.

        Raises:
            UserError: if a frame cannot be read.
        """
        name, length = self.names[video['id']], len(video['file_names'])
        size = (video['height'], video['width'])
        frames = frames_of_tracks(tracks, length, self.labels, size)
        truth = [None] * length
        if self.truth is not None:
            expected = [track for track in self.truth.get(video['id'], []) if not track.get('iscrowd')]
            truth = frames_of_tracks(expected, length, self.labels, size)
        try:
            for index, (fields, expected) in enumerate(zip(frames, truth)):
                image = read_image(str(self.img_prefix / video['file_names'][index]))
                self.renderer.add(name, index, image, fields, expected)
        except BaseException:
            self.renderer.finish(name, keep=False)
            raise
        return self.renderer.finish(name)


def tracks_by_video(entries):
    """Group results or annotations by video: dict of lists."""
    grouped = {}
    for entry in entries:
        grouped.setdefault(entry['video_id'], []).append(entry)
    return grouped
