"""MOTS txt files: there and back without loss, and bad lines named."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet.datasets.convert.mots import mots_to_ytvis, read_mots_txt, ytvis_to_mots
from mmdet.structures.rle import encode_mask, rle_area
from mmdet.structures.ytvis import parse_ytvis
from mmdet.utils import UserError

ROOT = Path(__file__).resolve().parents[3]


def rle(x, y=1, w=3, h=2):
    mask = np.zeros((8, 12), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return encode_mask(mask)


@pytest.fixture
def sequence(tmp_path):
    folder = tmp_path / 'images' / '0002'
    folder.mkdir(parents=True)
    for frame in (0, 1, 2):
        (folder / f'{frame:06d}.png').touch()
    rows = [(0, 1005, 1, rle(0)), (0, 2001, 2, rle(5)), (2, 1005, 1, rle(2)), (2, 10000, 10, rle(8))]
    lines = [f'{f} {t} {c} 8 12 {r["counts"]}' for f, t, c, r in rows]
    path = tmp_path / '0002.txt'
    path.write_text('\n'.join(lines) + '\n')
    return path, lines


def test_round_trip_by_the_tools(sequence, tmp_path):
    path, lines = sequence
    tools = ROOT / 'tools/convert_datasets'
    images, out = tmp_path / 'images', tmp_path / 'a.json'
    forth = [tools / 'mots_to_ytvis.py', path, '--images', images, '--out', out]
    subprocess.run([sys.executable, *map(str, forth)], check=True, capture_output=True)
    index = parse_ytvis(json.loads(out.read_text()))
    assert [a['iscrowd'] for a in index.annotations] == [0, 0, 1]
    assert index.annotations[0]['bboxes'] == [[0, 1, 3, 2], None, [2, 1, 3, 2]]
    back = [tools / 'ytvis_to_mots.py', out, '--out', tmp_path / 'back']
    subprocess.run([sys.executable, *map(str, back)], check=True, capture_output=True)
    assert sorted((tmp_path / 'back/0002.txt').read_text().splitlines()) == sorted(lines)


def test_the_higher_score_keeps_shared_pixels():
    video = {'id': 7, 'width': 12, 'height': 8, 'file_names': ['v/a.jpg']}
    low = {'video_id': 7, 'category_id': 1, 'score': 0.2, 'segmentations': [rle(0)]}
    high = {'video_id': 7, 'category_id': 1, 'score': 0.9, 'segmentations': [rle(2)]}
    lines = [line.split() for line in ytvis_to_mots([video], [low, high])[7]]
    areas = {int(f[1]): rle_area({'size': [8, 12], 'counts': f[5]}) for f in lines}
    assert areas == {1001: 4, 1002: 6}


@pytest.mark.parametrize(
    'line', ['0 1 1 8 12', '0 a 1 8 12 xx', '0 1001 1 8 12 0', '-1 1001 1 8 12 P3'], ids=str
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / 'x.txt'
    path.write_text('\n' + line)
    with pytest.raises(UserError, match=r'x\.txt, line 2'):
        read_mots_txt(path)


def test_unknown_class_and_missing_picture_are_named(sequence, tmp_path):
    path, _ = sequence
    with pytest.raises(UserError, match='class 2 of track 2001'):
        mots_to_ytvis([path], tmp_path / 'images', {1: 'car'})
    (tmp_path / 'images/0002/000002.png').unlink()
    with pytest.raises(UserError, match='frame 2 has no picture'):
        mots_to_ytvis([path], tmp_path / 'images', {1: 'car', 2: 'pedestrian'})
