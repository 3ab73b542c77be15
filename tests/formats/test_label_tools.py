"""Files of label tools: fixtures of other implementations against numbers that were written down by hand."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet.evaluation.checks import check_annotations
from mmdet.formats import load_format, ytvis
from mmdet.structures.rle import decode_segm
from mmdet.utils import UserError

ROOT = Path(__file__).resolve().parents[2]
LABELS = Path(__file__).resolve().parent / 'labels'
SIZE = (24, 32)

# The scene of labels/make_fixtures.py: category -> for each frame the boxes (x, y, x2, y2) that are filled.
SCENE = {
    'cat': [[(2, 3, 10, 9)], [(3, 3, 11, 9)], [], [(4, 3, 12, 9), (20, 1, 22, 5)]],
    'dog': [[], [(15, 12, 25, 20)], [(16, 12, 26, 20)], []],
}


def filled(boxes):
    mask = np.zeros(SIZE, np.uint8)
    for x, y, x2, y2 in boxes:
        mask[y:y2, x:x2] = 1
    return mask


def masks_of(annotations):
    """Category -> {frame: mask} of a single video with one object of each category."""
    names = {category['id']: category['name'] for category in annotations.categories}
    (video,) = annotations.videos
    made = {}
    for track in annotations.tracks:
        size = video['height'], video['width']
        assert names[track['category_id']] not in made, 'an object was split'
        made[names[track['category_id']]] = [
            np.zeros(size, np.uint8) if segm is None else decode_segm(segm, *size)
            for segm in track['segmentations']
        ]
    return made


def assert_scene(annotations, scene=SCENE):
    found = masks_of(annotations)
    assert found.keys() == scene.keys()
    for name, frames in scene.items():
        for frame, boxes in enumerate(frames):
            np.testing.assert_array_equal(found[name][frame], filled(boxes), f'{name}, frame {frame}')


def frames(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new('RGB', SIZE[::-1]).save(folder / name)
    return folder


def run_tool(name, *arguments, code=0):
    """Run a tool; returns what it printed, or the message where it must end with another code."""
    command = [sys.executable, ROOT / 'tools' / name, *map(str, arguments)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    assert 'Traceback' not in done.stderr
    return done.stderr if code else done.stdout


FIXTURES = {
    'cvat': (['cvat_video.xml'], {}),
    'cvat boxes': (['cvat_boxes.xml'], {'boxes_as_masks': True}),
    'cvat images': (['cvat_images.xml'], {}),
    'labelme': ('labelme', {}),
    'labelme of x-anylabeling': ('anylabeling', {'boxes_as_masks': True}),
    'label_studio': ('label_studio.json', {}),
    'cvat_mots': ('cvat_mots', {}),
    'coco_video': ('cvat_coco.json', {'video_from_path': True}),
}


@pytest.mark.parametrize('name', FIXTURES)
def test_a_fixture_has_the_values_written_by_hand(name, tmp_path):
    source, options = FIXTURES[name]
    paths = [LABELS / file for file in source] if isinstance(source, list) else LABELS / source
    made = load_format(name.split()[0]).read(paths, **options, stream=io.StringIO())
    assert_scene(made)
    assert set(made.class_names) == {'dog', 'cat'}
    assert {track.get('track_id', track.get('group_id')) for track in made.tracks} == {2, 7}
    ytvis.write(made, tmp_path / 'a.json')
    (folder,) = {Path(file).parent for file in made.videos[0]['file_names']}
    frames(tmp_path / 'images' / folder, [Path(file).name for file in made.videos[0]['file_names']])
    assert not check_annotations(tmp_path / 'a.json', tmp_path / 'images').problems


def test_one_command_from_cvat_to_a_checked_dataset(tmp_path):
    images = frames(tmp_path / 'frames', [f'{n}.png' for n in range(4)])
    printed = run_tool(
        'convert_dataset.py',
        LABELS / 'cvat_video.xml',
        '--from',
        'cvat',
        '--images',
        images,
        '--to',
        'ytvis',
        '--out',
        tmp_path / 'a.json',
    )
    assert '1 videos, 4 frames, 2 objects' in printed
    made = ytvis.read(tmp_path / 'a.json')
    assert made.videos[0]['file_names'] == ['0.png', '1.png', '2.png', '3.png']
    assert not check_annotations(tmp_path / 'a.json', images).problems


def test_boxes_are_no_masks_unless_asked(tmp_path):
    with pytest.raises(UserError, match='line 40: track 7, frame 0 is a box, .* --boxes-as-masks'):
        load_format('cvat').read([LABELS / 'cvat_boxes.xml'])


def test_one_command_from_the_mots_export_of_cvat(tmp_path):
    out = tmp_path / 'a.json'
    printed = run_tool(
        'convert_dataset.py', LABELS / 'cvat_mots', '--from', 'cvat_mots', '--to', 'ytvis', '--out', out
    )
    assert '1 videos, 4 frames, 2 objects' in printed
    assert not check_annotations(out, LABELS / 'cvat_mots').problems


def test_faults_of_the_mots_export_are_named(tmp_path):
    read = load_format('cvat_mots').read
    shutil.copytree(LABELS / 'cvat_mots', tmp_path / 'task' / 'default')
    folder = tmp_path / 'task' / 'default' / 'instances'
    made = read(tmp_path / 'task', stream=io.StringIO())
    assert made.videos[0]['file_names'][0] == 'default/images/frame_000000.png'
    shutil.move(folder.parent / 'images', tmp_path / 'images')
    with pytest.raises(
        UserError, match='no images in .*default/images: export with "Save images", or .*--images'
    ):
        read(tmp_path / 'task', stream=io.StringIO())
    assert_scene(read(tmp_path / 'task', tmp_path / 'images', stream=io.StringIO()))
    (folder / 'labels.txt').write_text('dog')
    with pytest.raises(UserError, match='the number 2007 is of class 2, but labels.txt has 1'):
        read(tmp_path / 'task', tmp_path / 'images', stream=io.StringIO())
    Image.new('L', (5, 5)).save(folder / 'frame_000000.png')
    with pytest.raises(UserError, match=r'frame_000000.png is 5x5, its image 32x24 \(width x height\)'):
        read(tmp_path / 'task', tmp_path / 'images', stream=io.StringIO())
    (tmp_path / 'images' / 'frame_000002.png').unlink()
    with pytest.raises(UserError, match='mask .*frame_000002.png has no image of this name'):
        read(tmp_path / 'task', tmp_path / 'images', stream=io.StringIO())
    with pytest.raises(UserError, match='labels.txt is a file: unpack the zip that CVAT exports'):
        read(folder / 'labels.txt', stream=io.StringIO())
    for mask in folder.glob('*.png'):
        mask.unlink()
    with pytest.raises(UserError, match='no masks in .*instances: CVAT exports tracks only'):
        read(tmp_path / 'task', tmp_path / 'images', stream=io.StringIO())
    (folder / 'labels.txt').unlink()
    with pytest.raises(UserError, match='no folder "instances" with labels.txt'):
        read(tmp_path / 'task', stream=io.StringIO())
