"""Video AP from files or from lists: the one function that tools, validation and scripts call."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmdet.formats.defects import Report
from mmdet.formats.mask_checks import check_content, check_masks, mean_mask_area
from mmdet.formats.packing import pack_content, read_packed
from mmdet.formats.ytvis import read_tables
from mmdet.formats.ytvis_results import read_predictions
from mmdet.formats.ytvis_tables import Dataset, Tracks
from mmdet.utils import UserError

from .backend import get_core
from .boxes import measure_boxes
from .matching import Matches, accumulate_matches, match_groups
from .overlap import Groups, group_tracks, measure_masks
from .params import STATS, Params, category_ap, stats_plan, summarize_one


@dataclass
class Evaluation:
    """Everything an evaluation found out.

    Attributes:
        dataset (Dataset), truth (Tracks), predictions (Tracks): what was compared.
        params (Params): how.
        groups (Groups): who could match whom, with IoU.
        matches (Matches): who did.
        result (dict): ``precision``, ``recall``, ``scores``.
        warnings (list[str]): what lenient scoring passed over.
        empty_unions (list[tuple]): (video id, category id) with pairs of tracks that nowhere cover a pixel.
    """

    dataset: Dataset
    truth: Tracks
    predictions: Tracks
    params: Params
    groups: Groups = None
    matches: Matches = None
    result: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)
    empty_unions: list = field(default_factory=list)

    def stats(self):
        """The twelve official numbers, a list of float in the order of ``STATS``."""
        return [
            -1.0 if plan[3] is None else summarize_one(self.result, self.params, *plan)
            for plan in stats_plan(self.params)
        ]


def load_tables(ann, results, iou_type='segm', strict=True, backend='auto'):
    """Read and check an annotation file and a result file, one after the other.

    Args:
        ann (str | Path | dict): annotation file, or what it contains.
        results (str | Path | list): result file (json or zip), or what it contains.
        iou_type (str): ``'segm'`` or ``'bbox'``.
        strict (bool): whether defects raise.
        backend (str): see :func:`get_core`.

    Returns:
        tuple: Dataset, Tracks of ground truth, Tracks of predictions, Report.

    Raises:
        InputDefect: strict, and a file has a defect. UserError: a file cannot be used at all.
    """
    core, report = get_core(backend), Report('strict' if strict else 'lenient')
    in_file = isinstance(results, (str, Path))
    if not isinstance(ann, (str, Path, dict)):
        raise UserError(f'ann: a file name or an object is expected, got {type(ann).__name__}')
    if not in_file and not isinstance(results, (list, tuple)):
        raise UserError(f'results: a file name or a list is expected, got {type(results).__name__}')
    ann_source = 'ground truth' if isinstance(ann, dict) else str(ann)
    res_source = str(results) if in_file else 'results'
    if isinstance(ann, dict):
        root, masks = pack_content(ann, core)
    else:
        root, masks = read_packed(ann, core, 'annotation file')
    dataset, truth = read_tables(root, masks, ann_source, report, iou_type)
    del root, masks
    if in_file:
        root, masks = read_packed(results, core, 'result file')
    else:
        root, masks = pack_content(list(results), core)
    predictions = read_predictions(root, masks, dataset, res_source, report, iou_type)
    if len(predictions) and iou_type == 'segm' or any(b is None for b in predictions.boxes):
        check_masks(predictions, dataset, report)
    return dataset, truth, predictions, report


def run_evaluation(dataset, truth, predictions, params, report=None, backend='auto'):
    """Measure overlaps, match and accumulate.

    Args:
        dataset (Dataset), truth (Tracks), predictions (Tracks): from :func:`load_tables`.
        params (Params): ``vidIds`` and ``catIds`` in ascending order.
        report (Report | None): where defects of the masks' content go; lenient by default.
        backend (str): see :func:`get_core`.

    Returns:
        Evaluation: the outcome.
    """
    core, report = get_core(backend), report or Report('lenient')
    evaluation = Evaluation(dataset, truth, predictions, params)
    groups = evaluation.groups = group_tracks(truth, predictions, params)
    if params.iouType == 'segm':
        empty = measure_masks(truth, predictions, groups, params, core)
        check_content(truth, report)
        check_content(predictions, report)
        report.settle()
        truth.area = np.where(truth.no_area, mean_mask_area(truth), truth.area)
        predictions.area = np.where(predictions.no_area, mean_mask_area(predictions), predictions.area)
    else:
        empty = measure_boxes(truth, predictions, groups, dataset, report, core)
        report.settle()
    spots = sorted(set(np.searchsorted(groups.iou_ptr, np.flatnonzero(empty), side='right').tolist()))
    evaluation.empty_unions = [groups.keys[n - 1] for n in spots]
    evaluation.matches = match_groups(groups, truth, predictions, params, core)
    arrays = accumulate_matches(groups, evaluation.matches, predictions, params, core)
    evaluation.result = dict(zip(('precision', 'recall', 'scores'), arrays))
    evaluation.warnings = report.warnings
    return evaluation


def make_params(dataset, iou_type='segm', iou_thrs=None, max_dets=None, vid_ids=None, cat_ids=None):
    """Parameters for all (or the given) videos and categories of a dataset.

    Raises:
        UserError: a threshold outside (0, 1], a limit below 1, or an unknown id.
    """
    if iou_type not in ('segm', 'bbox'):
        raise UserError(f"iou_type must be 'segm' or 'bbox', got {iou_type!r}")
    params = Params(iou_type)
    params.vidIds, params.catIds = list(dataset.vid_ids), list(dataset.cat_ids)
    if iou_thrs is not None:
        params.iouThrs = np.asarray(iou_thrs, np.float64).ravel()
        if not params.iouThrs.size or not ((params.iouThrs > 0) & (params.iouThrs <= 1)).all():
            raise UserError(f'iou_thrs must be numbers in (0, 1], got {iou_thrs!r}')
    if max_dets is not None:
        params.maxDets = sorted(max_dets)
        if not params.maxDets or params.maxDets[0] < 1:
            raise UserError(f'max_dets must be integers of at least 1, got {max_dets!r}')
    for name, ids, known in (('vidIds', vid_ids, dataset.videos), ('catIds', cat_ids, dataset.categories)):
        if ids is not None:
            unknown = [i for i in ids if i not in known]
            if unknown:
                raise UserError(f'{name}: the annotation file does not have {unknown}')
            setattr(params, name, [i for i in getattr(params, name) if i in set(ids)])
    return params


def check_max_dets(params, report):
    """Note limits for which the official numbers are not all defined."""
    if len(params.maxDets) < 3 or 100 not in params.maxDets:
        report.add('max_dets', 'parameters', f'maxDets {params.maxDets}')
    report.settle()


def evaluate_tables(
    ann,
    results,
    iou_type='segm',
    strict=True,
    iou_thrs=None,
    max_dets=None,
    vid_ids=None,
    cat_ids=None,
    backend='auto',
):
    """Like :func:`evaluate_ytvis`, but returns the whole :class:`Evaluation`."""
    dataset, truth, predictions, report = load_tables(ann, results, iou_type, strict, backend)
    params = make_params(dataset, iou_type, iou_thrs, max_dets, vid_ids, cat_ids)
    check_max_dets(params, report)
    return run_evaluation(dataset, truth, predictions, params, report, backend)


def evaluate_ytvis(
    ann,
    results,
    iou_type='segm',
    strict=True,
    iou_thrs=None,
    max_dets=None,
    vid_ids=None,
    cat_ids=None,
    backend='auto',
):
    """Video AP and AR, equal to the official ``ytvoseval`` in every bit where that gives a number.

    Args:
        ann (str | Path | dict): annotation file in YouTube-VIS format, or its content (which is not changed).
        results (str | Path | list): result file, json or the zip that the servers took, or its content.
        iou_type (str): ``'segm'``, or ``'bbox'`` (box tracks; the official code has no working counterpart).
        strict (bool): raise at the first kind of defect; else warn, and give the official number wherever the
            official code gives one. Callers for which "nothing predicted" is a score of 0 and no mistake
            (validation in training) pass False.
        iou_thrs (Sequence[float] | None): IoU thresholds, 0.50 to 0.95 by default.
        max_dets (Sequence[int] | None): predictions for each video and category; 1, 10, 100 by default.
        vid_ids, cat_ids (Sequence | None): restrict to some videos or categories.
        backend (str): ``'auto'``, ``'cython'`` or ``'python'``; both give the same bits.

    Returns:
        dict: ``stats`` (12 names to float, -1.0 where nothing was to be found), ``per_category_AP`` (category
        id as str to float), ``has_ground_truth`` (False: the numbers are no score at all), ``iou_type``,
        ``iou_thrs``, ``counts`` and ``warnings`` (list of str).

    Raises:
        InputDefect: strict, and a file has a defect (kind and all places). UserError: a file cannot be used.
    """
    return summarize(
        evaluate_tables(ann, results, iou_type, strict, iou_thrs, max_dets, vid_ids, cat_ids, backend)
    )


def summarize(evaluation):
    """The json-able summary of an :class:`Evaluation`; see :func:`evaluate_ytvis`."""
    params, truth = evaluation.params, evaluation.truth
    counted = int((~truth.ignore[evaluation.groups.gt]).sum())
    warnings = list(evaluation.warnings)
    if not counted:
        warnings.append(
            'there is no ground truth to be found in the annotation file: '
            'nothing can be scored, and -1 stands for "undefined", not for a bad score'
        )
    if evaluation.empty_unions:
        where = ', '.join(f'video {v!r} category {c!r}' for v, c in evaluation.empty_unions[:20])
        warnings.append(f'some pairs of tracks cover no pixel together (IoU 0) in: {where}')
    ap = category_ap(evaluation.result, params)
    return {
        'stats': dict(zip(STATS, evaluation.stats())),
        'per_category_AP': {str(c): v for c, v in zip(params.catIds, ap)} if params.useCats else {},
        'has_ground_truth': counted > 0,
        'iou_type': params.iouType,
        'iou_thrs': np.asarray(params.iouThrs, np.float64).tolist(),
        'counts': {
            'videos': len(params.vidIds),
            'categories': len(params.catIds),
            'ground_truth_tracks': len(truth),
            'counted_ground_truth_tracks': counted,
            'predicted_tracks': len(evaluation.predictions),
        },
        'warnings': warnings,
    }
