"""Hooks: stopping at NaN, counting classes, replacing checkpoints only by finished ones."""

import pytest
import torch
from mmengine.hooks import CheckpointHook as LibraryHook
from mmengine.hooks import Hook

from mmdet.engine import CheckpointHook, check_class_counts, load_weights
from mmdet.engine.weights import non_finite
from mmdet.registry import HOOKS
from mmdet.utils import UserError

from .toy import Sample, ToyDataset, ToyModel, toy_runner


def dataset(**kwargs):
    return dict(type='ToyDataset', **kwargs)


def with_dataset(work_dir, **kwargs):
    loader = dict(batch_size=2, num_workers=0, sampler=dict(type='GroupSampler'), dataset=dataset(**kwargs))
    return toy_runner(work_dir, train_dataloader=loader)


def test_nan_stops_names_iteration_and_images_and_keeps_the_last_checkpoint(tmp_path):
    runner = toy_runner(tmp_path, interval=1, by_epoch=False)
    runner.train_loop.dataloader.dataset.bad = (runner.train_loop.dataloader.sampler.batches(1)[2][0],)
    with pytest.raises(UserError) as caught:
        runner.train()
    message = str(caught.value)
    bad = runner.train_loop.dataloader.dataset.bad[0]
    assert f'image_{bad}.jpg' in message and 'loss_toy=nan' in message
    iteration = runner.iter + 1
    assert f'iteration {iteration} ' in message and f'iter_{iteration - 1}.pth' in message
    kept = sorted(p.name for p in tmp_path.glob('*.pth'))
    assert f'iter_{iteration}.pth' not in kept and f'iter_{iteration - 1}.pth' in kept
    state = torch.load(tmp_path / f'iter_{iteration - 1}.pth', weights_only=True)['state_dict']
    assert all(torch.isfinite(value).all() for value in state.values())


@HOOKS.register_module()
class BadGradient(Hook):
    """Multiplies a gradient by a number in one iteration; the losses stay finite."""

    def __init__(self, iteration, factor):
        self.iteration, self.factor, self.handle = iteration, factor, None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.handle is not None:
            self.handle.remove()
        if runner.iter == self.iteration:
            weight = next(runner.model.parameters())
            self.handle = weight.register_hook(lambda gradient: gradient * self.factor)


@pytest.mark.parametrize('factor', [float('nan'), float('inf')])
@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'AutocastOptimWrapper'])
@pytest.mark.parametrize('clip', [None, dict(max_norm=1.0)])
def test_a_bad_gradient_stops_before_the_step(tmp_path, factor, wrapper, clip):
    optim = dict(type=wrapper, optimizer=dict(type='SGD', lr=0.1, momentum=0.9), clip_grad=clip)
    hooks = [dict(type='BadGradient', iteration=2, factor=factor)]
    runner = toy_runner(tmp_path, interval=1, by_epoch=False, custom_hooks=hooks, optim_wrapper=optim)
    with pytest.raises(UserError, match=r'gradients that are not finite .* iteration 3 .*iter_2\.pth'):
        runner.train()
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_2.pth')
    assert non_finite(runner.model.state_dict()) == []


def test_weights_that_are_not_finite_are_not_saved_and_are_reported(tmp_path):
    runner = toy_runner(tmp_path / 'run', epochs=1)
    runner.train()
    model = runner.model
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = float('nan')
    (name,) = non_finite(model.state_dict())
    with pytest.raises(UserError, match=f'bad.pth is not written: 1 tensors .* such as {name}'):
        runner.save_checkpoint(tmp_path, 'bad.pth')
    assert not (tmp_path / 'bad.pth').exists()
    report = load_weights(ToyModel(), {'state_dict': model.state_dict()})
    assert report.non_finite == [name] and f'so results mean nothing: {name}' in report.text()


def test_nan_in_the_first_iteration_says_there_is_no_checkpoint(tmp_path):
    with pytest.raises(UserError, match='iteration 1 .*Last checkpoint: none yet'):
        with_dataset(tmp_path, bad=range(10)).train()


def test_class_count_is_checked_before_the_first_batch(tmp_path):
    runner = with_dataset(tmp_path, classes=('a', 'b'))
    with pytest.raises(UserError, match=r'model.head.num_classes is 3, but train_dataloader has 2 classes'):
        runner.train()
    assert runner.model.seen == []


def test_class_count_message_tells_what_to_set():
    with pytest.raises(UserError, match=r'Set num_classes=5 .*background is not counted'):
        check_class_counts(ToyModel(num_classes=40), ToyDataset(classes='abcde'))
    check_class_counts(ToyModel(num_classes=5), ToyDataset(classes='abcde'))
    check_class_counts(ToyModel(num_classes=5), object())


def test_our_checkpoint_hook_has_the_usual_name():
    assert HOOKS.get('CheckpointHook') is CheckpointHook
    assert issubclass(CheckpointHook, LibraryHook)


def test_old_checkpoint_goes_only_after_the_new_one_is_there(tmp_path, monkeypatch):
    hook = dict(type='CheckpointHook', interval=1, max_keep_ckpts=1)
    runner = toy_runner(tmp_path, epochs=3, default_hooks=dict(checkpoint=hook))
    seen = []
    original = type(runner).save_checkpoint

    def spy(self, *args, **kwargs):
        seen.append(sorted(p.name for p in tmp_path.glob('epoch_*.pth')))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(runner), 'save_checkpoint', spy)
    runner.train()
    assert seen == [[], ['epoch_1.pth'], ['epoch_2.pth']]
    assert [p.name for p in tmp_path.glob('epoch_*.pth')] == ['epoch_3.pth']
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_3.pth')


def test_crash_while_saving_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    hook = dict(type='CheckpointHook', interval=1, max_keep_ckpts=1)
    runner = toy_runner(tmp_path, epochs=3, default_hooks=dict(checkpoint=hook))
    import mmdet.engine.runner as module

    original = module.write_checkpoint

    def fail_at_second(checkpoint, path):
        if path.name == 'epoch_2.pth':
            raise OSError('disk full')
        original(checkpoint, path)

    monkeypatch.setattr(module, 'write_checkpoint', fail_at_second)
    with pytest.raises(OSError, match='disk full'):
        runner.train()
    assert [p.name for p in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_1.pth')


def test_one_best_checkpoint_is_kept(tmp_path):
    hook = dict(type='CheckpointHook', interval=1, save_best='score', rule='greater')
    toy_runner(tmp_path, epochs=3, val=True, default_hooks=dict(checkpoint=hook)).train()
    assert [p.name for p in tmp_path.glob('best_*')] == ['best_score_epoch_3.pth']


def test_unknown_score_for_the_best_checkpoint_is_named(tmp_path):
    hook = dict(type='CheckpointHook', interval=1, save_best='segm_AP', rule='greater')
    runner = toy_runner(tmp_path, epochs=1, val=True, default_hooks=dict(checkpoint=hook))
    with pytest.raises(UserError, match="gives no 'segm_AP'; it gives score"):
        runner.train()


def test_image_paths_of_a_batch():
    from mmdet.engine.hooks import image_paths

    assert image_paths(dict(data_samples=[Sample('a.jpg'), Sample('b.jpg')])) == ['a.jpg', 'b.jpg']
    assert image_paths(None) == []


@pytest.mark.parametrize(
    ('policy', 'noted'),
    [
        (dict(type='LinearLR', start_factor=0.3, by_epoch=False, begin=0, end=501), True),
        (dict(type='LinearLR', start_factor=0.3, by_epoch=False), True),  # ends with the training
        (dict(type='LinearLR', start_factor=0.3, by_epoch=True, begin=0, end=4), True),
        (dict(type='ConstantLR', factor=0.3, by_epoch=False, begin=0, end=400), True),
        (dict(type='LinearLR', start_factor=0.3, by_epoch=False, begin=0, end=5), False),
        (dict(type='LinearLR', start_factor=1.0, end_factor=0.1, by_epoch=False), False),  # no warm-up
        (dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=501), False),
    ],
)
def test_a_warm_up_longer_than_most_of_the_training_is_noted_once(tmp_path, capsys, policy, noted):
    toy_runner(tmp_path, param_scheduler=[policy]).train()
    found = capsys.readouterr().out.count('WARNING: the warm-up of the learning rate ends after')
    assert found == noted


def test_the_note_of_a_long_warm_up_has_both_numbers(tmp_path):
    policy = dict(type='LinearLR', start_factor=0.3, by_epoch=False, begin=0, end=501)
    toy_runner(tmp_path, param_scheduler=[policy]).train()
    text = next(tmp_path.glob('*/*.log')).read_text()
    assert 'ends after 501 iterations, and this training has 18: ' in text


def test_a_schedule_that_begins_after_the_end_of_the_training_is_one_line(tmp_path):
    late = dict(type='CosineAnnealingLR', by_epoch=False, begin=51)
    with pytest.raises(UserError, match='param_scheduler cannot be built .*got begin=51, end=18'):
        toy_runner(tmp_path, param_scheduler=[late]).train()
