"""Mask head against the 2019 code: targets bit for bit, forward, loss and gradient."""

from types import SimpleNamespace

import pytest
import torch

from mmdet.models.mask_heads.fcn_mask_head import FCNMaskHead

from .rules import fill_by_rule, load_npz


@pytest.fixture(scope='module')
def arrays():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_mask_head.npz').items()}


@pytest.fixture
def head():
    return fill_by_rule(FCNMaskHead(num_convs=2, in_channels=8, conv_out_channels=8, num_classes=5))


def targets(head, arrays):
    sampling = [
        SimpleNamespace(
            pos_bboxes=arrays[f'in.pos_bboxes.{i}'],
            pos_assigned_gt_inds=arrays[f'in.pos_assigned_gt_inds.{i}'],
        )
        for i in range(2)
    ]
    return head.get_targets(sampling, [arrays['in.gt_masks.0'], arrays['in.gt_masks.1']], dict(mask_size=28))


def test_targets_are_bit_equal(head, arrays):
    assert torch.equal(targets(head, arrays), arrays['tgt.mask_targets'].float())


def test_forward(head, arrays):
    torch.testing.assert_close(
        head(arrays['head.in.feats']), arrays['head.out.mask_pred'], rtol=1e-5, atol=1e-6
    )


def test_loss_and_gradient(head, arrays):
    feats = arrays['head.in.feats'].clone().requires_grad_()
    # Labels count from 0 here and from 1 in 2019.
    loss = head.loss(head(feats), targets(head, arrays), arrays['in.pos_labels'] - 1)['loss_mask']
    torch.testing.assert_close(loss, arrays['loss.loss_mask'][0], rtol=1e-5, atol=0)
    loss.backward()
    torch.testing.assert_close(feats.grad, arrays['grad.feats'], rtol=1e-4, atol=1e-9)
    mask_pred = head(arrays['head.in.feats']).detach().requires_grad_()
    head.loss(mask_pred, targets(head, arrays), arrays['in.pos_labels'] - 1)['loss_mask'].backward()
    torch.testing.assert_close(
        mask_pred.grad.abs().sum(), arrays['grad.mask_pred_abs_sum'], rtol=1e-5, atol=0
    )
    assert mask_pred.grad[:, 0].abs().sum() == 0  # the dead channel
