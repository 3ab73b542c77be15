"""Parameters of the evaluation and the twelve official numbers."""

import numpy as np

#: Names of the official numbers, in the order of the official list.
STATS = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl')


class Params:
    """What to evaluate. Names are those of pycocotools, as scripts set them.

    Attributes:
        vidIds, catIds (list): videos and categories; all by default.
        iouThrs (ndarray): (T,) IoU thresholds.
        recThrs (ndarray): (R,) recall thresholds.
        maxDets (list[int]): numbers of predictions for each video and category.
        areaRng (list): (A, 2) bounds of the mean area in pixels, both inclusive.
        areaRngLbl (list[str]): their names.
        useCats (int): 0 to compare tracks of any category.
        iouType (str): ``'segm'`` or ``'bbox'``.
    """

    def __init__(self, iouType='segm'):
        if iouType not in ('segm', 'bbox'):
            raise ValueError(f"iouType must be 'segm' or 'bbox', got {iouType!r}")
        self.iouType = iouType
        self.vidIds, self.catIds = [], []
        # linspace and not arange: the bits of the recall thresholds decide about equal recalls.
        self.iouThrs = np.linspace(0.5, 0.95, 10)
        self.recThrs = np.linspace(0.0, 1.0, 101)
        self.maxDets = [1, 10, 100]
        self.areaRng = [[0, 1e10], [0, 128**2], [128**2, 256**2], [256**2, 1e10]]
        self.areaRngLbl = ['all', 'small', 'medium', 'large']
        self.useCats = 1
        self.useSegm = None


def mean_of(values):
    """Mean of the entries above -1, summed pairwise by numpy in their order; -1.0 if there are none."""
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0


def summarize_one(result, params, average_precision=True, threshold=None, area='all', max_dets=100):
    """One of the official numbers.

    Args:
        result (dict): ``precision`` (T, R, K, A, M) and ``recall`` (T, K, A, M).
        params (Params): what they were made with.
        average_precision (bool): AP or AR.
        threshold (float | None): one IoU threshold, or the mean over all.
        area (str): name of the area range.
        max_dets (int): one of ``params.maxDets``; one that is not there gives -1, as in the official code.

    Returns:
        float: the number; -1.0 where nothing was to be found.
    """
    values = result['precision'] if average_precision else result['recall']
    if threshold is not None:
        values = values[np.where(threshold == np.asarray(params.iouThrs))[0]]
    areas = [i for i, name in enumerate(params.areaRngLbl) if name == area]
    limits = [i for i, limit in enumerate(params.maxDets) if limit == max_dets]
    return mean_of(values[..., areas, limits]) if areas and limits else -1.0


def stats_plan(params):
    """Arguments of :func:`summarize_one` for each of :data:`STATS`; a limit is None where there is none."""
    limits = [*params.maxDets[:3], *[None] * (3 - len(params.maxDets[:3]))]
    top = limits[2] if limits[2] is not None else max(params.maxDets)
    return [
        (True, None, 'all', 100),
        (True, 0.5, 'all', top),
        (True, 0.75, 'all', top),
        (True, None, 'small', top),
        (True, None, 'medium', top),
        (True, None, 'large', top),
        (False, None, 'all', limits[0]),
        (False, None, 'all', limits[1]),
        (False, None, 'all', limits[2]),
        (False, None, 'small', top),
        (False, None, 'medium', top),
        (False, None, 'large', top),
    ]


def category_ap(result, params):
    """AP of each category in order of ``params.catIds``, over all areas and the largest ``maxDets``."""
    area = params.areaRngLbl.index('all') if 'all' in params.areaRngLbl else 0
    return [mean_of(result['precision'][:, :, k, area, -1]) for k in range(result['precision'].shape[2])]
