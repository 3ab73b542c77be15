import copy
import json
import os
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mmdet.datasets import (
    GroupSampler,
    OVISDataset,
    SampleIndex,
    YouTubeVIS2019Dataset,
    YouTubeVIS2021Dataset,
    YTVOSDataset,
)
from mmdet.registry import DATASETS
from mmdet.structures import OVIS_CLASSES, YTVIS_2019_CLASSES, YTVIS_2021_CLASSES
from mmdet.structures.rle import decode_rle, encode_mask
from mmdet.utils import UserError

TRAIN = [
    {'type': 'LoadImage'},
    {'type': 'LoadAnnotations'},
    {'type': 'Resize', 'scales': [(96, 64), (72, 48)], 'mode': 'range'},
    {'type': 'RandomFlip', 'prob': 0.5},
    {'type': 'PackInputs'},
]
TEST = [{'type': 'LoadImage'}, {'type': 'Resize', 'scale': (48, 32)}, {'type': 'PackInputs'}]


def make(root, split='train', pipeline=TRAIN, **kwargs):
    folder = {'train': 'train', 'val': 'valid'}[split]
    return YTVOSDataset(
        f'annotations/instances_{split}_sub.json',
        pipeline,
        data_root=str(root),
        data_prefix={'img': f'{folder}/JPEGImages'},
        **kwargs,
    )


def mask_rle(height=20, width=30, box=(2, 3, 5, 6)):
    mask = np.zeros((height, width), np.uint8)
    x, y, w, h = box
    mask[y : y + h, x : x + w] = 1
    return encode_mask(mask)


CATEGORIES = ({'id': 4, 'name': 'cat'}, {'id': 2, 'name': 'dog'})


def write(tmp_path, tracks, frames=2, categories=CATEGORIES):
    """An annotation file of one video of 30x20 pixels; tracks are dicts over the defaults."""
    entries = []
    for number, track in enumerate(tracks):
        entry = {'id': number + 1, 'video_id': 1, 'category_id': 4, 'iscrowd': 0}
        entry.update(segmentations=[mask_rle()] * frames, bboxes=[[2, 3, 5, 6]] * frames, areas=[30] * frames)
        entry.update(track)
        entries.append(entry)
    names = [f'v/{frame}.png' for frame in range(frames)]
    videos = [{'id': 1, 'width': 30, 'height': 20, 'length': frames, 'file_names': names}]
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps({'videos': videos, 'annotations': entries, 'categories': list(categories)}))
    return str(path)


def digest(packed):
    sample = packed['data_samples']
    gt, ref = sample.gt_instances, sample.ref_gt_instances
    return (
        packed['inputs'].shape,
        int(packed['inputs'].long().sum()),
        gt.bboxes.tolist(),
        gt.labels.tolist(),
        gt.instance_ids.tolist(),
        int(gt.masks.sum()),
        ref.bboxes.tolist(),
        sample.ref_img_path,
        sample.flip,
        sample.scale_factor,
        sample.sample_seed,
    )


def test_packed_pair(synthetic):
    packed = make(synthetic)[3]
    sample = packed['data_samples']
    gt = sample.gt_instances
    assert packed['inputs'].dtype == torch.uint8
    assert packed['inputs'].shape == (2, 3, *sample.img_shape)
    count = len(gt)
    assert count > 0
    assert (gt.bboxes.dtype, gt.bboxes.shape) == (torch.float32, (count, 4))
    assert (gt.labels.dtype, gt.instance_ids.dtype) == (torch.int64, torch.int64)
    assert (gt.masks.dtype, gt.masks.shape) == (torch.uint8, (count, *sample.img_shape))
    assert set(sample.ref_gt_instances.keys()) == {'bboxes', 'labels', 'instance_ids'}
    assert sample.ignored_instances.bboxes.shape == (0, 4)
    assert sample.video_id == 1
    assert sample.ref_img_path != sample.img_path
    assert os.path.dirname(sample.ref_img_path) == os.path.dirname(sample.img_path)


def test_masks_boxes_and_flip_move_together(synthetic):
    """After resize and flip the mask still lies in its box, for either draw of the flip."""
    dataset = make(synthetic)
    seen = set()
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        seen.add(sample.flip)
        for box, mask in zip(sample.gt_instances.bboxes, sample.gt_instances.masks):
            rows, columns = torch.where(mask)
            tight = torch.stack([columns.min(), rows.min(), columns.max(), rows.max()])
            assert (tight - box).abs().max() < 2
    assert seen == {True, False}


def test_testing_gives_all_frames_in_order(synthetic):
    dataset = make(synthetic, 'val', TEST, test_mode=True)
    assert len(dataset) == 18
    frames = [dataset[index]['data_samples'] for index in range(len(dataset))]
    assert [sample.frame_id for sample in frames] == list(range(6)) * 3
    assert [sample.video_id for sample in frames] == [1] * 6 + [2] * 6 + [3] * 6
    assert dataset.video_slices == [(0, 6), (6, 12), (12, 18)]
    sample = frames[0]
    assert (sample.ori_shape, sample.img_shape, sample.scale_factor) == ((64, 96), (32, 48), 0.5)
    assert sample.video_length == 6
    assert 'sample_seed' not in sample
    assert 'gt_instances' not in sample
    assert dataset[0]['inputs'].shape == (1, 3, 32, 48)


def test_samples_depend_on_seed_epoch_and_index_alone(synthetic):
    dataset = make(synthetic)
    request = SampleIndex(2, 5, 11)
    expected = digest(dataset[request])
    for index in range(4):  # what was drawn before must not matter
        dataset[index]
    np.random.seed(0)
    torch.manual_seed(0)
    assert digest(dataset[request]) == expected == digest(make(synthetic, seed=99)[request])
    others = [SampleIndex(2, 6, 11), SampleIndex(2, 5, 12), SampleIndex(3, 5, 11)]
    assert all(digest(dataset[other]) != expected for other in others)
    assert digest(make(synthetic, seed=11)[SampleIndex(2, 5)]) == expected


@pytest.mark.parametrize('workers', [1, 2])
def test_worker_processes_do_not_change_samples(synthetic, workers):
    dataset = make(synthetic)
    sampler = GroupSampler(dataset, batch_size=2, seed=4)
    options = {'batch_size': 2, 'sampler': sampler, 'collate_fn': list}
    plain = [[digest(s) for s in batch] for batch in DataLoader(dataset, **options)]
    loader = DataLoader(dataset, num_workers=workers, persistent_workers=True, **options)
    assert [[digest(s) for s in batch] for batch in loader] == plain
    sampler.set_epoch(1)
    second = [[digest(s) for s in batch] for batch in loader]  # the workers are those of epoch 0
    assert second != plain
    assert second == [[digest(s) for s in batch] for batch in DataLoader(dataset, **options)]


def test_an_error_in_a_worker_is_one_clear_line(synthetic):
    dataset = make(synthetic)
    dataset.videos[0]['file_names'][0] = 'nowhere.jpg'
    with pytest.raises(UserError) as error:
        list(DataLoader(dataset, num_workers=1, collate_fn=list))
    assert str(error.value).startswith('frame ')
    assert str(error.value).endswith('nowhere.jpg does not exist')
    assert '\n' not in str(error.value)


def test_reference_covers_the_other_frames_evenly(synthetic):
    dataset = make(synthetic)
    index = 2
    choices = dataset.reference_frames(index)
    number, frame = dataset.items[index]
    assert frame not in choices
    names = [dataset.videos[number]['file_names'][choice] for choice in choices]
    counts = dict.fromkeys(names, 0)
    for epoch in range(400):
        rng = dataset.make_rng([0, epoch, index, 0])
        path = dataset.frames_of(index, rng)[1]['img_path']
        counts['/'.join(path.split('/')[-2:])] += 1
    expected = 400 / len(names)
    assert all(0.6 * expected < count < 1.4 * expected for count in counts.values())


def test_without_reference(synthetic):
    packed = make(synthetic, ref_frame=False)[0]
    assert packed['inputs'].shape[0] == 1
    assert 'ref_gt_instances' not in packed['data_samples']


def test_labels_follow_sorted_ids_or_the_given_order(tmp_path):
    path = write(tmp_path, [{}, {'category_id': 2}])
    by_id = YTVOSDataset(path)
    assert by_id.metainfo == {'classes': ('dog', 'cat'), 'cat_ids': (2, 4)}
    given = YTVOSDataset(path, classes=['cat', 'dog'])
    assert given.metainfo == {'classes': ('cat', 'dog'), 'cat_ids': (4, 2)}
    assert [entry['label'] for entry in given.raw_frame(0, 0)['instances']] == [0, 1]
    assert YTVOSDataset(path, metainfo={'classes': ['cat', 'dog']}).metainfo == given.metainfo


def test_category_outside_the_classes_is_refused_or_filtered(tmp_path):
    path = write(tmp_path, [{}, {'category_id': 2}])
    message = "ann.json: annotations of 1 categories outside .*'dog'.*filter_classes"
    with pytest.raises(UserError, match=message):
        YTVOSDataset(path, classes=('cat',))
    kept = YTVOSDataset(path, classes=('cat',), filter_classes=True)
    assert [entry['instance_id'] for entry in kept.raw_frame(0, 0)['instances']] == [1]
    unused = write(tmp_path, [{}])
    assert YTVOSDataset(unused, classes=('cat',)).metainfo['cat_ids'] == (4,)


def test_class_that_the_file_lacks(tmp_path):
    path = write(tmp_path, [{}])
    with pytest.raises(UserError, match=r"no category 'dogs' \(did you mean 'dog'\?\)"):
        YTVOSDataset(path, classes=('cat', 'dogs'))
    assert YTVOSDataset(path, classes=('cat', 'cow'), filter_classes=True).metainfo['cat_ids'] == (4, -1)
    with pytest.raises(UserError, match='none of the given classes'):
        YTVOSDataset(path, classes=('cow',), filter_classes=True)
    with pytest.raises(UserError, match='got the string'):
        YTVOSDataset(path, classes='cat')


@pytest.mark.parametrize(
    ('kind', 'names'),
    [
        (YouTubeVIS2019Dataset, YTVIS_2019_CLASSES),
        (YouTubeVIS2021Dataset, YTVIS_2021_CLASSES),
        (OVISDataset, OVIS_CLASSES),
    ],
)
def test_known_data_sets(kind, names, tmp_path):
    categories = [{'id': number + 1, 'name': name} for number, name in enumerate(names)]
    path = write(tmp_path, [{}], categories=categories)
    dataset = DATASETS.build({'type': kind.__name__, 'ann_file': path})
    assert dataset.metainfo == {'classes': names, 'cat_ids': tuple(range(1, len(names) + 1))}
    assert dataset.raw_frame(0, 0)['instances'][0]['label'] == 3


@pytest.mark.parametrize(
    ('track', 'frames'),
    [
        ({'bboxes': [None, [2, 3, 5, 6]]}, [1]),
        ({'areas': [0, 30]}, [1]),
        ({'areas': [None, 30]}, [0, 1]),  # the 2019 code fails with a TypeError
        ({'areas': None}, [0, 1]),
        ({'bboxes': [[2, 3, 0.5, 6], [2, 3, 5, 6]]}, [1]),
        ({'bboxes': [[2, 3, 5, 0.9], [2, 3, 1, 1]]}, [1]),
    ],
)
def test_usable_frames(track, frames, tmp_path):
    assert YTVOSDataset(write(tmp_path, [track])).usable == [frames]


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(UserError, match='no frame has a usable object'):
        YTVOSDataset(write(tmp_path, [{'iscrowd': 1}]))
    assert len(YTVOSDataset(write(tmp_path, [{'iscrowd': 1}]), test_mode=True)) == 2


def annotated(path, frame=0):
    """The first frame of an annotation file after LoadAnnotations."""
    from mmdet.datasets import LoadAnnotations

    results = {'frames': [YTVOSDataset(path).raw_frame(0, frame)]}
    return LoadAnnotations()(results)['frames'][0]


def test_crowd_is_a_box_to_ignore_without_a_mask(tmp_path):
    """The 2019 code appended the crowd's mask, so that every later mask belonged to the wrong box."""
    second = mask_rle(box=(10, 10, 3, 3))
    tracks = [{'iscrowd': 1}, {'segmentations': [second] * 2, 'bboxes': [[10, 10, 3, 3]] * 2}]
    frame = annotated(write(tmp_path, tracks))
    assert frame['gt_bboxes_ignore'].tolist() == [[2, 3, 6, 8]]
    assert frame['gt_bboxes'].tolist() == [[10, 10, 12, 12]]
    assert frame['gt_instance_ids'].tolist() == [2]
    assert (frame['gt_masks'] == decode_rle(second)[None]).all()


@pytest.mark.parametrize('form', ['compressed', 'uncompressed', 'polygon'])
def test_mask_formats(form, tmp_path):
    compressed = mask_rle(box=(2, 3, 5, 6))
    flat = decode_rle(compressed).ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    uncompressed = {'size': [20, 30], 'counts': np.diff([0, *edges, flat.size]).tolist()}
    polygon = [[2, 3, 7, 3, 7, 9, 2, 9]]
    segm = {'compressed': compressed, 'uncompressed': uncompressed, 'polygon': polygon}[form]
    frame = annotated(write(tmp_path, [{'segmentations': [segm, None], 'bboxes': [[2, 3, 5, 6], None]}]))
    assert frame['gt_masks'].shape == (1, 20, 30)
    assert (frame['gt_masks'][0] == decode_rle(compressed)).all()


@pytest.mark.parametrize(
    ('segm', 'message'),
    [
        ({'size': [20, 30], 'counts': [10, 10]}, 'add up to 20'),
        ({'size': [20, 30], 'counts': '\u00e9'}, 'ASCII'),
        (None, 'has a box but no segmentation'),
    ],
)
def test_damaged_mask_names_object_and_frame(segm, message, tmp_path):
    path = write(tmp_path, [{}, {'segmentations': [mask_rle(), segm]}])
    with pytest.raises(UserError, match=rf'ann\.json: object 2 in frame 1 .*v/1\.png.*{message}'):
        annotated(path, frame=1)


def test_nothing_decodes_a_mask_at_start_up(tmp_path):
    """A damaged mask is an error when its frame is loaded, not before."""
    path = write(tmp_path, [{'segmentations': [{'size': [20, 30], 'counts': [5]}] * 2}])
    assert len(YTVOSDataset(path)) == 2


def test_modern_boxes_end_one_past_the_last_pixel(tmp_path):
    dataset = YTVOSDataset(write(tmp_path, [{}]), box_offset=0)
    assert dataset.raw_frame(0, 0)['instances'][0]['bbox'] == [2, 3, 7, 9]
    with pytest.raises(ValueError, match='box_offset'):
        YTVOSDataset(write(tmp_path, [{}]), box_offset=2)


def test_index_out_of_range(synthetic):
    dataset = make(synthetic)
    with pytest.raises(IndexError, match=f'of a dataset of {len(dataset)}'):
        dataset[len(dataset)]
    last = dataset[-1]['data_samples'].img_path
    assert last == dataset[len(dataset) - 1]['data_samples'].img_path


def test_pipeline_step_that_is_none(tmp_path):
    with pytest.raises(TypeError, match=r'pipeline\[1\]'):
        YTVOSDataset(write(tmp_path, [{}]), [{'type': 'LoadImage'}, 3])
    with pytest.raises(KeyError, match='LoadImge'):
        YTVOSDataset(write(tmp_path, [{}]), [{'type': 'LoadImge'}])


def test_start_up_on_youtube_vis_2019_takes_seconds(tmp_path):
    """2238 videos and 61 000 frames, run lengths as the official file has them."""
    rle = {'size': [720, 1280], 'counts': list(range(1, 150))}
    track = {'segmentations': [rle] * 27, 'bboxes': [[1.0, 2.0, 30.0, 40.0]] * 27, 'areas': [9.0] * 27}
    videos, annotations = [], []
    for number in range(2238):
        names = [f'{number}/{frame}.jpg' for frame in range(27 + (number % 4 == 0))]
        videos.append({'id': number + 1, 'width': 1280, 'height': 720, 'file_names': names})
        entry = copy.copy(track)
        if len(names) == 28:
            entry = {key: [*value, None] for key, value in entry.items()}
        annotations.append(
            {'id': number + 1, 'video_id': number + 1, 'category_id': 1, 'iscrowd': 0, **entry}
        )
    path = tmp_path / 'big.json'
    with open(path, 'w') as file:
        json.dump(
            {'videos': videos, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'a'}]}, file
        )
    start = time.process_time()
    dataset = YTVOSDataset(str(path))
    assert time.process_time() - start < 10
    assert len(dataset) == 2238 * 27
