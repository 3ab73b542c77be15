"""Box, mask and proposal AP of single images by pycocotools."""

import contextlib
import io
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmdet.formats.video_tracks import numbers, plain_rle
from mmdet.registry import METRICS
from mmdet.utils import UserError, atomic_open, suggest

KINDS = ('bbox', 'segm', 'proposal')
STATS = (
    'mAP',
    'mAP_50',
    'mAP_75',
    'mAP_s',
    'mAP_m',
    'mAP_l',
    'AR_1',
    'AR_10',
    'AR_100',
    'AR_s',
    'AR_m',
    'AR_l',
)


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """COCO AP and AR of boxes (``coco/bbox_mAP``, ...), masks (``coco/segm_mAP``) and proposals.

    The metric is a :class:`~mmdet.engine.prediction.Sink`.

    Args:
        ann_file (str): COCO annotation json.
        metric (str | Sequence[str]): any of 'bbox', 'segm', 'proposal'.
        outfile_prefix (str | None): write the results to ``<prefix>.bbox.json`` and ``<prefix>.segm.json``.
        format_only (bool): write the results without scoring them; needs ``outfile_prefix``.
        box_offset (int): 1 for boxes in inclusive pixels (width = x2 - x1 + 1), 0 for modern models
            (docs/conventions.md, "Inclusive pixels").
        proposal_nums (Sequence[int]): numbers of proposals of an image at which recall is computed.
        collect_device, prefix, collect_dir: as in mmengine.

    Raises:
        UserError: for an unknown ``metric``, or a missing ``ann_file``.
    """

    default_prefix = 'coco'

    def __init__(
        self,
        ann_file=None,
        metric='bbox',
        outfile_prefix=None,
        format_only=False,
        box_offset=1,
        proposal_nums=(100, 300, 1000),
        collect_device='cpu',
        prefix=None,
        collect_dir=None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.kinds = [metric] if isinstance(metric, str) else list(metric)
        for name in self.kinds:
            if name not in KINDS:
                raise UserError(f'CocoMetric: unknown metric {name!r}{suggest(name, KINDS)}')
        if format_only and not outfile_prefix:
            raise UserError('CocoMetric: format_only needs outfile_prefix, the file to write')
        if not format_only and (ann_file is None or not Path(ann_file).is_file()):
            raise UserError(f'CocoMetric: annotation file {ann_file} does not exist')
        if box_offset not in (0, 1):
            raise UserError(f'CocoMetric: box_offset must be 0 or 1, got {box_offset!r}')
        self.ann_file = ann_file
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self.box_offset = box_offset
        self.proposal_nums = tuple(proposal_nums)

    def process(self, data_batch, data_samples):
        """Add the predictions of a batch, as mmengine passes them.

        Args:
            data_batch (dict): unused.
            data_samples (Sequence[dict]): see :meth:`add`.
        """
        for sample in data_samples:
            self.add(sample)

    def add(self, sample):
        """Add the predictions of one image.

        Args:
            sample (DetDataSample | dict): img_id, and pred_instances with bboxes, scores and, unless only
                proposals are scored, labels and masks.
        """
        pred = sample.get('pred_instances')
        kept = {
            'img_id': sample.get('img_id'),
            'bboxes': numbers(pred['bboxes']),
            'scores': numbers(pred['scores']),
            'labels': numbers(pred['labels']) if 'labels' in pred else [0] * len(pred['bboxes']),
        }
        if 'segm' in self.kinds:
            if 'masks' not in pred:
                raise UserError("CocoMetric: expected masks for metric 'segm', but the model gives no masks")
            kept['masks'] = [plain_rle(mask) for mask in pred['masks']]
        self.results.append(kept)

    def entries(self, results, kind):
        """Convert results to the entries of a COCO result file.

        Args:
            results (Sequence[dict]): from :meth:`add`.
            kind (str): 'bbox', 'segm' or 'proposal'.

        Returns:
            list[dict]: image_id, category_id, score, bbox [x, y, w, h] and, for 'segm', segmentation.
        """
        cat_ids = (self.dataset_meta or {}).get('cat_ids')
        if not cat_ids:
            raise UserError('CocoMetric needs a dataset whose metainfo has cat_ids, such as CocoDataset')
        found = []
        for image in results:
            for i, (x1, y1, x2, y2) in enumerate(box[:4] for box in image['bboxes']):
                entry = {
                    'image_id': image['img_id'],
                    'category_id': cat_ids[image['labels'][i]],
                    'score': image['scores'][i],
                    'bbox': [x1, y1, x2 - x1 + self.box_offset, y2 - y1 + self.box_offset],
                }
                if kind == 'segm':
                    entry['segmentation'] = image['masks'][i]
                found.append(entry)
        return found

    def compute_metrics(self, results):
        """Write and score the results of all processes.

        Args:
            results (Sequence[dict]): from :meth:`add`.

        Returns:
            dict[str, float]: ``bbox_mAP``, ``bbox_mAP_50``, ...; for proposals ``proposal_AR@100``, ...
        """
        metrics = {}
        with tempfile.TemporaryDirectory(prefix='masktrack_coco_') as folder:
            prefix = self.outfile_prefix or str(Path(folder) / 'results')
            for kind in self.kinds:
                entries = self.entries(results, kind)
                path = Path(f'{prefix}.{kind}.json')
                with atomic_open(path) as file:
                    json.dump(entries, file)
                if not self.format_only:
                    metrics.update(self._score(path if entries else None, kind))
        return metrics

    def _score(self, path, kind):
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        quiet = contextlib.redirect_stdout(io.StringIO())
        with quiet:
            truth = COCO(str(self.ann_file))
        if not truth.anns:
            print_log(
                f'{self.ann_file} has no ground truth: there is no score',
                'current',
                logging.WARNING,
            )
            return {}
        names = [f'AR@{count}' for count in self.proposal_nums] if kind == 'proposal' else list(STATS)
        if path is None:  # pycocotools cannot load an empty list
            print_log(f'{kind}: the model found nothing', 'current', logging.WARNING)
            return {f'{kind}_{name}': 0.0 for name in names}
        with quiet:
            evaluation = COCOeval(truth, truth.loadRes(str(path)), 'bbox' if kind == 'proposal' else kind)
        if kind == 'proposal':
            evaluation.params.useCats = 0
            evaluation.params.maxDets = list(self.proposal_nums)
        with quiet:
            evaluation.evaluate()
            evaluation.accumulate()
        if kind == 'proposal':
            recall = evaluation.eval['recall'][:, :, 0, :]  # (IoU thresholds, categories, maxDets)
            values = [float(np.mean(part[part > -1])) if (part > -1).any() else -1.0 for part in recall.T]
        else:
            text = io.StringIO()
            with contextlib.redirect_stdout(text):
                evaluation.summarize()
            print_log(f'{kind}:\n{text.getvalue().rstrip()}', 'current')
            values = [float(value) for value in evaluation.stats]
        return {f'{kind}_{name}': value for name, value in zip(names, values)}
