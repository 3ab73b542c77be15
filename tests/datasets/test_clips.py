"""The dataset on real clips, where they are at hand (MASKTRACK_CLIPS names their folder)."""

import os
from pathlib import Path

import numpy as np
import pytest

from mmdet.datasets import GroupSampler, VideoBatchSampler, YTVOSDataset
from mmdet.structures.rle import segm_to_rle

ROOT = Path(__file__).resolve().parents[2]
CLIPS = Path(os.environ.get('MASKTRACK_CLIPS', ROOT / '../shared/clips'))
pytestmark = pytest.mark.skipif(not (CLIPS / 'annotations').is_dir(), reason=f'no clips in {CLIPS}')

STEPS = [{'type': 'LoadImage'}, {'type': 'LoadAnnotations'}, {'type': 'Resize', 'scale': (320, 180)}]


def clips(pipeline=(*STEPS, {'type': 'RandomFlip'}, {'type': 'PackInputs'}), **kwargs):
    return YTVOSDataset(
        'annotations/instances.json',
        pipeline,
        data_root=str(CLIPS),
        data_prefix={'img': 'JPEGImages'},
        **kwargs,
    )


def test_category_ids_with_gaps_become_labels_without():
    dataset = clips()
    assert dataset.metainfo['cat_ids'] == (1, 2, 4, 5, 7, 9, 11)
    assert dataset.metainfo['classes'][4] == 'elephant'
    labels = {label for index in range(len(dataset)) for label in labels_of(dataset, index)}
    assert labels == set(range(7))


def labels_of(dataset, index):
    return [entry['label'] for entry in dataset.raw_frame(*dataset.items[index])['instances']]


def test_every_frame_is_an_item_and_every_pair_packs():
    dataset = clips()
    assert len(dataset) == 138
    for index in range(0, len(dataset), 6):
        packed = dataset[index]
        sample = packed['data_samples']
        height, width = sample.img_shape
        assert packed['inputs'].shape == (2, 3, height, width)
        assert max(height, width) <= 320
        assert min(height, width) <= 180
        assert sample.gt_instances.masks.shape[1:] == (height, width)
        assert sample.gt_instances.bboxes.numpy().min() >= 0


def test_masks_have_the_areas_that_the_file_states():
    dataset = clips(STEPS[:2])
    for index in range(0, len(dataset), 20):
        number, frame = dataset.items[index]
        loaded = dataset[index]['frames'][0]
        areas = {track['id']: track['areas'][frame] for track in dataset.tracks[number]}
        stated = [areas[identity] for identity in loaded['gt_instance_ids'].tolist()]
        assert loaded['gt_masks'].sum((1, 2)).tolist() == stated
        entries = dataset.raw_frame(number, frame)['instances']
        assert all(segm_to_rle(entry['segm'], *loaded['ori_shape']) for entry in entries)


def test_samplers_on_clips_of_two_shapes():
    dataset = clips()
    sampler = GroupSampler(dataset, batch_size=4, seed=0)
    flags = [dataset.group_flags[sample.index] for sample in sampler]
    assert all(len(set(flags[start : start + 4])) == 1 for start in range(0, len(flags), 4))
    tested = clips([*STEPS[:1], {'type': 'PackInputs'}], test_mode=True)
    batches = list(VideoBatchSampler(tested, 8))
    shapes = [{tested.video_sizes[tested.items[index][0]] for index in batch} for batch in batches]
    assert all(len(shape) == 1 for shape in shapes) and sum(len(batch) < 8 for batch in batches) == 2
    assert np.concatenate(batches).tolist() == list(range(138))
