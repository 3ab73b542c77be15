"""Prediction by the four detectors: fields, scales, batches, memory of videos."""

import pytest
import torch

from mmdet.structures.rle import decode_rle

from ..tiny import clip, tiny_model


def predict(model, data, **options):
    model.eval()
    return model.predict(**model.data_preprocessor(data), **options)


def low_threshold(kind='MaskTrackRCNN', **options):
    """A random model that detects something."""
    model = tiny_model(kind, **options).eval()
    if kind != 'RPN':
        model.test_cfg['rcnn'].update(score_thr=0.001, max_per_img=6)
    return model


@pytest.mark.parametrize('kind', ['FasterRCNN', 'MaskRCNN', 'MaskTrackRCNN'])
@pytest.mark.parametrize('rescale', [True, False])
def test_fields_and_scales(kind, rescale):
    data = clip(5, 2, scale_factor=0.5)
    for sample in predict(low_threshold(kind), data, rescale=rescale):
        found = sample.pred_instances
        height, width = sample.ori_shape if rescale else sample.img_shape
        count = len(found)
        assert 0 < count <= 6
        assert found.bboxes.shape == (count, 4)
        assert (found.bboxes >= 0).all()
        assert (found.bboxes[:, 2] <= width).all()
        assert (found.bboxes[:, 3] <= height).all()
        assert found.scores.shape == found.labels.shape == (count,)
        assert set(found.labels.tolist()) <= {0, 1, 2}
        assert ('masks' in found) == (kind != 'FasterRCNN')
        if 'masks' in found:
            assert all(decode_rle(mask).shape == (height, width) for mask in found.masks)
        if kind == 'MaskTrackRCNN':
            ids = found.instance_ids.tolist()
            assert len(set(ids)) == count
            assert min(ids) >= 0


def test_rpn_gives_sorted_proposals():
    (sample,) = predict(low_threshold('RPN'), clip(1, 1, scale_factor=0.5))
    found = sample.pred_instances
    assert len(found) > 10
    assert (found.scores.diff() <= 0).all()
    assert not found.labels.any()
    assert found.bboxes[:, 2].max() > 96  # original pixels: twice the network's
    assert torch.equal(sample.proposals.bboxes, found.bboxes)


def test_masks_stay_inside_their_boxes():
    (sample,) = predict(low_threshold(), clip(1, 1))
    for box, mask in zip(sample.pred_instances.bboxes.int().tolist(), sample.pred_instances.masks):
        outside = decode_rle(mask).copy()
        outside[box[1] : box[3] + 1, box[0] : box[2] + 1] = 0
        assert not outside.any()


def tracks(samples):
    return [
        sorted(zip(sample.pred_instances.instance_ids.tolist(), sample.pred_instances.labels.tolist()))
        for sample in samples
    ]


def one_frame(data, index):
    return {key: value[index : index + 1] for key, value in data.items()}


def test_clips_of_any_length_give_the_same_tracks():
    model = low_threshold()
    whole = predict(model, clip(1, 4))
    apart = [predict(model, one_frame(clip(1, 4), index))[0] for index in range(4)]
    halves = [
        sample
        for part in (slice(0, 2), slice(2, 4))
        for sample in predict(model, {key: value[part] for key, value in clip(1, 4).items()})
    ]
    assert tracks(apart) == tracks(whole) == tracks(halves)
    for one, other in zip(apart, whole):
        torch.testing.assert_close(
            one.pred_instances.bboxes, other.pred_instances.bboxes, rtol=1e-4, atol=1e-3
        )


def test_interleaved_videos():
    model = low_threshold()
    alone = [predict(model, clip(video, 3, seed=10 * video)) for video in (1, 2)]
    clips = [clip(video, 3, seed=10 * video) for video in (1, 2)]
    mixed = [[predict(model, one_frame(data, index))[0] for data in clips] for index in range(3)]
    for video in range(2):
        assert tracks([frame[video] for frame in mixed]) == tracks(alone[video])


def test_memory_begins_at_frame_zero_and_ends_with_the_video():
    model = low_threshold()
    data = clip(1, 3)
    for sample in data['data_samples']:
        sample.set_metainfo({'video_length': 5})
    first = predict(model, data)
    assert set(model.tracker.memories) == {1}
    again = predict(model, clip(1, 3))  # frame 0 resets the memory
    assert tracks(again) == tracks(first)
    assert model.tracker.memories == {}  # its length is known here


def test_nothing_found_anywhere():
    model = low_threshold()
    model.test_cfg['rcnn']['score_thr'] = 0.9999
    samples = predict(model, clip(1, 2))
    for sample in samples:
        found = sample.pred_instances
        assert len(found) == 0
        assert found.bboxes.shape == (0, 4)
        assert found.instance_ids.shape == (0,)
        assert found.masks == []


def test_dropped_detections_get_no_mask():
    model = low_threshold()
    model.tracker.track = lambda video, frame, bboxes, *rest: torch.where(
        torch.arange(len(bboxes)) % 2 == 0, torch.arange(len(bboxes)), -1
    )
    rows = []
    model.mask_head.register_forward_hook(lambda module, args, out: rows.append(len(out)))
    samples = predict(model, clip(1, 2))
    assert rows == [sum(len(sample.pred_instances) for sample in samples)]
    assert all(sample.pred_instances.instance_ids.tolist() in ([0], [0, 2], [0, 2, 4]) for sample in samples)


def test_two_scale_factors():
    data = clip(1, 1)
    data['data_samples'][0].set_metainfo({'scale_factor': (0.5, 0.25), 'ori_shape': (256, 192)})
    (sample,) = predict(low_threshold(), data)
    assert sample.pred_instances.bboxes[:, 3].max() > 150
    assert sample.pred_instances.bboxes[:, 2].max() <= 192
    assert sample.pred_instances.masks[0]['size'] == [256, 192]


def test_video_and_frame_must_be_known():
    data = clip(1, 1)
    data['data_samples'][0].set_metainfo({'video_id': None})
    with pytest.raises(ValueError, match='video_id and frame_id'):
        predict(low_threshold(), data)


@pytest.mark.parametrize('kind', ['RPN', 'FasterRCNN', 'MaskRCNN', 'MaskTrackRCNN'])
def test_tensor_mode_runs_every_layer(kind):
    model = low_threshold(kind)
    ran = set()
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, args, out, name=name: ran.add(name))
    with torch.no_grad():
        outputs = model(torch.randn(2, 1, 3, 64, 96))
        assert len(model(torch.randn(2, 3, 64, 96), mode='tensor')) == len(outputs)
    parametric = {
        name
        for name, module in model.named_modules()
        if not list(module.children()) and list(module.parameters())
    }
    assert parametric <= ran
    if kind == 'MaskTrackRCNN':
        assert outputs[-2].shape == (12, 32)  # embeddings of six boxes a frame
        assert outputs[-1].shape == (12, 4, 28, 28)


def test_bad_calls_are_named():
    model = low_threshold()
    with pytest.raises(ValueError, match="got 'train'"):
        model(torch.zeros(1, 1, 3, 64, 96), mode='train')
    with pytest.raises(ValueError, match=r'\(N, T, 3, H, W\) expected'):
        model(torch.zeros(3, 64, 96))
    with pytest.raises(ValueError, match='1 images, but data_samples: None'):
        model(torch.zeros(1, 1, 3, 64, 96), mode='predict')
