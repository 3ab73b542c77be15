"""ResNet and ResNeXt: shapes, names, freezing, options, initialization and errors."""

import pytest
import torch
from torch import nn

from mmdet.models import norm
from mmdet.models.backbones import ResNet, ResNeXt
from mmdet.registry import MODELS


def image(channels=3, size=64):
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_strides_channels_and_parameter_count(depth):
    backbone = ResNet(depth, base_channels=8)
    outs = backbone(image())
    assert [out.shape[-1] for out in outs] == [16, 8, 4, 2]
    assert [out.shape[1] for out in outs] == backbone.out_channels
    expansion = 1 if depth < 50 else 4
    assert backbone.out_channels == [8 * expansion * 2**stage for stage in range(4)]
    convolutions = [name for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d)]
    # The depth counts the classifier's layer and leaves the shortcuts out.
    assert len([name for name in convolutions if 'downsample' not in name]) == depth - 1


@pytest.mark.parametrize(('depth', 'millions'), [(18, 11.176512), (50, 23.508032), (101, 42.500160)])
def test_parameters_of_the_published_models(depth, millions):
    with torch.device('meta'):
        backbone = ResNet(depth)
    assert sum(p.numel() for p in backbone.parameters()) == pytest.approx(millions * 1e6, abs=1)


def test_resnext_groups_and_width():
    with torch.device('meta'):
        backbone = ResNeXt(101, groups=32, base_width=4)
    assert backbone.layer1[0].conv2.groups == 32
    assert [backbone.get_submodule(f'layer{i}')[0].conv2.in_channels for i in (1, 2, 3, 4)] == [
        128,
        256,
        512,
        1024,
    ]
    assert backbone.out_channels == [256, 512, 1024, 2048]
    # The published models of both widths, less the classifier's 2048 x 1000 + 1000.
    assert sum(p.numel() for p in backbone.parameters()) == 44_177_704 - 2_049_000
    with torch.device('meta'):
        wide = ResNeXt(101, groups=32, base_width=8)
    assert sum(p.numel() for p in wide.parameters()) == 88_791_336 - 2_049_000
    with torch.device('meta'):
        assert ResNeXt(101, groups=64, base_width=4).layer1[0].conv2.in_channels == 256


def test_resnext_runs_and_learns():
    backbone = ResNeXt(50, groups=4, base_width=32, base_channels=16, norm_eval=False).train()
    backbone(image())[-1].sum().backward()
    assert backbone.layer4[0].conv2.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(('style', 'first', 'second'), [('pytorch', 1, 2), ('caffe', 2, 1)])
def test_style_places_the_stride(style, first, second):
    block = ResNet(50, base_channels=8, style=style).layer2[0]
    assert (block.conv1.stride[0], block.conv2.stride[0]) == (first, second)
    assert block.downsample[0].stride[0] == 2


@pytest.mark.parametrize('frozen', [-1, 0, 1, 4])
def test_frozen_stages_take_no_gradient_and_stay_in_eval(frozen):
    backbone = ResNet(18, base_channels=8, frozen_stages=frozen, norm_eval=False).train()
    parts = [[backbone.conv1, backbone.bn1]] + [[backbone.get_submodule(f'layer{i}')] for i in (1, 2, 3, 4)]
    for index, modules in enumerate(parts):
        is_frozen = index <= frozen
        for module in modules:
            assert all(p.requires_grad != is_frozen for p in module.parameters())
            assert all(m.training != is_frozen for m in module.modules())
    means = [p[-1].state_dict() for p in parts[1:]]
    before = [{k: v.clone() for k, v in state.items() if 'running_mean' in k} for state in means]
    backbone(image())
    for index, (old, part) in enumerate(zip(before, parts[1:]), start=1):
        state = part[-1].state_dict()
        moved = any(not torch.equal(state[k], v) for k, v in old.items())
        assert moved == (index > frozen)


def test_train_returns_self_and_norms_stay_in_eval():
    backbone = ResNet(18, base_channels=8)
    assert backbone.train() is backbone
    assert backbone.eval() is backbone
    backbone.train()
    assert backbone.layer1[0].training and not backbone.layer1[0].bn1.training
    assert ResNet(18, base_channels=8, norm_eval=False).train().layer1[0].bn1.training


def test_group_norm_keeps_its_names():
    backbone = ResNet(50, base_channels=32, norm_cfg=dict(type='GN', num_groups=8))
    keys = backbone.state_dict().keys()
    assert 'gn1.weight' in keys and 'layer1.0.gn3.bias' in keys and not any('bn' in key for key in keys)
    assert len(backbone.train()(image())) == 4


def test_frozen_affine():
    backbone = ResNet(18, base_channels=8, norm_cfg=dict(type='BN', requires_grad=False))
    assert not backbone.layer3[0].bn1.weight.requires_grad
    assert backbone.layer3[0].conv1.weight.requires_grad


def test_dilation_in_place_of_stride():
    backbone = ResNet(50, base_channels=8, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
    assert [out.shape[-1] for out in backbone(image())] == [16, 8, 8, 8]
    assert backbone.layer4[1].conv2.dilation == (4, 4)


def test_fewer_stages_and_chosen_outputs():
    backbone = ResNet(18, base_channels=8, num_stages=3, out_indices=(0, 2))
    assert [out.shape[1] for out in backbone(image())] == backbone.out_channels == [8, 32]
    assert not hasattr(backbone, 'layer4')


def test_checkpointing_changes_no_number():
    plain, saving = (ResNet(50, base_channels=8, with_cp=with_cp) for with_cp in (False, True))
    saving.load_state_dict(plain.state_dict())
    grads = []
    for backbone in (plain, saving):
        x = image().requires_grad_()
        backbone.train()(x)[-1].square().sum().backward()
        grads.append(backbone.layer2[0].conv2.weight.grad)
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize('style', ['pytorch', 'caffe'])
def test_norms_folded_in_training_change_no_number(style):
    backbone = ResNet(50, base_channels=8, style=style, frozen_stages=1).double().train()
    for value in backbone.buffers():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    found = []
    for hooked in (False, True):  # a hook sees the output of a layer by itself
        for module in backbone.modules() if hooked else ():
            module.register_forward_hook(lambda module, args, out: None)
        loss = sum(out.square().mean() for out in backbone(image().double()))
        learned = [value for value in backbone.parameters() if value.requires_grad]
        found.append([loss, *torch.autograd.grad(loss, learned)])
    for folded, plain in zip(*found):
        torch.testing.assert_close(folded, plain)


@pytest.mark.parametrize('style', ['pytorch', 'caffe'])
def test_kernels_of_one_thread_change_no_number(style, monkeypatch):
    backbone = ResNet(50, base_channels=16, style=style, frozen_stages=1).train()
    found = []
    for chosen in (False, True):
        monkeypatch.setattr(norm, '_chooses_slow_kernels', lambda x, chosen=chosen: chosen)
        loss = sum(out.square().mean() for out in backbone(image()))
        learned = [value for value in backbone.parameters() if value.requires_grad]
        found.append([loss, *torch.autograd.grad(loss, learned)])
    for ours, plain in zip(*found):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def test_initialization_from_scratch():
    torch.manual_seed(0)
    backbone = ResNet(50, norm_cfg=dict(type='BN'))
    backbone.init_weights()
    assert backbone.conv1.weight.std().item() == pytest.approx((2 / (64 * 49)) ** 0.5, rel=0.05)
    assert backbone.layer4[2].conv2.weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.05)
    blocks = [block for name in backbone.stages for block in backbone.get_submodule(name)]
    assert all(block.bn3.weight.abs().sum() == 0 and block.bn2.weight.eq(1).all() for block in blocks)
    assert backbone.bn1.weight.eq(1).all()
    x = image()
    stem = backbone.maxpool(backbone.bn1(backbone.conv1(x)).relu())
    # Every block but those with a projection starts as the identity.
    first = backbone.layer1[0](stem)
    torch.testing.assert_close(backbone.layer1(stem), first)
    other = ResNet(18, base_channels=8, zero_init_residual=False)
    other.init_weights()
    assert other.layer1[0].bn2.weight.eq(1).all()


def test_pretrained_weights_are_loaded(tmp_path):
    source = ResNet(18, base_channels=8)
    nn.init.constant_(source.layer2[0].conv1.weight, 0.25)
    nn.init.constant_(source.layer2[0].bn2.weight, 0.5)
    state = dict(source.state_dict())
    state['fc.weight'] = torch.zeros(1000, 64)
    torch.save(state, tmp_path / 'resnet.pth')
    backbone = MODELS.build(
        dict(
            type='ResNet',
            depth=18,
            base_channels=8,
            frozen_stages=1,
            init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'resnet.pth')),
        )
    )
    backbone.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(backbone.state_dict()[key], value), key


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(depth=20), r'depth must be one of \[18, 34, 50, 101, 152\], got 20'),
        (dict(depth=50, style='tf'), "style must be 'pytorch' or 'caffe', got 'tf'"),
        (dict(depth=50, norm_cfg=dict(type='BatchNorn')), "unknown norm 'BatchNorn'"),
        (dict(depth=50, norm_cfg=dict(type='SynBN')), "did you mean 'SyncBN'"),
        (dict(depth=50, norm_cfg='BN'), "norm_cfg must be a dict with a 'type', got 'BN'"),
        (dict(depth=50, norm_cfg=dict(type='GN')), 'needs num_groups'),
        (
            dict(depth=50, norm_cfg=dict(type='GN', num_groups=7)),
            '64 channels cannot be split into num_groups=7',
        ),
        (dict(depth=50, num_stages=5), 'num_stages must be 1 to 4, got 5'),
        (dict(depth=50, num_stages=2), r'out_indices must lie in \[0, 2\)'),
        (dict(depth=50, out_indices=()), 'out_indices'),
        (dict(depth=50, frozen_stages=5), 'frozen_stages'),
        (dict(depth=50, strides=(1, 2)), 'strides and dilations for 4 stages'),
    ],
)
def test_errors_name_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**options)


def test_other_depths_and_channels():
    with pytest.raises(ValueError, match=r'depth must be one of \[50, 101, 152\], got 18'):
        ResNeXt(18)
    assert ResNet(18, base_channels=8, in_channels=1)(image(channels=1))[0].shape == (1, 8, 16, 16)
