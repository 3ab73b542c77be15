"""Starting from the COCO Mask R-CNN of 2018, as the 2019 code did with its heads cut out by hand."""

from pathlib import Path

import pytest
import torch

from mmdet.apis import load_config
from mmdet.engine import load_weights
from mmdet.registry import MODELS
from mmdet.structures.classes import YTVIS_2019_CLASSES

from .rules import load_json

GOLDEN = load_json('state_dict.json')
CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py'


@pytest.fixture
def model():
    return MODELS.build(load_config(CONFIG).model)


@pytest.fixture(scope='module')
def coco():
    """A checkpoint with names, shapes and ``module.`` of the released file, without the batch counters."""
    state = {
        f'module.{key}': torch.full(shape, 0.5)
        for key, shape, _ in GOLDEN['mask_rcnn_r50_fpn_1x.py']['state']
        if 'num_batches' not in key
    }
    return {'meta': {'epoch': 12, 'mmdet_version': '0.5.4'}, 'state_dict': state, 'optimizer': {}}


def test_everything_but_the_heads_is_taken_and_the_rest_listed(model, coco):
    golden = GOLDEN['init_from_coco_maskrcnn']
    report = load_weights(model, coco)
    assert sorted(report.missing) == sorted(golden['missing_in_checkpoint'])
    assert report.unexpected == golden['unexpected_in_checkpoint'] == []
    listed = sorted([name, list(ours), list(theirs)] for name, theirs, ours in report.mismatched)
    assert listed == sorted(golden['shape_mismatch'])
    names = {key for key, _, _ in GOLDEN['masktrack_rcnn_r50_fpn_1x_youtubevos.py']['state']}
    counters = {key for key in names if 'num_batches' in key}
    assert len(report.loaded) == len(names) - len(counters) - 4 - 6
    table = report.text()
    for name, ours, theirs in golden['shape_mismatch']:
        assert name in table and str(tuple(ours)) in table and str(tuple(theirs)) in table
    assert float(model.backbone.layer4[0].conv1.weight.mean()) == 0.5
    assert float(model.bbox_head.fc_cls.weight.detach().mean()) != 0.5


def test_rows_of_shared_classes_can_be_taken_too(model, coco):
    report = load_weights(model, coco, class_map='coco', classes=YTVIS_2019_CLASSES)
    assert {'person', 'giraffe', 'zebra', 'skateboard', 'motorbike'} <= set(report.shared_classes)
    assert {'mouse', 'lizard', 'hand'}.isdisjoint(report.shared_classes)
    for label, name in enumerate(YTVIS_2019_CLASSES):
        taken = bool((model.bbox_head.fc_cls.weight[label + 1] == 0.5).all())
        assert taken == (name in report.shared_classes), name
    assert (model.bbox_head.fc_reg.bias[:4] == 0.5).all()
