"""MaskTrack R-CNN of mmtracking and mmdetection 3.x against a plain forward and tracker."""

from functools import cache

import numpy as np
import pytest
import torch

from mmdet.compat.checkpoints import ConversionRefused, convert_checkpoint
from tests.compat.checkpoints import foreign, native_run, oracle

SMALL = dict(nms_pre=60, proposals=30, score_thr=0.5, max_per_img=5)
SCALE, ORI = (1.25, 1.2), (80, 102)


@cache
def weights():
    return foreign.fill(foreign.mmtracking_shapes())


def config(retain=20):
    return f"""
model = dict(
    type='MaskTrackRCNN',
    detector=dict(type='MaskRCNN', test_cfg=dict(rpn=dict(nms_pre=200), rcnn=dict(score_thr=0.01))),
    track_head=dict(roi_extractor=dict(roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0))),
    tracker=dict(type='MaskTrackRCNNTracker',
                 match_weights=dict(det_score=1.0, iou=2.0, det_label=10.0), num_frames_retain={retain}))
"""


@cache
def clip():
    """Ten frames: an image that drifts, one gray frame on which nothing is found, then another image."""
    base, other = foreign.random_image('b', 120, 170), foreign.random_image('c', 96, 128)
    frames = [base[2 * t : 2 * t + 96, 3 * t : 3 * t + 128] for t in range(5)]
    mixed = [(0.5 * frames[t] + 0.5 * other).astype(np.uint8) for t in (3, 4)]
    return [*frames, other, *mixed, frames[0], other]


def run_clip(frames, checkpoint, retain, thr=0.5):
    converted = convert_checkpoint(checkpoint)
    numbers = dict(SMALL, score_thr=thr)
    model = native_run.build(converted, **numbers)
    reference = oracle.MMTracking(checkpoint['state_dict'], retain, **numbers)
    seen = []
    for frame_id, frame in enumerate(frames):
        found, masks = native_run.predict(model, frame, SCALE, ORI, frame_id)
        expected = reference.step(frame, SCALE, ORI, frame_id)
        # Of detections that claim one object mmtracking keeps a stale duplicate; the later one is its memory.
        last = {identity: i for i, identity in enumerate(expected['ids']) if identity >= 0}
        keep = sorted(last.values())
        assert found.instance_ids.tolist() == [expected['ids'][i] for i in keep], f'frame {frame_id}'
        torch.testing.assert_close(found.bboxes, expected['boxes'][keep], atol=1e-2, rtol=0)
        for mine, i in zip(masks, keep):
            assert (mine != expected['masks'][i]).sum() <= max(1, 0.005 * mine.sum())
        seen.append(found.instance_ids.tolist())
    return seen, converted


@pytest.mark.parametrize('meta', [{}, dict(mmengine_version='0.8.0')], ids=['mmtracking', 'mmdet3'])
def test_tracks_equal_the_oracle(meta):
    checkpoint = dict(state_dict=weights(), meta=dict(meta, config=config()))
    seen, converted = run_clip(clip(), checkpoint, 20)
    assert converted.source_format == ('mmdet3' if meta else 'mmtracking')
    assert len(set(sum(seen, []))) > 5  # identities do appear
    assert set(seen[0]) & set(seen[1])  # and are found again


def test_the_last_relu_matters_on_this_clip():
    checkpoint = dict(state_dict=weights(), meta=dict(config=config()))
    with_relu, converted = run_clip(clip(), checkpoint, 20)
    converted.model['track_head']['relu_last'] = False
    model = native_run.build(converted, **SMALL)
    without = [
        native_run.predict(model, frame, SCALE, ORI, frame_id)[0].instance_ids.tolist()
        for frame_id, frame in enumerate(clip())
    ]
    assert without != with_relu


def test_short_memory_equals_the_oracle():
    checkpoint = dict(state_dict=weights(), meta=dict(config=config(retain=2)))
    short, _ = run_clip(clip(), checkpoint, 2)
    long, _ = run_clip(clip(), dict(state_dict=weights(), meta=dict(config=config())), 20)
    assert short != long


def test_frames_without_detections_do_not_age_the_memory():
    frames = [clip()[0], *[np.full((96, 128, 3), 114, np.uint8)] * 3, clip()[1]]
    checkpoint = dict(state_dict=weights(), meta=dict(config=config(retain=2)))
    converted = convert_checkpoint(checkpoint)
    tracker = converted.model['tracker']
    assert (tracker['max_age'], tracker['age_on_empty'], tracker['update_label']) == (2, False, True)
    tracker = native_run.build(converted, **SMALL).tracker
    box, empty = torch.tensor([[10.0, 10.0, 40.0, 40.0]]), torch.zeros(0, 4)
    one, none = torch.ones(1), torch.ones(0)
    embedding = torch.ones(1, 8)
    assert tracker.track(0, 0, box, one, one.long(), embedding).tolist() == [0]
    for frame in range(1, len(frames) + 3):
        tracker.track(0, frame, empty, none, none.long(), torch.ones(0, 8))
    assert tracker.track(0, 9, box, one, one.long(), embedding).tolist() == [0]


def test_numbers_of_the_published_configs_without_a_config_text():
    model = convert_checkpoint(weights()).model
    assert model['type'] == 'MaskTrackRCNN'
    assert model['test_cfg']['rpn']['nms_pre'] == 200
    assert model['test_cfg']['rcnn']['score_thr'] == 0.01
    assert model['tracker']['max_age'] == 20
    assert model['track_head']['relu_last'] is True
    assert model['tracker']['match_coeff'] == dict(det_score=1.0, iou=2.0, label=10.0)


def test_coefficients_of_the_first_releases_are_read():
    text = 'model = dict(tracker=dict(det_score_coefficient=0.5, iou_coefficient=3.0))'
    model = convert_checkpoint(dict(state_dict=weights(), meta=dict(config=text))).model
    assert model['tracker']['match_coeff'] == dict(det_score=0.5, iou=3.0, label=10.0)
    assert model['tracker']['max_age'] == 10


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ("model = dict(tracker=dict(type='QuasiDenseTracker'))", 'QuasiDenseTracker'),
        ('model = dict(tracker=dict(momentums=dict(embeds=0.5)))', 'momentums'),
        (
            'model = dict(track_head=dict(roi_extractor=dict(roi_layer=dict(aligned=False))))',
            "track head uses RoIAlign 'unaligned'",
        ),
    ],
)
def test_other_trackers_are_refused(text, reason):
    with pytest.raises(ConversionRefused, match=reason):
        convert_checkpoint(dict(state_dict=weights(), meta=dict(config=text)))


def test_track_features_of_their_own_sampling_get_their_own_extractor():
    text = config().replace('output_size=7, sampling_ratio=0', 'output_size=7, sampling_ratio=2')
    model = convert_checkpoint(dict(state_dict=weights(), meta=dict(config=text))).model
    assert model['track_roi_extractor']['roi_layer']['sampling_ratio'] == 2
    assert model['bbox_roi_extractor']['roi_layer']['sampling_ratio'] == 0


def test_averaging_track_head_is_recognized():
    shapes = foreign.mmtracking_shapes()
    shapes['track_head.embed_head.fcs.0.weight'] = (48, 16)
    model = native_run.build(convert_checkpoint(foreign.fill(shapes)))
    assert model.track_head.with_avg_pool and model.track_head.embed(torch.ones(2, 16, 7, 7)).shape == (2, 48)
    shapes['track_head.embed_head.fcs.0.weight'] = (48, 17)
    with pytest.raises(ConversionRefused, match='takes 17 inputs'):
        convert_checkpoint(foreign.fill(shapes))


class ClassByClass(oracle.MMTracking):
    """mmtracking 0.x: detections reach the tracker class by class, by score within a class."""

    def detect(self, bgr, scale, ori_shape):
        found = super().detect(bgr, scale, ori_shape)
        order = (
            found['labels'].argsort(stable=True) if len(found['boxes']) else torch.zeros(0, dtype=torch.int64)
        )
        lists = {key: found[key][order] for key in ('boxes', 'scores', 'labels')}
        return {**found, **lists, 'masks': [found['masks'][i] for i in order.tolist()]}


def kept(found):
    """Box -> identity of the detections that stay in memory."""
    last = {identity: i for i, identity in enumerate(found['ids']) if identity >= 0}
    return {tuple(found['boxes'][i].tolist()): identity for identity, i in last.items()}


def test_order_of_detections_changes_numbers_but_no_track():
    by_score, by_class = (kind(weights(), 20, **SMALL) for kind in (oracle.MMTracking, ClassByClass))
    renumbered, orders = {}, set()
    for frame_id, frame in enumerate(clip()):
        one, two = (model.step(frame, SCALE, ORI, frame_id) for model in (by_score, by_class))
        mine, other = kept(one), kept(two)
        assert mine.keys() == other.keys()
        for box, identity in mine.items():
            assert renumbered.setdefault(identity, other[box]) == other[box]
        orders.add(one['labels'].tolist() == two['labels'].tolist())
    assert False in orders and len(set(renumbered.values())) == len(renumbered)
