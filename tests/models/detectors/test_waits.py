"""How often an accelerator would wait for the host, and that nothing mixes devices (pretend_device.py)."""

import copy
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import MessageHub
from torch.utils._python_dispatch import TorchDispatchMode

from mmdet.engine.hooks import NonFiniteLossHook
from mmdet.engine.loops import ResumableEpochLoop
from mmdet.engine.optim import OptimWrapper
from tests.pretend_device import PretendDevice, PretendTensor, to_device

from ..tiny import clip, tiny_model, training_batch

BOXES = [[5, 5, 40, 40], [50, 20, 85, 55]]
PAIR = ((BOXES, [1, 2]), (BOXES[::-1], [2, 3]))
FRAMES = 4

#: Most waits of a batch in testing, and of an iteration of 8 pairs.
TESTING, TRAINING = 2, 4

#: Most operators that one pair adds to an iteration.
PER_PAIR = 50


def detecting_model(kind='MaskTrackRCNN', **options):
    """A model that finds several objects in every frame."""
    model = tiny_model(kind, **options).eval()
    for name, value in model.named_parameters():
        if name.endswith(('fc_cls.weight', 'conv_logits.weight')):
            torch.nn.init.normal_(value, std=1.0)
    return model


def batches(size):
    """The frames of two videos, as the loader gives them."""
    for video in (1, 2):
        frames = clip(video, FRAMES, seed=10 * video)
        for start in range(0, FRAMES, size):
            part = slice(start, start + size)
            yield {'inputs': frames['inputs'][part], 'data_samples': frames['data_samples'][part]}


def predictions(model, size):
    """All fields of all frames as lists, and the waits of each batch."""
    found, waits = [], []
    watched = PretendDevice.current
    with torch.no_grad():
        for batch in batches(size):
            if watched is not None:
                watched.waits.clear()
            samples = model.test_step(batch)
            if watched is not None:
                waits.append((watched.total, watched.report()))
            found += [sample.pred_instances for sample in samples]
    return found, waits


def as_numbers(values):
    return values.inner if isinstance(values, PretendTensor) else values


@pytest.mark.parametrize('size', [1, FRAMES])
def test_testing(size):
    model = detecting_model()
    expected, _ = predictions(model, size)
    with PretendDevice() as device:
        to_device(model)
        found, waits = predictions(model, size)
    assert device.mixed == []
    assert sum(len(instances) for instances in expected) > 4 * FRAMES
    for ours, theirs in zip(found, expected, strict=True):
        assert set(ours.keys()) == set(theirs.keys())
        for name, values in theirs.items():
            if name == 'masks':
                assert ours.masks == values
            else:
                torch.testing.assert_close(as_numbers(ours[name]), values)
    most, report = max(waits[1:])  # the first batch also fills caches
    assert most <= TESTING, report


class Hub(MessageHub):
    """A message hub of its own."""


def iteration(model, pairs):
    """Losses of one iteration with optimizer and hooks, as the runner does it."""
    batch = training_batch(*[PAIR] * pairs)
    inputs = [{'inputs': i, 'data_samples': s} for i, s in zip(batch['inputs'], batch['data_samples'])]
    seen = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=OptimWrapper(optimizer, clip_grad=dict(max_norm=35, norm_type=2)),
        message_hub=Hub.get_instance('waits'),
        iter=0,
        epoch=0,
    )
    hooks = [RuntimeInfoHook(), NonFiniteLossHook()]

    def call_hook(name, **kwargs):
        if name == 'after_train_iter':
            seen.append(kwargs['outputs'])
            for hook in hooks:
                hook.after_train_iter(runner, **kwargs)

    runner.call_hook = call_hook
    loop = SimpleNamespace(runner=runner, _iter=0)
    ResumableEpochLoop.run_iter(loop, 0, pseudo_collate(inputs))
    return seen[0]


def test_training():
    model = tiny_model().train()
    moved = copy.deepcopy(model)
    iteration(model, 8)
    expected = iteration(model, 8)
    with PretendDevice() as device:
        to_device(moved)
        iteration(moved, 8)
        device.waits.clear()
        losses = iteration(moved, 8)
        total, report = device.total, device.report()
        values = [value.detach().inner for value in moved.parameters()]
    assert device.mixed == []
    assert losses == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(values, [value.detach() for value in model.parameters()])
    assert total <= TRAINING, report


class Operators(TorchDispatchMode):
    """Counts the operators that compute something."""

    def __init__(self):
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.number += not func.is_view and 'empty' not in func._schema.name
        return func(*args, **(kwargs or {}))


def test_more_pairs_take_few_more_operators():
    """Only match losses are computed image by image; with assignments and targets a pair took 364."""
    model = tiny_model().train()
    numbers = []
    for pairs in (2, 8):
        with Operators() as operators:
            iteration(model, pairs)
        numbers.append(operators.number)
    assert (numbers[1] - numbers[0]) / 6 <= PER_PAIR


def test_a_wait_and_a_mix_are_seen():
    with PretendDevice() as device:
        numbers = torch.arange(4.0).to('meta')
        assert device.waits.total() == 1 and numbers.device.type == 'meta'
        torch.arange(4.0).to('meta', non_blocking=True)
        assert device.total == 1
        for wait in (
            lambda: numbers[numbers > 1],
            lambda: float(numbers.sum()),
            lambda: (numbers > 1).nonzero(),
            lambda: numbers.cpu(),
            lambda: numbers.tolist(),
            lambda: numbers[torch.tensor([1])],
            lambda: numbers[[1, 2]],
            lambda: numbers.new_tensor([1, 2]),
            lambda: torch.repeat_interleave(numbers, (numbers + 1).long()),
            lambda: bool(numbers.any()),
        ):
            device.waits.clear()
            wait()
            assert device.total == 1
        device.waits.clear()
        assert torch.where(numbers > 1, numbers, 0.0).add(1)[1:].sort().values.device.type == 'meta'
        assert device.total == 0 and device.mixed == []
        with mock.patch.object(device, 'mixed', []) as mixed:
            numbers + torch.ones(4)
            assert mixed[0][0] == 'aten::add'
