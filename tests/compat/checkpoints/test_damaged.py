"""Damaged and odd checkpoints end in a refusal that a person can read, never in another exception."""

import random

import pytest
import torch

from mmdet.compat.checkpoints import ConversionRefused, convert_checkpoint
from mmdet.compat.checkpoints.describe import describe_checkpoint
from tests.compat.checkpoints import foreign

KINDS = {
    'mmdet1': (lambda: foreign.mmdet_shapes(1), dict(mmdet_version='1.2.0')),
    'mmdet2': (lambda: foreign.mmdet_shapes(2), dict(mmdet_version='2.25.0')),
    'mmtracking': (foreign.mmtracking_shapes, {}),
    'torchvision': (foreign.torchvision_shapes, {}),
    '2019': (lambda: foreign.mmdet_shapes(1), {}),
}
VALUES = (None, 3, 'x', [], {}, [1, 2, 3], dict(type='RoIAlign'), -1, 0.5, True)


def cheap(shapes):
    """Tensors that take no memory."""
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}


def damage(state, rng):
    """Delete, rename, reshape or retype a few entries of a state dict."""
    for _ in range(rng.randint(1, 4)):
        key = rng.choice(list(state))
        kind = rng.randrange(5)
        value = state[key]
        if not isinstance(value, torch.Tensor):
            continue
        if kind == 0:
            del state[key]
        elif kind == 1:
            state[rng.choice((key.upper(), f'x.{key}', key.replace('.', '_'), key[:-1]))] = state.pop(key)
        elif kind == 2:
            shape = [max(0, side + rng.choice((-1, 0, 1, 3))) for side in value.shape]
            state[key] = torch.zeros(()).expand(shape)
        elif kind == 3:
            state[key] = torch.zeros(())
        else:
            state[key] = rng.choice((None, 'text', [1.0], torch.zeros(2, dtype=torch.int64)))
    return state


@pytest.mark.parametrize('kind', list(KINDS))
def test_damaged_weights(kind):
    shapes, meta = KINDS[kind]
    outcomes = set()
    for seed in range(60):
        rng = random.Random(f'{kind}{seed}')
        checkpoint = dict(state_dict=damage(cheap(shapes()), rng), meta=meta)
        try:
            convert_checkpoint(checkpoint)
            outcomes.add('converted')
        except ConversionRefused as error:
            assert 20 < len(str(error)) < 2000
            outcomes.add('refused')
        described = describe_checkpoint(checkpoint)
        assert described['tensors'] > 0
    assert 'refused' in outcomes


def config_text(rng):
    """A config text whose values are nonsense of every type."""
    paths = (
        'model.backbone.style', 'model.backbone.strides', 'model.rpn_head.anchor_generator.scales',
        'model.rpn_head.anchor_generator', 'model.rpn_head.bbox_coder', 'model.roi_head',
        'model.roi_head.bbox_roi_extractor.roi_layer', 'model.roi_head.bbox_head.bbox_coder.target_stds',
        'model.tracker.num_frames_retain', 'model.tracker', 'model.tracker.match_weights', 'model.track_head',
        'model', 'test_cfg.rcnn.nms', 'test_cfg.rpn', 'test_cfg', 'img_norm_cfg.mean', 'img_norm_cfg',
        'test_pipeline', 'model.detector', 'model.data_preprocessor', 'model.track_head.match_coeff',
        'model.test_cfg.rcnn.score_thr', 'model.test_cfg.rpn.nms.iou_threshold', 'model.tracker.type',
        'model.roi_head.bbox_roi_extractor.roi_layer.sampling_ratio', 'img_norm_cfg.std',
    )  # fmt: skip
    tree = {}
    for path in rng.sample(paths, rng.randint(1, 4)):
        node, keys = tree, path.split('.')
        for key in keys[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                break
        else:
            node[keys[-1]] = rng.choice(VALUES)
    return ''.join(f'{key} = {value!r}\n' for key, value in tree.items())


@pytest.mark.parametrize('kind', list(KINDS))
def test_nonsense_in_the_stored_config(kind):
    shapes, meta = KINDS[kind]
    state = cheap(shapes())
    for seed in range(80):
        text = config_text(random.Random(f'{kind}{seed}'))
        try:
            converted = convert_checkpoint(dict(state_dict=state, meta=dict(meta, config=text)))
        except ConversionRefused as error:
            assert str(error), text
        else:
            assert converted.model['type'] in ('MaskRCNN', 'MaskTrackRCNN'), text


@pytest.mark.parametrize(
    'meta', [None, 3, 'text', [], dict(config=5), dict(CLASSES='abc'), dict(dataset_meta=[])]
)
def test_nonsense_in_the_meta(meta):
    converted = convert_checkpoint(dict(state_dict=cheap(foreign.mmdet_shapes(2)), meta=meta), 'mmdet2')
    assert converted.classes is None


@pytest.mark.parametrize(
    'content', [[], 'text', 3, None, {}, dict(state_dict=[]), dict(a=1), dict(state_dict={'a': 1})]
)
def test_no_weights_at_all(content):
    with pytest.raises(ConversionRefused):
        convert_checkpoint(content)
