import cv2
import numpy as np
import pytest

from mmdet.datasets import (
    LoadImage,
    PackInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RefBoxJitter,
    Resize,
)
from mmdet.datasets.transforms import FrameTransform
from mmdet.datasets.transforms.geometric import rescaled_size
from mmdet.registry import TRANSFORMS
from mmdet.utils import UserError


def frame(height=40, width=60, role='key', boxes=((10, 5, 30, 20), (40, 20, 59, 39)), name='a.png', seed=0):
    rng = np.random.default_rng(seed)
    masks = np.zeros((len(boxes), height, width), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes):
        mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    return {
        'role': role,
        'img_path': name,
        'img': rng.integers(0, 256, (height, width, 3), np.uint8),
        'ori_shape': (height, width),
        'img_shape': (height, width),
        'scale_factor': 1.0,
        'flip': False,
        'gt_bboxes': np.array(boxes, np.float32).reshape(-1, 4),
        'gt_labels': np.arange(len(boxes)),
        'gt_instance_ids': np.arange(len(boxes)) + 100,
        'gt_masks': masks,
        'gt_bboxes_ignore': np.array([[0, 0, 5, 5]], np.float32),
    }


def results(*frames, seed=0):
    return {'frames': list(frames or [frame()]), 'rng': np.random.default_rng(seed)}


def pair(**kwargs):
    return frame(**kwargs), frame(role='ref', name='b.png', **kwargs)


# --- reading ---


def test_size_other_than_the_annotation_file_says(tmp_path):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, np.zeros((64, 80, 3), np.uint8))
    entry = {'img_path': path, 'height': 60, 'width': 90, 'ann_file': 'ann.json'}
    with pytest.raises(UserError, match=r'a\.png is 80x64 pixels, but ann\.json says 90x60'):
        LoadImage()(results(entry))
    entry.update(height=64, width=80)
    loaded = LoadImage()(results(entry))['frames'][0]
    assert loaded['ori_shape'] == loaded['img_shape'] == (64, 80)
    assert loaded['scale_factor'] == 1.0


# --- resizing ---


@pytest.mark.parametrize(
    ('shape', 'scale', 'size', 'ratio'),
    [
        ((720, 1280), (640, 360), (640, 360), 0.5),
        ((1080, 1920), (640, 360), (640, 360), 1 / 3),
        ((360, 640), (1333, 800), (1333, 750), 1333 / 640),
        ((100, 333), (640, 360), (640, 192), 640 / 333),  # 192.19 rounds down
        ((375, 500), (360, 640), (480, 360), 0.96),  # the order of the scale does not matter
        ((1280, 720), (640, 360), (360, 640), 0.5),
        ((5, 1000), (20, 20), (20, 0), 0.02),
    ],
)
def test_rescaled_size(shape, scale, size, ratio):
    assert rescaled_size(shape, scale) == (size, ratio)


def test_a_very_long_image_keeps_a_pixel():
    out = Resize(scale=(20, 20))(results(frame(5, 1000, boxes=())))['frames'][0]
    assert out['img_shape'] == (1, 20)


def test_resize_moves_everything():
    out = Resize(scale=(30, 20))(results())['frames'][0]
    assert out['img'].shape == (20, 30, 3)
    assert out['img_shape'] == (20, 30)
    assert out['ori_shape'] == (40, 60)
    assert out['scale_factor'] == 0.5
    assert out['gt_bboxes'].tolist() == [[5, 2.5, 15, 10], [20, 10, 29.5, 19.5]]
    assert out['gt_bboxes'].dtype == np.float32
    assert out['gt_bboxes_ignore'].tolist() == [[0, 0, 2.5, 2.5]]
    expected = cv2.resize(frame()['gt_masks'][0], (30, 20), interpolation=cv2.INTER_NEAREST)
    assert (out['gt_masks'][0] == expected).all()


def test_modern_rounding_and_stretching_give_a_ratio_for_each_edge():
    out = Resize(scale=(33, 100), rounding='modern')(results(frame(40, 61)))['frames'][0]
    assert out['scale_factor'] == (out['img_shape'][1] / 61, out['img_shape'][0] / 40)
    stretched = Resize(scale=(30, 40), keep_ratio=False)(results())['frames'][0]
    assert stretched['img_shape'] == (40, 30)
    assert stretched['scale_factor'] == (0.5, 1.0)
    assert stretched['gt_bboxes'][0].tolist() == [5, 5, 15, 20]
    assert stretched['gt_masks'].shape == (2, 40, 30)


def test_scales_are_drawn_once_for_the_pair():
    step = Resize(scales=[(60, 40), (30, 20), (90, 60)])
    sizes = set()
    for seed in range(20):
        first, second = step(results(*pair(), seed=seed))['frames']
        assert first['img_shape'] == second['img_shape']
        sizes.add(first['img_shape'])
    assert sizes == {(40, 60), (20, 30), (60, 90)}


def test_range_mode_stays_in_range_and_reaches_both_ends():
    step = Resize(scales=[(60, 40), (64, 44)], mode='range')
    drawn = [step.draw({'rng': np.random.default_rng(seed)})['scale'] for seed in range(200)]
    assert {long for long, _ in drawn} == set(range(60, 65))
    assert {short for _, short in drawn} == set(range(40, 45))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'either scale or scales'),
        ({'scale': (3, 4), 'scales': [(3, 4)]}, 'either scale or scales'),
        ({'scales': []}, 'two positive numbers'),
        ({'scale': (3, 0)}, 'two positive numbers'),
        ({'scale': (3, 4), 'mode': 'rang'}, "mode must be 'value' or 'range'"),
        ({'scale': (3, 4), 'rounding': 'x'}, 'rounding must be'),
    ],
)
def test_bad_resize(options, message):
    with pytest.raises(ValueError, match=message):
        Resize(**options)


# --- flipping ---


@pytest.mark.parametrize('offset', [0, 1])
def test_flip_twice_is_nothing_and_masks_stay_in_boxes(offset):
    before = frame()
    once = RandomFlip(1.0, offset)(results(frame()))['frames'][0]
    assert once['flip'] is True
    assert once['gt_bboxes'][0].tolist() == [60 - 30 - offset, 5, 60 - 10 - offset, 20]
    assert (once['img'] == before['img'][:, ::-1]).all()
    columns = np.flatnonzero(once['gt_masks'][0].any(0))
    assert [columns[0], columns[-1]] == [29, 49]
    twice = RandomFlip(1.0, offset)(results(once))['frames'][0]
    for key in ('img', 'gt_bboxes', 'gt_masks', 'gt_bboxes_ignore'):
        assert (twice[key] == before[key]).all()


def test_flip_draws_once_for_the_pair():
    flips = []
    for seed in range(40):
        first, second = RandomFlip(0.5)(results(*pair(), seed=seed))['frames']
        assert first['flip'] == second['flip']
        flips.append(first['flip'])
    assert 8 < sum(flips) < 32
    with pytest.raises(ValueError, match='prob'):
        RandomFlip(1.5)


# --- reference jitter ---


def test_jitter_moves_reference_boxes_only():
    first, second = RefBoxJitter(0.1, 0.2)(results(*pair()))['frames']
    assert (first['gt_bboxes'] == frame()['gt_bboxes']).all()
    change = second['gt_bboxes'] - frame()['gt_bboxes']
    assert (change != 0).any()
    extent = np.array([[20, 15], [19, 19]])
    limit = np.tile(extent * 0.2, 2) + 1e-4  # 0.1 by the center and half of 0.2 by the size
    assert (np.abs(change) <= limit).all()
    assert second['gt_bboxes'].dtype == np.float32
    assert second['gt_bboxes'].max() <= 60


# --- cropping and colors ---


def test_crop_keeps_masks_boxes_and_identities_together():
    for seed in range(20):
        out = RandomCrop((0.4, 0.9))(results(*pair(), seed=seed))['frames']
        assert out[0]['img'].shape == out[1]['img'].shape
        assert (out[0]['gt_bboxes'] == out[1]['gt_bboxes']).all()
        for item in out:
            count = len(item['gt_bboxes'])
            assert (
                count == len(item['gt_labels']) == len(item['gt_instance_ids']) == len(item['gt_masks']) > 0
            )
            assert item['img'].shape[:2] == item['img_shape'] == item['gt_masks'].shape[1:]
            for box, mask in zip(item['gt_bboxes'], item['gt_masks']):
                rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
                assert box.tolist() == [columns[0], rows[0], columns[-1], rows[-1]]


def test_crop_without_masks_clips_boxes():
    for seed in range(20):
        with_masks, without = frame(), frame()
        del without['gt_masks']
        a = RandomCrop((0.4, 0.9))(results(with_masks, seed=seed))['frames'][0]
        b = RandomCrop((0.4, 0.9))(results(without, seed=seed))['frames'][0]
        assert (a['gt_bboxes'] == b['gt_bboxes']).all()


def test_independent_crops_share_an_object_and_differ():
    differ = 0
    for seed in range(20):
        first, second = RandomCrop((0.6, 0.8), independent=True)(results(*pair(), seed=seed))['frames']
        assert first['img'].shape == second['img'].shape
        assert set(first['gt_instance_ids']) & set(second['gt_instance_ids'])
        differ += not (first['img'] == second['img']).all()
    assert differ >= 18


def test_crop_that_finds_no_object_leaves_the_frame_whole():
    out = RandomCrop((0.1, 0.1), min_visible=1.0)(results())['frames'][0]
    assert out['img'].shape == (40, 60, 3)
    with pytest.raises(ValueError, match='scale'):
        RandomCrop((0.5, 1.5))


def test_crop_drops_ignored_boxes_outside_of_it():
    item = frame(boxes=((40, 20, 59, 39),))
    for seed in range(200):
        out = RandomCrop((0.5, 0.5))(results(dict(item), seed=seed))['frames'][0]
        assert len(out['gt_bboxes_ignore']) <= 1
        if len(out['gt_bboxes_ignore']) == 0:
            return
    pytest.fail('no crop left the ignored box out')


def test_colors_change_alike_in_a_pair_unless_independent():
    base = np.full((40, 60, 3), (90, 120, 60), np.uint8)

    def changed(independent):
        first, second = pair()
        first['img'], second['img'] = base.copy(), base.copy()
        out = PhotoMetricDistortion(independent=independent)(results(first, second, seed=1))['frames']
        assert out[0]['img'].dtype == np.uint8
        return out[0]['img'], out[1]['img']

    first, second = changed(False)
    assert (first == second).all()
    assert (first != base).any()
    first, second = changed(True)
    assert (first != second).any()


def test_colors_within_their_ranges():
    out = PhotoMetricDistortion(0, (1, 1), (1, 1), 0)(results())['frames'][0]
    assert (out['img'] == frame()['img']).all()
    drawn = [PhotoMetricDistortion().draw({'rng': np.random.default_rng(s)}) for s in range(100)]
    assert all(abs(d['shift']) <= 32 and 0.5 <= d['contrast'] <= 1.5 and abs(d['hue']) <= 18 for d in drawn)
    assert 20 < sum(d['shift'] != 0 for d in drawn) < 80


# --- packing and the base class ---


def test_pack_clips_to_width_and_height():
    item = frame()
    item['gt_bboxes'] = np.array([[-3, -2, 70, 45]], np.float32)
    item['gt_masks'] = item['gt_masks'][:1]
    item['gt_labels'], item['gt_instance_ids'] = item['gt_labels'][:1], item['gt_instance_ids'][:1]
    sample = PackInputs()(results(item))['data_samples']
    assert sample.gt_instances.bboxes.tolist() == [[0, 0, 60, 40]]


def test_pack_refuses_frames_of_different_sizes():
    with pytest.raises(ValueError, match=r'one size.*a\.png, b\.png'):
        PackInputs()(results(frame(), frame(50, 60, role='ref', name='b.png')))


def test_pack_after_flip_owns_its_memory():
    packed = PackInputs()(RandomFlip(1.0)(results()))
    assert packed['inputs'].is_contiguous()
    assert packed['data_samples'].gt_instances.masks.is_contiguous()


def test_own_transform_draws_once_or_for_each_frame():
    class Shift(FrameTransform):
        def draw(self, results):
            return {'by': int(results['rng'].integers(1000))}

        def apply(self, frame, by):
            frame['by'] = by

    TRANSFORMS.register_module(module=Shift, name='ShiftOfThisTest', force=True)
    first, second = TRANSFORMS.build({'type': 'ShiftOfThisTest'})(results(*pair()))['frames']
    assert first['by'] == second['by']
    step = TRANSFORMS.build({'type': 'ShiftOfThisTest', 'independent': True})
    first, second = step(results(*pair()))['frames']
    assert first['by'] != second['by']


def test_one_image_twice_is_read_once(tmp_path, monkeypatch):
    from mmdet.datasets.transforms import load

    files = [str(tmp_path / f'{name}.png') for name in 'ab']
    for file in files:
        cv2.imwrite(file, np.full((8, 9, 3), 7, np.uint8))
    entry = dict(bbox=[1, 1, 3, 3], label=0, instance_id=5, crowd=False, segm=[[1, 1, 4, 1, 4, 4, 1, 4]])
    calls = []
    monkeypatch.setattr(load, 'read_image', lambda path: calls.append(path) or cv2.imread(path))
    both = dict(with_mask=True, with_ref_mask=True)
    for second, masks, reads in ((files[0], both, 1), (files[1], both, 2), (files[0], {}, 1)):
        calls.clear()
        key, ref = (
            dict(role=role, img_path=file, img_id=file, height=8, width=9, instances=[entry])
            for role, file in (('key', files[0]), ('ref', second))
        )
        results = {'frames': [key, ref]}
        results = load.LoadAnnotations(**masks).transform(load.LoadImage().transform(results))
        assert len(calls) == reads and ('gt_masks' in ref) == bool(masks)
        assert all(np.array_equal(key[name], ref[name]) for name in ('img', 'gt_bboxes', 'ori_shape'))
        ref['img'][:] = 0
        assert key['img'].all()  # a copy, as transforms may change it in place
