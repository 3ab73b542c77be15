"""Runs after damage: lost and broken checkpoints, altered states, forged paths, other processes."""

import random

import pytest
import torch

from mmdet.engine import TrackRunner, read_checkpoint
from mmdet.formats.results import VideoResultWriter, merge_results, partial_path, prepare_results
from mmdet.utils import UserError

from ..mutations import mutated, mutated_bytes
from .toy import toy_config, toy_runner


def resumed(path, **changes):
    config = toy_config(path, epochs=3, **changes)
    config['resume'] = True
    return TrackRunner.from_cfg(config)


def flip(path):
    data = bytearray(path.read_bytes())
    place = data.find(b'head.bias') if b'head.bias' in data else len(data) // 2
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture
def work_dir(tmp_path):
    toy_runner(tmp_path / 'run', epochs=2).train()
    return tmp_path / 'run'


def test_without_the_pointer_the_newest_checkpoint_is_taken(work_dir, capsys):
    (work_dir / 'last_checkpoint').unlink()
    runner = resumed(work_dir)
    runner.train()
    assert len(runner.model.seen) == 6
    assert (
        'last_checkpoint is missing. Continuing from the newest sound checkpoint' in capsys.readouterr().out
    )


def test_a_damaged_last_checkpoint_leaves_the_one_before(work_dir, capsys):
    flip(work_dir / 'epoch_2.pth')
    runner = resumed(work_dir)
    runner.train()
    assert len(runner.model.seen) == 12
    printed = capsys.readouterr().out
    assert 'epoch_2.pth is damaged' in printed and 'Continuing from the newest sound checkpoint' in printed


def test_only_damaged_checkpoints_are_an_error_and_nothing_is_overwritten(work_dir):
    for path in work_dir.glob('*.pth'):
        flip(path)
    before = {path: path.read_bytes() for path in work_dir.glob('*.pth')}
    with pytest.raises(UserError, match='no checkpoint of .* can be resumed: .*epoch_2.pth is damaged'):
        resumed(work_dir).train()
    assert before == {path: path.read_bytes() for path in work_dir.glob('*.pth')}


def test_a_run_does_not_start_from_weights_that_it_would_overwrite(work_dir):
    with pytest.raises(UserError, match='lies in the work dir'):
        toy_runner(work_dir, load_from=str(work_dir / 'epoch_2.pth')).train()


@pytest.mark.parametrize('processes', [2, 4])
def test_another_number_of_processes_only_between_epochs(work_dir, processes):
    runner = resumed(work_dir)
    runner.train()
    loop, length = runner.train_loop, len(runner.train_dataloader)
    shared = {'world_size': processes, 'epoch_length': -(-length // processes)}
    loop.restore({'epoch': 1, 'iter': shared['epoch_length'], **shared})
    assert (loop._epoch, loop._iter, loop._offset) == (1, length, 0)
    loop.restore({'epoch': 1, 'iter': 2 * shared['epoch_length'], **shared})
    assert (loop._epoch, loop._iter, loop._offset) == (2, 2 * length, 0)
    with pytest.raises(UserError, match=f'within epoch 2 by {processes} processes'):
        loop.restore({'epoch': 1, 'iter': shared['epoch_length'] + 1, **shared})


def test_a_forged_checkpoint_deletes_nothing_elsewhere(work_dir, tmp_path):
    thesis = tmp_path / 'thesis.pth'
    thesis.write_text('years')
    content = read_checkpoint(work_dir / 'epoch_2.pth')
    content['message_hub']['runtime_info'].update(best_ckpt=str(thesis), best_score=-1.0)
    torch.save(content, work_dir / 'epoch_2.pth')
    hook = dict(type='CheckpointHook', interval=1, save_best='score', rule='greater')
    resumed(work_dir, val=True, default_hooks=dict(checkpoint=hook)).train()
    assert thesis.exists() and (work_dir / 'best_score_epoch_3.pth').exists()


@pytest.mark.parametrize(
    'place, value, named',
    [
        (('meta', 'epoch'), -1, 'epoch and iteration'),
        (('meta', 'iter'), '12', 'epoch and iteration'),
        (('meta', 'seed'), 'seven', "its seed is 'seven'"),
        (('optimizer', 'param_groups', 0, 'lr'), 'high', r'param_groups\[0\]\.lr: expected a finite number'),
        (('optimizer', 'param_groups', 0, 'params'), [0], r'params: expected \d entries, got 1'),
        (('optimizer', 'state'), [], 'optimizer.state: expected a dict'),
        (('param_schedulers', 0, 'last_step'), None, r'param_schedulers\[0\]\.last_step: expected a finite'),
        (('param_schedulers',), [], 'param_schedulers: expected 2 entries, got 0'),
        (('random_states', 0, 'torch'), torch.zeros(3), 'the random state: it does not fit'),
        (('message_hub', 'runtime_info', 'keep_ckpt_ids'), 3, 'keep_ckpt_ids.*expected a list of counts'),
        (('message_hub', 'log_scalars'), None, 'log_scalars: expected a dict'),
    ],
)
def test_states_are_checked_before_they_are_restored(work_dir, place, value, named):
    content = read_checkpoint(work_dir / 'epoch_2.pth')
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    torch.save(content, work_dir / 'changed.pth')
    with pytest.raises(UserError, match=rf'changed\.pth cannot be resumed: .*{named}'):
        resumed(work_dir, load_from=str(work_dir / 'changed.pth')).train()


@pytest.mark.long
def test_altered_states_are_restored_or_refused(work_dir, capsys):
    """3,000 altered states: each is refused in one line, or a step can be taken after it."""
    content = read_checkpoint(work_dir / 'epoch_2.pth')
    content['optimizer']['state'] = dict(content['optimizer']['state'])
    rng = random.Random(0)
    runner = resumed(work_dir)
    runner.train()
    path, refused = work_dir / 'changed.pth', 0
    sound = [parameter.detach().clone() for parameter in runner.model.parameters()]
    for _ in range(3000):
        torch.save(mutated(content, rng), path)
        try:
            changed = runner_content(path)
            runner.resume(str(path), changed)
        except UserError:
            refused += 1
            continue
        take_a_step(runner)
        with torch.no_grad():
            for parameter, value in zip(runner.model.parameters(), sound):
                parameter.copy_(value)
    assert 500 < refused < 3000


def runner_content(path):
    from mmdet.engine.resuming import read_resumable

    return read_resumable(path)


def take_a_step(runner):
    for parameter in runner.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    runner.optim_wrapper.step()
    for scheduler in runner.param_schedulers:
        scheduler.step()
    for hook in runner.hooks:
        if type(hook).__name__ == 'CheckpointHook':
            hook.before_train(runner)


@pytest.mark.long
def test_altered_partial_results_are_redone_or_refused(tmp_path):
    """3,000 altered files: no traceback, and what is taken over is what was written."""
    path, rng = tmp_path / 'out.json', random.Random(0)
    signature = {'checkpoint': 'a', 'config': 'b'}
    entries = {}
    prepare_results(path, signature)
    with VideoResultWriter(path, [1, 2]) as writer:
        for video in (1, 'zwei', 3):
            entries[video] = [{'video_id': video, 'score': 0.5, 'category_id': 1, 'segmentations': [None]}]
            writer._write(video, entries[video])
    whole = partial_path(path).read_bytes()
    kept = 0
    for _ in range(3000):
        partial_path(path).write_bytes(mutated_bytes(whole, rng))
        try:
            done = prepare_results(path, signature, resume=True)
        except UserError:
            continue
        assert set(done) <= set(entries) and len(done) == len(set(done))
        written = merge_results(path).read_text()
        assert eval(written.replace('null', 'None')) == [entry for video in done for entry in entries[video]]
        kept += len(done)
    assert kept > 1000
