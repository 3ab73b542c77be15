"""What scripts pass in beside plain json, and odd json for which the official code has a number."""

import copy
import warnings

import numpy as np
import pytest
import torch

from mmdet.evaluation import YTVOS, YTVOSeval, evaluate_tables, evaluate_ytvis
from mmdet.formats.packing import plain as made_plain
from mmdet.utils import UserError

from .helpers import BACKENDS, annotation, dataset, plain, prediction, rectangle

M = rectangle(2, 3, 10, 8)


def pair():
    """Two videos with crowd, polygons, plain and compressed masks, and gaps."""
    other = rectangle(4, 3, 10, 8)
    polygon = [[5, 5, 20, 5, 20, 15, 5, 15]]
    truth = dataset(
        [
            annotation(1, [M, None, plain(M)]),
            annotation(2, [other, other, None], iscrowd=1),
            annotation(3, [polygon, polygon], video=2, category=2, areas=[150, 150]),
        ],
        lengths=(3, 2),
    )
    boxes = ([[2, 3, 10, 8], None, [2, 3, 10, 8]], [[4, 3, 10, 8]] * 2 + [None], [[5, 5, 15, 10]] * 2)
    for entry, around in zip(truth['annotations'], boxes):
        entry['bboxes'] = around
    found = [
        prediction([M, None, M], 0.875),
        prediction([other, M, None], 0.75),
        prediction([M, other], 0.5, video=2, category=2),
        prediction([rectangle(5, 5, 15, 10)] * 2, 0.25, video=2, category=2),
    ]
    return truth, found


def numpy_twin(value):
    """Numbers become numpy's, number lists arrays, other lists tuples."""
    if isinstance(value, dict):
        return {key: numpy_twin(inner) for key, inner in value.items()}
    if isinstance(value, list):
        if value and all(type(inner) in (int, float) for inner in value):
            return np.array(value)
        return tuple(numpy_twin(inner) for inner in value)
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value)
    return np.float64(value) if isinstance(value, float) else value


def torch_twin(value):
    """Scores, flags, boxes and areas as tensors."""
    if isinstance(value, dict):
        kept = ('id', 'video_id', 'category_id', 'videos', 'categories', 'segmentations')
        return {k: v if k in kept else torch_twin(v) for k, v in value.items()}
    if isinstance(value, list):
        return [torch_twin(inner) for inner in value]
    # Doubles: 0.875 and its like are exact in any precision, so nothing hangs on it.
    return torch.tensor(value) if isinstance(value, (bool, int, float)) else value


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('twin', [numpy_twin, torch_twin])
@pytest.mark.parametrize('iou_type', ['segm', 'bbox'])
def test_numbers_of_numpy_and_torch_are_numbers(twin, backend, iou_type):
    truth, found = pair()
    expected = evaluate_tables(truth, found, iou_type, strict=False, backend=backend)
    assert expected.stats()[0] > 0.2
    odd = twin(truth), [twin(entry) for entry in found]
    for results in (odd[1], tuple(odd[1])):
        got = evaluate_tables(odd[0], results, iou_type, strict=False, backend=backend)
        assert got.stats() == expected.stats() and got.warnings == expected.warnings
    kept = YTVOS(odd[0])
    classes = YTVOSeval(kept, kept.loadRes(odd[1]), iou_type, strict=True, backend=backend)
    classes.evaluate()
    classes.accumulate()
    classes.summarize()
    assert classes.stats.tolist() == expected.stats()


def test_plain_values_are_not_copied():
    truth, _ = pair()
    assert made_plain(truth) is truth
    assert made_plain({'a': (1, 2), 'b': np.float32(0.5)}) == {'a': [1, 2], 'b': 0.5}
    odd = {'x': [np.arange(3), {'y': torch.ones(2, 1)}]}
    assert made_plain(odd) == {'x': [[0, 1, 2], {'y': [[1.0], [1.0]]}]}
    assert isinstance(odd['x'][0], np.ndarray)
    assert made_plain(np.longdouble(2)) == 2


def scores(truth, found, backend='auto', **changes):
    """Lenient numbers of AP, APs, APm."""
    stats = evaluate_ytvis(truth, found, strict=False, backend=backend)['stats']
    return [stats[name] for name in ('AP', 'APs', 'APm')]


def one(**changes):
    """A single object, found exactly; its area is small."""
    return dataset([{**annotation(1, [M, M, M]), **changes}]), [prediction([M, M, M], 0.9)]


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(
    'changes, expected',
    [
        ({'areas': ''}, [1, 1, -1]),
        ({'areas': {}}, [1, 1, -1]),
        ({'areas': ['', [], {}, 0, None]}, [1, 1, -1]),
        ({'areas': [[30000]]}, [1, -1, 1]),
        ({'areas': [[10000, 20000], [30000, 50000]]}, [1, -1, 1]),
        ({'areas': [[[]]]}, [1, 1, 1]),  # no number at all: inside every range
        ({'areas': ['x']}, [1, 1, -1]),  # unusable: those of the masks
        ({'areas': [[1], [2, 3]]}, [1, 1, -1]),
        ({'areas': [10**400]}, [-1, -1, -1]),
        ({'id': '0'}, [0, 0, -1]),
        ({'id': '-0'}, [0, 0, -1]),
        ({'id': '1e-400'}, [0, 0, -1]),
        ({'id': 'zero'}, [1, 1, -1]),
        ({'id': 10**400}, [1, 1, -1]),
        ({'iscrowd': '-1'}, [-1, -1, -1]),
        ({'iscrowd': '+1'}, [-1, -1, -1]),
        ({'iscrowd': '-0'}, [-1, -1, -1]),
        ({'iscrowd': 'one'}, [1, 1, -1]),
        ({'iscrowd': 10**400}, [-1, -1, -1]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_odd_values_with_an_official_number(changes, expected, backend):
    assert scores(*one(**changes), backend=backend) == pytest.approx(expected)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('score, rank', [(10**400, 0), (-(10**400), 1)])
def test_scores_beyond_floats_are_ranked(score, rank, backend):
    truth, found = one()
    found.append(prediction([rectangle(20, 1, 3, 3)] * 3, score))
    assert (scores(truth, found, backend)[0] < 0.99) == (rank == 0)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('size', [[20.0, 30.0], [20.5, 30.25]])
@pytest.mark.parametrize('form', [lambda mask: mask, plain])
def test_sizes_that_are_no_integers(size, form, backend):
    truth, found = one()
    for entry in (truth['annotations'][0], found[0]):
        entry['segmentations'] = [{**form(M), 'size': size}] * 3
    assert scores(truth, found, backend)[0] > 0.99
    with pytest.raises(UserError, match='odd_mask'):
        evaluate_ytvis(truth, [prediction([M, M, M], 0.9)], backend=backend)


@pytest.mark.parametrize('backend', BACKENDS)
def test_lists_of_masks_are_merged_where_the_official_code_does(backend):
    truth, found = one()
    halves = [plain(rectangle(2, 3, 5, 8)), plain(rectangle(7, 3, 5, 8))]
    truth['annotations'][0]['segmentations'] = [halves] * 3
    assert scores(truth, found, backend)[0] > 0.99
    truth['annotations'][0]['segmentations'] = [[M, M]] * 3  # compressed ones it refuses
    assert scores(truth, found, backend)[0] == 0
    with pytest.raises(UserError, match='unreadable_mask'):
        evaluate_ytvis(truth, found, backend=backend)


def test_sides_of_a_video_that_are_floats_serve_polygons():
    truth, found = one(segmentations=[[[2, 3, 12, 3, 12, 11, 2, 11]]] * 3, areas=[80] * 3)
    truth['videos'][0].update(height=20.0, width=30.0)
    assert scores(truth, found)[0] > 0.99


@pytest.mark.parametrize(
    'ann, results, message',
    [
        (None, [], 'ann: a file name or an object is expected, got NoneType'),
        ([], [], 'ann: a file name or an object is expected, got list'),
        ({}, {}, 'results: a file name or a list is expected, got dict'),
        ({}, None, 'results: a file name or a list is expected, got NoneType'),
    ],
)
def test_what_is_neither_file_nor_content(ann, results, message):
    with pytest.raises(UserError, match=message):
        evaluate_tables(ann, results)


def test_results_that_are_no_list():
    truth = YTVOS(one()[0])
    for wrong in (None, {}, 5):
        with pytest.raises(UserError, match='results: a list of predictions is expected'):
            truth.loadRes(wrong)


def classes(truth, found, **params):
    kept = YTVOS(truth)
    evaluation = YTVOSeval(kept, found if isinstance(found, YTVOS) else kept.loadRes(found))
    for name, value in params.items():
        setattr(evaluation.params, name, value)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def test_accumulating_twice_gives_the_same():
    evaluation = classes(*pair(), useCats=0)
    first = copy.deepcopy(evaluation.eval['precision'])
    assert (first > -1).any() and evaluation.eval['params'].catIds == [-1]
    evaluation.accumulate()
    assert np.array_equal(evaluation.eval['precision'], first)
    assert evaluation.params.catIds == [1, 2]


def test_one_id_in_place_of_a_list():
    truth, found = pair()
    many = classes(truth, found, vidIds=[2], catIds=[2], maxDets=[1])
    for single in (2, np.int64(2)):
        got = classes(truth, found, vidIds=single, catIds=single, maxDets=1)
        assert np.array_equal(got.eval['precision'], many.eval['precision'])


def test_ids_and_areas_that_a_script_gives_its_results():
    truth, found = one(areas=[30000] * 3)
    kept = YTVOS(truth)
    results = YTVOS()
    # Ranked first, matches nothing; it counts for medium objects if its area says so.
    small = prediction([rectangle(20, 1, 3, 3)] * 3, 0.95)
    entries = [{**small, 'id': 7, 'areas': [20000] * 3}, {**found[0], 'id': 5, 'areas': [30000] * 3}]
    results.dataset = {**{key: truth[key] for key in ('videos', 'categories')}, 'annotations': entries}
    results.createIndex()
    evaluation = classes(truth, results)
    assert evaluation.evalImgs[0]['dtIds'] == [7, 5]
    medium = evaluation.eval['precision'][0, :, 0, 2, -1]
    assert medium.max() == 0.5
    changed = kept.loadRes([small, found[0]])
    assert classes(truth, changed).eval['precision'][0, :, 0, 2, -1].max() > 0.99
    changed.anns[1]['areas'] = [20000] * 3
    assert classes(truth, changed).eval['precision'][0, :, 0, 2, -1].max() == 0.5


def test_ids_that_no_float_holds_in_the_matches():
    truth, found = one(id=10**400)
    assert classes(truth, found).evalImgs[0]['dtMatches'][0, 0] == 10**400
