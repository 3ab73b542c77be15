"""Small random checkpoints in the names and shapes of other projects, written from their sources.

Values follow from the key alone (``tests.parity.rules``), so nothing is stored and every run sees the same
weights.
"""

import zlib

import numpy as np
import torch

from tests.parity.rules import rule_tensor

BN_PARTS = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

# Gains that give confident, spread-out predictions with random weights, by the end of the key.
GAINS = {
    'lateral_convs.0.conv.weight': 0.1,
    'lateral_convs.1.conv.weight': 0.05,
    'lateral_convs.2.conv.weight': 0.03,
    'lateral_convs.3.conv.weight': 0.02,
    'inner_blocks.0.0.weight': 0.1,
    'inner_blocks.1.0.weight': 0.05,
    'inner_blocks.2.0.weight': 0.03,
    'inner_blocks.3.0.weight': 0.02,
    'inner_blocks.0.weight': 0.1,
    'inner_blocks.1.weight': 0.05,
    'inner_blocks.2.weight': 0.03,
    'inner_blocks.3.weight': 0.02,
    'rpn_reg.weight': 0.1,
    'rpn.head.bbox_pred.weight': 0.1,
    'fc_cls.weight': 2.0,
    'cls_score.weight': 2.0,
    'cls_score.bias': 10.0,
    'mask_fcn_logits.weight': 5.0,
    'conv_logits.weight': 5.0,
    'fc_reg.weight': 0.5,
    'box_predictor.bbox_pred.weight': 0.5,
    'embed_head.fcs.1.weight': 0.1,
    'fc_reg.bias': 20.0,
    'fc_cls.bias': 10.0,
}
CENTERED = (
    'fc_cls.weight',
    'cls_score.weight',
    'conv_logits.weight',
    'mask_fcn_logits.weight',
    'embed_head.fcs.1.weight',
)


def resnet_shapes(prefix, depth, groups=1, base_width=64, frozen=False):
    """Names and shapes of a ResNet or ResNeXt, which all projects share with torchvision."""
    shapes = {}

    def batch_norm(name, width):
        for part in BN_PARTS[: 4 if frozen else 5]:
            shapes[f'{prefix}{name}.{part}'] = () if part == 'num_batches_tracked' else (width,)

    shapes[f'{prefix}conv1.weight'] = (64, 3, 7, 7)
    batch_norm('bn1', 64)
    inputs = 64
    for stage, count in enumerate(BLOCKS[depth], 1):
        planes = 64 * 2 ** (stage - 1)
        outputs = planes * (4 if depth >= 50 else 1)
        middle = planes * base_width // 64 * groups
        for block in range(count):
            at = f'layer{stage}.{block}.'
            if depth >= 50:
                parts = [(middle, inputs, 1), (middle, middle // groups, 3), (outputs, middle, 1)]
            else:
                parts = [(planes, inputs, 3), (planes, planes, 3)]
            for number, (out, into, size) in enumerate(parts, 1):
                shapes[f'{prefix}{at}conv{number}.weight'] = (out, into, size, size)
                batch_norm(f'{at}bn{number}', out)
            if block == 0 and (stage > 1 or outputs != inputs):
                shapes[f'{prefix}{at}downsample.0.weight'] = (outputs, inputs, 1, 1)
                batch_norm(f'{at}downsample.1', outputs)
            inputs = outputs
    return shapes


def _layer(shapes, name, *weight, bias=True):
    shapes[f'{name}.weight'] = weight
    if bias:
        shapes[f'{name}.bias'] = (weight[0],)


def _stage_channels(depth):
    return [64 * 2**i * (4 if depth >= 50 else 1) for i in range(4)]


def mmdet_shapes(
    version,
    classes=5,
    depth=18,
    channels=16,
    fc=48,
    prefix='',
    rpn_columns=1,
    agnostic=False,
    mask=True,
    **backbone,
):
    """Mask R-CNN of mmdetection; version 1 has background rows and no ``roi_head.``, later ones neither."""
    shapes = resnet_shapes(f'{prefix}backbone.', depth, **backbone)
    head = prefix if version == 1 else f'{prefix}roi_head.'
    rows = classes + 1 if version == 1 else classes
    for level, width in enumerate(_stage_channels(depth)):
        _layer(shapes, f'{prefix}neck.lateral_convs.{level}.conv', channels, width, 1, 1)
        _layer(shapes, f'{prefix}neck.fpn_convs.{level}.conv', channels, channels, 3, 3)
    _layer(shapes, f'{prefix}rpn_head.rpn_conv', channels, channels, 3, 3)
    _layer(shapes, f'{prefix}rpn_head.rpn_cls', 3 * rpn_columns, channels, 1, 1)
    _layer(shapes, f'{prefix}rpn_head.rpn_reg', 12, channels, 1, 1)
    _layer(shapes, f'{head}bbox_head.shared_fcs.0', fc, channels * 49)
    _layer(shapes, f'{head}bbox_head.shared_fcs.1', fc, fc)
    _layer(shapes, f'{head}bbox_head.fc_cls', classes + 1, fc)
    _layer(shapes, f'{head}bbox_head.fc_reg', 4 if agnostic else 4 * rows, fc)
    if mask:
        for index in range(4):
            _layer(shapes, f'{head}mask_head.convs.{index}.conv', channels, channels, 3, 3)
        shapes[f'{head}mask_head.upsample.weight'] = (channels, channels, 2, 2)
        shapes[f'{head}mask_head.upsample.bias'] = (channels,)
        _layer(shapes, f'{head}mask_head.conv_logits', 1 if agnostic else rows, channels, 1, 1)
    return shapes


def mmtracking_shapes(classes=5, channels=16, fc=48, **other):
    """MaskTrack R-CNN of mmtracking and mmdetection 3.x."""
    shapes = mmdet_shapes(2, classes, channels=channels, fc=fc, prefix='detector.', **other)
    _layer(shapes, 'track_head.embed_head.fcs.0', fc, channels * 49)
    _layer(shapes, 'track_head.embed_head.fcs.1', fc, fc)
    return shapes


def torchvision_shapes(classes=5, depth=18, channels=16, fc=48, frozen=False, old_names=False, version=1):
    """torchvision's Mask R-CNN; ``old_names`` are those before 0.13."""
    shapes = resnet_shapes('backbone.body.', depth, frozen=frozen)
    inner = '' if old_names else '.0'
    for level, width in enumerate(_stage_channels(depth)):
        _layer(shapes, f'backbone.fpn.inner_blocks.{level}{inner}', channels, width, 1, 1)
        _layer(shapes, f'backbone.fpn.layer_blocks.{level}{inner}', channels, channels, 3, 3)
    _layer(shapes, 'rpn.head.conv' if old_names else 'rpn.head.conv.0.0', channels, channels, 3, 3)
    _layer(shapes, 'rpn.head.cls_logits', 3, channels, 1, 1)
    _layer(shapes, 'rpn.head.bbox_pred', 12, channels, 1, 1)
    if version == 1:
        _layer(shapes, 'roi_heads.box_head.fc6', fc, channels * 49)
        _layer(shapes, 'roi_heads.box_head.fc7', fc, fc)
    _layer(shapes, 'roi_heads.box_predictor.cls_score', classes + 1, fc)
    _layer(shapes, 'roi_heads.box_predictor.bbox_pred', 4 * (classes + 1), fc)
    for index in range(4):
        name = f'mask_fcn{index + 1}' if old_names else f'{index}.0'
        _layer(shapes, f'roi_heads.mask_head.{name}', channels, channels, 3, 3)
    shapes['roi_heads.mask_predictor.conv5_mask.weight'] = (channels, channels, 2, 2)
    shapes['roi_heads.mask_predictor.conv5_mask.bias'] = (channels,)
    _layer(shapes, 'roi_heads.mask_predictor.mask_fcn_logits', classes + 1, channels, 1, 1)
    if version == 2:
        _layer(shapes, 'rpn.head.conv.1.0', channels, channels, 3, 3)
        _layer(shapes, 'roi_heads.box_head.5', fc, channels * 49)
        for index in range(4):
            shapes[f'roi_heads.box_head.{index}.0.weight'] = (channels, channels, 3, 3)
        convs = [f'backbone.fpn.{kind}_blocks' for kind in ('inner', 'layer')]
        for part in (*convs, 'roi_heads.box_head', 'roi_heads.mask_head'):
            for index in range(4):
                shapes.pop(f'{part}.{index}.0.bias', None)
                for name in BN_PARTS:
                    shape = () if name == 'num_batches_tracked' else (channels,)
                    shapes[f'{part}.{index}.1.{name}'] = shape
    return shapes


def fill(shapes, scale=1.0):
    """Weights for names and shapes; ``scale`` multiplies every gain of the predictors."""
    state = {}
    for key, shape in shapes.items():
        gain = next((value * scale for end, value in GAINS.items() if key.endswith(end)), 1.0)
        state[key] = rule_tensor(key, tuple(shape), gain)
        if key.endswith(CENTERED):
            # Features after a ReLU are positive; rows that sum to zero keep one class from winning
            # everywhere.
            state[key] -= state[key].mean(dim=1, keepdim=True)
    return state


def random_image(name, height=96, width=128):
    """A smooth random image, uint8 (height, width, 3) BGR, that depends on ``name`` alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    small = torch.from_numpy(rng.random((1, 3, 6, 8), dtype=np.float32))
    big = torch.nn.functional.interpolate(small, size=(height, width), mode='bicubic')[0].permute(1, 2, 0)
    noise = torch.from_numpy(rng.random((height, width, 3), dtype=np.float32))
    return ((big * 0.8 + noise * 0.2).clamp(0, 1) * 255).to(torch.uint8).numpy()
