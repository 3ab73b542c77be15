"""Reading COCO annotations with track ids."""

import copy
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmdet.formats import coco_video
from mmdet.formats.coco_video import parse_coco_video
from mmdet.structures.rle import rle_counts
from mmdet.utils import UserError

from .test_cvat import contents, random_annotations

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def content():
    def image(number, video, frame):
        name = f'v{video}/{frame}.jpg'
        return dict(id=number, video_id=video, frame_id=frame, file_name=name, width=12, height=8)

    def square(number, x, **keys):
        polygon = [[x, 1, x + 3, 1, x + 3, 4, x, 4]]
        return dict(image_id=number, category_id=3, track_id=9, segmentation=polygon, **keys)

    return {
        'categories': [{'id': 3, 'name': 'cat'}],
        'images': [image(1, 5, 1), image(2, 5, 0), image(3, 6, 0)],
        'annotations': [square(1, 4), square(2, 2), square(3, 0)],
    }


@pytest.mark.parametrize('flag', [[], ['--video-from-path']], ids=['ids', 'folders'])
def test_tool_groups_frames_and_tracks(content, tmp_path, flag):
    (tmp_path / 'coco.json').write_text(json.dumps(content))
    command = [sys.executable, ROOT / 'tools/convert_dataset.py', tmp_path / 'coco.json', *flag]
    command += ['--from', 'coco_video', '--to', 'ytvis', '--out', tmp_path / 'o.json']
    subprocess.run(command, check=True, capture_output=True)
    root = json.loads((tmp_path / 'o.json').read_text())
    assert [v['file_names'] for v in root['videos']] == [['v5/0.jpg', 'v5/1.jpg'], ['v6/0.jpg']]
    assert [v['id'] for v in root['videos']] == ([1, 2] if flag else [5, 6])
    assert [a['bboxes'] for a in root['annotations']] == [[[2, 1, 3, 3], [4, 1, 3, 3]], [[0, 1, 3, 3]]]
    assert [a['areas'] for a in root['annotations']] == [[9, 9], [9]]


def test_faults_are_named(content):
    content['annotations'][1].update(image_id=1, segmentation=[[0, 0, 3, 0, 3, 3]])
    with pytest.raises(UserError, match=r'annotations\[1\]: track 9 is in its image twice'):
        parse_coco_video(content)
    del content['annotations'][1]['track_id']
    with pytest.raises(UserError, match=r'annotations\[1\]: track_id'):
        parse_coco_video(content)
    del content['images'][2]['frame_id']
    with pytest.raises(UserError, match=r'images\[2\]: frame_id missing .*--video-from-path'):
        parse_coco_video(content)
    content['images'][2]['frame_id'] = content['images'][1].pop('width')
    with pytest.raises(UserError, match=r'images\[1\]: width missing$'):
        parse_coco_video(content)


def test_folders_are_read_in_natural_order_and_frames_without_objects_stay(content):
    for image, name in zip(content['images'], ('v/10.jpg', 'v/9.jpg', 'v/100.jpg')):
        image['file_name'] = name
    made = parse_coco_video({**content, 'annotations': content['annotations'][:1]}, video_from_path=True)
    assert made.videos[0]['file_names'] == ['v/9.jpg', 'v/10.jpg', 'v/100.jpg']
    assert made.tracks[0]['areas'] == [None, 9, None]
    assert made.tracks[0]['track_id'] == 9


def test_names_of_videos_and_crowd_without_an_identity(content):
    content['videos'] = [{'id': 5, 'name': 'beach'}, {'id': 6, 'name': 'park'}]
    for annotation in content['annotations'][:2]:
        annotation.update(iscrowd=1, track_id=None)
    made = parse_coco_video(content)
    assert [v['name'] for v in made.videos] == ['beach', 'park']
    crowd = [(a['iscrowd'], a['areas'], a['video_id']) for a in made.tracks]
    assert crowd == [(1, [None, 9], 5), (1, [9, None], 5), (0, [9], 6)]


def test_paths_of_windows_are_folders(content):
    expected = parse_coco_video(copy.deepcopy(content), video_from_path=True)
    for image in content['images']:
        image['file_name'] = image['file_name'].replace('/', '\\')
    made = parse_coco_video(content, video_from_path=True)
    assert made.videos == expected.videos and len(made.videos) == 2


def test_a_zip_and_images_are_checked(content, tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr('annotations/instances_default.json', json.dumps(content))
    with pytest.raises(UserError, match='unpack the zip, and convert annotations/instances_default.json in'):
        coco_video.read(tmp_path / 'a.zip')
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match=r'image .*v5/0.jpg does not exist: --images must be the folder'):
        coco_video.read(tmp_path / 'a.json', images=tmp_path)


def test_progress_is_shown(content):
    stream = io.StringIO()
    parse_coco_video(content, stream=stream)
    assert '3/3 annotations' in stream.getvalue()


@pytest.mark.parametrize(
    'where, key, value, message',
    [
        ('categories', 'id', True, r'categories\[0\].id: expected a number or a text'),
        ('annotations', 'category_id', 4, r'annotations\[0\]: category_id 4 is not among'),
        ('annotations', 'category_id', [3], r'annotations\[0\]: category_id \[3\] is not among'),
        ('annotations', 'image_id', {}, r'annotations\[0\]: image_id is missing'),
        ('annotations', 'track_id', [1], r'annotations\[0\]: track_id .* is not an id: \[1\]'),
        ('annotations', 'segmentation', [[1, 2, 3]], r'annotations\[0\].segmentation: polygon 0'),
        ('images', 'frame_id', 'a', r"images\[0\].frame_id: expected a whole number, got 'a'"),
        ('images', 'height', 9, r'video 5 differ in size \(height, width\): \[\(8, 12\), \(9, 12\)\]'),
        ('images', 'id', 2, 'the image id 2 is used twice'),
    ],
)
def test_wrong_values_are_named(content, where, key, value, message):
    content[where][0][key] = value
    with pytest.raises(UserError, match=message):
        parse_coco_video(content)


def test_identities_of_cvat_are_attributes(content):
    expected = parse_coco_video(copy.deepcopy(content), stream=io.StringIO()).tracks
    for annotation in content['annotations']:
        annotation['attributes'] = {
            'occluded': False,
            'track_id': annotation.pop('track_id'),
            'keyframe': True,
        }
    assert parse_coco_video(content, stream=io.StringIO()).tracks == expected
    for empty in ('', None):
        content['annotations'][1]['attributes']['track_id'] = empty
        with pytest.raises(UserError, match=r'annotations\[1\]: track_id .* is missing'):
            parse_coco_video(content, stream=io.StringIO())
    del content['annotations'][1]['attributes']['track_id']
    with pytest.raises(UserError, match=r'annotations\[1\]: track_id .*attributes.track_id\) is missing'):
        parse_coco_video(content)


def test_brush_masks_of_cvat_are_no_crowds(content):
    """CVAT exports them as RLE with iscrowd 1, beside polygons of the same track with iscrowd 0."""
    annotations = content['annotations']
    for annotation in annotations:
        annotation['attributes'] = {'track_id': annotation.pop('track_id')}
    expected = parse_coco_video(copy.deepcopy(content), stream=io.StringIO()).tracks
    mask = expected[0]['segmentations'][1]
    annotations[0].update(iscrowd=1, segmentation={**mask, 'counts': rle_counts(mask).tolist()})
    assert parse_coco_video(content, stream=io.StringIO()).tracks == expected
    notes = io.StringIO()
    annotations[0]['attributes'] = {'occluded': False}
    parse_coco_video(content, stream=notes)
    assert 'masks of the brush of CVAT without a track_id: 1;' in notes.getvalue()
    for annotation in annotations:
        annotation.update(attributes={'occluded': False}, iscrowd=1)
    notes = io.StringIO()
    assert len(parse_coco_video(content, stream=notes).tracks) == 3
    assert 'all objects are crowd regions' in notes.getvalue()


def test_a_mask_that_is_repeated_counts_once(content):
    expected = parse_coco_video(copy.deepcopy(content), stream=io.StringIO()).tracks
    content['annotations'].append(copy.deepcopy(content['annotations'][0]))
    assert parse_coco_video(content, stream=io.StringIO()).tracks == expected


def test_files_that_cannot_be_converted_are_named_before_the_work(content):
    for annotation in content['annotations']:
        del annotation['track_id']
    for image in content['images']:
        del image['video_id'], image['frame_id']
    for flag in (False, True):
        with pytest.raises(UserError, match='^a is a COCO image annotation file .images, no tracks.: train'):
            parse_coco_video(content, 'a', flag)
    del content['categories']
    with pytest.raises(
        UserError, match="^a is not a COCO file with tracks: expected a list under 'categories'$"
    ):
        parse_coco_video(content, 'a')
    content['annotations'] = [{'id': 1, 'image_id': 1, 'caption': 'a cat'}]
    with pytest.raises(
        UserError, match='^a is not a COCO file with tracks, but a COCO file of captions, .* no masks$'
    ):
        parse_coco_video(content, 'a')


def test_remains_of_brushes_are_left_out_and_boxes_alone_are_refused(content):
    expected = parse_coco_video(copy.deepcopy(content), stream=io.StringIO()).tracks
    first, *_, last = content['annotations']
    first['segmentation'] += [[1, 1], [2, 2, 3, 3]]
    notes = io.StringIO()
    assert parse_coco_video(content, stream=notes).tracks == expected
    last['segmentation'] = [[1, 1, 2, 2]]
    assert len(parse_coco_video(content, stream=notes).tracks) == len(expected) - 1
    assert all(
        f'fewer than three points, as brushes of label tools leave them: {n}' in notes.getvalue()
        for n in (2, 3)
    )
    last['segmentation'] = [[1, 1, 1, 1, 1, 1]]
    assert len(parse_coco_video(content, stream=notes).tracks) == len(expected) - 1
    assert 'masks without a pixel: 1; their objects count as absent there' in notes.getvalue()
    last['segmentation'] = []
    with pytest.raises(
        UserError, match=r'annotations\[2\].segmentation: there are no polygons: a mask is needed'
    ):
        parse_coco_video(content, stream=io.StringIO())


def test_boxes_count_as_masks_only_where_asked(content):
    for annotation in content['annotations']:
        annotation['bbox'] = [annotation.pop('segmentation')[0][0], 1, 3, 3]
    with pytest.raises(
        UserError, match=r'annotations\[0\].segmentation: .*\(--boxes-as-masks takes the box\)'
    ):
        parse_coco_video(content)
    made = parse_coco_video(content, boxes_as_masks=True)
    assert [track['bboxes'] for track in made.tracks] == [[[2, 1, 3, 3], [4, 1, 3, 3]], [[0, 1, 3, 3]]]
    content['annotations'][1]['bbox'] = [4, 1, 2, 6]
    content['annotations'][1]['attributes'] = {'rotation': 90.0}  # a quarter around its center
    assert parse_coco_video(content, boxes_as_masks=True).tracks[0]['bboxes'][0] == [2, 3, 6, 2]
    content['annotations'][1]['bbox'] = [1, 2, 'x', 4]
    with pytest.raises(UserError, match=r'annotations\[1\] has no mask: expected as bbox'):
        parse_coco_video(content, boxes_as_masks=True)


@pytest.mark.parametrize('seed', range(2))
def test_out_and_in_again_is_equal(seed, tmp_path):
    made = random_annotations(seed)
    counts = coco_video.write(made, tmp_path / 'a.json', stream=io.StringIO())
    assert counts['images'] == 10 and counts['videos'] == 2
    back = coco_video.read(tmp_path / 'a.json', stream=io.StringIO())
    names = [video.pop('name') for video in back.videos]
    assert names == ['v0', 'v1'] and contents(back)[:2] == contents(made)[:2]
    assert sorted(contents(back)[2], key=repr) == sorted(contents(made)[2], key=repr)
    assert {track['track_id'] for track in back.tracks} == {track['id'] for track in made.tracks}


def test_a_file_of_mmtracking():
    # The form of its tests/data/demo_vis_data/ann.json: counts in a list, a frame without objects.
    size = {'height': 4, 'width': 6}
    images = [
        {'file_name': f'0043f083b5/0000{5 * n}.jpg', 'id': n + 1, 'frame_id': n, 'video_id': 1, **size}
        for n in range(3)
    ]
    masks = {1: [4, 2, 2, 2, 14], 3: [9, 2, 13]}
    annotations = [
        {
            'id': number,
            'video_id': 1,
            'image_id': image,
            'category_id': 6,
            'instance_id': 1,
            'bbox': [1.0, 0.0, 2.0, 2.0],
            'segmentation': {'counts': counts, 'size': [4, 6]},
            'area': sum(counts[1::2]),
            'iscrowd': 0,
        }
        for number, (image, counts) in enumerate(masks.items(), 1)
    ]
    categories = [{'supercategory': 'object', 'id': 6, 'name': 'sedan'}]
    videos = [{'id': 1, 'name': '0043f083b5', **size}]
    made = parse_coco_video(
        {'categories': categories, 'videos': videos, 'images': images, 'annotations': annotations}
    )
    assert made.tracks[0]['bboxes'] == [[1, 0, 2, 2], None, [2, 1, 1, 2]]
    assert made.tracks[0]['areas'] == [4, None, 2] and made.videos[0]['name'] == '0043f083b5'
