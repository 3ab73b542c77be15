"""Losses: formulas, weights, divisors, precision and nothing to learn from."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmdet.models.losses import CrossEntropyLoss, L1Loss, SmoothL1Loss, accuracy
from mmdet.registry import MODELS


def logits(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), requires_grad=True)


def test_softmax_with_weights_and_divisor():
    scores, labels = logits(4, 3), torch.tensor([0, 2, 1, 2])
    weights = torch.tensor([1.0, 0.0, 2.0, 1.0])
    each = F.cross_entropy(scores, labels, reduction='none')
    loss = CrossEntropyLoss(loss_weight=0.5)
    torch.testing.assert_close(loss(scores, labels), 0.5 * each.mean())
    torch.testing.assert_close(loss(scores, labels, weights, avg_factor=3), 0.5 * (each * weights).sum() / 3)
    torch.testing.assert_close(loss(scores, labels, reduction_override='none'), 0.5 * each)
    torch.testing.assert_close(loss(scores, labels, reduction_override='sum'), 0.5 * each.sum())
    weighted = CrossEntropyLoss(class_weight=[1.0, 2.0, 3.0], reduction='none')(scores, labels)
    torch.testing.assert_close(weighted, each * torch.tensor([1.0, 3.0, 2.0, 3.0]))


def test_sigmoid_of_one_column_and_of_several():
    loss = CrossEntropyLoss(use_sigmoid=True, reduction='none')
    flat, labels = logits(5), torch.tensor([0, 1, 1, 0, 1])
    expected = -torch.where(labels == 1, flat.sigmoid(), 1 - flat.sigmoid()).log()
    torch.testing.assert_close(loss(flat, labels), expected)
    torch.testing.assert_close(loss(flat[:, None], labels), expected[:, None])
    several = loss(logits(2, 3), torch.tensor([2, 0]), weight=torch.tensor([1.0, 0.0]))
    assert several.shape == (2, 3) and several[1].eq(0).all() and several[0].gt(0).all()
    heavy = CrossEntropyLoss(use_sigmoid=True, reduction='none', class_weight=[3.0])(flat, labels)
    torch.testing.assert_close(heavy, expected * torch.where(labels == 1, 3.0, 1.0))


def test_mask_loss_reads_the_channel_of_the_label():
    scores, target = logits(2, 4, 3, 3), torch.ones(2, 3, 3)
    loss = CrossEntropyLoss(use_mask=True)(scores, target, channels=torch.tensor([1, 3]))
    expected = -torch.stack([scores[0, 1], scores[1, 3]]).sigmoid().log().mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert scores.grad[0, 0].eq(0).all() and scores.grad[0, 1].ne(0).all()


def test_smooth_l1_meets_its_line():
    pred = torch.tensor([0.0, 0.05, 1 / 9, 0.5, -2.0])
    loss = SmoothL1Loss(beta=1 / 9, reduction='none')(pred, torch.zeros(5))
    expected = [0, 0.5 * 0.05**2 * 9, 0.5 / 9, 0.5 - 0.5 / 9, 2 - 0.5 / 9]
    assert loss.tolist() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(L1Loss(reduction='none')(pred, torch.zeros(5)), pred.abs())
    weights = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0])
    assert L1Loss(loss_weight=2.0)(pred, torch.zeros(5), weights, avg_factor=4).item() == pytest.approx(
        2 * 2.05 / 4
    )


@pytest.mark.parametrize('empty', ['softmax', 'sigmoid', 'mask', 'smooth', 'l1'])
def test_nothing_to_learn_is_a_zero_in_the_graph(empty):
    labels = torch.zeros(0, dtype=torch.int64)
    if empty == 'softmax':
        pred = logits(0, 3)
        loss = CrossEntropyLoss()(pred, labels)
    elif empty == 'sigmoid':
        pred = logits(0)
        loss = CrossEntropyLoss(use_sigmoid=True)(pred, labels)
    elif empty == 'mask':
        pred = logits(0, 3, 2, 2)
        loss = CrossEntropyLoss(use_mask=True)(pred, torch.zeros(0, 2, 2), channels=labels)
    else:
        pred = logits(0, 4)
        loss = (SmoothL1Loss() if empty == 'smooth' else L1Loss())(pred, torch.zeros(0, 4))
    assert loss.item() == 0
    loss.backward()
    assert pred.grad is not None


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(dtype):
    scores = logits(64, 5).to(dtype)
    labels = torch.arange(64) % 5
    loss = CrossEntropyLoss()(scores, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(scores.float(), labels))
    assert SmoothL1Loss()(scores, torch.zeros(64, 5)).dtype == torch.float32


def test_confident_logits_stay_finite():
    scores = torch.tensor([100.0, -100.0], requires_grad=True)
    loss = CrossEntropyLoss(use_sigmoid=True)(scores, torch.tensor([0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(100) and torch.isfinite(scores.grad).all()


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: CrossEntropyLoss(use_sigmoid=True, use_mask=True), 'exclude each other'),
        (lambda: CrossEntropyLoss(reduction='avg'), "CrossEntropyLoss: reduction .* got 'avg'"),
        (lambda: SmoothL1Loss(beta=0), 'beta > 0'),
        (lambda: SmoothL1Loss()(torch.zeros(2, 4), torch.zeros(2, 3)), r'\(2, 4\) and \(2, 3\)'),
        (lambda: L1Loss(reduction='sum')(torch.zeros(2), torch.zeros(2), avg_factor=1), 'avg_factor'),
        (lambda: CrossEntropyLoss(use_sigmoid=True)(torch.zeros(2, 3), torch.zeros(2, 2)), r'got \(2, 2\)'),
    ],
)
def test_errors_name_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_losses_are_registered():
    assert MODELS.build(dict(type='CrossEntropyLoss', use_sigmoid=True)).use_sigmoid
    assert MODELS.build(dict(type='SmoothL1Loss', beta=0.1)).beta == 0.1
    assert MODELS.build(dict(type='L1Loss', loss_weight=3.0)).loss_weight == 3


def test_accuracy():
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    labels = torch.tensor([1, 2])
    assert accuracy(scores, labels).tolist() == [50]
    assert [value.item() for value in accuracy(scores, labels, (1, 2))] == [50, 100]
    assert accuracy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).tolist() == [0]
    assert math.isclose(accuracy(scores, labels, 5).item(), 100)
