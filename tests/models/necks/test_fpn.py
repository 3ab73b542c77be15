"""FPN: extra levels, odd sizes, norms, initialization and errors."""

import pytest
import torch

from mmdet.models.necks import FPN

CHANNELS = [4, 8, 16]


def features(size=32):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, c, size >> i, size >> i, generator=generator) for i, c in enumerate(CHANNELS)]


def test_extra_levels_take_every_second_pixel():
    neck = FPN(CHANNELS, 6, num_outs=5)
    outs = neck(features())
    assert [out.shape[-1] for out in outs] == [32, 16, 8, 4, 2]
    assert all(out.shape[:2] == (2, 6) for out in outs)
    assert torch.equal(outs[3], outs[2][:, :, ::2, ::2])
    assert torch.equal(outs[4], outs[2][:, :, ::4, ::4])


@pytest.mark.parametrize(
    ('option', 'source', 'channels'),
    [
        (True, 'on_input', 16),
        ('on_input', 'on_input', 16),
        ('on_lateral', 'on_lateral', 6),
        ('on_output', 'on_output', 6),
    ],
)
def test_extra_convolutions(option, source, channels):
    neck = FPN(CHANNELS, 6, num_outs=5, add_extra_convs=option, relu_before_extra_convs=True)
    assert neck.extra_source == source
    assert [conv.conv.in_channels for conv in neck.fpn_convs] == [6, 6, 6, channels, 6]
    feats = features()
    outs = neck(feats)
    assert [out.shape[-1] for out in outs] == [32, 16, 8, 4, 2]
    origin = dict(on_input=feats[-1], on_lateral=neck.lateral_convs[-1](feats[-1]), on_output=outs[2])[source]
    torch.testing.assert_close(outs[3], neck.fpn_convs[3](origin))
    torch.testing.assert_close(outs[4], neck.fpn_convs[4](outs[3].relu()))


def test_levels_can_be_left_out():
    neck = FPN(CHANNELS, 6, num_outs=3, start_level=1)
    assert len(neck.lateral_convs) == 2
    assert [out.shape[-1] for out in neck(features())] == [16, 8, 4]
    lower = FPN(CHANNELS, 6, num_outs=2, end_level=1)
    assert [out.shape[-1] for out in lower(features())] == [32, 16]


def test_odd_sizes():
    feats = [torch.rand(1, c, s, s + 2) for c, s in zip(CHANNELS, (25, 13, 7))]
    assert [out.shape[-2:] for out in FPN(CHANNELS, 6, num_outs=4)(feats)] == [
        (25, 27),
        (13, 15),
        (7, 9),
        (4, 5),
    ]


def test_inputs_are_left_alone():
    feats = features()
    before = [feat.clone() for feat in feats]
    FPN(CHANNELS, 6, num_outs=4)(feats)
    assert all(torch.equal(a, b) for a, b in zip(feats, before))


def test_names_and_initialization():
    neck = FPN(CHANNELS, 6, num_outs=3)
    assert set(neck.state_dict()) == {
        f'{part}_convs.{level}.conv.{kind}'
        for part in ('lateral', 'fpn')
        for level in range(3)
        for kind in ('weight', 'bias')
    }
    neck.init_weights()
    for conv in [*neck.lateral_convs, *neck.fpn_convs]:
        weight = conv.conv.weight
        bound = (6 / (weight[0].numel() + weight[:, 0].numel())) ** 0.5
        assert weight.abs().max() <= bound and weight.abs().max() > 0.7 * bound
        assert conv.conv.bias.eq(0).all()


def test_group_norm():
    neck = FPN(CHANNELS, 8, num_outs=3, norm_cfg=dict(type='GN', num_groups=4), no_norm_on_lateral=True)
    assert 'fpn_convs.0.gn.weight' in neck.state_dict()
    assert not any('lateral' in key and 'gn' in key for key in neck.state_dict())
    assert len(neck(features())) == 3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_outs=2), 'num_outs for 3 input levels used does not fit, got 2'),
        (dict(num_outs=3, end_level=1), 'num_outs'),
        (dict(num_outs=3, start_level=3), 'do not exist'),
        (dict(num_outs=4, add_extra_convs='on_top'), "got 'on_top'"),
        (dict(num_outs=3, norm_cfg=dict(type='NoNorm')), "FPN: unknown norm 'NoNorm'"),
    ],
)
def test_errors_name_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        FPN(CHANNELS, 6, **options)
