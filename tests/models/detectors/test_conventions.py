"""The same detectors in the conventions of mmdetection 2 and later and of torchvision."""

import pytest
import torch

from mmdet.registry import MODELS
from mmdet.structures.rle import decode_rle
from tests.model_configs import tiny_cfg

from ..tiny import clip, training_batch

BOXES = [[5, 5, 40, 40], [50, 20, 85, 55]]
PAIR = ((BOXES, [1, 2]), (BOXES[::-1], [2, 3]))


def modern_model(mask_convention, roi_mode):
    """No +1 anywhere, half-pixel RoIAlign or torchvision's, exact masks."""
    cfg = tiny_cfg()
    cfg['rpn_head']['anchor_generator']['type'] = 'AnchorGenerator'
    cfg['rpn_head']['bbox_coder']['type'] = 'DeltaXYWHBBoxCoder'
    cfg['bbox_head']['bbox_coder']['type'] = 'DeltaXYWHBBoxCoder'
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        cfg[name]['offset'] = 0
        cfg[name]['roi_layer'].update(mode=roi_mode, sampling_ratio=0)
    cfg['mask_head']['mask_convention'] = mask_convention
    cfg['tracker'].update(offset=0, update_label=True, max_age=20)
    for stage in ('rpn', 'rcnn'):
        cfg['train_cfg'][stage]['assigner']['offset'] = 0
    cfg['test_cfg']['rcnn'].update(score_thr=0.001, max_per_img=6)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model


@pytest.mark.parametrize(
    ('mask_convention', 'roi_mode'), [('continuous', 'aligned'), ('torchvision', 'unaligned')]
)
def test_modern_conventions_train_and_test(mask_convention, roi_mode):
    model = modern_model(mask_convention, roi_mode).train()
    losses = model(**model.data_preprocessor(training_batch(PAIR, PAIR), True), mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    assert all(torch.isfinite(value) for value in log.values())
    assert float(log['loss_mask']) > 0
    model.eval()
    samples = model.predict(**model.data_preprocessor(clip(1, 2, scale_factor=0.5)))
    found = samples[0].pred_instances
    assert len(found) > 0
    assert float(found.bboxes[:, 2].max()) <= 192
    assert all(decode_rle(mask).shape == (128, 192) for mask in found.masks)
    assert model.tracker.memories == {}


def test_the_conventions_differ():
    """The same weights in another convention give other boxes and masks: nothing is silently ignored."""
    batch = [clip(1, 1) for _ in range(2)]
    one, other = modern_model('continuous', 'aligned').eval(), modern_model('torchvision', 'unaligned').eval()
    other.load_state_dict(one.state_dict())
    first, second = (
        model.predict(**model.data_preprocessor(data))[0].pred_instances
        for model, data in zip((one, other), batch)
    )
    assert len(first) != len(second) or not torch.equal(first.bboxes, second.bboxes)
