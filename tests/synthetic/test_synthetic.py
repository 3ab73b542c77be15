import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet.formats import ytvis
from mmdet.structures.rle import decode_rle, rle_area, rle_to_bbox
from mmdet.synthetic import SHAPES, generate_dataset, make_video
from mmdet.utils import UserError

ROOT = Path(__file__).resolve().parents[2]

# Category and visible pixels in each frame of the objects of one video.
FIXED = [
    [3, 198, 197, 201, 199, 201, 202, 202, 200],
    [2, 350, 325, 314, 317, 331, 351, 378, 407],
    [1, 331, 320, 311, 308, 304, 306, 308, 316],
    [2, 321, 323, 41, 0, 0, 0, 269, 349],
]


@pytest.mark.parametrize('name', list(SHAPES))
def test_shapes_are_distance_functions(name):
    """Inside is negative, far outside positive, the shape fits its radius, and the slope is at most one."""
    v, u = np.mgrid[-1.6:1.6:161j, -1.6:1.6:161j]
    distance = SHAPES[name](u, v)
    inside = distance < 0
    assert 0.5 < inside.sum() * 0.02**2 < 3.5
    assert not inside[np.hypot(u, v) > 1.25].any()
    slope = np.abs(np.diff(distance, axis=0)).max() / 0.02
    assert slope < 1.0001


def test_shapes_differ_from_each_other():
    v, u = np.mgrid[-1.2:1.2:97j, -1.2:1.2:97j]
    masks = {name: shape(u, v) < 0 for name, shape in SHAPES.items()}
    for first in masks:
        for second in masks:
            if first < second:
                union, common = (masks[first] | masks[second]).sum(), (masks[first] & masks[second]).sum()
                assert common / union < 0.93, (first, second)


def test_same_seed_same_video_other_seed_other_video():
    options = {'frames': 4, 'size': (64, 48), 'difficulty': 1.0}
    first, again = make_video(5, **options), make_video(5, **options)
    assert all((a == b).all() for a, b in zip(first[0], again[0]))
    assert first[1] == again[1]
    for other in (make_video(6, **options), make_video(5, split='val', **options)):
        assert any((a != b).any() for a, b in zip(first[0], other[0]))


def test_annotations_are_fixed_for_all_machines():
    """Outlines must not depend on the machine; these are those of the machine that wrote the test."""
    _, tracks = make_video(0, index=3, frames=8, size=(80, 64), difficulty=0.5)
    summary = [[track['category_id'], *(area or 0 for area in track['areas'])] for track in tracks]
    assert summary == FIXED


def test_masks_boxes_and_areas_agree_and_masks_are_disjoint():
    for index in range(6):
        _, tracks = make_video(1, index=index, frames=6, size=(96, 64), difficulty=0.9)
        for frame in range(6):
            total = np.zeros((64, 96), int)
            for track in tracks:
                segm, box, area = (track[key][frame] for key in ('segmentations', 'bboxes', 'areas'))
                assert (segm is None) == (box is None) == (area is None)
                if segm is not None:
                    assert rle_area(segm) == area
                    assert rle_to_bbox(segm) == box
                    total += decode_rle(segm)
            assert total.max() <= 1


def test_objects_hide_each_other_leave_return_and_look_alike():
    videos = [make_video(2, index=i, frames=16, size=(96, 64), difficulty=0.8)[1] for i in range(12)]
    tracks = [track for video in videos for track in video]
    gaps = 0
    for track in tracks:
        present = [area is not None for area in track['areas']]
        first, last = present.index(True), len(present) - 1 - present[::-1].index(True)
        gaps += not all(present[first : last + 1])
    assert gaps >= 3
    assert any(len({t['category_id'] for t in video}) < len(video) for video in videos)
    varying = [max(a) > 1.5 * min(a) for a in ([x for x in t['areas'] if x] for t in tracks)]
    assert sum(varying) > len(varying) / 4


def test_difficulty_brings_more_and_faster_objects():
    def measure(difficulty):
        count, speed = 0, []
        for index in range(15):
            _, tracks = make_video(4, index=index, frames=5, size=(96, 64), difficulty=difficulty)
            count += len(tracks)
            for track in tracks:
                boxes = [box for box in track['bboxes'] if box]
                centers = np.array([(x + w / 2, y + h / 2) for x, y, w, h in boxes])
                speed.extend(np.hypot(*np.diff(centers, axis=0).T))
        return count, np.mean(speed)

    easy, hard = measure(0.0), measure(1.0)
    assert hard[0] > 1.3 * easy[0]
    assert hard[1] > 1.5 * easy[1]


def test_generated_folder_loads_and_matches_its_images(synthetic):
    for split, folder in (('train', 'train'), ('val', 'valid')):
        index = ytvis.read(synthetic / f'annotations/instances_{split}_sub.json', require_annotations=True)
        assert len(index.videos) == (4 if split == 'train' else 3)
        assert index.class_names == tuple(SHAPES)[:5]
        for video in index.videos:
            assert len(video['file_names']) == 6
            for name in video['file_names']:
                image = cv2.imread(str(synthetic / folder / 'JPEGImages' / name))
                assert image.shape == (video['height'], video['width'], 3)


def test_the_same_dataset_is_kept_and_another_one_refused(tmp_path):
    settings = {'train_videos': 1, 'val_videos': 1, 'frames': 2, 'size': (48, 32)}
    out = generate_dataset(tmp_path / 'set', **settings)
    stamp = (out / 'annotations/instances_train_sub.json').stat().st_mtime_ns
    generate_dataset(out, **settings)
    assert (out / 'annotations/instances_train_sub.json').stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match='overwrite'):
        generate_dataset(out, seed=1, **settings)
    generate_dataset(out, seed=1, overwrite=True, **settings)
    assert (
        json.loads((out / 'annotations/instances_val_sub.json').read_text())['info']['settings']['seed'] == 1
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ['set']


@pytest.mark.parametrize(
    'bad', [{'difficulty': 1.5}, {'categories': 0}, {'frames': 0}, {'size': (8, 8)}, {'seed': -1}]
)
def test_numbers_out_of_range_are_named(bad, tmp_path):
    (name,) = bad
    with pytest.raises(UserError, match=name):
        generate_dataset(tmp_path / 'x', **bad)
    assert not (tmp_path / 'x').exists()


def test_nothing_is_left_of_a_failed_run(tmp_path, monkeypatch):
    from mmdet.synthetic import generate

    def fail(*args):
        raise RuntimeError('disk full')

    monkeypatch.setattr(generate, 'write_image', fail)
    with pytest.raises(RuntimeError):
        generate_dataset(tmp_path / 'x', train_videos=1, val_videos=0)
    assert list(tmp_path.iterdir()) == []


def test_command_line(tmp_path):
    command = [
        sys.executable,
        str(ROOT / 'tools' / 'make_synthetic_dataset.py'),
        str(tmp_path / 'd'),
        '--train-videos',
        '1',
    ]
    command += ['--val-videos', '1', '--frames', '2', '--size', '48', '32']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert '1 training and 1 validation videos' in done.stdout
    failed = subprocess.run([*command, '--difficulty', '7'], cwd=ROOT, capture_output=True, text=True)
    assert failed.returncode == 2
    assert 'difficulty must be between 0 and 1, got 7.0' in failed.stderr
