"""Reading COCO images as videos of one frame."""

import json

import pytest
from PIL import Image

from mmdet.formats import coco
from mmdet.utils import UserError


def content(**changes):
    base = {
        'images': [{'id': 1, 'width': 40, 'height': 50, 'file_name': 'a.jpg'}],
        'categories': [{'id': 3, 'name': 'cat'}],
        'annotations': [
            {'id': 8, 'image_id': 1, 'category_id': 3, 'bbox': [1, 2, 3, 4], 'area': 12, 'segmentation': []}
        ],
    }
    return {**base, **changes}


def write(tmp_path, value):
    path = tmp_path / 'coco.json'
    path.write_text(json.dumps(value))
    return str(path)


def test_images_become_videos_of_one_frame(tmp_path):
    base = content()['annotations'][0]
    entries = [base, {**base, 'id': 9, 'iscrowd': 1}, {**base, 'id': 10, 'ignore': 1}]
    index = coco.read(write(tmp_path, content(annotations=entries)))
    assert index.videos == [{'id': 1, 'file_names': ['a.jpg'], 'width': 40, 'height': 50}]
    assert [track['iscrowd'] for track in index.by_video[1]] == [0, 1, 0]
    assert [track['bboxes'] for track in index.tracks] == [[[1, 2, 3, 4]], [[1, 2, 3, 4]], [None]]
    assert index.has_annotations


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'images': None}, "expected a list under 'images'"),
        ({'images': [{'id': 1}]}, r"images\[0\]: the key 'file_name' is missing"),
        ({'categories': [{'id': 3, 'name': 'a'}] * 2}, r'categories\[1\]: the id 3 is used twice'),
        ({'annotations': [{'id': 1}]}, r"annotations\[0\]: the key 'image_id' is missing"),
    ],
)
def test_what_is_not_coco(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        coco.read(write(tmp_path, content(**changes)))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('image_id', 7, 'image_id 7 is not among the images'),
        ('category_id', 7, 'category_id 7 is not among the categories'),
        ('category_id', [7], r'category_id \[7\] is not among the categories'),
        ('segmentation', [[1, 2, 3]], r'segmentations\[0\]: expected polygons of at least three points'),
        ('segmentation', {'size': [9, 9], 'counts': [81]}, 'is 9x9, its image 50x40'),
        ('iscrowd', 'x', 'iscrowd: expected 0 or 1'),
        ('bbox', [1, 2], r'bbox: expected \[x, y, width, height\]'),
    ],
)
def test_damaged_annotation(key, value, message, tmp_path):
    entry = {**content()['annotations'][0], key: value}
    with pytest.raises(UserError, match=rf'annotations\[0\] \(id 8\).*{message}'):
        coco.read(write(tmp_path, content(annotations=[entry])))


def test_what_is_plain_is_read(tmp_path):
    """Boxes follow from masks; sizes from images; ids may be text, crowds booleans."""
    square = [[1, 2, 4, 2, 4, 6, 1, 6], [7, 7]]
    entry = {'id': 'a', 'image_id': 'x', 'category_id': 3, 'segmentation': square, 'iscrowd': True}
    image = {'id': 'x', 'file_name': 'a.png'}
    path = write(tmp_path, content(images=[image], annotations=[entry, {**entry, 'id': 1, 'ignore': 1}]))
    with pytest.raises(UserError, match=r'images\[0\] \(id .x.\).height: expected a positive integer'):
        coco.read(path)
    Image.new('RGB', (40, 50)).save(tmp_path / 'a.png')
    index = coco.read(path, images=tmp_path)
    assert index.videos == [{'id': 'x', 'file_names': ['a.png'], 'height': 50, 'width': 40}]
    assert [track['bboxes'] for track in index.tracks] == [[[1, 2, 3, 4]], [None]]
    assert index.tracks[0]['iscrowd'] == 1 and index.tracks[0]['segmentations'] == [square[:1]]


def test_video_file_given_to_the_image_reader(synthetic):
    with pytest.raises(UserError, match='use YTVOSDataset'):
        coco.read(synthetic / 'annotations/instances_train_sub.json')
