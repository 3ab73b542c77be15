"""Where a score is lost: oracles, tracking numbers against the library, tables and images."""

import json

import numpy as np
import pytest

from mmdet.evaluation import evaluate_tables, summarize
from mmdet.evaluation.analysis import ORACLES, analyze, plot_evaluation, tracking_numbers
from mmdet.evaluation.analysis.tracking import (
    combine,
    identity_numbers,
    sequence_of,
    tracking_library,
)
from mmdet.evaluation.report import stats_report
from mmdet.utils import UserError

from .helpers import BACKENDS, CASES, annotation, dataset, prediction, rectangle, simple

A, B, SHIFTED = rectangle(2, 2, 8, 8), rectangle(14, 6, 10, 9), rectangle(4, 2, 8, 8)


def examine(truth, found, backend='python', **options):
    return analyze(evaluate_tables(truth, found, backend=backend, strict=False), backend=backend, **options)


def gains(truth, found):
    return {name: round(o['gain'], 6) for name, o in examine(truth, found)['oracles'].items()}


def switched():
    """One object of four frames, covered exactly by two tracks of two frames each."""
    truth = dataset([annotation(1, [A] * 4)], (4,))
    found = [prediction([A, A, None, None], 0.9), prediction([None, None, A, A], 0.8)]
    return truth, found


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('name', ['normal', 'crowd', 'enter_leave', 'empty_results', 'no_gt', 'formats'])
def test_both_paths_agree_and_start_from_the_real_score(name, backend):
    folder = CASES / name
    evaluation = evaluate_tables(folder / 'gt.json', folder / 'res.json', strict=False, backend=backend)
    found = analyze(evaluation, backend=backend)
    ap = evaluation.stats()[0]
    for oracle in found['oracles'].values():
        assert oracle['gain'] is None if ap < 0 else oracle['AP'] - oracle['gain'] == pytest.approx(ap)
    real = summarize(evaluation)['per_category_AP']
    assert {c: numbers['AP'] for c, numbers in found['per_category'].items()} == pytest.approx(real)
    assert json.loads(json.dumps(found)) == found
    assert found == examine(folder / 'gt.json', folder / 'res.json', 'python')


def test_identities_are_what_is_wrong():
    found = gains(*switched())
    assert found['identities'] == max(found.values()) > 0.8
    assert found['masks'] == 0 and found['false positives'] == 0


def test_masks_are_what_is_wrong():
    truth = dataset([annotation(1, [A] * 3), annotation(2, [B] * 3, category=2)])
    found = gains(truth, [prediction([SHIFTED] * 3, 0.9), prediction([B] * 3, 0.8, category=2)])
    assert found['masks'] == pytest.approx(0.5 * 0.8, abs=0.11)
    assert found['identities'] == found['missed objects'] == found['frames'] == found['categories'] == 0


def test_detection_is_what_is_wrong():
    truth = dataset([annotation(1, [A] * 3), annotation(2, [B] * 3)])
    missed = gains(truth, [prediction([A] * 3, 0.9)])
    assert missed['missed objects'] == pytest.approx(0.5, abs=0.02) and missed['masks'] == 0
    false = gains(truth, [prediction([A] * 3, 0.5), prediction([B] * 3, 0.4), prediction([SHIFTED] * 3, 0.9)])
    assert false['false positives'] > 0.1 and false['scores'] > 0.1 and false['missed objects'] == 0
    wrong = gains(truth, [prediction([A] * 3, 0.9), prediction([B] * 3, 0.8, category=2)])
    assert wrong['categories'] == pytest.approx(0.5, abs=0.02) and wrong['identities'] == 0
    late = gains(truth, [prediction([A, None, A], 0.9), prediction([B] * 3, 0.8)])
    assert late['frames'] > 0.1 and late['masks'] == late['identities'] == 0
    for oracle in (missed, false, wrong, late):
        assert oracle['detection'] == max(oracle.values())


def test_perfect_results_gain_nothing():
    truth = dataset([annotation(1, [A, None, A]), annotation(2, [B] * 3, category=2)])
    found = [prediction([A, None, A], 0.9), prediction([B] * 3, 0.8, category=2)]
    assert set(gains(truth, found)) == set(ORACLES) and set(gains(truth, found).values()) == {0.0}


def test_rows_of_videos():
    found = examine(*simple())
    assert list(found['per_video']) == ['1', '2'] or found['per_video']['2']['mean_iou'] < 1
    row = found['per_video']['1']
    assert (row['objects'], row['found'], row['missed'], row['false']) == (2, 2, 0, 1)
    assert (
        len(found['ious']) == 3 and len(found['scores']['found']) == 3 and found['scores']['false'] == [0.3]
    )


def test_tracking_numbers_of_a_switch():
    pytest.importorskip('trackeval')
    # Two halves, both exact: DetA 1, AssA 1/2, HOTA its root; half of the frames have the right identity.
    numbers = examine(*switched())['tracking']
    assert numbers['DetA'] == numbers['LocA'] == 1 and numbers['AssA'] == 0.5
    assert numbers['HOTA'] == pytest.approx(0.5**0.5)
    assert numbers['switches'] == 1 and numbers['fragments'] == 0 and numbers['IDF1'] == 0.5
    assert tracking_numbers(evaluate_tables(*switched())) == numbers
    numbers = examine(*switched(), score_thr=0.85)['tracking']
    assert numbers['DetA'] == 0.5 and numbers['AssA'] == 0.5 and numbers['switches'] == 0


def test_tracking_numbers_are_those_of_the_library():
    trackeval = pytest.importorskip('trackeval')
    rng = np.random.default_rng(5)
    library = tracking_library()
    sequences = []
    for n, g, t in ((3, 2, 6), (4, 3, 5)):
        ious = rng.random((n, g, t))
        areas, gt_areas = (rng.random((n, t)) < 0.7) * 9.0, (rng.random((g, t)) < 0.8) * 9.0
        areas[:, 0] = gt_areas[:, 0] = 9
        data = {
            'num_timesteps': t,
            'num_gt_ids': g,
            'num_tracker_ids': n,
            'num_gt_dets': int((gt_areas > 0).sum()),
            'num_tracker_dets': int((areas > 0).sum()),
            'gt_ids': [np.flatnonzero(gt_areas[:, k]) for k in range(t)],
            'tracker_ids': [np.flatnonzero(areas[:, k]) for k in range(t)],
        }
        data['similarity_scores'] = [
            np.array([[ious[d, o, k] for d in data['tracker_ids'][k]] for o in data['gt_ids'][k]])
            for k in range(t)
        ]
        made = sequence_of(ious, areas, gt_areas)
        for key in ('num_gt_dets', 'num_tracker_dets', 'num_gt_ids', 'num_tracker_ids', 'num_timesteps'):
            assert made[key] == data[key]
        for one, other in zip(made['similarity_scores'], data['similarity_scores']):
            assert np.array_equal(one, other)
        metric = trackeval.metrics.HOTA()
        sequences.append((metric.eval_sequence(data), {m: x.eval_sequence(made) for m, x in library.items()}))
    expected = trackeval.metrics.HOTA().combine_sequences({str(i): s for i, (s, _) in enumerate(sequences)})
    numbers = combine([s for _, s in sequences], library)
    for name in ('HOTA', 'DetA', 'AssA', 'LocA'):
        assert numbers[name] == expected[name].mean()


def test_without_the_library_the_rest_is_there(monkeypatch):
    monkeypatch.setattr('mmdet.evaluation.analysis.breakdown.tracking_library', lambda: None)
    found = examine(*simple())
    assert found['tracking'] is None and 'trackeval' in found['notes'][0]
    assert found['oracles']['masks']['AP'] > 0
    assert combine([], None) is None and identity_numbers.__doc__


@pytest.mark.parametrize('style', ['table', 'markdown', 'json'])
def test_report(style):
    evaluation = evaluate_tables(*simple())
    summary = {**summarize(evaluation), 'analysis': analyze(evaluation)}
    text = stats_report(summary, {'1': 'one|two', '2': 'c2'}, style, per_category=True)
    if style == 'json':
        assert json.loads(text)['stats'] == summary['stats']
    else:
        for word in ('AP75', 'one', 'detection', 'identities', 'Worst 2 of 2 videos'):
            assert word in text
        assert ('one\\|two' in text) == (style == 'markdown')


def test_images(tmp_path):
    import cv2

    evaluation = evaluate_tables(CASES / 'normal/gt.json', CASES / 'normal/res.json')
    summary = {**summarize(evaluation), 'analysis': analyze(evaluation)}
    paths = plot_evaluation(evaluation, summary, tmp_path / 'new' / 'folder')
    names = {'pr_curves', 'categories', 'iou_histogram', 'score_histogram', 'losses', 'worst_videos'}
    assert {p.stem for p in paths} == names
    for path in paths:
        image = cv2.imread(str(path))
        assert image.shape[0] > 300 and image.std() > 5
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='--plot'):
        plot_evaluation(evaluation, summary, tmp_path / 'file')
    evaluation = evaluate_tables(CASES / 'no_gt/gt.json', CASES / 'no_gt/res.json')
    summary = {**summarize(evaluation), 'analysis': analyze(evaluation)}
    assert len(plot_evaluation(evaluation, summary, tmp_path / 'none')) == 6


def test_only_masks_are_analyzed():
    with pytest.raises(UserError, match='masks'):
        analyze(evaluate_tables(*simple(), iou_type='bbox', strict=False))


def test_any_name_can_be_drawn_and_put_into_a_table(tmp_path):
    truth, found = simple()
    for category, name in zip(truth['categories'], ('a\nb $x', '\0 \ud800 $$\\frac{')):
        category['name'] = name
    for number, video in enumerate(truth['videos']):
        video['file_names'] = [f'v\n${number}/{t}.jpg' for t in range(video['length'])]
    evaluation = evaluate_tables(truth, found)
    summary = {**summarize(evaluation), 'analysis': analyze(evaluation)}
    assert len(plot_evaluation(evaluation, summary, tmp_path)) == 6
    names = {str(category['id']): category['name'] for category in truth['categories']}
    for style in ('table', 'markdown'):
        text = stats_report(summary, names, style, per_category=True)
        assert 'a\\nb $x' in text and '\\x00 \\ud800' in text and 'v\\n$1' in text
