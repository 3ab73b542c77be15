"""Three frames through the full ResNet-50 model, with tracking: proposals, detections, identities, masks."""

import numpy as np
import pytest
import torch

from mmdet.structures import DetDataSample
from mmdet.structures.rle import decode_rle

from .models import assert_same_proposals, full_model
from .rules import load_json, load_npz

RECORD = load_json('full_r50_infer.json')
# Original pixels, two a network pixel. Random weights let float32 noise grow: a float64 run of the network is
# 3.5e-4 from the recording, float32 runs by other kernels and threads up to 5.2e-4.
BOX_NOISE = 1e-3


@pytest.fixture(scope='module')
def arrays():
    return load_npz('full_r50_infer.npz')


def frames_and_samples():
    """The three frames (3, 1, 3, H, W), normalized, and their data samples."""
    images = load_npz('full_r50_train.npz')
    frames = [images['img'][0], images['ref_img'][0], images['img'][0][:, :, ::-1]]
    samples = [
        DetDataSample(
            metainfo={
                'img_shape': (120, 180),
                'pad_shape': (128, 192),
                'batch_input_shape': (128, 192),
                'ori_shape': (240, 360),
                'scale_factor': 0.5,
                'video_id': 7,
                'frame_id': frame,
                'video_length': 3,
            }
        )
        for frame in range(3)
    ]
    return torch.from_numpy(np.stack(frames))[:, None], samples


@pytest.fixture(scope='module')
def run():
    model = full_model().eval()
    seen = {}
    propose, identify = model.propose, model.identify

    def spy_propose(*args):
        seen['proposals'] = propose(*args)
        return seen['proposals']

    def spy_identify(detections, metas):
        seen['detections'] = detections
        return identify(detections, metas)

    model.propose, model.identify = spy_propose, spy_identify
    inputs, samples = frames_and_samples()
    samples = model(inputs, samples, mode='predict')
    assert not model.tracker.memories  # freed after the last frame
    return samples, seen


@pytest.mark.parametrize('frame', range(3))
def test_proposals(run, arrays, frame):
    assert_same_proposals(run[1]['proposals'][frame], arrays[f'f{frame}.proposals'], BOX_NOISE)


@pytest.mark.parametrize('frame', range(3))
def test_detections_and_their_order(run, arrays, frame):
    got, want = run[1]['detections'][frame], arrays[f'f{frame}.det_bboxes']
    np.testing.assert_allclose(got.bboxes, want[:, :4], atol=BOX_NOISE)
    np.testing.assert_allclose(got.scores, want[:, 4], rtol=1e-4)
    np.testing.assert_array_equal(got.labels, arrays[f'f{frame}.det_labels'])


@pytest.mark.parametrize('frame', range(3))
def test_kept_objects_and_masks(run, frame):
    found, objects = run[0][frame].pred_instances, RECORD['frames'][frame]['objects']
    assert sorted(map(str, found.instance_ids.tolist())) == sorted(objects)
    for index, identity in enumerate(found.instance_ids.tolist()):
        want = objects[str(identity)]
        assert int(found.labels[index]) == want['label']
        np.testing.assert_allclose(found.bboxes[index], want['bbox'][:4], atol=BOX_NOISE)
        np.testing.assert_allclose(found.scores[index], want['bbox'][4], rtol=1e-4)
        ours, theirs = decode_rle(found.masks[index]), decode_rle(want['segmentation'])
        # Rule weights make ragged masks of thousands of borders; all are equal where this was recorded.
        assert (ours != theirs).sum() <= 0.001 * theirs.size
