"""What the 2019 track head got wrong or left out, and the limits of its inputs."""

import math

import pytest
import torch

from mmdet.models.track_heads.track_head import TrackHead


def scores_of(logits):
    return [torch.tensor(rows, dtype=torch.float32).requires_grad_() for rows in logits]


def test_a_lone_positive_counts():
    """2019 left out every image with exactly one positive box."""
    head = TrackHead(in_channels=2, roi_feat_size=1, fc_out_channels=4)
    many, one = scores_of([[[0.0, 3.0], [0.0, -1.0]], [[0.0, 2.0, 1.0]]])
    losses = head.loss([many, one], [torch.tensor([1, 0]), torch.tensor([2])])
    first = (math.log(1 + math.exp(-3)) + math.log(1 + math.exp(-1))) / 2
    second = math.log(1 + math.exp(2) + math.exp(1)) - 1
    assert float(losses['loss_match']) == pytest.approx((first + second) / 2, rel=1e-6)
    assert float(losses['match_acc']) == pytest.approx(200 / 3, rel=1e-6)
    losses['loss_match'].backward()
    assert one.grad.abs().sum() > 0


def test_only_lone_positives():
    head = TrackHead(in_channels=2, roi_feat_size=1, fc_out_channels=4)
    scores = scores_of([[[0.0, 2.0]], [[0.0, -2.0]]])
    losses = head.loss(scores, [torch.tensor([1]), torch.tensor([1])])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    assert float(losses['loss_match']) == pytest.approx(expected, rel=1e-6)
    assert float(losses['match_acc']) == 50


def test_an_image_without_positives_adds_nothing_but_is_counted():
    head = TrackHead(in_channels=2, roi_feat_size=1, fc_out_channels=4)
    scores = [*scores_of([[[0.0, 2.0]]]), torch.zeros((0, 3), requires_grad=True)]
    losses = head.loss(scores, [torch.tensor([1]), torch.zeros(0, dtype=torch.int64)])
    assert float(losses['loss_match']) == pytest.approx(math.log(1 + math.exp(-2)) / 2, rel=1e-6)
    assert float(losses['match_acc']) == 100


def test_no_positive_at_all_gives_a_zero_attached_to_the_graph():
    head = TrackHead(in_channels=2, roi_feat_size=3, fc_out_channels=4)
    scores = head(torch.zeros(0, 2, 3, 3), torch.randn(3, 2, 3, 3), [0, 0], [2, 1])
    losses = head.loss(scores, [torch.zeros(0, dtype=torch.int64)] * 2)
    assert float(losses['loss_match']) == 0
    assert float(losses['match_acc']) == 0
    losses['loss_match'].backward()
    assert all(value.grad is not None and not value.grad.any() for value in head.parameters())


def test_no_reference_object_means_all_new():
    head = TrackHead(in_channels=2, roi_feat_size=3, fc_out_channels=4)
    (scores,) = head(torch.randn(3, 2, 3, 3), torch.zeros(0, 2, 3, 3), [3], [0])
    assert scores.shape == (3, 1)
    losses = head.loss([scores], [torch.zeros(3, dtype=torch.int64)])
    assert float(losses['loss_match']) == 0
    assert float(losses['match_acc']) == 100
    losses['loss_match'].backward()


def test_the_first_column_is_zero_and_the_rest_dot_products():
    head = TrackHead(num_fcs=3, in_channels=2, roi_feat_size=3, fc_out_channels=5)
    x, ref = torch.randn(4, 2, 3, 3), torch.randn(2, 2, 3, 3)
    (scores,) = head(x, ref, [4], [2])
    assert torch.equal(scores[:, 0], torch.zeros(4))
    torch.testing.assert_close(scores[:, 1:], head.embed(x) @ head.embed(ref).t())
    assert (head.embed(torch.randn(50, 2, 3, 3)) < 0).any()  # no ReLU after the last layer


def test_ignored_rows_change_nothing():
    head = TrackHead(in_channels=2, roi_feat_size=1, fc_out_channels=4)
    rows = [[0.0, 3.0], [0.0, 5.0], [0.0, -1.0]]
    every = head.loss(scores_of([rows]), [torch.tensor([1, -1, 0])])
    some = head.loss(scores_of([rows[::2]]), [torch.tensor([1, 0])])
    assert torch.equal(every['loss_match'], some['loss_match'])
    assert torch.equal(every['match_acc'], some['match_acc'])


def test_at_least_one_layer():
    with pytest.raises(ValueError, match='num_fcs'):
        TrackHead(num_fcs=0)


def test_initial_weights_are_those_of_2019():
    torch.manual_seed(0)
    head = TrackHead(in_channels=16, roi_feat_size=3, fc_out_channels=64)
    head.init_weights()
    for fc in head.fcs:
        assert float(fc.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
        assert not fc.bias.any()


def test_relu_after_the_last_layer_where_the_weights_expect_it():
    torch.manual_seed(0)
    plain, rectified = (
        TrackHead(in_channels=2, roi_feat_size=3, fc_out_channels=5, relu_last=on) for on in (0, 1)
    )
    rectified.load_state_dict(plain.state_dict())
    x = torch.randn(20, 2, 3, 3)
    assert torch.equal(rectified.embed(x), plain.embed(x).clamp(min=0))
