import numpy as np
import pytest

from mmdet.datasets import ConcatDataset, GroupSampler, SampleIndex, VideoBatchSampler
from mmdet.registry import DATASETS
from mmdet.structures.classes import COCO_CLASSES, OVIS_CLASSES
from mmdet.utils import UserError

from ..formats.test_coco import content, write
from .test_ytvos import TEST, TRAIN, make

PAIRS = [
    {'type': 'LoadImage'},
    {'type': 'LoadAnnotations', 'with_ref_mask': True},
    {'type': 'RandomCrop', 'scale': (0.6, 0.9), 'independent': True},
    {'type': 'PhotoMetricDistortion', 'independent': True},
    *TRAIN[2:],
]


def images(root, coco, pipeline=TRAIN, kind='CocoDataset', **kwargs):
    return DATASETS.build(
        {
            'type': kind,
            'ann_file': coco,
            'data_root': str(root),
            'data_prefix': {'img': 'train/JPEGImages'},
            'pipeline': pipeline,
            **kwargs,
        }
    )


def test_images_train_and_test(synthetic, coco):
    dataset = images(synthetic, coco)
    assert len(dataset) == 4
    packed = dataset[0]
    sample = packed['data_samples']
    assert packed['inputs'].shape[0] == 1
    assert len(sample.gt_instances) == len(sample.gt_instances.masks) > 0
    assert 'ref_gt_instances' not in sample
    assert (sample.img_id, sample.video_id, sample.frame_id, sample.video_length) == (10, 10, 0, 1)
    tested = images(synthetic, coco, TEST, test_mode=True)
    assert [tested[i]['data_samples'].img_id for i in range(4)] == [10, 20, 30, 40]
    assert list(VideoBatchSampler(tested, 2)) == [[0, 1], [2, 3]]


def test_images_are_the_first_frames_of_the_videos(synthetic, coco):
    """The same image and the same objects by two readers."""
    videos = make(synthetic, pipeline=TEST[:1] + TRAIN[1:2] + TEST[2:], ref_frame=False)
    stills = images(synthetic, coco, TEST[:1] + TRAIN[1:2] + TEST[2:])
    for number, start in enumerate(start for start, _ in videos.video_slices):
        video, still = videos[start], stills[number]
        assert (video['inputs'] == still['inputs']).all()
        for key in ('bboxes', 'labels', 'masks', 'instance_ids'):
            first, second = video['data_samples'].gt_instances[key], still['data_samples'].gt_instances[key]
            assert (first == second).all()


def test_which_images_are_left_out(tmp_path):
    entries = [
        {'id': 1, 'width': 40, 'height': 50, 'file_name': 'a.jpg'},
        {'id': 2, 'width': 400, 'height': 31, 'file_name': 'small.jpg'},
        {'id': 3, 'width': 40, 'height': 50, 'file_name': 'empty.jpg'},
        {'id': 4, 'width': 80, 'height': 50, 'file_name': 'crowd.jpg'},
    ]
    base = content()['annotations'][0]
    annotations = [
        base,
        {**base, 'id': 9, 'image_id': 2},
        {**base, 'id': 10, 'image_id': 4, 'iscrowd': 1},
    ]
    path = write(tmp_path, content(images=entries, annotations=annotations))

    def kept(**kwargs):
        dataset = DATASETS.build({'type': 'CocoDataset', 'ann_file': path, **kwargs})
        return [dataset.videos[number]['id'] for number, _ in dataset.items]

    assert kept() == [1]
    assert kept(filter_empty=False) == [1, 3, 4]
    assert kept(min_size=0) == [1, 2]
    assert kept(test_mode=True) == [1, 2, 3, 4]
    dataset = DATASETS.build({'type': 'CocoDataset', 'ann_file': path, 'filter_empty': False})
    assert dataset.group_flags.tolist() == [0, 0, 1]
    assert dataset.raw_frame(*dataset.items[2])['instances'][0]['crowd'] is True


def test_coco_2017_has_its_classes(tmp_path):
    categories = [{'id': number + 11, 'name': name} for number, name in enumerate(COCO_CLASSES)]
    entry = {**content()['annotations'][0], 'category_id': 12}
    path = write(tmp_path, content(categories=categories, annotations=[entry]))
    dataset = DATASETS.build({'type': 'Coco2017Dataset', 'ann_file': path})
    assert dataset.metainfo == {'classes': COCO_CLASSES, 'cat_ids': tuple(range(11, 91))}


def test_pseudo_pairs_are_two_views_of_one_image(synthetic, coco):
    dataset = images(synthetic, coco, PAIRS, 'CocoPseudoPairs')
    different = 0
    for epoch in range(5):
        for index in range(len(dataset)):
            packed = dataset[SampleIndex(index, epoch)]
            sample = packed['data_samples']
            assert packed['inputs'].shape[0] == 2
            assert sample.img_path == sample.ref_img_path
            ids, ref_ids = sample.gt_instances.instance_ids, sample.ref_gt_instances.instance_ids
            assert set(ids.tolist()) & set(ref_ids.tolist())
            different += bool((packed['inputs'][0] != packed['inputs'][1]).any())
    assert different == 5 * len(dataset)
    assert (dataset[1]['inputs'] == dataset[1]['inputs']).all()


def test_joint_training_with_videos(synthetic, coco):
    videos, stills = make(synthetic), images(synthetic, coco, PAIRS, 'CocoPseudoPairs')
    both = DATASETS.build({'type': 'ConcatDataset', 'datasets': [videos, stills]})
    assert len(both) == len(videos) + len(stills)
    assert both.metainfo == videos.metainfo
    assert both.locate(len(videos)) == (1, 0)
    assert both.locate(-1) == (1, len(stills) - 1)
    sampler = GroupSampler(both, batch_size=2, seed=0)
    drawn = [both[sample] for sample in sampler]
    assert all(packed['inputs'].shape[0] == 2 for packed in drawn)
    kinds = {packed['data_samples'].video_id >= 10 for packed in drawn}
    assert kinds == {True, False}
    assert (both[2]['inputs'] == videos[2]['inputs']).all()
    with pytest.raises(IndexError):
        both[len(both)]


@pytest.mark.parametrize(
    'rename, message',
    [
        ({'circel': 'disc'}, r"has no category 'circel' \(did you mean 'circle'\?\)"),
        ({'circle': 'ring'}, "2 categories of .* are named 'ring'"),
    ],
)
def test_wrong_new_names_are_refused(synthetic, coco, rename, message):
    with pytest.raises(UserError, match=message):
        images(synthetic, coco, rename=rename)


def test_new_names_and_categories_left_out(synthetic, coco):
    before = images(synthetic, coco)
    names = before.metainfo['classes']
    used = sorted(
        {e['label'] for i in range(len(before)) for e in before.raw_frame(*before.items[i])['instances']}
    )
    first, second = (names[label] for label in used[:2])
    after = images(synthetic, coco, rename={first: 'new', second: None})
    assert 'new' in after.metainfo['classes'] and second not in after.metainfo['classes']
    label = after.metainfo['classes'].index('new')

    def count(dataset, label):
        return sum(
            e['label'] == label
            for i in range(len(dataset))
            for e in dataset.raw_frame(*dataset.items[i])['instances']
        )

    assert count(after, label) == count(before, used[0]) > 0


def test_classes_by_the_name_of_a_data_set(synthetic, coco):
    dataset = images(synthetic, coco, test_mode=True, classes='OVISDataset', filter_classes=True,
                     rename={'circle': 'Dog'})  # fmt: skip
    assert dataset.metainfo['classes'] == OVIS_CLASSES
    assert dataset.metainfo['cat_ids'].count(-1) == 24
    with pytest.raises(UserError, match="one of Coco2017Dataset, OVISDataset, .* got the string 'Nothing'"):
        images(synthetic, coco, classes='Nothing')


def test_joined_data_sets_draw_apart_and_keep_their_videos_apart(synthetic):
    first, second = make(synthetic), make(synthetic)
    both = ConcatDataset([first, second])
    seeds = {both[index]['data_samples'].sample_seed for index in range(len(both))}
    assert len(seeds) == len(both)
    assert both.video_slices[4][0] == len(first)
    assert both.video_slices[-1][1] == len(both)


def test_joint_training_needs_the_same_classes(synthetic, coco):
    names = make(synthetic).metainfo['classes']
    stills = images(synthetic, coco, classes=names[::-1])
    with pytest.raises(UserError, match='dataset 1 has other classes'):
        ConcatDataset([make(synthetic), stills])
    with pytest.raises(ValueError, match='at least one'):
        ConcatDataset([])


def test_data_sets_to_test_on_share_no_ids(synthetic):
    with pytest.raises(UserError, match=r'the id .* is in dataset 0 and in dataset 1, so that their results'):
        ConcatDataset([make(synthetic, test_mode=True), make(synthetic, test_mode=True)])


def test_group_flags_of_all(synthetic, coco):
    both = ConcatDataset([make(synthetic), images(synthetic, coco)])
    assert both.group_flags.dtype == np.uint8
    assert len(both.group_flags) == len(both)
