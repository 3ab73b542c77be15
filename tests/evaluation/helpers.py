"""Small annotation and result files, and how to score them on both paths."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from mmdet.evaluation import evaluate_tables, summarize
from mmdet.evaluation.ap.backend import get_core
from mmdet.utils import UserError

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).parent / 'cases'
BUILT = get_core('auto') is not None
BACKENDS = [
    'python',
    pytest.param('cython', marks=pytest.mark.skipif(not BUILT, reason='the compiled core is not built')),
]
sys.path.insert(0, str(ROOT / 'benchmarks'))


def rectangle(x, y, w, h, height=20, width=30):
    """Compressed RLE of a rectangle."""
    pixels = np.zeros((height, width), np.uint8, order='F')
    pixels[y : y + h, x : x + w] = 1
    rle = coco.encode(pixels)
    return {'size': [height, width], 'counts': rle['counts'].decode()}


def plain(rle):
    """The same mask with a list of counts."""
    flat = coco.decode(rle).ravel(order='F')
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    return {'size': rle['size'], 'counts': np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()}


def annotation(id, masks, video=1, category=1, **more):
    """One track of ground truth."""
    areas = [
        int(coco.area(m)) if isinstance(m, dict) and isinstance(m['counts'], str) else None for m in masks
    ]
    base = {'id': id, 'video_id': video, 'category_id': category, 'iscrowd': 0, 'areas': areas}
    return {**base, 'segmentations': masks, 'bboxes': [None] * len(masks), **more}


def prediction(masks, score=0.5, video=1, category=1, **more):
    """One predicted track."""
    return {'video_id': video, 'category_id': category, 'score': score, 'segmentations': masks, **more}


def dataset(annotations, lengths=(3,), categories=(1, 2), size=(20, 30)):
    """An annotation file with videos 1, 2, ... of the given lengths."""
    height, width = size
    return {
        'videos': [
            {
                'id': i + 1,
                'height': height,
                'width': width,
                'length': n,
                'file_names': [f'{t}.jpg' for t in range(n)],
            }
            for i, n in enumerate(lengths)
        ],
        'categories': [{'id': c, 'name': f'c{c}'} for c in categories],
        'annotations': annotations,
    }


def simple():
    """A file with three tracks in two videos, and predictions that find most of them."""
    a, b, c = rectangle(2, 2, 8, 8), rectangle(12, 4, 10, 9), rectangle(5, 5, 6, 12)
    truth = dataset(
        [
            annotation(1, [a, a, None]),
            annotation(2, [b, b, b], category=2),
            annotation(3, [c, None], video=2),
        ],
        lengths=(3, 2),
    )
    found = [
        prediction([a, rectangle(3, 2, 8, 8), None], 0.9),
        prediction([b, b, None], 0.8, category=2),
        prediction([rectangle(5, 5, 6, 10), None], 0.7, video=2),
        prediction([b, None, a], 0.3),
    ]
    return truth, found


def score(truth, found, backend='python', strict=True, **options):
    """Summary of an evaluation."""
    return summarize(evaluate_tables(truth, found, strict=strict, backend=backend, **options))


def outcome(truth, found, backend, strict):
    """Summary, or the message of the error that a user would read."""
    try:
        summary = score(truth, found, backend, strict)
    except UserError as error:
        return str(error)
    values = [*summary['stats'].values(), *summary['per_category_AP'].values()]
    assert all(math.isfinite(v) and (v == -1 or 0 <= v <= 1) for v in values), values
    return summary


def same_on_both(truth, found, strict):
    """Outcome of both paths, which must be equal."""
    first = outcome(truth, found, 'python', strict)
    if BUILT:
        assert outcome(truth, found, 'cython', strict) == first
    return first


def write(folder, truth, found):
    """Write both files; their paths."""
    paths = folder / 'gt.json', folder / 'res.json'
    for path, content in zip(paths, (truth, found)):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return paths
