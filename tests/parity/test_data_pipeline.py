"""Samples of the pipeline against those the 2019 dataset made, with its recorded random draws put in."""

import numpy as np
import pytest

from mmdet.datasets import GroupSampler, LoadAnnotations, VideoBatchSampler, YTVOSDataset
from mmdet.structures.rle import encode_mask

from .rules import GOLDEN, load_json, load_npz

META = load_json('data_pipeline.json')
ARRAYS = load_npz('data_pipeline.npz')
MEAN = np.array([123.675, 116.28, 103.53])
STD = np.array([58.395, 57.12, 57.375])
SAMPLES = META['train_samples']


class RecordedDraws:
    """Stands in for a Generator: first the reference, then scales; the flip; then the jitter."""

    def __init__(self, sample):
        self.reference = sample['ref_pos_in_valid_list']
        self.flip = sample['flip_draw']
        self.state = np.random.RandomState(sample['np_seed'])

    def integers(self, low, high=None):
        if self.reference is not None:
            choice, self.reference = self.reference % low, None
            return choice
        return self.state.randint(low, high)

    def random(self, size=None):
        return self.flip if size is None else self.state.rand(*size)


def make_dataset(sample=None, test_mode=False):
    pipeline = [{'type': 'LoadImage'}]
    scales = [(128, 72)]
    if sample:
        pipeline.append({'type': 'LoadAnnotations'})
        scales = sample['scales'] or scales
    pipeline.append({'type': 'Resize', 'scales': scales, 'mode': 'range' if len(scales) > 1 else 'value'})
    if sample:
        pipeline.append({'type': 'RandomFlip', 'prob': 0.5})
        if sample['aug']:
            pipeline.append({'type': 'RefBoxJitter', 'center': sample['aug'][0], 'size': sample['aug'][1]})
    pipeline.append({'type': 'PackInputs'})
    root = str(GOLDEN / 'data')
    return YTVOSDataset(
        'ann.json', pipeline, data_root=root, data_prefix={'img': 'images'}, test_mode=test_mode
    )


def normalize(frame, divisor=32):
    """uint8 (3, H, W) BGR to float64 RGB, normalized, then padded."""
    image = (frame.numpy()[::-1] - MEAN[:, None, None]) / STD[:, None, None]
    height, width = image.shape[1:]
    return np.pad(image, ((0, 0), (0, -height % divisor), (0, -width % divisor)))


def check_image(name, frame):
    image = normalize(frame)
    summary = META['tensor_summaries'][name]
    assert list(image.shape) == summary['shape']
    if name in ARRAYS:
        np.testing.assert_allclose(image, ARRAYS[name], rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_allclose(image[:, 8:16, 20:28], ARRAYS[name + '.crop'], rtol=1e-5, atol=1e-6)
    for key, value in (
        ('sum', image.sum()),
        ('abs_sum', np.abs(image).sum()),
        ('sq_sum', (image**2).sum()),
    ):
        assert value == pytest.approx(summary[key], rel=1e-5)


def check_meta(sample, expected):
    assert list(sample.ori_shape) == expected['ori_shape'][:2]
    assert list(sample.img_shape) == expected['img_shape'][:2]
    assert sample.scale_factor == expected['scale_factor']
    assert sample.flip == expected['flip']


def good_samples():
    return [number for number, sample in enumerate(SAMPLES) if 'error' not in sample]


@pytest.mark.parametrize('number', good_samples())
def test_training_sample(number):
    expected = SAMPLES[number]
    dataset = make_dataset(expected)
    dataset.make_rng = lambda entropy: RecordedDraws(expected)
    packed = dataset[expected['idx']]
    inputs, sample = packed['inputs'], packed['data_samples']
    assert inputs.shape[0] == 2
    check_image(f'tr{number}.img', inputs[0])
    check_image(f'tr{number}.ref_img', inputs[1])
    check_meta(sample, expected['img_meta'])
    golden = {key: ARRAYS[f'tr{number}.{key}'] for key in ('gt_bboxes', 'ref_bboxes', 'gt_labels', 'gt_pids')}
    boxes = sample.gt_instances.bboxes.numpy()
    assert boxes.dtype == np.float32
    np.testing.assert_array_equal(boxes, golden['gt_bboxes'])
    np.testing.assert_allclose(sample.ref_gt_instances.bboxes.numpy(), golden['ref_bboxes'], rtol=1e-6)
    np.testing.assert_array_equal(sample.gt_instances.labels.numpy() + 1, golden['gt_labels'])
    ids, ref_ids = sample.gt_instances.instance_ids.tolist(), sample.ref_gt_instances.instance_ids.tolist()
    assert [ref_ids.index(i) + 1 if i in ref_ids else 0 for i in ids] == golden['gt_pids'].tolist()
    ignored = ARRAYS[f'tr{number}.gt_bboxes_ignore']
    np.testing.assert_array_equal(sample.ignored_instances.bboxes.numpy(), ignored.reshape(-1, 4))
    # The original lists the mask of the crowd object too, before those of the boxes; here it is left out.
    shape = expected['gt_masks_shape']
    masks = np.unpackbits(ARRAYS[f'tr{number}.gt_masks'], axis=-1)[..., : shape[2]][len(ignored) :]
    height, width = sample.img_shape
    np.testing.assert_array_equal(sample.gt_instances.masks.numpy(), masks[:, :height, :width])
    assert not masks[:, height:].any()
    assert not masks[:, :, width:].any()


def test_video_with_one_usable_frame_is_its_own_reference():
    """The original crashes on it."""
    (failed,) = (sample for sample in SAMPLES if 'error' in sample)
    packed = make_dataset(failed)[failed['idx']]
    assert (packed['inputs'][0] == packed['inputs'][1]).all()
    ids = packed['data_samples'].gt_instances.instance_ids
    assert ids.tolist() == packed['data_samples'].ref_gt_instances.instance_ids.tolist() == [83]


def test_items_groups_and_references():
    train, test = make_dataset(SAMPLES[0]), make_dataset(test_mode=True)
    assert [list(item) for item in train.items] == META['train_img_ids']
    assert [list(item) for item in test.items] == META['test_img_ids']
    assert train.group_flags.tolist() == META['train_flag']
    assert [video['id'] for video in train.videos] == META['vid_ids']
    assert {str(k): v + 1 for k, v in train.cat2label.items()} == META['cat2label']
    for index, references in META['sample_ref_valid'].items():
        number, frame = train.items[int(index)]
        expected = [f for _, f in references] or [frame]
        assert train.reference_frames(int(index)) == expected


@pytest.mark.parametrize('number', range(len(META['parsed'])))
def test_parsed_annotations(number):
    expected = META['parsed'][number]
    dataset = make_dataset(test_mode=True)
    frame = dataset.raw_frame(expected['video'], expected['frame'])
    frame['ori_shape'] = (frame['height'], frame['width'])
    LoadAnnotations().apply(frame)
    np.testing.assert_array_equal(frame['gt_bboxes'], np.array(expected['bboxes'], np.float32).reshape(-1, 4))
    np.testing.assert_array_equal(
        frame['gt_bboxes_ignore'], np.array(expected['bboxes_ignore'], np.float32).reshape(-1, 4)
    )
    assert (frame['gt_labels'] + 1).tolist() == expected['labels']
    assert frame['gt_instance_ids'].tolist() == expected['obj_ids']
    kept = expected['mask_rles'][len(expected['bboxes_ignore']) :]
    assert [encode_mask(mask)['counts'] for mask in frame['gt_masks']] == kept


@pytest.mark.parametrize('number', range(META['test_len']))
def test_testing_sample(number):
    packed = make_dataset(test_mode=True)[number]
    check_image(f'te{number}.img', packed['inputs'][0])
    sample, expected = packed['data_samples'], META['test_metas'][number]
    check_meta(sample, expected)
    assert sample.frame_id == expected['frame_id']
    assert sample.video_id == META['vid_ids'][expected['video_id']]
    assert (sample.frame_id == 0) == expected['is_first']


def test_group_sampler_order_under_recorded_generator():
    """With the legacy generator of numpy the order is that of 2019."""
    sampler = GroupSampler(make_dataset(SAMPLES[0]), batch_size=2, seed=0, rank=0, world_size=1)
    assert len(sampler) == META['group_sampler_len']
    sampler.generator = lambda epoch: np.random.RandomState(3)
    assert [sample.index for sample in sampler] == META['group_sampler_seed3_spg2']


def test_video_batches_cover_each_video_once():
    dataset = make_dataset(test_mode=True)
    seen = []
    for rank in range(2):
        for batch in VideoBatchSampler(dataset, batch_size=3, rank=rank, world_size=2):
            videos = {dataset.items[index][0] for index in batch}
            assert len(videos) == 1
            seen.append((videos.pop(), rank, batch))
    assert sorted(index for _, _, batch in seen for index in batch) == list(range(len(dataset)))
    assert len({(video, rank) for video, rank, _ in seen}) == len(dataset.videos)
