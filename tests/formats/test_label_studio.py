"""Files of Label Studio: brush code, moving boxes, identities, images, faults."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet.formats import label_studio
from mmdet.formats.label_studio_values import boxes_of_sequence, brush_to_patch
from mmdet.structures.rle import decode_rle
from mmdet.utils import UserError

LABELS = Path(__file__).resolve().parent / 'labels'


def region(name='r', label='cat', track=1, kind='polygonlabels', size=(10, 20), **value):
    """Results of a region: its shape and, with a track, the control that identifies it."""
    if not value:
        value = {'points': [[10, 10], [30, 10], [30, 50], [10, 50]]}
    common = {'id': name, 'original_height': size[0], 'original_width': size[1], 'image_rotation': 0}
    entries = [{**common, 'type': kind, 'value': {**value, kind: [label]}}]
    if track is not None:
        control = {'from_name': 'track_id', 'type': 'number', 'value': {'number': track}}
        entries.append({**common, **control})
    return entries


def task(*regions, image='/data/local-files/?d=frames/v/1.jpg', **more):
    result = [entry for entries in regions for entry in entries]
    return {'id': 1, 'data': {'image': image}, 'annotations': [{'id': 1, 'result': result}], **more}


def read(tmp_path, *tasks, **options):
    path = tmp_path / 'export.json'
    path.write_text(json.dumps(list(tasks)))
    stream = io.StringIO()
    made = label_studio.read(path, stream=stream, **options)
    made.printed = stream.getvalue()
    return made


def test_the_example_of_a_brush():
    # 2 x 1 pixels: a run of 4 zeros, then the values 9, 9, 9, 255, by the description of the code.
    bits = f'{8:032b}' + f'{7:05b}' + ''.join(f'{length - 1:04b}' for length in (3, 4, 8, 16))
    bits += (
        '1'
        + '00'
        + f'{3:03b}'
        + f'{0:08b}'
        + '0'
        + '00'
        + f'{3:03b}'
        + ''.join(f'{v:08b}' for v in (9, 9, 9, 255))
    )
    bits += '0' * (-len(bits) % 8)
    codes = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    np.testing.assert_array_equal(brush_to_patch(codes, 1, 2), [[False, True]])
    np.testing.assert_array_equal(brush_to_patch(codes, 2, 1), [[False], [True]])
    with pytest.raises(ValueError, match='ends too early'):
        brush_to_patch(codes[:-3], 1, 2)
    with pytest.raises(ValueError, match='has 8 values, but 3x1 pixels need 4 each'):
        brush_to_patch(codes, 1, 3)


def test_boxes_move_as_label_studio_moves_them():
    sequence = json.loads((LABELS / 'label_studio_video.json').read_text())[0]['annotations'][0]['result'][0]
    expected = json.loads((LABELS / 'label_studio_video_boxes.json').read_text())
    found = boxes_of_sequence(sequence['value']['sequence'], 12)
    assert {str(frame + 1) for frame in found} == expected.keys()
    for frame, box in found.items():
        assert box == pytest.approx(expected[str(frame + 1)])


def save_images(folder, names, size=(40, 20)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new('RGB', size).save(folder / name)


def test_a_video_of_moving_boxes(tmp_path):
    path = LABELS / 'label_studio_video.json'
    with pytest.raises(UserError, match='does not write the size .*: give --images .*extract_frames.py'):
        label_studio.read(path, boxes_as_masks=True)
    save_images(tmp_path / 'clip', [f'{n:06d}.jpg' for n in range(12)])
    with pytest.raises(UserError, match='is a box, .*--boxes-as-masks'):
        label_studio.read(path, tmp_path)
    made = label_studio.read(path, tmp_path, boxes_as_masks=True)
    boxes = made.tracks[0]['bboxes']
    assert made.videos[0]['file_names'][0] == 'clip/000000.jpg' and made.tracks[0]['track_id'] == 'aBc'
    # Of 40 x 20 pixels: 10 % and 20 %, 25 % x 12.5 %; a quarter turn around the upper left corner; hidden.
    assert boxes[0] == pytest.approx([4, 4, 10, 3], abs=1)
    assert boxes[4] == pytest.approx([9.5, 8, 2.5, 10], abs=1)
    assert boxes[7] is None and boxes[8] == boxes[11]
    (tmp_path / 'clip' / '000011.jpg').unlink()
    stream = io.StringIO()
    label_studio.read(path, tmp_path, boxes_as_masks=True, stream=stream)
    assert 'clip.mp4 has 12 frames in Label Studio, 11 images: is the frame rate' in stream.getvalue()


def test_folders_are_videos_and_controls_identify(tmp_path):
    brush = json.loads((LABELS / 'label_studio.json').read_text())[1]
    made = read(
        tmp_path,
        task(region(), image='/data/local-files/?d=frames%2Fv%2F10.jpg'),
        task(region(track='1'), region('s', 'dog'), image='s3://bucket/frames/v/9.jpg'),
        task(image='https://host/w/1.jpg?x=1'),
        task(region(size=(7, 9)), image='https://host/w/2.jpg'),
        {'id': 5, 'data': {'image': 'x/3.jpg'}, 'annotations': []},
    )
    assert [video['file_names'] for video in made.videos] == [['v/9.jpg', 'v/10.jpg'], ['w/1.jpg', 'w/2.jpg']]
    assert [track['areas'] for track in made.tracks] == [[16, 16], [16, None], [None, 6]]
    assert 'tasks without an annotation are skipped: 1' in made.printed
    assert brush['data']['image'].endswith('1.png')


def test_attributes_of_a_region_are_no_labels(tmp_path):
    shape, number = region(track=3)
    del shape['value']['polygonlabels']
    kinds = {'choices': ['yes'], 'textarea': ['x'], 'labels': ['dog']}
    entries = [{**shape, 'type': 'polygon'}, number]
    entries += [{**shape, 'type': kind, 'value': {kind: found}} for kind, found in kinds.items()]
    assert read(tmp_path, task(entries)).class_names == ('dog',)
    with pytest.raises(UserError, match='the region has no label'):
        read(tmp_path, task(entries[:-1]))


@pytest.mark.parametrize(
    'data, expected',
    [
        ({'image': 'https://host/v/1.jpg?d=5&x=%2F'}, 'v/1.jpg'),
        ({'image': '/data/local-files/?d=v/100%25.jpg'}, 'v/100%.jpg'),
        ({'image': '/tasks/3/resolve/?fileuri=czM6Ly9idWNrZXQvdi8xLmpwZw=='}, 'v/1.jpg'),
        ({'thumb': 'v/t.png', 'image': 'v/1.jpg'}, 'v/1.jpg'),
        ({'photo': 'v/1.jpg', 'name': 'a'}, 'v/1.jpg'),
    ],
)
def test_references_to_images(data, expected, tmp_path):
    made = read(tmp_path, {**task(region()), 'data': data})
    assert made.videos[0]['file_names'] == [expected]


def test_data_that_does_not_tell_the_image_is_refused(tmp_path):
    with pytest.raises(UserError, match='several images in the data of the task, a, b: name the one'):
        read(tmp_path, {**task(region()), 'data': {'a': 'v/t.png', 'b': 'v/1.jpg'}})
    with pytest.raises(UserError, match=r'no image or video in the data of the task: .*must have one'):
        read(tmp_path, {**task(region()), 'data': {'images': ['v/1.jpg', 'v/2.jpg']}})
    with pytest.raises(UserError, match='none of the 1 tasks has an annotation that was submitted'):
        read(tmp_path, {**task(), 'annotations': []})


def test_a_control_joins_boxes_of_a_video(tmp_path):
    content = json.loads((LABELS / 'label_studio_video.json').read_text())[0]
    (box,) = content['annotations'][0]['result']
    save_images(tmp_path / 'clip', [f'{n:06d}.jpg' for n in range(12)])
    results = []
    for name, frame in (('a', 2), ('b', 7)):
        key = {'frame': frame, 'enabled': False, 'x': 10, 'y': 20, 'width': 25, 'height': 30}
        results.append({**box, 'id': name, 'value': {**box['value'], 'sequence': [key]}})
        results.append({'id': name, 'from_name': 'track_id', 'type': 'number', 'value': {'number': 4}})
    content['annotations'][0]['result'] = results
    content['data']['image'] = 'thumb.png'
    (track,) = read(tmp_path, content, images=tmp_path, boxes_as_masks=True).tracks
    assert track['track_id'] == 4 and [n for n, box in enumerate(track['bboxes']) if box] == [1, 6]


def test_images_are_found_by_name_and_path(tmp_path):
    save_images(tmp_path / 'images' / 'a', ['1.jpg', 'only.jpg'], (20, 10))
    save_images(tmp_path / 'images' / 'b', ['1.jpg'], (20, 10))
    made = read(
        tmp_path,
        task(region(), image='/data/local-files/?d=frames/b/1.jpg'),
        task(region(), image='/data/upload/7/01234abc-only.jpg'),
        images=tmp_path / 'images',
    )
    assert [video['file_names'] for video in made.videos] == [['b/1.jpg'], ['a/only.jpg']]
    with pytest.raises(UserError, match='has several images 1.jpg: '):
        read(tmp_path, task(region(), image='c/1.jpg'), images=tmp_path / 'images')
    with pytest.raises(UserError, match='no image 2.jpg in'):
        read(tmp_path, task(region(), image='upload/01234abc-2.jpg'), images=tmp_path / 'images')


def test_ellipses_boxes_and_generic_labels(tmp_path):
    ellipse = region('e', kind='ellipselabels', x=50, y=50, radiusX=20, radiusY=30)
    box = region('b', track=2, kind='rectanglelabels', x=10, y=20, width=25, height=30, rotation=0)
    shape, control = region('g', track=3)
    shape['type'], labels = (
        'polygon',
        {**shape, 'type': 'labels', 'value': {**shape['value'], 'labels': ['dog']}},
    )
    del shape['value']['polygonlabels'], labels['value']['polygonlabels']
    point = region('p', track=None, kind='keypointlabels', x=1, y=1, width=1)
    made = read(tmp_path, task(ellipse, box, [shape, labels, control], point), boxes_as_masks=True)
    assert made.tracks[0]['areas'][0] == pytest.approx(np.pi * 4 * 3, rel=0.1)
    assert made.tracks[1]['bboxes'] == [[2, 2, 5, 3]]
    assert [track['category_id'] for track in made.tracks] == [1, 1, 2]
    assert 'left out, as they have no area: 1 regions' in made.printed


def test_which_annotation_counts(tmp_path):
    one = task(region())
    first = one['annotations'][0]
    one['annotations'] = [{**first, 'was_cancelled': True}, first]
    assert len(read(tmp_path, one).tracks) == 1
    one['annotations'] = [first, {'id': 2, 'result': [], 'ground_truth': True}]
    other = task(region(), image='v/2.jpg')
    assert [track['areas'] for track in read(tmp_path, one, other).tracks] == [[None, 16]]
    one['annotations'] = [first, first]
    with pytest.raises(UserError, match='the task has 2 annotations; mark one as ground truth'):
        read(tmp_path, one)


@pytest.mark.parametrize(
    'regions, message',
    [
        (region(track=None), r"result\[0\] \('cat'\): no identity, .*<Number name=\"track_id\""),
        (region(track=1.5), 'track_id is not a number or a text: 1.5'),
        (region(points=[[1, 2], [3, 4]]), 'the polygon needs at least 3 points'),
        (region(points=[[1, 2], [3, 'a'], [5, 6]]), "expected a number, got 'a'"),
        (region(points=3), r'points are not a list of \[x, y\]'),
        (region(kind='brushlabels', rle=[1, 2, 3]), 'the rle of the brush ends too early'),
        (region(kind='brushlabels', rle=[1, 2, 300]), 'is not a list of bytes'),
        (region(kind='bitmasklabels', imageDataURL='x'), 'masks of the Bitmask tools are not read'),
        (region(size=('a', 3)), 'have no size: give --images'),
        ([{'id': 'r', 'value': {'points': []}}], 'the region has no label'),
        ([{'id': 'r'}], r'result\[0\]: expected an object with id and value'),
        ([{**region()[0], 'image_rotation': 90}], 'the image was turned in Label Studio'),
    ],
)
def test_faults_are_named(regions, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, task(regions))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'content, message',
    [
        (
            {'id': 1, 'image': 'a.jpg', 'label': [], 'annotator': 1, 'lead_time': 2},
            'JSON-MIN: export the form JSON',
        ),
        ({'data': {'image': 'a.jpg'}}, 'the task has no list of annotations'),
        (task(image='a.txt'), 'no image or video in the data'),
        (
            {'images': [], 'annotations': []},
            'is not a task of Label Studio, but a COCO image annotation file',
        ),
        (3, 'is not a task of Label Studio: a task has no data'),
    ],
)
def test_other_files_are_named(content, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read(tmp_path, content)
    with pytest.raises(UserError, match='a task before it is about the same image v/1.jpg'):
        read(tmp_path, task(region()), task(region()))


def test_the_brush_of_the_fixture_is_what_its_converter_coded(tmp_path):
    made = label_studio.read(LABELS / 'label_studio.json')
    dog = next(track for track in made.tracks if track['track_id'] == 2)
    mask = decode_rle(dog['segmentations'][1])
    assert mask.sum() == 80 and mask[12:20, 15:25].all()
