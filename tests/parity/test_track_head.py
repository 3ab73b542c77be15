"""Track head against the 2019 code: match scores, loss, accuracy, gradients, combined scores."""

import pytest
import torch

from mmdet.models.track_heads.track_head import TrackHead
from mmdet.models.trackers.masktrack_tracker import MaskTrackTracker

from .rules import fill_by_rule, load_npz


@pytest.fixture(scope='module')
def arrays():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_track_head.npz').items()}


def build(num_fcs=2, **options):
    return fill_by_rule(TrackHead(num_fcs=num_fcs, in_channels=8, fc_out_channels=16, **options))


def identities(arrays):
    """Ids of the boxes whose weight is set, -1 for the others: image by image."""
    weights = [arrays['in.id_weights.0'], arrays['in.id_weights.1']]
    ids = arrays['in.ids'].split([len(weight) for weight in weights])
    return [torch.where(weight > 0, target, -1) for target, weight in zip(ids, weights)]


def test_match_scores(arrays):
    scores = build()(
        arrays['in.x'], arrays['in.ref_x'], arrays['in.x_n'].tolist(), arrays['in.ref_x_n'].tolist()
    )
    for index in range(2):
        torch.testing.assert_close(scores[index], arrays[f'out.match_score.{index}'], rtol=1e-5, atol=1e-5)


def test_match_scores_with_average_pool(arrays):
    scores = build(num_fcs=1, with_avg_pool=True)(
        arrays['in.x'], arrays['in.ref_x'], arrays['in.x_n'].tolist(), arrays['in.ref_x_n'].tolist()
    )
    for index in range(2):
        torch.testing.assert_close(
            scores[index], arrays[f'avgpool.out.match_score.{index}'], rtol=1e-5, atol=1e-6
        )


def test_loss_accuracy_and_gradients(arrays):
    x, ref_x = arrays['in.x'].clone().requires_grad_(), arrays['in.ref_x'].clone().requires_grad_()
    head = build()
    losses = head.loss(
        head(x, ref_x, arrays['in.x_n'].tolist(), arrays['in.ref_x_n'].tolist()), identities(arrays)
    )
    torch.testing.assert_close(losses['loss_match'], arrays['loss.loss_match'][0], rtol=1e-5, atol=0)
    torch.testing.assert_close(losses['match_acc'], arrays['loss.match_acc'][0], rtol=1e-6, atol=0)
    losses['loss_match'].backward()
    torch.testing.assert_close(x.grad, arrays['grad.x'], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(ref_x.grad, arrays['grad.ref_x'], rtol=1e-4, atol=1e-7)


def test_only_positives_need_to_be_embedded(arrays):
    """The layers act on rows, so leaving negatives out changes the loss by float noise only."""
    head, ids = build(), identities(arrays)
    counts = arrays['in.x_n'].tolist()
    chosen = torch.cat(ids) >= 0
    scores = head(
        arrays['in.x'][chosen],
        arrays['in.ref_x'],
        [int(part.sum()) for part in chosen.split(counts)],
        arrays['in.ref_x_n'].tolist(),
    )
    loss = head.loss(scores, [target[target >= 0] for target in ids])['loss_match']
    torch.testing.assert_close(loss, arrays['loss.loss_match'][0], rtol=1e-5, atol=0)


def test_cue_scores(arrays):
    inputs = (
        arrays['comp.in.match_ll'],
        arrays['comp.in.bbox_scores'][:, 0],
        arrays['comp.in.ious'],
        arrays['comp.in.label_delta'],
    )
    tracker = MaskTrackTracker(match_coeff=dict(det_score=1.0, iou=2.0, label=10.0))
    torch.testing.assert_close(tracker.cue_scores(*inputs), arrays['comp.out.dummy'], rtol=1e-6, atol=1e-6)
    plain = MaskTrackTracker(match_coeff=None)
    torch.testing.assert_close(plain.cue_scores(*inputs), arrays['comp.out.none'], rtol=0, atol=0)
