"""One training step of the full ResNet-50 model on two pairs: inputs, samples, every loss, every gradient."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.structures import DetDataSample

from .models import assert_same_proposals, full_model
from .rules import first_k, load_json, load_npz

RECORD = load_json('full_r50_train.json')


@pytest.fixture(scope='module')
def arrays():
    return {key: torch.from_numpy(value) for key, value in load_npz('full_r50_train.npz').items()}


def raw_batch(arrays):
    """What the loader would give: the recorded images cut to the size they had before padding."""
    inputs, samples = [], []
    for index, meta in enumerate(RECORD['img_metas']):
        height, width = meta['img_shape'][:2]
        pair = torch.stack([arrays['img_uint8_bgr'][index], arrays['ref_uint8_bgr'][index]])
        inputs.append(pair.permute(0, 3, 1, 2)[..., :height, :width].contiguous())
        field = {
            name: arrays[f'{name}.{index}'] for name in ('gt_bboxes', 'gt_labels', 'gt_pids', 'ref_bboxes')
        }
        # Recorded is 1 + index in the reference frame, 0 if absent; rebuild identities that say the same.
        pids = field['gt_pids']
        sample = DetDataSample(
            metainfo={
                'img_shape': (height, width),
                'ori_shape': tuple(meta['ori_shape'][:2]),
                'scale_factor': meta['scale_factor'],
            }
        )
        sample.gt_instances = InstanceData(
            bboxes=field['gt_bboxes'],
            labels=field['gt_labels'] - 1,
            masks=arrays[f'gt_masks.{index}'][:, :height, :width].contiguous(),
            instance_ids=torch.where(pids > 0, pids, 100 + torch.arange(len(pids))),
        )
        sample.ref_gt_instances = InstanceData(
            bboxes=field['ref_bboxes'], instance_ids=torch.arange(1, len(field['ref_bboxes']) + 1)
        )
        samples.append(sample)
    return {'inputs': inputs, 'data_samples': samples}


@pytest.fixture(scope='module')
def step(arrays):
    """The model after one backward pass, with what it computed on the way."""
    patch = pytest.MonkeyPatch()
    patch.setattr(RandomSampler, 'random_choice', lambda self, *args, **kwargs: first_k(*args, **kwargs))
    model = full_model().train()
    seen = {}
    original = model.sample_rois

    def sample_rois(proposals, data_samples):
        seen['proposals'] = proposals
        seen['sampled'] = original(proposals, data_samples)
        return seen['sampled']

    patch.setattr(model, 'sample_rois', sample_rois)
    hooks = [
        model.bbox_head.register_forward_hook(lambda m, args, out: seen.update(box=out, roi_feats=args[0])),
        model.rpn_head.register_forward_hook(lambda m, args, out: seen.update(feats=args[0], rpn=out)),
        model.mask_head.register_forward_hook(lambda m, args, out: seen.update(mask=out)),
        model.track_head.register_forward_hook(lambda m, args, out: seen.update(track=out, track_in=args)),
    ]
    data = model.data_preprocessor(raw_batch(arrays), training=True)
    losses = model(**data, mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    for hook in hooks:
        hook.remove()
    patch.undo()
    return {'model': model, 'data': data, 'losses': losses, 'log': log, **seen}


def test_inputs_are_bit_equal(step, arrays):
    assert torch.equal(step['data']['inputs'][:, 0], arrays['img'])
    assert torch.equal(step['data']['inputs'][:, 1], arrays['ref_img'])
    for index, sample in enumerate(step['data']['data_samples']):
        assert torch.equal(sample.gt_instances.masks, arrays[f'gt_masks.{index}'])
        assert sample.pad_shape == tuple(RECORD['img_metas'][index]['pad_shape'][:2])
        assert sample.batch_input_shape == (128, 192)


def test_features_and_rpn_outputs(step, arrays):
    for level in range(5):
        for got, key in (
            (step['feats'][level][:, :8], 'fpn_first8ch'),
            (step['rpn'][0][level], 'rpn_cls'),
            (step['rpn'][1][level], 'rpn_reg'),
        ):
            want = arrays[f'{key}.{level}']
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5 * float(want.abs().max()))


def test_proposals_and_samples(step, arrays):
    for index, (proposals, result) in enumerate(zip(step['proposals'], step['sampled'])):
        assert_same_proposals(proposals, arrays[f'proposals.{index}'].numpy(), atol=4e-4)
        assert torch.equal(result.pos_inds, arrays[f'rcnn_pos_inds.{index}'])
        assert torch.equal(result.neg_inds, arrays[f'rcnn_neg_inds.{index}'])
        assert torch.equal(result.pos_assigned_gt_inds, arrays[f'rcnn_pos_gt_inds.{index}'])
        torch.testing.assert_close(result.bboxes, arrays[f'rcnn_bboxes.{index}'], rtol=0, atol=4e-4)


def test_head_outputs(step, arrays):
    for got, key in zip(step['box'], ('cls_score', 'bbox_pred')):
        torch.testing.assert_close(got, arrays[key], rtol=1e-5, atol=1e-5 * float(arrays[key].abs().max()))
    labels = torch.cat([result.pos_gt_labels for result in step['sampled']])
    masks = step['mask'][torch.arange(len(labels)), labels + 1]
    want = arrays['mask_pred_gt_class']
    torch.testing.assert_close(masks, want, rtol=1e-5, atol=1e-5 * float(want.abs().max()))


def test_match_scores_of_all_rois(step, arrays):
    """2019 scored negatives, too; the positives, which come first, are all that the loss looks at."""
    model, counts = step['model'], [len(result.bboxes) for result in step['sampled']]
    _, ref_feats, _, ref_counts = step['track_in']
    with torch.no_grad():
        scores = model.track_head(step['roi_feats'], ref_feats, counts, ref_counts)
    for index, got in enumerate(scores):
        want = arrays[f'track_score.{index}']
        atol = 1e-5 * float(want.abs().max())
        torch.testing.assert_close(got, want, rtol=1e-5, atol=atol)
        positives = step['track'][index]
        torch.testing.assert_close(positives, want[: len(positives)], rtol=1e-5, atol=atol)


@pytest.mark.parametrize('name', sorted(RECORD['losses_raw']))
def test_losses_to_five_digits(step, name):
    value = step['losses'][name]
    got = [float(part) for part in (value if isinstance(value, list) else [value])]
    np.testing.assert_allclose(got, RECORD['losses_raw'][name], rtol=3e-6, atol=1e-9)


def test_total_loss(step):
    for name, want in RECORD['log_vars'].items():
        np.testing.assert_allclose(float(step['log'][name]), want, rtol=3e-6, atol=1e-9, err_msg=name)


def test_the_same_parameters_get_a_gradient(step):
    without = [name for name, value in step['model'].named_parameters() if value.grad is None]
    assert sorted(without) == sorted(RECORD['params_without_grad'])


def test_gradient_norms(step):
    """Heads within 1e-5. Deep in the backbone both float32 runs are this far from a float64 one."""
    total, compared = 0.0, 0
    for name, value in step['model'].named_parameters():
        if value.grad is None:
            continue
        record, grad = RECORD['grads'][name], value.grad.double()
        norm = float(grad.norm())
        rtol = 2e-4 if name.startswith('backbone.') else 1e-5
        np.testing.assert_allclose(norm, record['l2'], rtol=rtol, atol=1e-9, err_msg=name)
        first = grad.flatten()[:3].tolist()
        np.testing.assert_allclose(first, record['first'], rtol=1e-3, atol=1e-3 * norm, err_msg=name)
        total += norm**2
        compared += 1
    assert compared == len(RECORD['grads'])
    np.testing.assert_allclose(total**0.5, RECORD['total_grad_norm'], rtol=1e-5)
