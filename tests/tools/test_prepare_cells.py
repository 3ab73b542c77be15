"""demo/prepare_cells.py: the layout of Usiigaci's repository becomes data to train on and to score."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet.datasets import CocoDataset
from mmdet.structures.rle import decode_rle

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    command = [sys.executable, str(ROOT / 'demo/prepare_cells.py'), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def repository(tmp_path):
    """Three training images, one of them the video's, one to validate, a video of two frames; 16 bits."""
    root, rng = tmp_path / 'Usiigaci', np.random.default_rng(0)
    image = rng.integers(1000, 3000, (30, 40)).astype(np.uint16)
    numbers = np.zeros((30, 40), np.uint8)
    numbers[2:10, 3:9], numbers[12:20, 20:39] = 1, 7
    for name in ('train/set1', 'train/set2', 'train/set10', 'val/set46'):
        write(root / 'Mask R-CNN' / name / 'raw.tif', image)
        write(root / 'Mask R-CNN' / name / 'instances_ids.png', numbers)
    for index in range(2):
        write(root / f'ExampleData/T98G_sample/t{index:02d}.tif', image)
        folder = root / 'ExampleData/T98G_sample_Exp_1/Id_masks_per_frame'
        write(folder / f'id_masks_{index:02d}.png', numbers * (1 if index else numbers == 7))
    return root


def test_images_and_video_become_datasets(repository, tmp_path):
    out = tmp_path / 'cells'
    done = run(repository, out, '--columns', 0, 24)
    assert done.returncode == 0, done.stderr
    train = CocoDataset(str(out / 'annotations/instances_train.json'), test_mode=True)
    assert [video['file_names'] for video in train.videos] == [['set2.jpg'], ['set10.jpg']]  # not set1
    boxes = [entry['bbox'] for entry in train.raw_frame(0, 0)['instances']]
    assert boxes == [[3, 2, 8, 9], [20, 12, 38, 19]]
    image = cv2.imread(str(out / 'images/train/set2.jpg'))
    assert image.shape == (30, 40, 3) and image.min() < 20 and image.max() > 235
    content = json.loads((out / 'annotations/instances_video_left.json').read_text())
    assert content['videos'][0] == {
        'id': 1,
        'file_names': ['video_left/00000.jpg', 'video_left/00001.jpg'],
        'width': 24,
        'height': 30,
        'length': 2,
    }
    first, second = content['annotations']
    assert first['segmentations'][0] is None and first['bboxes'][1] == [3, 2, 6, 8]
    assert decode_rle(second['segmentations'][0]).sum() == second['areas'][0] == 8 * 4  # cut at column 24
    assert cv2.imread(str(out / 'images/video_left/00001.jpg')).shape == (30, 24, 3)


def test_what_is_missing_is_named(repository, tmp_path):
    (repository / 'Mask R-CNN/train/set2/instances_ids.png').write_text('version https://git-lfs')
    done = run(repository, tmp_path / 'cells')
    assert done.returncode == 2 and 'set2/instances_ids.png' in done.stderr and 'git lfs pull' in done.stderr
    done = run(tmp_path / 'elsewhere', tmp_path / 'cells')
    assert done.returncode == 2 and 'is this a checkout of Usiigaci?' in done.stderr
