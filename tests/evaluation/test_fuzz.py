"""Files mutated at random: both paths say the same, and nothing crashes, hangs or is silently wrong."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdet.evaluation import YTVOS, YTVOSeval, evaluate_tables, summarize
from mmdet.evaluation.analysis import analyze
from mmdet.evaluation.checks import check_annotations, check_predictions
from mmdet.formats.defects import InputDefect
from mmdet.utils import UserError

from .helpers import BACKENDS, annotation, dataset, outcome, plain, prediction, same_on_both, simple, write

QUICK, LONG = 300, 10_000
RELAXED = {'deadline': None, 'suppress_health_check': list(HealthCheck), 'print_blob': True}
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 120),
    st.sampled_from(
        [2**31, 2**32, 2**64, -(2**63), 1e308, -0.5, float('nan'), float('inf'), '', 'x', '1', 'é', '\0']
    ),
    st.sampled_from(
        [[], {}, [[]], [1, 2, 3, 4], [[1, 2, 3, 4]], [[1, 2, 9, 2, 9, 9]], [[0, 0, 1e9, 0, 1e9, 1e9]]]
    ),
    st.sampled_from(
        [
            [{'size': [6, 8], 'counts': '0d0'}],
            [{'size': [6, 8], 'counts': [8, 8, 32]}] * 2,
            [{'size': [6, 8]}],
        ]
    ),
    st.sampled_from(['0' * 40, 'ooooooooooooo', '0d0', 'P8', '@' * 9, '`', '\udc80']),
    st.lists(st.integers(-1, 700), max_size=6),
    st.fixed_dictionaries(
        {
            'size': st.sampled_from([[6, 8], [8, 6], [0, 0], [1, 48], [2**31, 2], [6], '6', [6.0, 8]]),
            'counts': st.lists(st.integers(0, 300), max_size=6)
            | st.text('04:PQWXo`1', max_size=9)
            | st.none(),
        }
    ),
)


def track(length, rng):
    """Masks of a track: blobs with gaps."""
    frames = []
    for _ in range(length):
        if rng.random() < 0.25:
            frames.append(None)
            continue
        pixels = np.zeros((6, 8), np.uint8, order='F')
        y, x, h, w = rng.integers(0, 5, 4)
        pixels[y : y + h, x : x + w] = rng.random((6, 8))[y : y + h, x : x + w] < 0.9
        frames.append({'size': [6, 8], 'counts': coco.encode(pixels)['counts'].decode()})
    return frames


@st.composite
def files(draw):
    """A well-formed pair of files."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    truth, found = [], []
    for video, length in enumerate(lengths):
        for _ in range(draw(st.integers(0, 3))):
            masks = track(length, rng)
            more = {'iscrowd': int(rng.random() < 0.2), 'category': int(rng.integers(1, 3))}
            truth.append(annotation(len(truth) + 1, masks, video + 1, more.pop('category'), **more))
            if rng.random() < 0.3:
                truth[-1]['areas'] = [int(a) for a in rng.choice([0, 10, 16384, 65536, 70000], length)]
            if rng.random() < 0.5:
                truth[-1]['segmentations'] = [m and plain(m) for m in masks]
            for _ in range(int(rng.integers(0, 3))):
                kept = [m if rng.random() < 0.7 else None for m in masks]
                score = float(rng.choice([0, 0.5, 0.5, 0.75, 1, rng.random(), -1]))
                found.append(prediction(kept, score, video + 1, int(rng.integers(1, 3))))
    found.append(prediction(track(lengths[0], rng), 0.5))
    order = rng.permutation(len(found))
    return dataset(truth, lengths, size=(6, 8)), [found[i] for i in order]


def places(value, path=()):
    """Paths to everything inside a json value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutate(draw, value):
    """Change one place: other content, gone, twice, or a text or number a little different."""
    paths = [p for p in places(value) if p]
    if not paths:
        return
    path = draw(st.sampled_from(paths))
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    key, kind = path[-1], draw(st.integers(0, 4))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder[key], str):
        at = draw(st.integers(0, len(holder[key])))
        holder[key] = (
            holder[key][:at] + draw(st.sampled_from(['', '0', 'o', 'P', '`', '2'])) + holder[key][at + 1 :]
        )
    elif kind == 3 and type(holder[key]) in (int, float):
        holder[key] += draw(st.sampled_from([-1, 1, 0.5, 100]))
    else:
        # A copy: the same list drawn twice would be put into itself.
        holder[key] = copy.deepcopy(draw(JUNK))


def check_good_files(pair):
    import ytvis_reference as reference

    truth, found = pair
    videos = {v['id']: v for v in truth['videos']}
    results = [
        {**f, 'id': i + 1, 'areas': [m and coco.area(m) for m in f['segmentations']], 'iscrowd': 0}
        for i, f in enumerate(found)
    ]
    matched, _ = reference.evaluate(videos, [1, 2], truth['annotations'], results)
    precision, recall = reference.accumulate(matched, [1, 2])
    for backend in ('python', 'auto'):
        evaluation = evaluate_tables(truth, found, backend=backend)
        assert np.array_equal(evaluation.result['precision'], precision)
        assert np.array_equal(evaluation.result['recall'], recall)
        assert summarize(evaluation)['stats'] == reference.summarize(precision, recall)


def check_bad_files(pair, draw):
    pair = copy.deepcopy(pair)
    for _ in range(draw(st.integers(1, 3))):
        mutate(draw, pair[draw(st.integers(0, 1))])
    before = repr(pair)
    strict = same_on_both(*pair, strict=True)
    lenient = same_on_both(*pair, strict=False)
    assert repr(pair) == before, 'the input was changed'
    if isinstance(strict, dict):
        assert lenient == strict
    elif isinstance(lenient, dict):
        # What strict scoring refuses must be said by lenient scoring too.
        assert lenient['warnings'], strict


def check_classes_and_tools(pair, draw, folder):
    """The other ways in: the classes, the checks and the analysis."""
    pair = copy.deepcopy(pair)
    for _ in range(draw(st.integers(1, 3))):
        mutate(draw, pair[draw(st.integers(0, 1))])
    paths = write(folder, *pair)
    strict, lenient = outcome(*pair, 'python', True), outcome(*pair, 'python', False)
    try:
        problems = check_annotations(paths[0]).problems
        problems = {**problems, **check_predictions(*paths).problems}
        if isinstance(strict, str) and isinstance(lenient, dict):
            assert problems or 'zero_runs' in strict, strict
    except UserError as error:
        assert isinstance(strict, str), error
    if isinstance(lenient, dict):
        json.dumps(analyze(evaluate_tables(*pair, strict=False)), allow_nan=False)
    try:
        truth = YTVOS(str(paths[0]))
        evaluation = YTVOSeval(truth, truth.loadRes(str(paths[1])))
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert len(evaluation.evalImgs) == 4 * len(truth.vids) * len(truth.cats)
        if isinstance(lenient, dict) and 'no_categories' not in str(lenient['warnings']):
            assert list(lenient['stats'].values()) == evaluation.stats.tolist()
        truth.getAnnIds(vidIds=truth.getVidIds(), catIds=truth.getCatIds())
    except UserError:
        pass


def check_bytes(pair, draw, folder):
    path = folder / 'gt.json'
    data = bytearray(json.dumps(pair[0]).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=3) | st.sampled_from([b'1e999', b'\\', b'"'])
        )
    path.write_bytes(data)
    same_on_both(path, pair[1], strict=draw(st.booleans()))


@given(files())
@settings(max_examples=QUICK // 2, **RELAXED)
def test_good_files(pair):
    check_good_files(pair)


@given(files(), st.data())
@settings(max_examples=QUICK, **RELAXED)
def test_bad_files(pair, data):
    check_bad_files(pair, data.draw)


@given(files(), st.data())
@settings(max_examples=QUICK // 3, **RELAXED)
def test_bad_bytes(tmp_path_factory, pair, data):
    check_bytes(pair, data.draw, tmp_path_factory.getbasetemp())


@given(files(), st.data())
@settings(max_examples=QUICK // 3, **RELAXED)
@pytest.mark.filterwarnings('ignore')
def test_bad_files_other_ways(tmp_path_factory, pair, data):
    check_classes_and_tools(pair, data.draw, tmp_path_factory.getbasetemp())


@pytest.mark.long
@given(files(), st.data())
@settings(max_examples=LONG // 4, **RELAXED)
@pytest.mark.filterwarnings('ignore')
def test_bad_files_other_ways_long(tmp_path_factory, pair, data):
    check_classes_and_tools(pair, data.draw, tmp_path_factory.getbasetemp())


@pytest.mark.long
@given(files(), st.data())
@settings(max_examples=LONG, **RELAXED)
def test_bad_files_long(pair, data):
    check_bad_files(pair, data.draw)


@pytest.mark.long
@given(files(), st.data())
@settings(max_examples=LONG // 4, **RELAXED)
def test_bad_bytes_long(tmp_path_factory, pair, data):
    check_bytes(pair, data.draw, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize('backend', BACKENDS)
def test_every_key_replaced_by_every_junk(backend):
    """The same without chance: each value of the files in turn by a few that break code."""
    count = 0
    for which in range(2):
        for path in places(simple()[which]):
            for junk in (None, 0, -1, 'x', [], {}, 2**70, float('nan'), [[0]], True):
                pair = simple()
                if not path:
                    continue
                holder = pair[which]
                for key in path[:-1]:
                    holder = holder[key]
                holder[path[-1]] = junk
                for strict in (True, False):
                    try:
                        evaluate_tables(*pair, strict=strict, backend=backend)
                    except InputDefect as error:
                        assert strict and error.places
                    except UserError as error:
                        assert str(error)
                    count += 1
    assert count > 2000
