"""Layers in one step equal the same layers one by one, and follow their weights."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn
from torch.nn import functional as F

from mmdet.models.fused import (
    conv_act,
    conv_module,
    flat_linear,
    labeled_channels,
    optimize_for_inference,
)
from mmdet.registry import MODELS
from tests.model_configs import program_cfg

from .tiny import clip


def filled(module):
    """The module in eval mode with random numbers everywhere, variances positive."""
    torch.manual_seed(0)
    for value in (*module.parameters(), *module.buffers()):
        if value.is_floating_point():
            value.data.uniform_(0.1, 1.0)
    return module.eval()


def optimized(*modules):
    return optimize_for_inference(nn.ModuleList(modules))


def both(function, *modules):
    """What a function returns without gradients, layer by layer and optimized."""
    with torch.no_grad():
        plain = function().clone()
        optimized(*modules)
        fused = function()
    assert plain.shape == fused.shape
    return plain, fused


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('relu, added', [(False, False), (True, False), (True, True), (False, True)])
@pytest.mark.parametrize('kind', ['none', 'bn', 'bn without weights', 'gn'])
def test_conv_act(kind, relu, added, dtype):
    norms = {
        'none': None,
        'bn': nn.BatchNorm2d(8),
        'bn without weights': nn.BatchNorm2d(8, affine=False),
        'gn': nn.GroupNorm(2, 8),
    }
    layers = filled(nn.ModuleList([nn.Conv2d(4, 8, 3, 2, 1, groups=2, bias=kind == 'none'), norms[kind]]))
    layers.to(dtype)
    x, add = torch.randn(2, 4, 9, 7, dtype=dtype), torch.randn(2, 8, 5, 4, dtype=dtype) if added else None

    def run():
        return conv_act(layers[0], x, layers[1], relu, None if add is None else add.clone())

    assert_close(*both(run, layers))


def assert_close(plain, fused):
    torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('size', [0, 3])
def test_transposed_convolution_and_no_regions(size):
    layer, norm = filled(nn.ConvTranspose2d(4, 6, 2, stride=2)), filled(nn.BatchNorm2d(6))
    x = torch.randn(size, 4, 5, 5)
    assert_close(*both(lambda: conv_act(layer, x, norm, relu=True), layer, norm))


@pytest.mark.parametrize('act', [None, dict(type='ReLU'), dict(type='LeakyReLU')])
def test_conv_module(act):
    module = filled(ConvModule(4, 8, 3, padding=1, norm_cfg=dict(type='BN'), act_cfg=act, inplace=False))
    x, add = torch.randn(1, 4, 5, 6), torch.randn(1, 8, 5, 6)
    assert_close(*both(lambda: conv_module(module, x - 2, add.clone()), module))


def test_flat_linear_and_labeled_channels():
    linear, conv = filled(nn.Linear(4 * 9, 5)), filled(nn.Conv2d(4, 6, 1))
    x = torch.randn(7, 4, 3, 3).contiguous(memory_format=torch.channels_last)
    assert_close(*both(lambda: flat_linear(linear, x), linear))
    rows, channels = torch.arange(7), torch.tensor([0, 5, 2, 2, 1, 3, 4])
    torch.testing.assert_close(labeled_channels(conv, x, channels), conv(x)[rows, channels])


@pytest.fixture
def model():
    torch.manual_seed(0)
    cfg = program_cfg()
    cfg['backbone'].update(norm_cfg=dict(type='BN'), norm_eval=True)
    cfg['test_cfg']['rcnn']['score_thr'] = 0.0
    return filled_norms(MODELS.build(cfg)).eval()


def filled_norms(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2.0)
            module.running_mean.normal_(std=0.1)
    return model


def predicted(model):
    samples = model.test_step(clip('a', 2))
    return torch.cat([s.pred_instances.bboxes for s in samples]), [s.pred_instances.masks for s in samples]


def test_a_detector_follows_its_weights_and_keeps_its_state(model):
    torch.set_grad_enabled(False)
    try:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        boxes, masks = predicted(model)
        assert len(boxes)
        optimize_for_inference(model)
        fused, fused_masks = predicted(model)
        assert_close(boxes, fused)
        assert masks == fused_masks
        assert 'derived' in model.backbone.conv1.__dict__
        assert list(model.state_dict()) == list(state)
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        other = copy.deepcopy(model)
        assert other.backbone.conv1.derived is None
        other.load_state_dict({name: value * 1.1 for name, value in state.items()})
        changed, _ = predicted(other)
        optimize_for_inference(other, False)
        assert_close(predicted(other)[0], changed)
        assert not torch.allclose(changed[: len(fused)], fused[: len(changed)])
        assert 'derived' not in model.train().backbone.conv1.__dict__
    finally:
        torch.set_grad_enabled(True)


def test_gradients_run_layer_by_layer():
    layers = filled(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    x = torch.randn(1, 3, 4, 4)
    plain = F.relu(layers(x))
    optimized(layers)
    found = conv_act(layers[0], x, layers[1], relu=True)
    assert torch.equal(found, plain)
    found.sum().backward()
    assert layers[1].weight.grad is not None
