"""The small trained tracker on three videos, from the PNG files on: boxes, scores, identities, masks.

Only the objects the original kept are compared. Masks are equal but for at most one in a
hundred, and those overlap by more than 0.97.
"""

import json

import cv2
import numpy as np
import pytest
import torch

from mmdet.datasets.transforms.geometric import Resize
from mmdet.models.fused import optimize_for_inference
from mmdet.structures import DetDataSample
from mmdet.structures.rle import decode_rle

from .models import assert_same_proposals, small_model
from .rules import GOLDEN, load_json, load_npz

RECORD = load_json('small_infer.json')
RUNS = {
    'score_thr 0.05': (RECORD['frames'], 0.05, True, False),
    'resized pixels, optimized': (RECORD['frames_rescale_False'], 0.05, False, True),
    'score_thr 0.4': (RECORD['score_thr_0p4']['frames'], 0.4, True, False),
}


@pytest.fixture(scope='module')
def model():
    return small_model()


def load_video(index):
    """Frames of a video as the loader gives them."""
    video = json.loads((GOLDEN / 'videos' / 'ann.json').read_text())['videos'][index]
    resize = Resize(scale=(192, 128))
    inputs, samples = [], []
    for frame_id, name in enumerate(video['file_names']):
        image = cv2.imread(str(GOLDEN / 'videos' / 'images' / name))
        frame = {'img': image, 'ori_shape': image.shape[:2], 'img_path': name}
        resize.apply(frame, **resize.draw({}))
        inputs.append(torch.from_numpy(frame['img'].transpose(2, 0, 1).copy())[None])
        meta = {
            'video_id': video['id'],
            'frame_id': frame_id,
            'video_length': len(video['file_names']),
            'ori_shape': image.shape[:2],
            'img_shape': frame['img'].shape[:2],
            'scale_factor': frame['scale_factor'],
        }
        samples.append(DetDataSample(metainfo=meta))
    return {'inputs': inputs, 'data_samples': samples}


def run(model, data, score_thr=0.05, rescale=True):
    model.test_cfg['rcnn']['score_thr'] = score_thr
    with torch.no_grad():
        return model.predict(**model.data_preprocessor(data), rescale=rescale)


def as_objects(samples):
    """Per frame {id: (bbox, score, label, rle)}."""
    frames = []
    for sample in samples:
        found = sample.pred_instances
        rows = zip(found.bboxes.numpy(), found.scores.tolist(), found.labels.tolist(), found.masks)
        frames.append(dict(zip(found.instance_ids.tolist(), rows)))
    return frames


@pytest.mark.parametrize('name', RUNS)
def test_kept_objects(model, name):
    record, score_thr, rescale, optimized = RUNS[name]
    optimize_for_inference(model, optimized)
    samples = [sample for index in range(3) for sample in run(model, load_video(index), score_thr, rescale)]
    assert len(samples) == len(record)
    total = unequal = 0
    for got, want in zip(as_objects(samples), record):
        assert sorted(map(str, got)) == sorted(want['objects']), (want['video'], want['frame'])
        for identity, (bbox, score, label, rle) in got.items():
            kept = want['objects'][str(identity)]
            assert label == kept['label']
            np.testing.assert_allclose(bbox, kept['bbox'][:4], atol=1.34e-4)
            np.testing.assert_allclose(score, kept['bbox'][4], atol=1e-4)
            total += 1
            if rle != kept['segmentation']:
                unequal += 1
                ours, theirs = decode_rle(rle).astype(bool), decode_rle(kept['segmentation']).astype(bool)
                assert (ours & theirs).sum() / (ours | theirs).sum() > 0.97
    assert unequal <= total / 100
    assert not model.tracker.memories
    optimize_for_inference(model, False)


def test_detections_before_tracking(model):
    arrays = load_npz('small_infer.npz')
    model.test_cfg['rcnn']['score_thr'] = 0.05
    for index in range(3):
        data = model.data_preprocessor(load_video(index))
        metas = [sample.metainfo for sample in data['data_samples']]
        with torch.no_grad():
            feats = model.extract_feat(data['inputs'][:, 0])
            proposals = model.propose(feats, metas)
            detections = model.detect(feats, proposals, metas, True)
        for frame, (proposal, found) in enumerate(zip(proposals, detections)):
            key = f'v{index}.f{frame}'
            assert_same_proposals(proposal, arrays[f'{key}.proposals'], atol=2e-4)
            # 1e-4 pixels of the network input are 4/3 of that in the original image.
            np.testing.assert_allclose(found.bboxes, arrays[f'{key}.det_bboxes'][:, :4], atol=1.34e-4)
            np.testing.assert_allclose(found.scores, arrays[f'{key}.det_bboxes'][:, 4], atol=1e-5)
            np.testing.assert_array_equal(found.labels, arrays[f'{key}.det_labels'])


def one_by_one(model, data):
    samples = []
    for image, sample in zip(data['inputs'], data['data_samples']):
        samples += run(model, {'inputs': [image], 'data_samples': [sample]})
    return samples


def assert_same_tracks(got, want):
    assert [sorted(frame) for frame in as_objects(got)] == [sorted(frame) for frame in as_objects(want)]
    for ours, theirs in zip(as_objects(got), as_objects(want)):
        for identity, (bbox, score, label, _) in ours.items():
            np.testing.assert_allclose(bbox, theirs[identity][0], atol=2e-4)
            np.testing.assert_allclose(score, theirs[identity][1], atol=1e-5)
            assert label == theirs[identity][2]


def test_frames_in_one_batch_equal_frames_one_by_one(model):
    assert_same_tracks(run(model, load_video(0)), one_by_one(model, load_video(0)))


def test_interleaved_videos_equal_one_after_the_other(model):
    apart = [run(model, load_video(index)) for index in range(2)]
    first, second = load_video(0), load_video(1)
    mixed = {
        key: [item for pair in zip(first[key], second[key]) for item in pair]
        for key in ('inputs', 'data_samples')
    }
    together = run(model, mixed)
    assert_same_tracks(together[0::2], apart[0])
    assert_same_tracks(together[1::2], apart[1])
    assert not model.tracker.memories


def test_a_frame_without_detections(model):
    """Nothing above the threshold: empty instances of the right kinds, and tracking goes on."""
    samples = run(model, load_video(2), score_thr=0.4)
    empty = samples[0].pred_instances
    assert len(empty) == 0
    assert empty.bboxes.shape == (0, 4)
    assert empty.masks == []
    assert empty.instance_ids.dtype == torch.int64
    assert len(samples[1].pred_instances) > 0
    assert len(run(model, load_video(2), score_thr=0.999)[3].pred_instances) == 0
