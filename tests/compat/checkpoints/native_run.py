"""Run a converted checkpoint with this project's own model and compare with an oracle."""

import numpy as np
import torch

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.rle import decode_rle


def build(converted, **test):
    """Build the model of a conversion, load the weights strictly, and set test-time numbers.

    Args:
        converted (Converted): result of ``convert_checkpoint``.
        **test: ``nms_pre``, ``proposals``, ``score_thr``, ``max_per_img``.
    """
    model = MODELS.build(converted.model)
    model.load_state_dict(converted.state_dict, strict=True)
    rpn, rcnn = model.test_cfg['rpn'], model.test_cfg['rcnn']
    if test:
        rpn.update(nms_pre=test['nms_pre'], max_per_img=test['proposals'])
        rpn.pop('nms_post', None)
        rcnn.update(score_thr=test['score_thr'], max_per_img=test['max_per_img'])
    return model.eval()


def predict(model, bgr, scale, ori_shape, frame_id=0, video_id=1, video_length=99):
    """Run one resized image (uint8 BGR array, or float tensor (3, h, w)); returns predictions and masks."""
    if isinstance(bgr, torch.Tensor):
        inputs, size = bgr[None], tuple(bgr.shape[1:])
    else:
        inputs, size = torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)))[None], bgr.shape[:2]
    sample = DetDataSample(
        metainfo=dict(
            img_shape=size,
            ori_shape=tuple(ori_shape),
            scale_factor=scale,
            frame_id=frame_id,
            video_id=video_id,
            video_length=video_length,
        )
    )
    data = model.data_preprocessor(dict(inputs=[inputs], data_samples=[sample]), training=False)
    found = model(**data, mode='predict')[0].pred_instances
    masks = [decode_rle(rle) for rle in found.masks] if 'masks' in found else []
    return found, masks


def assert_same(found, masks, expected, box_tolerance=1e-2):
    """Boxes, scores, labels and masks equal an oracle's, in order."""
    assert len(found.bboxes) == len(expected['boxes']) > 0
    assert found.labels.tolist() == expected['labels'].tolist()
    torch.testing.assert_close(found.scores, expected['scores'], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.bboxes, expected['boxes'], atol=box_tolerance, rtol=0)
    assert len(masks) == len(expected['masks'])
    for mine, other in zip(masks, expected['masks']):
        union = np.logical_or(mine, other).sum()
        different = (mine != other).sum()
        assert different <= max(1, 0.005 * union), f'{different} of {union} mask pixels differ'
