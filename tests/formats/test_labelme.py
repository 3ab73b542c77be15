"""Files of LabelMe and X-AnyLabeling: identities, images, faults, and out and in again."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from mmdet.formats import labelme
from mmdet.formats.shapes import patch_to_png
from mmdet.structures.rle import decode_rle
from mmdet.utils import UserError

from .test_cvat import contents, random_annotations


def shape(label='cat', group=1, x=2, kind='polygon', **more):
    points = [[x, 1], [x + 4, 1], [x + 4, 5], [x, 5]]
    return {'label': label, 'points': points, 'group_id': group, 'shape_type': kind, 'flags': {}, **more}


def put(folder, name, *shapes, size=(10, 20), **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        'version': '5.5.0',
        'flags': {},
        'shapes': list(shapes),
        'imagePath': f'{name}.jpg',
        'imageData': None,
    }
    content |= {'imageHeight': size[0], 'imageWidth': size[1], **more}
    (folder / f'{name}.json').write_text(json.dumps(content))
    return folder


def read(root, **options):
    stream = io.StringIO()
    made = labelme.read(root, stream=stream, **options)
    made.printed = stream.getvalue()
    return made


def test_folders_are_videos_and_groups_are_objects(tmp_path):
    root = tmp_path / 'labels'
    put(root / 'b', '10', shape(x=3), shape('dog', 1, 9))
    put(root / 'b', '9', shape(), shape(x=8), shape(kind='point', group=None))
    put(root / 'a' / 'c', '1')
    made = read(root)
    assert [video['file_names'] for video in made.videos] == [['a/c/1.jpg'], ['b/9.jpg', 'b/10.jpg']]
    assert [track['areas'] for track in made.tracks] == [[32, 16], [None, 16]]
    assert made.class_names == ('cat', 'dog') and [track['group_id'] for track in made.tracks] == [1, 1]
    assert 'left out, as they have no area: 1 points and lines' in made.printed
    assert 'group 1 has the labels cat, dog: they are two objects' in made.printed


def test_order_of_categories(tmp_path):
    put(tmp_path / 'v', '1', shape('cat'), shape('ant', 2), shape('dog', 3))
    assert read(tmp_path).class_names == ('ant', 'cat', 'dog')
    (tmp_path / 'labels.txt').write_text('__ignore__\n_background_\ndog\nbee\n')
    assert read(tmp_path).class_names == ('dog', 'bee', 'ant', 'cat')
    assert read(tmp_path, classes=['dog', 'cat', 'ant']).class_names == ('dog', 'cat', 'ant')
    with pytest.raises(UserError, match="the label 'ant' is not among the classes"):
        read(tmp_path, classes=['dog', 'cat'])


def test_images_beside_the_files_or_elsewhere(tmp_path):
    labels, images = tmp_path / 'labels' / 'clip', tmp_path / 'images'
    for folder in (images / 'clip', labels):
        folder.mkdir(parents=True)
        for name in ('1.png', '2.png', '3.png'):
            Image.new('RGB', (20, 10)).save(folder / name)
    put(labels, '1', shape(), imageHeight=None, imagePath='..\\..\\images\\clip\\1.png')
    put(labels, '3', shape())
    for source, root, prefix in (
        (labels.parent, images, 'clip/'),
        (labels, images, 'clip/'),
        (labels, images / 'clip', ''),
        (labels.parent, labels.parent, 'clip/'),
    ):
        made = read(source, images=root)
        assert made.videos[0]['file_names'] == [f'{prefix}1.png', f'{prefix}3.png']
        assert '1 images without a JSON file are skipped: 2.png' in made.printed
    with pytest.raises(UserError, match='imageHeight and imageWidth are missing: give --images'):
        read(labels)
    put(labels, '1', shape())
    assert read(labels).videos[0]['file_names'] == ['clip/1.jpg', 'clip/3.jpg']
    (images / 'clip' / '3.png').unlink()
    with pytest.raises(UserError, match='3.json has no image .*clip/3'):
        read(labels, images=images)
    with pytest.raises(UserError, match="no folder 'clip' in it"):
        read(labels.parent, images=labels)


def test_masks_circles_and_boxes(tmp_path):
    patch = np.array([[0, 1, 1, 0], [1, 1, 1, 0]], bool)
    mask = shape(kind='mask', points=[[5, 6], [8, 7]], mask=patch_to_png(patch))
    circle = shape(kind='circle', group=2, points=[[10, 5], [14, 5]])
    box = shape(kind='rectangle', group=3, points=[[2, 8], [6, 3]])
    turned = shape(kind='rotation', group=4)
    put(tmp_path / 'v', '1', mask, circle, box, turned)
    with pytest.raises(UserError, match=r'shapes\[2\] is a box, .* --boxes-as-masks'):
        read(tmp_path)
    made = read(tmp_path, boxes_as_masks=True)
    masks = [decode_rle(track['segmentations'][0]) for track in made.tracks]
    np.testing.assert_array_equal(masks[0][6:8, 5:9], patch)
    assert masks[0].sum() == 5
    assert masks[1].sum() == pytest.approx(np.pi * 16, rel=0.05)
    assert [track['bboxes'][0] for track in made.tracks[2:]] == [[2, 3, 4, 5], [2, 1, 4, 4]]


def test_groups_and_masks_of_other_programs(tmp_path):
    mask = {'kind': 'mask', 'mask': '\n'.join(patch_to_png(np.ones((2, 3))))}  # line breaks in the code
    put(tmp_path / 'v', '1', shape(group=7, points=[[2, 3], [4.4, 3.6]], **mask))
    put(tmp_path / 'v', '2', shape(group=7.0, points=[[2, 3], [5, 5]], **mask))
    put(tmp_path / 'v', '3', shape(group=' 7'))
    made = read(tmp_path)
    assert [track['bboxes'] for track in made.tracks] == [[[2, 3, 3, 2], [2, 3, 3, 2], [2, 1, 4, 4]]]
    # A mask of the whole image, with the box of the object.
    put(tmp_path / 'v', '1', shape(points=[[2, 3], [9, 9]], **mask))
    with pytest.raises(UserError, match='the mask is 3x2 pixels, but its points are those of a mask of 8x7'):
        read(tmp_path)


def test_a_crowd_and_a_mask_that_leaves_the_image(tmp_path):
    mask = shape(kind='mask', points=[[-1, -1], [1, 1]], mask=patch_to_png(np.ones((3, 3))))
    put(tmp_path / 'v', '1', {**mask, 'flags': {'iscrowd': True}})
    made = read(tmp_path)
    assert made.tracks[0]['bboxes'] == [[0, 0, 2, 2]] and made.tracks[0]['iscrowd'] == 1


COLOR = patch_to_png(np.ones((2, 2), np.uint8))


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'group_id': None}, r"1.json: shapes\[0\] \('cat'\) has no group_id, .*the same one in all frames"),
        ({'group_id': True}, 'has no group_id'),
        ({'group_id': 1.5}, 'has no group_id'),
        ({'group_id': ''}, 'has no group_id'),
        ({'label': ' '}, r'shapes\[0\] has no label'),
        ({'points': [[1, 2], [3]]}, r'points are not a list of \[x, y\]'),
        ({'points': [[1, 2], [3, 4]]}, 'the polygon needs at least 3 points'),
        ({'points': [[1, 2], [3, 4], [float('nan'), 1]]}, r'points are not a list of \[x, y\]'),
        ({'points': [[1, 2], [3, 4], [10**400, 1]]}, r'points are not a list of \[x, y\]'),
        ({'shape_type': 'star'}, "unknown shape_type 'star'"),
        ({'shape_type': 'circle'}, 'circle with 4 points'),
        ({'shape_type': 'mask', 'points': [[1, 1], [2, 2]]}, 'the mask is missing: expected a PNG in base64'),
        ({'shape_type': 'mask', 'points': [[1, 1], [2, 2]], 'mask': 'AAAA'}, 'not a readable PNG'),
        ({'shape_type': 'mask', 'points': [[50, 1], [51, 2]], 'mask': COLOR}, 'outside the image of 20x10'),
    ],
)
def test_faults_are_named(changes, message, tmp_path):
    put(tmp_path / 'v', '1', {**shape(), **changes})
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path)
    assert '\n' not in str(caught.value)


def test_other_folders_and_files_are_named(tmp_path):
    put(tmp_path / 'v', '1', shape())
    with pytest.raises(UserError, match='is a file; give the folder'):
        read(tmp_path / 'v' / '1.json')
    put(tmp_path / 'v', '2', size=(10, 30))
    with pytest.raises(UserError, match=r'2.json: the image is 30x10, those before it 20x10'):
        read(tmp_path)
    put(tmp_path / 'v', '2', imagePath='1.jpg')
    with pytest.raises(UserError, match='two JSON files have the same imagePath'):
        read(tmp_path)
    (tmp_path / 'v' / '2.json').write_text('{"images": [], "annotations": []}')
    with pytest.raises(UserError, match='2.json is not a file of LabelMe, but a COCO image annotation file'):
        read(tmp_path)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='no JSON files in this folder'):
        read(tmp_path / 'empty')


@pytest.mark.parametrize('seed', range(3))
def test_out_and_in_again_is_equal(seed, tmp_path):
    made = random_annotations(seed)
    count = labelme.write(made, tmp_path, stream=io.StringIO())
    assert count['frames'] == 10 and count['objects'] == len(made.tracks)
    back = read(tmp_path)
    assert contents(back)[:2] == contents(made)[:2]
    assert sorted(contents(back)[2], key=repr) == sorted(contents(made)[2], key=repr)
    again = tmp_path / 'again'
    labelme.write(back, again, stream=io.StringIO())
    for path in tmp_path.glob('v*/*.json'):
        written = json.loads((again / path.relative_to(tmp_path)).read_text())
        assert written == json.loads(path.read_text())


def test_files_made_by_hand_are_not_replaced(tmp_path):
    made = random_annotations(0)
    put(tmp_path / 'v1', '000003')
    with pytest.raises(
        UserError, match='v1/000003.json exists and may have been edited by hand: .*--overwrite'
    ):
        labelme.write(made, tmp_path, stream=io.StringIO())
    assert not (tmp_path / 'v0').exists()
    labelme.write(made, tmp_path, overwrite=True, stream=io.StringIO())


def test_a_path_leads_to_the_image(tmp_path):
    labelme.write(random_annotations(0), tmp_path / 'labels', tmp_path / 'images', stream=io.StringIO())
    content = json.loads((tmp_path / 'labels/v0/000001.json').read_text())
    assert content['imagePath'] == '../../images/v0/000001.jpg'


def test_frames_that_labelme_would_reorder_are_refused(tmp_path):
    made = random_annotations(0)
    made.videos[0]['file_names'].reverse()
    with pytest.raises(UserError, match='video 1: LabelMe needs the frames .* in natural order'):
        labelme.write(made, tmp_path, stream=io.StringIO())
    made.videos[0]['file_names'] = list(made.videos[1]['file_names'])
    with pytest.raises(UserError, match="video 2 and video 1 have their frames in the same folder 'v1'"):
        labelme.write(made, tmp_path, stream=io.StringIO())
