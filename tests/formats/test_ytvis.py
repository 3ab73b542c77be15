import copy
import json
import subprocess
import sys
import time

import pytest

from mmdet.evaluation.checks import check_annotations
from mmdet.formats import ytvis
from mmdet.formats.defects import InputDefect
from mmdet.formats.ytvis import parse_ytvis
from mmdet.utils import UserError

GOOD = {
    'categories': [{'id': 7, 'name': 'dog'}, {'id': 3, 'name': 'cat'}],
    'videos': [
        {'id': 5, 'width': 4, 'height': 3, 'file_names': ['a/0.jpg', 'a/1.jpg']},
        {'id': 2, 'width': 4, 'height': 3, 'file_names': []},
    ],
    'annotations': [
        {
            'id': 1,
            'video_id': 5,
            'category_id': 3,
            'iscrowd': 0,
            'segmentations': [{'size': [3, 4], 'counts': [0, 12]}, None],
            'bboxes': [[0, 0, 4, 3], None],
            'areas': [12, None],
        }
    ],
}


def test_good_file(tmp_path):
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(GOOD))
    index = ytvis.read(path)
    assert index.class_names == ('cat', 'dog')
    assert index.category_ids == (3, 7)
    assert [video['id'] for video in index.videos] == [5, 2]
    assert [a['id'] for a in index.by_video[5]] == [1]
    assert index.by_video[2] == []
    assert index.has_annotations


@pytest.mark.parametrize('value', [None, 'absent'])
def test_a_test_set_has_no_annotations(value):
    content = copy.deepcopy(GOOD)
    content['annotations'] = None
    if value == 'absent':
        del content['annotations']
    assert not parse_ytvis(content).has_annotations
    with pytest.raises(UserError, match='only lists videos'):
        parse_ytvis(content, require_annotations=True)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match=r'nowhere\.json does not exist'):
        ytvis.read(tmp_path / 'nowhere.json')
    with pytest.raises(UserError, match='cannot be read'):
        ytvis.read(tmp_path)


@pytest.mark.parametrize('keep', [0, 1, 30, 150, 300, -1])
def test_truncated_file_is_named(keep, tmp_path):
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(GOOD)[:keep])
    with pytest.raises(UserError, match=r'ann\.json (is empty|is not valid json at line 1.*cut off)'):
        ytvis.read(path)


def test_not_json_at_all(tmp_path):
    path = tmp_path / 'ann.json'
    path.write_bytes(b'\xff\xd8\xff\xe0binary')
    with pytest.raises(UserError, match='is no json, but an image'):
        ytvis.read(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'expected an object .* got a list'),
        ({'images': [], 'annotations': [], 'categories': []}, 'COCO image annotation file'),
        ({'foo': 1}, "expected a list under 'videos', got only the keys"),
        ({'videos': 3, 'categories': []}, "expected a list under 'videos', got 3"),
        ({'videos': {'a': {'objects': {}}}}, 'list of the objects in masks .* --objects x.json'),
        ({'videos': [], 'categories': [], 'annotations': {}}, 'annotations: expected a list'),
    ],
)
def test_not_youtube_vis(content, message):
    with pytest.raises(UserError, match=message):
        parse_ytvis(content, 'x.json')


def broken(path, value):
    """GOOD with the entry at ``path`` replaced, or removed if ``value`` is KeyError."""
    content = copy.deepcopy(GOOD)
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


#: place in GOOD, wrong value, message.
DEFECTS = [
    (('categories', 0, 'id'), KeyError, r'categories\[0\] has no "id"'),
    (('categories', 1, 'id'), 7, r'category ids that occur more than once .* categories\[1\] \(id 7\)'),
    (
        ('categories', 1, 'name'),
        'dog',
        r"with the name of another one .* categories\[1\] \(id 3\) name 'dog'",
    ),
    (('videos', 0), 3, r'videos\[0\]: expected an object, got 3'),
    (('videos', 1, 'id'), 5, r'video ids that occur more than once .* videos\[1\] \(id 5\)'),
    (('videos', 0, 'width'), -3, r'videos\[0\] \(id 5\)\.width: expected a positive integer, got -3'),
    (
        ('videos', 0, 'height'),
        'tall',
        r'videos\[0\] \(id 5\)\.height: expected a positive integer, got a string',
    ),
    (
        ('videos', 0, 'file_names', 1),
        None,
        r'videos\[0\] \(id 5\)\.file_names\[1\]: expected a file name, got null',
    ),
    (
        ('annotations', 0, 'video_id'),
        9,
        r'a video that the file does not list .* annotations\[0\] \(id 1\) video 9',
    ),
    (
        ('annotations', 0, 'category_id'),
        1,
        r'a category that the file does not list .* annotations\[0\] \(id 1\) category 1',
    ),
    (('annotations', 0, 'iscrowd'), '1', 'iscrowd: expected 0 or 1'),
    (
        ('annotations', 0, 'bboxes'),
        [[0, 0, 1, 1]] * 3,
        r'bboxes: expected one entry for each of the 2 frames .* got 3',
    ),
    (('annotations', 0, 'bboxes', 0), [1, 2, 3], r'bboxes\[0\]: expected null or a box'),
    (('annotations', 0, 'bboxes', 1), [0, 0, float('nan'), 1], r'bboxes\[1\]: expected null or a box'),
    (('annotations', 0, 'bboxes', 1), [0, 0, 10**400, 1], r'bboxes\[1\]: expected null or a box'),
    (('annotations', 0, 'areas', 1), 'big', r'areas\[1\]: expected null or a number'),
    (('annotations', 0, 'areas', 1), 10**400, r'areas\[1\]: expected null or a number'),
    (
        ('annotations', 0, 'segmentations', 0),
        'x',
        r'segmentations\[0\]: expected null, an RLE or polygons',
    ),
    (('annotations', 0, 'segmentations', 0), {'counts': [12]}, r'an RLE with size \[height, width\]'),
    (('annotations', 0, 'segmentations', 0), {'size': [3, 4]}, 'an RLE with counts'),
    (('annotations', 0, 'segmentations', 1), [[1, 2, 3, 4, 5]], 'polygons of at least three points'),
    (('annotations', 0, 'segmentations'), KeyError, r'annotations\[0\] \(id 1\) has no "segmentations"'),
]


@pytest.mark.parametrize(('path', 'value', 'message'), DEFECTS)
def test_defects_are_named_with_their_place(path, value, message):
    with pytest.raises(UserError, match=message):
        parse_ytvis(broken(path, value), 'x.json')


@pytest.mark.parametrize(('path', 'value'), [row[:2] for row in DEFECTS])
def test_the_check_reports_what_training_refuses(path, value, tmp_path):
    content, file = broken(path, value), tmp_path / 'x.json'
    with pytest.raises(InputDefect) as caught:
        parse_ytvis(content, 'x.json')
    file.write_text(json.dumps(content))
    problems = check_annotations(file).problems
    if caught.value.kind == 'mask_form':  # the check decodes masks and tells more of them
        assert {'mask_form', 'unreadable_mask', 'bad_polygon', 'rle_sum'} & set(problems)
    else:
        assert set(caught.value.places) <= set(problems[caught.value.kind])


def test_areas_may_be_missing():
    assert parse_ytvis(broken(('annotations', 0, 'areas'), KeyError)).tracks[0]['id'] == 1


def test_reading_needs_no_torch(tmp_path):
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(GOOD))
    code = (
        'import sys; from mmdet.formats import ytvis; '
        f'ytvis.read({str(path)!r}); print({{"torch", "mmengine", "cv2"}} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'


def test_a_file_of_the_size_of_youtube_vis_is_checked_in_seconds():
    """61 000 frames in 2238 videos; checking must stay far below the time of parsing."""
    rle = {'size': [720, 1280], 'counts': 'abc'}
    videos, annotations = [], []
    for number in range(2238):
        names = [f'{number}/{frame}.jpg' for frame in range(27)]
        videos.append({'id': number, 'width': 1280, 'height': 720, 'file_names': names})
        annotations.append({'id': number, 'video_id': number, 'category_id': 3})
        annotations[-1].update(segmentations=[rle] * 27, bboxes=[[1.0, 2.0, 3.0, 4.0]] * 27, areas=[9.0] * 27)
    start = time.process_time()
    parse_ytvis({**GOOD, 'videos': videos, 'annotations': annotations})
    assert time.process_time() - start < 5


def test_an_id_of_another_type_is_told():
    with pytest.raises(UserError, match=r"video '5' \(listed is 5, a number\)"):
        parse_ytvis(broken(('annotations', 0, 'video_id'), '5'))
    with pytest.raises(UserError, match=r"category '3' \(listed is 3, a number\)"):
        parse_ytvis(broken(('annotations', 0, 'category_id'), '3'))
