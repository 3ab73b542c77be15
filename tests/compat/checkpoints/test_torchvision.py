"""torchvision's v1: recorded outputs, the plain oracle, both generations of names, refusals."""

import json
from functools import cache

import numpy as np
import pytest
import torch

from mmdet.compat.checkpoints import ConversionRefused, Options, convert_checkpoint
from tests.compat.checkpoints import foreign, make_torchvision_golden, native_run, oracle
from tests.parity.rules import load_json

NUMBERS = make_torchvision_golden.NUMBERS
SMALL = dict(nms_pre=100, proposals=50, score_thr=0.3, max_per_img=10)


@cache
def golden():
    return load_json('torchvision_maskrcnn.json')['cases']


@cache
def r50():
    return foreign.fill(make_torchvision_golden.shapes())


def expected(name, size):
    case = golden()[name]
    masks = []
    for runs in case['masks']:
        flat = np.repeat(np.arange(len(runs)) % 2, runs)
        masks.append(flat.reshape(size).astype(np.uint8))
    boxes = torch.tensor(case['boxes']).view(-1, 4)
    return dict(
        boxes=boxes, scores=torch.tensor(case['scores']), labels=torch.tensor(case['labels']) - 1, masks=masks
    )


@pytest.mark.parametrize('name', ['plain', 'padded', 'eps0'])
def test_converted_r50_gives_what_torchvision_gave(name):
    size, eps = make_torchvision_golden.CASES[name]
    converted = convert_checkpoint(r50(), 'auto', Options(bn_eps=eps))
    assert converted.source_format == 'torchvision'
    model = native_run.build(converted, **NUMBERS)
    found, masks = native_run.predict(model, foreign.random_image(name, *size), (1.0, 1.0), size)
    native_run.assert_same(found, masks, expected(name, size))


def test_rescaling_is_that_of_torchvision():
    size, _ = make_torchvision_golden.CASES['resized']
    image = torch.from_numpy(foreign.random_image('resized', *size)).permute(2, 0, 1).float()
    # Its transform: scale to the shorter edge, sizes rounded down, plain bilinear interpolation of floats.
    resized = torch.nn.functional.interpolate(
        image[None],
        scale_factor=120 / 90,
        mode='bilinear',
        recompute_scale_factor=True,
        align_corners=False,
    )[0]
    assert resized.shape == (3, 120, 173)
    model = native_run.build(convert_checkpoint(r50()), **NUMBERS)
    found, masks = native_run.predict(model, resized, (173 / 130, 120 / 90), size)
    native_run.assert_same(found, masks, expected('resized', size))


def test_plain_oracle_gives_what_torchvision_gave():
    size, eps = make_torchvision_golden.CASES['padded']
    found = oracle.Torchvision(r50(), **NUMBERS, eps=eps).detect(
        foreign.random_image('padded', *size), (1.0, 1.0), size
    )
    want = expected('padded', size)
    torch.testing.assert_close(found['boxes'], want['boxes'], atol=1e-2, rtol=0)
    torch.testing.assert_close(found['scores'], want['scores'], atol=1e-4, rtol=0)
    assert [int((a != b).sum()) for a, b in zip(found['masks'], want['masks'])] == [0] * len(want['masks'])


def test_the_golden_depends_on_epsilon():
    assert golden()['plain']['scores'] != golden()['eps0']['scores'][: len(golden()['plain']['scores'])]


@pytest.mark.parametrize('old_names', [False, True])
@pytest.mark.parametrize('frozen', [False, True])
def test_rescaled_image_equals_oracle(old_names, frozen):
    state = foreign.fill(foreign.torchvision_shapes(old_names=old_names, frozen=frozen))
    converted = convert_checkpoint(state)
    image, scale, ori_shape = foreign.random_image('a'), (1.25, 1.2), (80, 102)
    found, masks = native_run.predict(native_run.build(converted, **SMALL), image, scale, ori_shape)
    names = OldTorchvision if old_names else oracle.Torchvision
    native_run.assert_same(found, masks, names(state, **SMALL).detect(image, scale, ori_shape))
    counters = [key for key in converted.state_dict if key.endswith('num_batches_tracked')]
    assert len(counters) == 20


class OldTorchvision(oracle.Torchvision):
    """Names before torchvision 0.13."""

    lateral, output = 'backbone.fpn.inner_blocks.{}', 'backbone.fpn.layer_blocks.{}'
    rpn = ('rpn.head.conv', 'rpn.head.cls_logits', 'rpn.head.bbox_pred')

    def __init__(self, sd, **test):
        renamed = {f'roi_heads.mask_head.{i}.0': f'roi_heads.mask_head.mask_fcn{i + 1}' for i in range(4)}
        extra = {f'{new}.{p}': sd[f'{old}.{p}'] for new, old in renamed.items() for p in ('weight', 'bias')}
        super().__init__({**sd, **extra}, **test)


def test_coco_v1_file_is_known_by_its_name():
    state = foreign.fill(foreign.torchvision_shapes(frozen=True))
    key, native = 'backbone.body.layer1.0.bn1.running_var', 'backbone.layer1.0.bn1.running_var'
    official = convert_checkpoint(state, name='maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth')
    torch.testing.assert_close(official.state_dict[native] + 1e-5, state[key], atol=1e-7, rtol=0)
    assert any('COCO_V1' in note for note in official.notes)
    other = convert_checkpoint(state, name='mine.pth')
    assert torch.equal(other.state_dict[native], state[key])


def test_shrinking_deltas_are_not_bounded():
    state = foreign.fill(foreign.torchvision_shapes())
    model = native_run.build(convert_checkpoint(state))
    coder = model.bbox_head.bbox_coder
    box = coder.decode(torch.tensor([[0.0, 0.0, 100.0, 100.0]]), torch.tensor([[0.0, 0.0, -30.0, -30.0]]))
    assert float(box[0, 2] - box[0, 0]) == pytest.approx(100 * np.exp(-6), rel=1e-3)


def test_anchor_stride_follows_the_padded_image():
    state = foreign.fill(foreign.torchvision_shapes())
    generator = native_run.build(convert_checkpoint(state)).rpn_head.anchor_generator
    sizes = [(40, 56), (20, 28), (10, 14), (5, 7), (3, 4)]
    mine = generator.grid_anchors(sizes, image_size=(160, 224))
    for level, size in enumerate(sizes):
        assert torch.equal(mine[level], oracle.anchors_torchvision(size, 32 * 2**level, (160, 224)))


def test_version_2_keeps_every_tensor_under_the_names_of_mmdetection():
    state = foreign.fill(foreign.torchvision_shapes(version=2))
    converted = convert_checkpoint(state)
    model = native_run.build(converted, **SMALL)  # loads strictly
    assert len(converted.state_dict) == len(state)
    assert len(model.rpn_head.rpn_conv) == 2 and len(model.bbox_head.shared_convs) == 4
    pairs = {
        'rpn_head.rpn_conv.1.conv.weight': 'rpn.head.conv.1.0.weight',
        'neck.fpn_convs.2.bn.running_var': 'backbone.fpn.layer_blocks.2.1.running_var',
        'bbox_head.shared_convs.3.bn.weight': 'roi_heads.box_head.3.1.weight',
        'bbox_head.shared_fcs.0.weight': 'roi_heads.box_head.5.weight',
        'mask_head.convs.0.bn.bias': 'roi_heads.mask_head.0.1.bias',
    }
    for mine, theirs in pairs.items():
        assert torch.equal(converted.state_dict[mine], state[theirs])


def test_classes_of_the_command_line_must_fit():
    state = foreign.fill(foreign.torchvision_shapes())
    with pytest.raises(ConversionRefused, match='2 class names for a classifier of 5'):
        convert_checkpoint(state, options=Options(classes=('a', 'b')))


def test_golden_file_is_what_the_script_would_name():
    assert set(golden()) == set(make_torchvision_golden.CASES)
    assert json.dumps(golden()['plain'])
