"""Names and shapes of every parameter, so that published checkpoints load without a map."""

import pytest

from mmdet.registry import MODELS
from tests.model_configs import model_cfg

from .rules import load_json

GOLDEN = load_json('state_dict.json')


def entries(model):
    return [
        [key, list(value.shape), str(value.dtype).removeprefix('torch.')]
        for key, value in model.state_dict().items()
    ]


@pytest.fixture(scope='module')
def tracker_model():
    return MODELS.build(model_cfg())


def test_all_364_entries(tracker_model):
    golden = GOLDEN['masktrack_rcnn_r50_fpn_1x_youtubevos.py']
    assert golden['num_keys'] == 364
    assert sorted(entries(tracker_model)) == sorted(golden['state'])


def test_parameter_counts_and_frozen_ones(tracker_model):
    golden = GOLDEN['masktrack_rcnn_r50_fpn_1x_youtubevos.py']
    tracker_model.train()
    parameters = dict(tracker_model.named_parameters())
    assert sum(value.numel() for value in parameters.values()) == golden['total_params']
    trainable = {key: value for key, value in parameters.items() if value.requires_grad}
    assert sum(value.numel() for value in trainable.values()) == golden['trainable_params']
    assert sorted(set(parameters) - set(trainable)) == sorted(golden['frozen'])


@pytest.mark.parametrize(
    ('name', 'num_classes'), [('mask_rcnn_r50_fpn_1x.py', 80), ('mask_rcnn_r50_fpn_1x_youtubevos.py', 40)]
)
def test_plain_mask_rcnn(name, num_classes):
    model = MODELS.build(model_cfg('MaskRCNN', num_classes=num_classes))
    assert sorted(entries(model)) == sorted(GOLDEN[name]['state'])
    assert sum(value.numel() for value in model.parameters()) == GOLDEN[name]['total_params']


def test_what_differs_from_a_coco_checkpoint(tracker_model):
    golden = GOLDEN['init_from_coco_maskrcnn']
    ours = {key: shape for key, shape, _ in entries(tracker_model)}
    coco = {key: shape for key, shape, _ in GOLDEN['mask_rcnn_r50_fpn_1x.py']['state']}
    assert sorted(set(ours) - set(coco)) == sorted(golden['missing_in_checkpoint'])
    differing = sorted([key, ours[key], coco[key]] for key in ours if key in coco and ours[key] != coco[key])
    assert differing == sorted(golden['shape_mismatch'])
    assert len(differing) == 6
