"""Video AP for the runner: frames are written as tracks to disk, which the evaluator reads at the end."""

import logging
import shutil
import tempfile
from pathlib import Path

from mmengine.dist import broadcast_object_list, gather_object, get_rank, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmdet.formats.results import (
    VideoResultWriter,
    merge_results,
    partial_path,
    prepare_results,
    result_path,
)
from mmdet.formats.ytvis_layout import find_ann_file
from mmdet.registry import METRICS
from mmdet.utils import UserError, atomic_open, suggest

IOU_TYPES = ('segm', 'bbox')


@METRICS.register_module()
class YTVISMetric(BaseMetric):
    """Average precision and recall of tracks on a YouTube-VIS annotation file.

    Gives ``ytvis/segm_AP``, ``ytvis/segm_AP50``, ... as fractions; ``save_best='ytvis/segm_AP'`` keeps the
    best checkpoint. A file without ground truth gives a warning and no number, not zero.

    With several processes all frames of a video must be in one of them: use ``VideoBatchSampler``. The metric
    is a :class:`~mmdet.engine.prediction.Sink`.

    Args:
        ann_file (str): annotation json.
        metric (str | Sequence[str]): 'segm', 'bbox' or both.
        outfile_prefix (str | None): write the results to this name + ``.json``.
        format_only (bool): write the results without scoring them; needs ``outfile_prefix``.
        box_offset (int): of a detector without masks, scored by 'bbox': 1 for boxes in inclusive pixels, 0
            for modern ones.
        collect_device, prefix, collect_dir: as in mmengine.
        **eval_options: passed to :func:`~mmdet.evaluation.evaluate_ytvis`.

    Raises:
        UserError: for an unknown ``metric``, or a missing ``ann_file``.
    """

    default_prefix = 'ytvis'

    def __init__(
        self,
        ann_file=None,
        metric='segm',
        outfile_prefix=None,
        format_only=False,
        box_offset=1,
        collect_device='cpu',
        prefix=None,
        collect_dir=None,
        **eval_options,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.iou_types = [metric] if isinstance(metric, str) else list(metric)
        for name in self.iou_types:
            if name not in IOU_TYPES:
                raise UserError(f'YTVISMetric: unknown metric {name!r}{suggest(name, IOU_TYPES)}')
        if format_only and not outfile_prefix:
            raise UserError('YTVISMetric: format_only needs outfile_prefix, the file to write')
        if ann_file is not None:
            ann_file = find_ann_file(ann_file)
            if not Path(ann_file).is_file():
                raise UserError(f'YTVISMetric: annotation file {ann_file} does not exist')
        elif not format_only:
            raise UserError('YTVISMetric: ann_file is missing')
        self.ann_file = ann_file
        self.format_only = format_only
        self.box_offset = box_offset
        self.out_path = result_path(f'{outfile_prefix}.json') if outfile_prefix else None
        self.eval_options = eval_options
        self._writer = None
        self._folder = None

    def _start(self):
        if not self.dataset_meta or 'cat_ids' not in self.dataset_meta:
            raise UserError('YTVISMetric needs a dataset whose metainfo has cat_ids, such as YTVOSDataset')
        self._folder = Path(tempfile.mkdtemp(prefix='masktrack_ytvis_'))
        path = self._folder / 'results.json'
        prepare_results(path)
        self._writer = VideoResultWriter(path, self.dataset_meta['cat_ids'], box_offset=self.box_offset)

    def add(self, sample):
        """Add one predicted frame; see :meth:`mmdet.formats.video_tracks.TrackCollector.add`."""
        if self._writer is None:
            self._start()
        self._writer.add(sample)

    def process(self, data_batch, data_samples):
        """Add the predicted frames of a batch, as mmengine passes them.

        Args:
            data_batch (dict): unused.
            data_samples (Sequence[dict]): see :meth:`add`.
        """
        for sample in data_samples:
            self.add(sample)

    def compute_metrics(self, results):
        """Score a results json.

        Args:
            results (str | Path): its path.

        Returns:
            dict[str, float]: ``segm_AP`` and so on; empty where there is no ground truth.
        """
        from ..ap.evaluate import evaluate_ytvis

        metrics = {}
        for iou_type in self.iou_types:
            # Not strict: early in training no detections are a score of 0, not an error.
            options = {'strict': False, **self.eval_options}
            found = evaluate_ytvis(str(self.ann_file), str(results), iou_type=iou_type, **options)
            if not found['has_ground_truth']:
                print_log(
                    f'{self.ann_file} has no ground truth: there is no score (which is not a score of 0)',
                    logger='current',
                    level=logging.WARNING,
                )
                return {}
            stats = {name: float(value) for name, value in found['stats'].items()}
            line = '  '.join(f'{name} {value:.3f}' for name, value in stats.items())
            print_log(f'{iou_type}: {line}', logger='current')
            metrics.update({f'{iou_type}_{name}': value for name, value in stats.items()})
        return metrics

    def evaluate(self, size):
        """Merge the tracks of all processes and score them.

        Args:
            size (int): number of frames of the dataset; unused, as each frame has the length of its video.

        Returns:
            dict[str, float]: equal in every process.

        Raises:
            ValueError: a video is not complete.
        """
        try:
            partial, unfinished = self._close()
            gathered = gather_object((partial, unfinished))
            metrics = [self._score(gathered) if is_main_process() else None]
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = self._folder = None
        broadcast_object_list(metrics)
        if isinstance(metrics[0], Exception):
            raise metrics[0]
        return {f'{self.prefix}/{key}' if self.prefix else key: value for key, value in metrics[0].items()}

    def _close(self):
        """Close the writer; returns the text of its file, for the main process, and the incomplete videos."""
        if self._writer is None:
            self._start()
        self._writer.close()
        sends = get_world_size() > 1 and get_rank() > 0
        return partial_path(self._writer.path).read_text() if sends else None, list(self._writer.open_videos)

    def _score(self, gathered):
        """Merge and score on the main process. Errors are returned, so that all processes raise them."""
        try:
            unfinished = [video for _, videos in gathered for video in videos]
            if unfinished:
                raise ValueError(
                    f'videos {unfinished[:5]} are not complete: all their frames must come, in one process '
                    '(batch_sampler VideoBatchSampler)'
                )
            path = self._folder / 'results.json'
            for rank, (text, _) in enumerate(gathered):
                if text is not None:
                    partial_path(path, rank).write_text(text)
            merge_results(path)
            if self.out_path is not None:
                with open(path, 'rb') as source, atomic_open(self.out_path, 'wb') as target:
                    shutil.copyfileobj(source, target)
            return {} if self.format_only else self.compute_metrics(path)
        except Exception as error:
            if get_world_size() == 1:
                raise
            return error
