"""Video AP while the runner goes: frames stream into tracks on disk, the evaluator reads them at the end."""

import logging
import shutil
import tempfile
from pathlib import Path

from mmengine.dist import broadcast_object_list, gather_object, get_rank, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmdet.formats.results import VideoResultWriter, merge_results, prepare_results, result_path
from mmdet.formats.ytvis_layout import find_ann_file
from mmdet.registry import METRICS
from mmdet.utils.errors import UserError, suggest

IOU_TYPES = ('segm', 'bbox')


@METRICS.register_module()
class YTVISMetric(BaseMetric):
    """Average precision and recall of tracks on a YouTube-VIS annotation file (semantics A27, A32, B11).

    Gives ``ytvis/segm_AP``, ``ytvis/segm_AP50``, ... (fractions, as the official code prints them), so that
    ``save_best='ytvis/segm_AP'`` keeps the best checkpoint. A file without ground truth gives no number at
    all and a warning, not zero.

    With several processes every video must be on one of them: use ``VideoBatchSampler``.

    Args:
        ann_file (str): annotation json.
        metric (str | Sequence[str]): 'segm', 'bbox' or both.
        outfile_prefix (str | None): keep the results at this name + ``.json``.
        format_only (bool): write the results, score nothing; needs ``outfile_prefix``.
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
            raise UserError('YTVISMetric: format_only needs outfile_prefix, or nothing would be kept')
        if ann_file is None and not format_only:
            raise UserError('YTVISMetric: ann_file is missing')
        if ann_file is not None:
            ann_file = find_ann_file(ann_file)
        if ann_file is not None and not Path(ann_file).is_file():
            raise UserError(f'YTVISMetric: annotation file {ann_file} does not exist')
        self.ann_file = ann_file
        self.format_only = format_only
        self.out_path = result_path(f'{outfile_prefix}.json') if outfile_prefix else None
        self.eval_options = eval_options
        self._writer = None
        self._folder = None

    def _start(self):
        if not self.dataset_meta or 'cat_ids' not in self.dataset_meta:
            raise UserError('YTVISMetric needs a dataset whose metainfo has cat_ids, such as YTVOSDataset')
        self._folder = Path(tempfile.mkdtemp(prefix='masktrack_ytvis_'))
        prepare_results(self._folder / 'results.json')
        self._writer = VideoResultWriter(self._folder / 'results.json', self.dataset_meta['cat_ids'])

    def process(self, data_batch, data_samples):
        """Take the predictions of a batch of frames.

        Args:
            data_batch (dict): unused.
            data_samples (Sequence[dict | DetDataSample]): as :meth:`VideoResultWriter.add` wants them.
        """
        if self._writer is None:
            self._start()
        for sample in data_samples:
            self._writer.add(sample)

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
            # Not strict: in training "nothing found yet" is a score of 0 and no mistake.
            options = {'strict': False, **self.eval_options}
            found = evaluate_ytvis(str(self.ann_file), str(results), iou_type=iou_type, **options)
            if not found['has_ground_truth']:
                print_log(
                    f'{self.ann_file} has no ground truth: no score can be given (which is not a score of 0)',
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
        """Put the tracks of all processes together and score them.

        Args:
            size (int): number of frames of the dataset; unused, as videos know their own lengths.

        Returns:
            dict[str, float]: equal on every process.

        Raises:
            ValueError: if a video is not complete.
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
        """Close this process's part; returns its text, if it must travel, and the videos that lack frames."""
        if self._writer is None:
            self._start()
        self._writer.close()
        partial = Path(f'{self._folder / "results.json"}.partial')
        travels = get_world_size() > 1 and get_rank() > 0
        return partial.read_text() if travels else None, list(self._writer.open_videos)

    def _score(self, gathered):
        """Merge and score on the main process; errors are returned, so that the other processes stop too."""
        try:
            unfinished = [video for _, videos in gathered for video in videos]
            if unfinished:
                raise ValueError(
                    f'videos {unfinished[:5]} are not complete: all their frames must come, on one process '
                    '(batch_sampler VideoBatchSampler)'
                )
            path = self._folder / 'results.json'
            for rank, (text, _) in enumerate(gathered):
                if text is not None:
                    Path(f'{path}.partial.{rank}').write_text(text)
            merge_results(path)
            if self.out_path is not None:
                self.out_path.parent.mkdir(parents=True, exist_ok=True)
                # Copied under another name first: the folder may be on another disk.
                temporary = self.out_path.with_name(f'.{self.out_path.name}.tmp')
                shutil.copyfile(path, temporary)
                temporary.replace(self.out_path)
            return {} if self.format_only else self.compute_metrics(path)
        except Exception as error:
            if get_world_size() == 1:
                raise
            return error
