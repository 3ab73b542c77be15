"""Annotations in other than the usual form: read where the meaning is plain, and the check says the same."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from mmdet.datasets import YTVOSDataset
from mmdet.evaluation import evaluate_ytvis
from mmdet.evaluation.checks import check_annotations
from mmdet.formats.ytvis import parse_ytvis
from mmdet.structures.rle import encode_mask
from mmdet.utils import UserError

SIZE = (20, 30)


def rle(x=4):
    mask = np.zeros(SIZE, np.uint8)
    mask[5:12, x : x + 8] = 1
    return encode_mask(mask)


SQUARE = [4, 5, 12, 5, 12, 12, 4, 12]
BOX = [4, 5, 8, 7]


def content():
    """A video of three frames; the object is absent in the last one."""
    video = {'id': 1, 'height': 20, 'width': 30, 'length': 3, 'file_names': [f'v/{n}.png' for n in range(3)]}
    track = {'id': 1, 'video_id': 1, 'category_id': 1, 'iscrowd': 0}
    track.update(segmentations=[rle(), rle(6), None], bboxes=[BOX, [6, 5, 8, 7], None], areas=[56, 56, None])
    return {'videos': [video], 'categories': [{'id': 1, 'name': 'a'}], 'annotations': [track]}


USUAL = content()


def put(key, value, where='annotations'):
    def change(made):
        if value is KeyError:
            del made[where][0][key]
        else:
            made[where][0][key] = value

    return change


def absent(mask=None, box=None, area=None):
    """The object is absent in the last frame, in another spelling."""

    def change(made):
        for key, value in (('segmentations', mask), ('bboxes', box), ('areas', area)):
            made['annotations'][0][key][2] = value

    return change


def cut(*keys):
    """Lists that end where the object does."""

    def change(made):
        for key in keys:
            made['annotations'][0][key] = made['annotations'][0][key][:2]

    return change


#: What a file says -> whether the check passes (False: training reads it, scoring does not).
SPELLINGS = {
    'no boxes': (put('bboxes', KeyError), True),
    'boxes null': (put('bboxes', None), True),
    'no boxes in any frame': (put('bboxes', [None] * 3), True),
    'an empty list of boxes': (put('bboxes', []), True),
    'no areas': (put('areas', KeyError), True),
    'areas null': (put('areas', None), True),
    'no iscrowd': (put('iscrowd', KeyError), True),
    'iscrowd null': (put('iscrowd', None), True),
    'iscrowd false': (put('iscrowd', False), True),
    'iscrowd 0.0': (put('iscrowd', 0.0), True),
    'no height': (put('height', KeyError, 'videos'), True),
    'no size': (lambda made: [made['videos'][0].pop(key) for key in ('height', 'width', 'length')], True),
    'width null': (put('width', None, 'videos'), True),
    'width 0': (put('width', 0, 'videos'), True),
    'size as text': (put('width', '30', 'videos'), True),
    'size as float': (put('height', 20.0, 'videos'), True),
    'backslashes': (put('file_names', [f'v\\{n}.png' for n in range(3)], 'videos'), True),
    'absent: []': (absent([], [], 0), True),
    'absent: {}': (absent({}, [], 0), True),
    'absent: ""': (absent('', None, 0), True),
    'absent: [[]]': (absent([[]]), True),
    'absent: [null]': (absent([None]), True),
    'absent: empty text': (absent({'size': [20, 30], 'counts': ''}, [0, 0, 0, 0], 0), True),
    'absent: empty list': (absent({'size': [20, 30], 'counts': []}, [0.0, 0.0, 0.0, 0.0], 0.0), True),
    'absent: counts null': (absent({'size': [20, 30], 'counts': None}), True),
    'absent: all background': (absent({'size': [20, 30], 'counts': [600]}, None, 0), True),
    'absent: two points': (absent([[1, 2, 1, 2]], [1, 2, 0, 0], 0), False),
    'absent: a point': (absent([[1, 2]], [1, 2, 1, 1], 1), True),
    'masks end early': (cut('segmentations'), False),
    'all lists end early': (cut('segmentations', 'bboxes', 'areas'), False),
    'boxes end early': (cut('bboxes'), True),
    'a frame too many': (put('segmentations', [rle(), rle(6), None, None]), False),
    'one polygon alone': (put('segmentations', [SQUARE, rle(6), None]), False),
    'remains of a brush': (put('segmentations', [[SQUARE, [1, 2, 3, 4], [5, 6]], rle(6), None]), True),
    'id as text': (put('id', 'a1b2'), True),
    'id as float': (put('id', 1.0), True),
    'id without end': (put('id', 10**40), True),
}


def images(folder):
    for n in range(3):
        (folder / 'v').mkdir(exist_ok=True)
        Image.new('RGB', SIZE[::-1]).save(folder / 'v' / f'{n}.png')


def drawn(path, folder):
    """Boxes, areas and frames of all samples of training."""
    pipeline = [
        dict(type='LoadImage'),
        dict(type='LoadAnnotations', with_ref_mask=True),
        dict(type='PackInputs'),
    ]
    dataset = YTVOSDataset(str(path), pipeline, data_prefix={'img': str(folder)})
    found = []
    for number in range(len(dataset)):
        sample = dataset[number]['data_samples']
        here = sample.gt_instances
        found.append((sample.frame_id, here.bboxes.tolist(), here.masks.sum((1, 2)).tolist()))
    return found


@pytest.mark.parametrize('name', SPELLINGS)
def test_what_is_plain_is_read(name, tmp_path):
    change, passes = SPELLINGS[name]
    made = content()
    change(made)
    before, path = copy.deepcopy(made), tmp_path / 'ann.json'
    images(tmp_path)
    path.write_text(json.dumps(USUAL))
    expected = drawn(path, tmp_path)
    path.write_text(json.dumps(made))
    assert len(expected) == 2 and [f[:2] for f in drawn(path, tmp_path)] == [f[:2] for f in expected]
    assert abs(drawn(path, tmp_path)[0][2][0] - 56) <= 17  # pycocotools draws polygons with their border
    track = parse_ytvis(made).tracks[0]
    assert made == before, 'the input was changed'
    assert track['bboxes'] == [BOX, [6, 5, 8, 7], None] and track['areas'][:2] == [56, 56]
    assert track['segmentations'][2] is None or not track['areas'][2]
    findings = check_annotations(path, tmp_path)
    assert (not findings.problems) == passes, findings
    if passes:  # strict scoring reads it as well
        result = {'video_id': 1, 'category_id': 1, 'score': 1.0, 'segmentations': [rle(), rle(6), None]}
        assert evaluate_ytvis(made, [result])['stats']['AP'] > 0.8


@pytest.mark.parametrize(('flag', 'crowd'), [(2, 1), (-1, 1), (True, 1), (False, 0), (1.0, 1), (0.0, 0)])
def test_crowds_are_all_but_zero(flag, crowd):
    made = content()
    made['annotations'][0]['iscrowd'] = flag
    assert parse_ytvis(made).tracks[0]['iscrowd'] == crowd


def test_sizes_are_those_of_the_images_where_there_are_no_masks(tmp_path):
    made = content()
    made['annotations'][0]['segmentations'] = [[SQUARE], [SQUARE], None]
    del made['videos'][0]['width']
    with pytest.raises(
        UserError, match=r'videos\[0\] \(id 1\).width: expected a positive integer, got nothing'
    ):
        parse_ytvis(made)
    images(tmp_path)
    read = parse_ytvis(made, images=tmp_path)
    assert (read.videos[0]['height'], read.videos[0]['width']) == SIZE
    assert read.notes == [
        'annotations: 1 videos without height and width: they are those of the masks or images'
    ]


def test_numbers_stand_for_ids_that_are_text(tmp_path):
    made, images_of = content(), images(tmp_path)
    assert images_of is None
    made['annotations'].append({**copy.deepcopy(made['annotations'][0]), 'id': 'b'})
    made['categories'] = [{'id': 'cat', 'name': 'a'}, {'id': 2, 'name': 'b'}]
    made['annotations'][0]['category_id'] = 'cat'
    made['annotations'][1]['category_id'] = 2
    made['annotations'][0]['id'] = 'a'
    (tmp_path / 'ann.json').write_text(json.dumps(made))
    dataset = YTVOSDataset(
        str(tmp_path / 'ann.json'),
        [dict(type='LoadImage'), dict(type='LoadAnnotations'), dict(type='PackInputs')],
        data_prefix={'img': str(tmp_path)},
    )
    sample = dataset[0]['data_samples']
    assert sample.gt_instances.instance_ids.tolist() == [1, 2]
    assert sample.ref_gt_instances.instance_ids.tolist() == [1, 2]
    assert dataset.metainfo == {'classes': ('b', 'a'), 'cat_ids': (2, 'cat')}
    assert not check_annotations(tmp_path / 'ann.json').problems


@pytest.mark.parametrize(
    ('change', 'kind'),
    [
        (lambda made: made.update(annotations=[]), 'nothing_usable'),
        (put('segmentations', [None] * 3), 'presence'),
        (put('iscrowd', 1), 'nothing_usable'),
        (put('areas', [0, 0, 0]), 'nothing_usable'),
        (put('segmentations', [{'size': [20, 31], 'counts': [620]}, rle(6), None]), 'mask_size'),
        (put('segmentations', [{'size': [10**5] * 2, 'counts': [0, 10**10]}, rle(6), None]), 'mask_size'),
        (put('segmentations', [{'size': [20, 30], 'counts': [10**30, 1]}, rle(6), None]), 'damaged_mask'),
        (put('height', 10**7, 'videos'), 'video_size'),
        (put('file_names', ['a\0b', 'v/1.png', 'v/2.png'], 'videos'), 'file_names'),
        (put('file_names', ['a\ud800', 'v/1.png', 'v/2.png'], 'videos'), 'file_names'),
        (put('id', True), 'odd_id'),
    ],
)
def test_the_check_names_what_training_refuses(change, kind, tmp_path):
    made = content()
    change(made)
    images(tmp_path)
    (tmp_path / 'ann.json').write_text(json.dumps(made))
    with pytest.raises(UserError):
        drawn(tmp_path / 'ann.json', tmp_path)
    assert kind in check_annotations(tmp_path / 'ann.json', tmp_path).problems
