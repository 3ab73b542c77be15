"""Logs of trainings: where they lie, what counts after a resume, broken lines, tables and images."""

import json
import math

import cv2
import numpy as np
import pytest

from mmdet.evaluation.logs import (
    choose_keys,
    plot_runs,
    points_csv,
    read_run,
    runs_report,
    short_names,
    summarize_run,
)
from mmdet.evaluation.logs.plot import smooth
from mmdet.utils import UserError


def train(iteration, epoch=1, loss=1.0, **more):
    return {
        'lr': 0.005,
        'loss': loss,
        'time': 0.5,
        'epoch': epoch,
        'iter': iteration,
        'step': iteration,
        **more,
    }


def score(step, value=0.5):
    return {'ytvis/segm_AP': value, 'ytvis/segm_APm': -1.0, 'time': 9.0, 'data_time': 0.1, 'step': step}


def write(work_dir, *lines, session='20260101_000000', end='\n'):
    path = work_dir / session / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text('\n'.join(texts) + end)
    return path


def test_a_validation_stands_at_its_iteration_whether_logged_by_epoch_or_by_iteration(tmp_path):
    # Epochs of 1007 iterations, a line every 50: the last line of an epoch comes before its end.
    firsts = [train(1000), None, train(1057, 2), train(2000, 2), None, train(2064, 3), train(3000, 3), None]
    firsts.insert(0, train(50))
    for name, steps in (('epochs', (1, 2, 3)), ('iterations', (1007, 2014, 3021))):
        left = iter(steps)
        write(tmp_path / name, *(line or score(next(left)) for line in firsts))
        run = read_run(tmp_path / name)
        assert list(run.points['ytvis/segm_AP']) == [1007, 2014, 3021], name
        assert run.scores == {'ytvis/segm_AP'} and run.epochs == 3
        assert list(run.points['time'].values()) == [0.5] * 6  # not that of the validation


def test_scores_within_a_long_epoch_stay_in_their_order(tmp_path):
    # ResumableIterLoop logged by epoch: every validation within the first pass has the step 0.
    write(tmp_path, train(20), score(0, 0.1), train(40), score(0, 0.2), train(60))
    assert read_run(tmp_path).points['ytvis/segm_AP'] == {20: 0.1, 40: 0.2}


def test_what_was_trained_again_after_a_resume_counts_once_and_the_later_one_wins(tmp_path):
    write(
        tmp_path, train(10, loss=5), train(20, loss=4), score(20, 0.1), train(30, loss=9), train(40, loss=9)
    )
    write(tmp_path, score(20, 0.2), train(30, loss=3), train(40, loss=2), session='20260102_000000')
    run = read_run(tmp_path)
    assert run.points['loss'] == {10: 5, 20: 4, 30: 3, 40: 2}
    assert run.points['ytvis/segm_AP'] == {20: 0.2}
    assert run.sessions == 2 and run.notes == []
    assert summarize_run(run, ['loss'])['seconds'] == pytest.approx(40 * 0.5)


def test_a_run_that_was_started_anew_in_the_same_folder_replaces_the_older_one(tmp_path):
    write(tmp_path, train(10, loss=5), train(20, loss=4))
    write(tmp_path, train(10, loss=3), session='20260102_000000')
    run = read_run(tmp_path)
    assert run.points['loss'] == {10: 3} and run.sessions == 1
    assert '20260101_000000' in run.notes[0] and 'left out' in run.notes[0]
    assert read_run(tmp_path / '20260101_000000').points['loss'] == {10: 5, 20: 4}


def test_a_line_that_is_cut_off_costs_that_line_only(tmp_path):
    path = write(tmp_path, train(10), train(20), '{"lr": 0.00', end='')
    run = read_run(path)
    assert list(run.points['loss']) == [10, 20]
    assert 'the last line is not complete' in run.notes[0]
    # Also where it is all that the newest session has.
    write(tmp_path, '{"l', end='', session='20260102_000000')
    assert list(read_run(tmp_path).points['loss']) == [10, 20]


def test_broken_lines_within_a_file_are_counted(tmp_path):
    run = read_run(write(tmp_path, train(10), '\0\0\0', '[1]', train(20)))
    assert list(run.points['loss']) == [10, 20]
    assert '2 lines' in run.notes[0] and 'the first is 2' in run.notes[0]


def test_logs_of_2019_count_iterations_within_the_epoch(tmp_path):
    lines = [{'env_info': 'x', 'seed': 0}]
    for epoch in (1, 2):
        lines += [{'mode': 'train', 'epoch': epoch, 'iter': i, 'lr': 0.1, 'loss': 1.0 / i} for i in (50, 100)]
        lines.append({'mode': 'val', 'epoch': epoch, 'iter': 7, 'lr': 0.1, 'segm_mAP': 0.1 * epoch})
    path = tmp_path / '20190101_000000.log.json'
    path.write_text('\n'.join(map(json.dumps, lines)))
    run = read_run(tmp_path)
    assert list(run.points['loss']) == [50, 100, 150, 200]
    assert run.points['segm_mAP'] == {100: 0.1, 200: 0.2}
    assert choose_keys([run]) == ['loss', 'lr', 'segm_mAP']


@pytest.mark.parametrize('lines', [['{"a": 1}'], ['{', '"videos": []', '}'], [json.dumps(score(1))]])
def test_files_that_are_no_logs_are_refused(tmp_path, lines):
    path = tmp_path / 'x.json'
    path.write_text('\n'.join(lines))
    with pytest.raises(UserError, match='x.json has no line of a training'):
        read_run(path)


def test_folders_without_logs_say_what_there_is(tmp_path):
    with pytest.raises(UserError, match=r'no logs \(.*LocalVisBackend.*logger.interval'):
        read_run(tmp_path)
    write(tmp_path / 'empty', end='')
    with pytest.raises(UserError, match='nothing was logged yet'):
        read_run(tmp_path / 'empty')
    write(tmp_path / 'full', train(1))
    with pytest.raises(UserError, match='several runs; name them: .*empty .*full'):
        read_run(tmp_path)
    with pytest.raises(FileNotFoundError, match='nothing: no such file'):
        read_run(tmp_path / 'nothing')


def test_names_are_short_and_differ(tmp_path):
    assert short_names(['work_dirs/a', 'work_dirs/b/']) == ['a', 'b']
    assert short_names(['x/a', 'y/a', 'y/b']) == ['x/a', 'y/a', 'b']
    assert short_names(['a/t1/vis_data/scalars.json', 'b/20260101.log.json']) == ['t1', '20260101']
    assert short_names(['a', './a']) == ['a (1)', 'a (2)']


def test_keys_are_names_or_patterns_and_unknown_ones_say_what_there_is(tmp_path):
    run = read_run(write(tmp_path, train(10, loss_mask=1, loss_cls=1), score(10)))
    assert choose_keys([run]) == ['loss', 'lr', 'ytvis/segm_AP']
    assert choose_keys([run], ['loss*', 'loss']) == ['loss', 'loss_mask', 'loss_cls']
    with pytest.raises(UserError, match=r"'los_mask' \(did you mean 'loss_mask'\?\); there are: lr, loss,"):
        choose_keys([run], ['los_mask'])


def test_the_report_has_last_and_best_values_speed_and_what_is_not_finite(tmp_path):
    lines = [train(10 * n, loss=loss) for n, loss in enumerate([3, 1, math.nan, math.inf, 2], start=1)]
    run = read_run(write(tmp_path, *lines[:2], score(20, 0.7), *lines[2:], score(50, 0.6)))
    run.name = 'mine'
    summary = summarize_run(run, ['loss', 'lr', 'ytvis/segm_AP'])
    loss, lr, ap = summary['keys'].values()
    assert (loss['last'], loss['best'], loss['best_iteration'], loss['not_finite']) == (2, 1, 20, [30, 40])
    assert lr['best'] is None
    assert (ap['last'], ap['best']) == (0.6, 0.7)
    text = runs_report([summary])
    assert 'mine: 50 iterations, epoch 1; 0.5 s an iteration; 0:25 of training' in text
    assert 'loss is not finite at iteration 30, 40' in text
    assert points_csv([run], ['loss']).splitlines()[:3] == [
        'run,key,iteration,value',
        'mine,loss,10,3.0',
        'mine,loss,20,1.0',
    ]


def test_smoothing_does_not_lean_to_the_first_value():
    assert smooth([2.0, 2.0, 2.0], 0.9) == pytest.approx([2, 2, 2])
    assert smooth([1.0, 3.0], 0.5) == pytest.approx([1, (0.25 * 1 + 0.5 * 3) / 0.75])
    assert smooth([1.0, 5.0], 0) == [1, 5]


def test_the_plot_has_a_color_for_each_run_and_a_panel_for_each_key(tmp_path):
    runs = []
    for name in ('a', 'b'):
        lines = [train(10 * n, loss=n) for n in range(1, 9)]
        runs.append(read_run(write(tmp_path / name, *lines, train(90, loss=math.nan), score(80, 0.5))))
        runs[-1].name = f'_{name}$x'  # neither hidden nor taken for a formula
    sizes = []
    for keys in (['loss'], ['loss', 'lr', 'ytvis/segm_AP', 'time']):
        plot_runs(runs, keys, tmp_path / 'out.png', weight=0.5)
        image = cv2.imread(str(tmp_path / 'out.png'))
        sizes.append(image.shape[1])
        colors = {tuple(color) for color in np.unique(image.reshape(-1, 3), axis=0).tolist()}
        assert {(0xB2, 0x72, 0x00), (0x00, 0x9F, 0xE6)} <= colors  # blue and orange, in BGR
    assert sizes[1] > sizes[0]
    with pytest.raises(UserError, match=r'out\.bmp: expected a name that ends in \.png'):
        plot_runs(runs, ['loss'], tmp_path / 'out.bmp')
