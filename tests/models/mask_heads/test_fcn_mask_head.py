"""Variants of the mask head and the inputs at its limits; the numbers of 2019 are in tests/parity."""

import math
from types import SimpleNamespace

import pytest
import torch

from mmdet.models.mask_heads.fcn_mask_head import FCNMaskHead
from mmdet.structures.rle import decode_rle

SMALL = {'num_convs': 1, 'in_channels': 4, 'conv_out_channels': 6, 'num_classes': 3}
META = {'ori_shape': (40, 60), 'scale_factor': 0.5}
CFG = {'mask_thr_binary': 0.5}


@pytest.mark.parametrize(
    ('options', 'shape'),
    [
        ({}, (2, 4, 10, 10)),
        ({'upsample_method': 'nearest'}, (2, 4, 10, 10)),
        ({'upsample_method': 'bilinear', 'upsample_ratio': 3}, (2, 4, 15, 15)),
        ({'upsample_method': None}, (2, 4, 5, 5)),
        ({'num_convs': 0}, (2, 4, 10, 10)),
        ({'class_agnostic': True}, (2, 1, 10, 10)),
        ({'norm_cfg': {'type': 'GN', 'num_groups': 2}}, (2, 4, 10, 10)),
    ],
)
def test_output_shapes_also_for_no_boxes(options, shape):
    head = FCNMaskHead(**{**SMALL, **options})
    assert head(torch.randn(2, 4, 5, 5)).shape == shape
    assert head(torch.randn(0, 4, 5, 5)).shape == (0, *shape[1:])


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match='upsample_method'):
        FCNMaskHead(upsample_method='carafe')
    with pytest.raises(ValueError, match='mask_convention'):
        FCNMaskHead(mask_convention='aligned')


def test_only_the_channel_of_the_label_learns():
    head = FCNMaskHead(**SMALL)
    logits = torch.zeros((2, 4, 3, 3), requires_grad=True)
    loss = head.loss(logits, torch.ones(2, 3, 3), torch.tensor([0, 2]))['loss_mask']
    assert float(loss) == pytest.approx(math.log(2), rel=1e-6)
    loss.backward()
    touched = logits.grad.abs().sum(dim=(2, 3)) > 0
    assert touched.tolist() == [[False, True, False, False], [False, False, False, True]]


def test_no_positive_gives_a_zero_attached_to_every_parameter():
    head = FCNMaskHead(**SMALL)
    empty = SimpleNamespace(
        pos_bboxes=torch.zeros(0, 4), pos_assigned_gt_inds=torch.zeros(0, dtype=torch.int64)
    )
    targets = head.get_targets([empty], [torch.zeros((0, 20, 20), dtype=torch.uint8)], {'mask_size': 28})
    assert targets.shape == (0, 28, 28)
    loss = head.loss(head(torch.zeros(0, 4, 5, 5)), targets, torch.zeros(0, dtype=torch.int64))['loss_mask']
    assert float(loss) == 0
    loss.backward()
    assert all(value.grad is not None for value in head.parameters())


def test_class_agnostic_masks_use_the_only_channel():
    head = FCNMaskHead(**{**SMALL, 'class_agnostic': True})
    logits = torch.full((2, 1, 28, 28), 5.0)
    boxes = torch.tensor([[0.0, 0, 9, 4], [5, 5, 14, 9]])
    masks = head.get_masks(head.probabilities(logits, torch.tensor([0, 2])), boxes, META, CFG)
    assert [decode_rle(mask).sum() for mask in masks] == [19 * 9, 19 * 9]
    loss = head.loss(logits, torch.ones(2, 28, 28), torch.tensor([0, 2]))['loss_mask']
    assert float(loss) < 0.01


def test_masks_at_both_scales_and_with_two_scale_factors():
    head = FCNMaskHead(**SMALL)
    logits = torch.full((1, 4, 28, 28), 5.0)
    box, label = torch.tensor([[2.0, 3, 9, 9]]), torch.tensor([1])
    (original,) = head.get_masks(head.probabilities(logits, label), box, META, CFG)
    assert original['size'] == [40, 60]
    assert decode_rle(original)[6:19, 4:19].all()
    assert decode_rle(original).sum() == 13 * 15
    (resized,) = head.get_masks(head.probabilities(logits, label), box, META, CFG, rescale=False)
    assert resized['size'] == [20, 30]
    assert decode_rle(resized).sum() == 7 * 8
    meta = {'ori_shape': (40, 60), 'scale_factor': (0.5, 0.25)}  # width, height
    (wide,) = head.get_masks(head.probabilities(logits, label), box, meta, CFG)
    assert decode_rle(wide).sum() == 15 * 25
    (wide,) = head.get_masks(head.probabilities(logits, label), box, meta, CFG, rescale=False)
    assert wide['size'] == [10, 30]


def test_the_float_round_trip_of_2019_is_kept():
    """A box that went to network scale and back may end a pixel lower, and so must its mask."""
    head = FCNMaskHead(**SMALL)
    logits, label = torch.full((1, 4, 28, 28), 5.0), torch.tensor([1])
    found = 0
    for scale in (0.36, 0.7, 1.1, 1.3):
        for edge in range(10, 60):
            box = torch.tensor([[0.0, 0, edge, 5]])
            there = box * scale
            if int((there / scale)[0, 2]) == edge:
                continue
            found += 1
            (mask,) = head.get_masks(
                head.probabilities(logits, label), there, {'ori_shape': (20, 80), 'scale_factor': scale}, CFG
            )
            assert decode_rle(mask)[0].sum() == edge  # the last column, edge, is lost
    assert found > 0


def test_initial_weights_are_those_of_2019():
    torch.manual_seed(0)
    head = FCNMaskHead(num_convs=1, in_channels=64, conv_out_channels=64, num_classes=63)
    head.init_weights()
    for weight, fan_out in (
        (head.convs[0].conv.weight, 64 * 9),
        (head.upsample.weight, 64 * 4),
        (head.conv_logits.weight, 64),
    ):
        assert float(weight.detach().std()) == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
    assert not head.conv_logits.bias.any()
