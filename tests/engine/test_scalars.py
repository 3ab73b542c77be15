"""Numbers of a training: at which iteration they are logged, and what TensorBoard and W&B get."""

import json

import pytest

from mmdet.evaluation.logs import read_run
from mmdet.utils import UserError

from .toy import toy_config, toy_runner


def with_backend(kind, **options):
    return dict(vis_backends=[dict(type='LocalVisBackend'), dict(type=kind, **options)])


def logged(work_dir):
    return [json.loads(line) for line in next(work_dir.glob('*/vis_data/scalars.json')).open()]


def test_scores_stand_at_the_iteration_of_their_validation(tmp_path):
    toy_runner(tmp_path, val=True).train()
    lines = logged(tmp_path)
    assert [line['step'] for line in lines if 'score' in line] == [6, 12, 18]
    assert read_run(tmp_path).points['score'] == {6: 1, 12: 2, 18: 3}
    assert list(read_run(tmp_path).points['loss']) == list(range(1, 19))


def test_a_logger_that_says_otherwise_is_left_alone(tmp_path):
    logger = dict(type='LoggerHook', interval=1, log_metric_by_epoch=True)
    toy_runner(tmp_path, val=True, default_hooks=dict(logger=logger)).train()
    assert [line['step'] for line in logged(tmp_path) if 'score' in line] == [1, 2, 3]
    # The reader of logs finds the iterations all the same.
    assert read_run(tmp_path).points['score'] == {6: 1, 12: 2, 18: 3}


def test_a_training_by_iterations_counts_iterations_in_its_log(tmp_path):
    toy_runner(tmp_path, val=True, train_cfg=dict(by_epoch=False, max_iters=8, val_interval=3)).train()
    text = next(tmp_path.glob('*/*.log')).read_text()
    assert 'Iter(train) [7/8]' in text and 'Epoch(train)' not in text
    assert read_run(tmp_path).points['score'] == {3: 1, 6: 2, 8: 3}


def test_tensorboard_gets_all_numbers_also_of_a_run_that_fails(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def scalars(work_dir, key):
        events = EventAccumulator(str(next(work_dir.glob('*/vis_data'))))
        return {event.step: event.value for event in events.Reload().Scalars(key)}

    toy_runner(tmp_path / 'a', val=True, visualizer=with_backend('TensorboardVisBackend')).train()
    assert scalars(tmp_path / 'a', 'score') == {6: 1, 12: 2, 18: 3}
    loss = read_run(tmp_path / 'a').points['loss']
    assert scalars(tmp_path / 'a', 'loss') == pytest.approx(loss)
    assert set(scalars(tmp_path / 'a', 'lr')) == set(loss)

    runner = toy_runner(tmp_path / 'b', visualizer=with_backend('TensorboardVisBackend'))
    sampler = runner.train_loop.dataloader.sampler
    runner.train_loop.dataloader.dataset.bad = (sampler.batches(2)[1][0],)
    with pytest.raises(UserError, match='nan'):
        runner.train()
    assert len(scalars(tmp_path / 'b', 'loss')) == len(read_run(tmp_path / 'b').points['loss']) > 0


def test_wandb_gets_all_numbers_over_iterations_and_no_code(tmp_path, monkeypatch):
    wandb = pytest.importorskip('wandb')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'secret.py').write_text('pass')
    calls, code = [], []
    log = wandb.Run.log
    monkeypatch.setattr(
        wandb.Run, 'log', lambda self, data, *a, **k: calls.append(data) or log(self, data, *a, **k)
    )
    monkeypatch.setattr(wandb.Run, 'log_code', lambda self, *a, **k: code.append(a))
    toy_runner(tmp_path / 'a', val=True, visualizer=with_backend('WandbVisBackend')).train()
    assert [call['iter'] for call in calls if 'score' in call] == [6, 12, 18]
    assert [call['iter'] for call in calls if 'loss' in call] == list(range(1, 19))
    assert code == [] and wandb.run is None  # finished
    assert list((tmp_path / 'a').glob('*/vis_data/wandb/offline-run-*/*.wandb'))


def test_wandb_without_an_account_is_one_line(tmp_path, monkeypatch):
    wandb = pytest.importorskip('wandb')

    def refuse(**kwargs):
        raise wandb.errors.UsageError('No API key configured.\nUse `wandb login`')

    monkeypatch.setattr(wandb, 'init', refuse)
    with pytest.raises(UserError, match='No API key configured. Use `wandb login` .*WANDB_MODE=offline'):
        toy_runner(tmp_path, visualizer=with_backend('WandbVisBackend'))


@pytest.mark.parametrize('kind', ['WandbVisBackend', 'TensorboardVisBackend'])
def test_a_missing_package_is_named_before_anything_starts(tmp_path, monkeypatch, kind):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(UserError, match=rf'{kind}.* not installed: pip install (wandb|tensorboard)\b'):
        toy_runner(tmp_path / 'run', visualizer=with_backend(kind))
    assert not (tmp_path / 'run').exists()


def test_the_type_of_the_visualizer_may_be_left_out_and_its_arguments_are_checked(tmp_path):
    config = toy_config(tmp_path, visualizer=dict(vis_backend=[]))
    with pytest.raises(UserError, match=r"visualizer: Visualizer has no argument 'vis_backend' .*backends'"):
        from mmdet.engine import TrackRunner

        TrackRunner.from_cfg(config)
