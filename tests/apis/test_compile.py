"""``--compile``: compiled parts predict and learn the same as those run step by step."""

import copy
import shutil

import pytest
import torch

from mmdet.apis.speed import compile_parts, speed_up
from tests.models.tiny import clip, tiny_model, training_batch

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which('g++') is None, reason='no C++ compiler'),
]


def test_a_compiled_detector_finds_the_same():
    plain = tiny_model().eval()
    torch.nn.init.normal_(plain.bbox_head.fc_cls.weight, std=0.3)
    plain.test_cfg['rcnn']['score_thr'] = 0.0
    compiled = speed_up(copy.deepcopy(plain), compile=True)
    with torch.no_grad():
        for found, wanted in zip(
            compiled.test_step(clip('a', 3)), plain.test_step(clip('a', 3)), strict=True
        ):
            found, wanted = found.pred_instances, wanted.pred_instances
            assert len(wanted) > 2
            torch.testing.assert_close(found.bboxes, wanted.bboxes, rtol=1e-4, atol=1e-3)
            torch.testing.assert_close(found.scores, wanted.scores, rtol=1e-4, atol=1e-4)
            assert found.instance_ids.tolist() == wanted.instance_ids.tolist()
    assert list(compiled.state_dict()) == list(plain.state_dict())


def test_a_compiled_detector_learns_the_same():
    boxes = [[5, 5, 40, 40], [50, 20, 85, 55]]
    pair, plain = ((boxes, [1, 2]), (boxes[::-1], [2, 3])), tiny_model().train()
    compiled = copy.deepcopy(plain)
    compile_parts(compiled)
    found = []
    for size in ((64, 96), (96, 64)):  # another size does not keep the weights of the first
        for model in (compiled, plain):
            model.zero_grad()
            batch = model.data_preprocessor(training_batch(pair, pair, size=size), True)
            loss, _ = model.parse_losses(model(**batch, mode='loss'))
            loss.backward()
            found.append([loss, *(value.grad for value in model.parameters() if value.requires_grad)])
            with torch.no_grad():
                for value in model.parameters():
                    if value.grad is not None:
                        value -= 0.01 * value.grad
    for got, want in zip(sum(found[::2], []), sum(found[1::2], []), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-5)
