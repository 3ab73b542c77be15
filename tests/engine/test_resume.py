"""A run that is cut at any iteration and resumed ends as the run that was never cut, bit for bit."""

import random

import numpy as np
import pytest
import torch

from mmdet.engine import TrackRunner, read_checkpoint
from mmdet.engine.random_state import capture_random_state, restore_random_state
from mmdet.utils import UserError

from .toy import toy_config, toy_runner

EPOCHS, ITERATIONS = 3, 18  # 10 samples in two groups, batches of 2: 6 iterations an epoch


def straight(path, **kwargs):
    runner = toy_runner(path, epochs=EPOCHS, interval=1, by_epoch=False, **kwargs)
    runner.train()
    return runner


def assert_same_end(one, other):
    first, second = one.model.state_dict(), other.model.state_dict()
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    buffers = [
        [state['momentum_buffer'] for state in runner.optim_wrapper.optimizer.state.values()]
        for runner in (one, other)
    ]
    assert len(buffers[0]) == len(buffers[1]) > 0
    assert all(torch.equal(a, b) for a, b in zip(*buffers))
    assert one.optim_wrapper.get_lr() == other.optim_wrapper.get_lr()
    assert (one.epoch, one.iter) == (other.epoch, other.iter)


def resume(path, checkpoint, **kwargs):
    # Another state of every generator: what is not restored shows.
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    config = toy_config(path, epochs=EPOCHS, interval=1, by_epoch=False, **kwargs)
    config['resume'], config['load_from'] = True, str(checkpoint)
    config['randomness'] = dict(seed=None)
    runner = TrackRunner.from_cfg(config)
    runner.train()
    return runner


def sgd(fused):
    return dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=0.01, fused=fused),
        clip_grad=dict(max_norm=0.5),
    )


@pytest.mark.parametrize(
    ('cut', 'before', 'after'),
    # A checkpoint of a run without the fused step resumes with a config that has it.
    [(1, None, None), (5, True, True), (6, None, None), (7, None, True), (17, True, True)],
)
def test_cut_and_resumed_equals_straight(tmp_path, cut, before, after):
    whole = straight(tmp_path / 'a', optim_wrapper=sgd(before))
    rest = resume(tmp_path / 'b', tmp_path / 'a' / f'iter_{cut}.pth', optim_wrapper=sgd(after))
    assert_same_end(whole, rest)
    assert rest.model.seen == whole.model.seen[cut:]
    assert rest.seed == 7


@pytest.mark.long
@pytest.mark.parametrize('cut', range(1, ITERATIONS + 1))
@pytest.mark.parametrize('workers', [0, 2])
def test_every_cut(tmp_path, cut, workers):
    whole = straight(tmp_path / 'a', workers=workers, val=True)
    rest = resume(tmp_path / 'b', tmp_path / 'a' / f'iter_{cut}.pth', workers=workers, val=True)
    assert_same_end(whole, rest)


@pytest.mark.parametrize('cut', [4, 6, 8])
def test_validation_and_workers_leave_training_alone(tmp_path, cut):
    plain = straight(tmp_path / 'a')
    whole = straight(tmp_path / 'b', val=True, workers=2)
    assert_same_end(plain, whole)
    rest = resume(tmp_path / 'c', tmp_path / 'b' / f'iter_{cut}.pth', val=True, workers=1)
    assert_same_end(whole, rest)


def test_checkpoint_written_during_validation_resumes_exactly(tmp_path):
    hook = dict(type='CheckpointHook', interval=1, by_epoch=True, save_best='score', rule='greater')
    whole = toy_runner(tmp_path / 'a', epochs=EPOCHS, val=True, default_hooks=dict(checkpoint=hook))
    whole.train()
    assert (tmp_path / 'a' / 'best_score_epoch_3.pth').is_file()
    rest = resume(tmp_path / 'b', tmp_path / 'a' / 'epoch_1.pth', val=True)
    assert_same_end(whole, rest)


def test_resume_without_path_takes_the_last_and_survives_a_move(tmp_path):
    first = toy_runner(tmp_path / 'a', epochs=2)
    first.train()
    (tmp_path / 'a').rename(tmp_path / 'moved')
    config = toy_config(tmp_path / 'moved', epochs=EPOCHS)
    config['resume'] = True
    runner = TrackRunner.from_cfg(config)
    runner.train()
    assert runner.epoch == EPOCHS
    assert len(runner.model.seen) == 6


def test_resume_without_any_checkpoint_starts_from_the_beginning(tmp_path):
    config = toy_config(tmp_path, epochs=1)
    config['resume'] = True
    runner = TrackRunner.from_cfg(config)
    runner.train()
    assert (runner.epoch, runner.iter) == (1, 6)


def test_resume_of_a_2019_checkpoint_walks_the_schedule(tmp_path):
    whole = straight(tmp_path / 'a')
    old = read_checkpoint(tmp_path / 'a' / 'iter_12.pth')
    kept = {
        'meta': {
            'epoch': 2,
            'iter': 12,
            'mmdet_version': '0.5.6',
            'time': 'some day',
            'config': 'raise Exception',
        },
        'state_dict': {f'module.{k}': v for k, v in old['state_dict'].items()},
        'optimizer': {k: v for k, v in old['optimizer'].items() if k in ('state', 'param_groups')},
    }
    torch.save(kept, tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    rest = resume(tmp_path / 'b', tmp_path / 'old.pth', randomness=dict(seed=7))
    assert rest.optim_wrapper.get_lr() == whole.optim_wrapper.get_lr()
    assert (rest.epoch, rest.iter) == (3, 18)


def test_weights_alone_cannot_be_resumed(tmp_path):
    torch.save({'state_dict': {'head.weight': torch.zeros(3, 4)}}, tmp_path / 'weights.pth')
    with pytest.raises(UserError, match='does not say its epoch'):
        resume(tmp_path, tmp_path / 'weights.pth')


def test_changed_batch_size_starts_the_epoch_again(tmp_path, capsys):
    straight(tmp_path / 'a')
    rest = resume(tmp_path / 'b', tmp_path / 'a' / 'iter_17.pth', batch_size=5)
    assert (rest.epoch, rest.iter) == (3, 6)
    assert 'epoch starts again from its first batch' in capsys.readouterr().out


def test_optimizer_of_another_model_is_refused(tmp_path):
    straight(tmp_path / 'a')
    content = read_checkpoint(tmp_path / 'a' / 'iter_17.pth')
    content['optimizer']['state'][0]['momentum_buffer'] = torch.zeros(2, 2)
    torch.save(content, tmp_path / 'changed.pth')
    with pytest.raises(UserError, match=r'momentum_buffer: .*got a tensor of shape \(2, 2\)'):
        resume(tmp_path / 'b', tmp_path / 'changed.pth')


def test_random_states_round_trip():
    state = capture_random_state()
    drawn = random.random(), float(np.random.rand()), float(torch.rand(1)), float(np.random.randn())
    restore_random_state(state)
    assert drawn == (random.random(), float(np.random.rand()), float(torch.rand(1)), float(np.random.randn()))


def iterations(path, **kwargs):
    """Config of a run of 14 iterations that ends within its third epoch."""
    scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10)]
    config = toy_config(path, interval=1, by_epoch=False, val=True, param_scheduler=scheduler, **kwargs)
    config['train_cfg'] = dict(by_epoch=False, max_iters=14, val_interval=5)
    config['log_processor'] = dict(by_epoch=False)
    return config


@pytest.mark.parametrize('cut', [3, 5, 6, 13])
def test_loop_that_counts_iterations_resumes_as_exactly(tmp_path, cut):
    whole = TrackRunner.from_cfg(iterations(tmp_path / 'a'))
    whole.train()
    assert whole.iter == len(whole.model.seen) == 14
    metric = whole.val_loop.evaluator.metrics[0]
    assert metric.count == 3  # after 5, 10 and 14 iterations
    checkpoint = str(tmp_path / 'a' / f'iter_{cut}.pth')
    rest = TrackRunner.from_cfg(iterations(tmp_path / 'b', resume=True, load_from=checkpoint))
    rest.train()
    assert_same_end(whole, rest)
    assert rest.model.seen == whole.model.seen[cut:]


def test_no_iterations_at_all_is_refused(tmp_path):
    config = iterations(tmp_path)
    config.train_cfg.max_iters = 0
    with pytest.raises(UserError, match='max_iters: expected at least 1, got 0'):
        TrackRunner.from_cfg(config).train()
