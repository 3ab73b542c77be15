"""``YTVOSeval``: the class scripts know from the fork of pycocotools, on the fast core of this package."""

import copy
import datetime
import warnings

import numpy as np

from mmdet.formats.defects import Report
from mmdet.formats.mask_checks import check_masks
from mmdet.formats.ytvis import read_tables
from mmdet.formats.ytvis_results import read_predictions
from mmdet.formats.ytvis_tables import sort_ids

from .backend import get_core
from .evaluate import Evaluation, check_max_dets, run_evaluation
from .matching import accumulate_matches
from .params import STATS, Params, stats_plan, summarize_one
from .ytvos import listed

#: Line of the printed summary.
LINE = ' {:<18} {} @[ IoU={:<9} | area={:>6s} | maxDets={:>3d} ] = {:0.3f}'


class YTVOSeval:
    """Video AP and AR: ``evaluate()``, ``accumulate()``, ``summarize()``.

    The dicts of ``cocoGt`` and ``cocoDt`` are not changed. By default defects of the input are warned of,
    and the official number is given wherever there is one.

    Args:
        cocoGt (YTVOS): ground truth.
        cocoDt (YTVOS): results, from ``cocoGt.loadRes``.
        iouType (str): ``'segm'`` or ``'bbox'``.
        strict (bool): raise at the first kind of defect.
        backend (str): ``'auto'``, ``'cython'`` or ``'python'``.

    Attributes:
        params (Params): to be changed before ``evaluate()``.
        ious (dict): (video id, category id) -> IoU (n_dt, n_gt), predictions by falling score.
        evalImgs (list): per category, area range and video: dict of matches, or None.
        eval (dict): ``precision``, ``scores`` (T, R, K, A, M), ``recall`` (T, K, A, M), ``params``, ...
        stats (ndarray): (12,) the official numbers.
    """

    def __init__(self, cocoGt=None, cocoDt=None, iouType='segm', strict=False, backend='auto'):
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.params = Params(iouType or 'segm')
        self.strict, self.backend = strict, backend
        self.eval, self.stats = {}, []
        self._evaluation = self._images = self._paramsEval = None
        if cocoGt is not None:
            self.params.vidIds = sort_ids(cocoGt.getVidIds())
            self.params.catIds = sort_ids(cocoGt.getCatIds())

    @property
    def _policy(self):
        return 'strict' if self.strict else 'lenient'

    def evaluate(self):
        """Compare all tracks and match them.

        Raises:
            InputDefect: when strict, for the first kind of defect.
        """
        p = self.params
        if p.useSegm is not None:
            p.iouType = 'segm' if p.useSegm == 1 else 'bbox'
        p.vidIds, p.maxDets = sort_ids(set(listed(p.vidIds))), sorted(listed(p.maxDets))
        if p.useCats:
            p.catIds = sort_ids(set(listed(p.catIds)))
        report, core = Report(self._policy), get_core(self.backend)
        root, masks = self.cocoGt.packed(core)
        dataset, truth = read_tables(root, masks, 'ground truth', report, p.iouType)
        root, masks = self.cocoDt.packed(core)
        predictions = read_predictions(
            root.get('annotations') or [], masks, dataset, 'results', report, p.iouType, indexed=True
        )
        if p.iouType == 'segm':
            check_masks(predictions, dataset, report)
        self._evaluation = run_evaluation(dataset, truth, predictions, p, report, self.backend)
        self._paramsEval, self._images, self.eval = copy.deepcopy(p), None, {}
        for message in self._evaluation.warnings:
            warnings.warn(message, stacklevel=2)

    def accumulate(self, p=None):
        """Pool the videos into curves, with ``p`` (Params) in place of ``params`` if given."""
        if self._evaluation is None:
            raise RuntimeError('accumulate() needs evaluate() first')
        done, p = self._evaluation, p or self.params
        same = all(
            np.array_equal(np.asarray(getattr(p, name)), np.asarray(getattr(self._paramsEval, name)))
            for name in ('vidIds', 'catIds', 'areaRng', 'iouThrs', 'useCats')
        )
        if same and max(p.maxDets) <= max(self._paramsEval.maxDets):
            arrays = accumulate_matches(
                done.groups, done.matches, done.predictions, p, get_core(self.backend)
            )
            result = dict(zip(('precision', 'recall', 'scores'), arrays))
        else:
            result = run_evaluation(
                done.dataset, done.truth, done.predictions, p, Report('lenient'), self.backend
            ).result
        if not p.useCats:
            p = copy.copy(p)  # params stay as they are, so that calling this again gives the same
            p.catIds = [-1]
        self.eval = {
            'params': p,
            'counts': list(result['precision'].shape),
            'date': datetime.datetime.now().strftime('%Y-%m-%d %H:%M:%S'),
            **result,
        }

    def summarize(self):
        """Print the twelve official numbers and keep them in ``stats``; -1 is undefined."""
        if not self.eval:
            raise RuntimeError('summarize() needs accumulate() first')
        p, report = self.params, Report(self._policy)
        check_max_dets(p, report)
        for message in report.warnings:
            warnings.warn(message, stacklevel=2)
        self.stats = np.full(len(STATS), -1.0)
        for i, (precise, threshold, area, limit) in enumerate(stats_plan(p)):
            if limit is None:
                continue
            self.stats[i] = value = summarize_one(self.eval, p, precise, threshold, area, limit)
            span = f'{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}' if threshold is None else f'{threshold:0.2f}'
            title = ('Average Precision', '(AP)') if precise else ('Average Recall', '(AR)')
            print(LINE.format(*title, span, area, limit, value))

    def __str__(self):
        self.summarize()
        return f'YTVOSeval({", ".join(f"{n}={v:.3f}" for n, v in zip(STATS, self.stats))})'

    @property
    def evaluation(self):
        """Evaluation: everything that ``evaluate()`` found, in arrays; None before."""
        return self._evaluation

    @property
    def ious(self):
        """dict: see the class."""
        if self._evaluation is None:
            return {}
        groups, p = self._evaluation.groups, self._paramsEval
        where = {key: n for n, key in enumerate(groups.keys)}
        keys = [(v, c) for v in p.vidIds for c in (p.catIds if p.useCats else [-1])]
        return {key: groups.iou_of(where[key]) if key in where else [] for key in keys}

    @property
    def evalImgs(self):
        """list[dict | None]: see the class; made when first asked for."""
        if self._images is None and self._evaluation is not None:
            where = {key: n for n, key in enumerate(self._evaluation.groups.keys)}
            p = self._paramsEval
            self._images = [
                self._image(where.get((v, c)), a, v, c)
                for c in (p.catIds if p.useCats else [-1])
                for a in range(len(p.areaRng))
                for v in p.vidIds
            ]
        return self._images if self._images is not None else []

    def _image(self, n, a, video, category):
        """Matches of one video, category and area range as the dict that scripts expect."""
        if n is None:
            return None
        done: Evaluation = self._evaluation
        g, matches, predictions = done.groups, done.matches, done.predictions
        gts, dts = slice(g.gt_ptr[n], g.gt_ptr[n + 1]), slice(g.dt_ptr[n], g.dt_ptr[n + 1])
        gt_ids = [done.truth.id[i] for i in g.gt[gts].tolist()]
        dt_ids = [predictions.id[i] for i in g.dt[dts].tolist()]
        ignore = matches.gt_ignore[a, gts].astype(np.int64)
        order = np.argsort(ignore, kind='mergesort')
        return {
            'video_id': video,
            'category_id': category,
            'aRng': self._paramsEval.areaRng[a],
            'maxDet': self._paramsEval.maxDets[-1],
            'dtIds': dt_ids,
            'gtIds': [gt_ids[i] for i in order.tolist()],
            'dtMatches': _ids_of(matches.dt_gt[a, :, dts], gt_ids),
            'gtMatches': _ids_of(matches.gt_dt[a, :, gts][:, order], dt_ids),
            'dtScores': predictions.score[g.dt[dts]].tolist(),
            'gtIgnore': ignore[order],
            'dtIgnore': matches.dt_ignore[a, :, dts].astype(bool),
        }


def _ids_of(index, ids):
    """Ids (float64, as in the official code; 0 for none) of indices with -1 for none."""
    try:
        table = np.array([*ids, 0], np.float64)
    except (TypeError, ValueError, OverflowError):
        table = np.array([*ids, 0], object)
    return table[index]


__all__ = ['Params', 'YTVOSeval']
