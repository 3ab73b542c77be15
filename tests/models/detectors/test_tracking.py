"""Any detector of boxes with any tracker: identities, clips, what trackers need, trackers that do not say."""

import pytest
import torch

from mmdet.models.detectors.tracking import track_frames
from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample

from ..tiny import clip, tiny_model
from .test_inference import one_frame, predict

TRACKERS = {
    'masktrack': dict(type='MaskTrackTracker'),
    'boxes': dict(type='IoUTracker'),
    'sort': dict(type='SortTracker', high_thr=0.01, low_thr=0.0, new_track_thr=0.02),
    'masks': dict(type='IoUTracker', overlap='masks', new_track_thr=0.05),
}
PAIRS = [
    ('FasterRCNN', 'boxes'),
    ('MaskRCNN', 'boxes'),
    ('FasterRCNN', 'sort'),
    ('MaskRCNN', 'masks'),
    ('MaskTrackRCNN', 'sort'),
    ('MaskTrackRCNN', 'boxes'),
    ('MaskTrackRCNN', 'masks'),
    ('MaskTrackRCNN', 'masktrack'),
]


def tracking_model(kind, tracker):
    model = tiny_model(kind, tracker=dict(TRACKERS[tracker])).eval()
    model.test_cfg['rcnn'].update(score_thr=0.001, max_per_img=6)
    return model


def content(sample):
    """Identity -> box and mask."""
    found = sample.pred_instances
    masks = [mask['counts'] for mask in found.masks] if 'masks' in found else [None] * len(found)
    return {i: (box, mask) for i, box, mask in zip(found.instance_ids.tolist(), found.bboxes, masks)}


@pytest.mark.parametrize(('kind', 'tracker'), PAIRS)
def test_identities_for_frames_alone_and_in_a_batch(kind, tracker):
    model = tracking_model(kind, tracker)
    whole = predict(model, clip(1, 4))
    assert not model.tracker.memories  # freed after the last frame
    parts = [predict(model, one_frame(clip(1, 4), index))[0] for index in range(4)]
    assert any(set(content(a)) & set(content(b)) for a, b in zip(whole, whole[1:]))
    for one, other in zip(whole, parts):
        assert ('masks' in one.pred_instances) == (kind != 'FasterRCNN')
        one, other = content(one), content(other)
        assert set(one) == set(other) and len(one) > 0 and min(one) >= 0
        for identity, (box, mask) in one.items():
            torch.testing.assert_close(box, other[identity][0], rtol=1e-4, atol=1e-3)
            assert mask == other[identity][1]


def test_of_an_image_every_detection_is_an_object():
    model = tiny_model('MaskRCNN', tracker=dict(type='SortTracker')).eval()
    model.test_cfg['rcnn'].update(score_thr=0.001, max_per_img=6)
    frames = clip(1, 2)
    assert predict(model, frames)[0].pred_instances.instance_ids.tolist() == []  # below new_track_thr
    image = one_frame(clip(1, 2), 0)
    image['data_samples'][0].set_metainfo(dict(video_length=1))
    found = predict(model, image)[0].pred_instances
    assert found.instance_ids.tolist() == [0, 1, 2, 3, 4, 5] and len(found.masks) == 6


@pytest.mark.parametrize('kind', ['FasterRCNN', 'MaskRCNN'])
def test_a_tracker_adds_identities_and_changes_nothing_else(kind):
    plain, tracked = tiny_model(kind).eval(), tracking_model(kind, 'boxes')
    plain.test_cfg = tracked.test_cfg
    assert plain.tracker is None and set(plain.state_dict()) == set(tracked.state_dict())
    for one, other in zip(predict(plain, clip(1, 2)), predict(tracked, clip(1, 2))):
        assert 'instance_ids' not in one.pred_instances
        assert torch.equal(one.pred_instances.bboxes, other.pred_instances.bboxes)
        assert one.pred_instances.get('masks') == other.pred_instances.get('masks')


def test_embeddings_and_masks_are_computed_only_for_trackers_that_need_them(monkeypatch):
    model = tracking_model('MaskTrackRCNN', 'masks')
    seen = []
    track = model.tracker.track

    def spy(video, frame, bboxes, scores, labels, embeddings, **more):
        seen.append((embeddings, [mask['size'] for mask in more['masks']]))
        return track(video, frame, bboxes, scores, labels, embeddings, **more)

    monkeypatch.setattr(model.tracker, 'track', spy)
    monkeypatch.setattr(model.track_head, 'embed', None)
    (sample,) = predict(model, one_frame(clip(1, 2), 0))
    ((embeddings, sizes),) = seen
    assert embeddings is None and len(sizes) >= len(sample.pred_instances) > 0
    assert all(size == [64, 96] for size in sizes)


@pytest.mark.parametrize(
    ('kind', 'tracker', 'what'), [('MaskRCNN', 'masktrack', 'embeddings'), ('FasterRCNN', 'masks', 'masks')]
)
def test_a_tracker_that_needs_more_is_refused_when_the_model_is_built(kind, tracker, what):
    name = TRACKERS[tracker]['type']
    with pytest.raises(ValueError, match=f'tracker: {name} needs {what}, which {kind} does not give'):
        tracking_model(kind, tracker)


class Plain:
    """A tracker as it is documented for users, without ``needs``."""

    def __init__(self):
        self.calls = []

    def reset(self, video_id=None):
        self.calls.append(('reset', video_id))

    def track(self, video_id, frame_id, bboxes, scores, labels, embeddings):
        self.calls.append((video_id, frame_id, embeddings is not None))
        return torch.arange(len(bboxes)) - 1


@pytest.mark.parametrize(('kind', 'embeds'), [('MaskRCNN', False), ('MaskTrackRCNN', True)])
def test_a_tracker_that_says_nothing_gets_embeddings_where_there_are_some(kind, embeds):
    TASK_UTILS.register_module(module=Plain)
    try:
        model = tiny_model(kind, tracker=dict(type='Plain')).eval()
    finally:
        TASK_UTILS.module_dict.pop('Plain')
    model.test_cfg['rcnn'].update(score_thr=0.001, max_per_img=6)
    samples = predict(model, clip('v', 2))
    assert model.tracker.calls == [
        ('reset', 'v'),
        ('v', 0, embeds),
        ('v', 1, embeds),
        ('reset', 'v'),
    ]
    for sample in samples:
        ids = sample.pred_instances.instance_ids.tolist()
        assert ids == list(range(len(ids))) and len(sample.pred_instances.masks) == len(ids)


def test_wrong_output_and_frames_without_a_video_are_named():
    model = tracking_model('MaskRCNN', 'boxes')
    data = clip(1, 1)
    sample = DetDataSample(metainfo={'img_shape': (64, 96), 'ori_shape': (64, 96), 'scale_factor': 1.0})
    with pytest.raises(ValueError, match='metainfo must have video_id and frame_id'):
        predict(model, {**data, 'data_samples': [sample]})
    tracker = Plain()
    tracker.track = lambda *_: torch.zeros(3)
    found = predict(model, clip(1, 1))[0].pred_instances
    with pytest.raises(ValueError, match=r'Plain.track must return .* int64 identities, got torch.float32'):
        track_frames(tracker, [found], [{'video_id': 1, 'frame_id': 0}])
