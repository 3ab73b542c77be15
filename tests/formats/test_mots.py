"""MOTS files: lossless round trips, and invalid lines are named."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet.formats import mots
from mmdet.formats.builder import track_lists
from mmdet.formats.tracks import read_results
from mmdet.formats.ytvis import parse_ytvis
from mmdet.structures.rle import encode_mask, rle_area
from mmdet.utils import UserError

ROOT = Path(__file__).resolve().parents[2]


def rle(x, y=1, w=3, h=2):
    mask = np.zeros((8, 12), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return encode_mask(mask)


@pytest.fixture
def sequence(tmp_path):
    folder = tmp_path / 'images' / '0002'
    folder.mkdir(parents=True)
    for frame in (0, 1, 2):
        Image.new('RGB', (12, 8)).save(folder / f'{frame:06d}.png')
    rows = [(0, 1005, 1, rle(0)), (0, 2001, 2, rle(5)), (2, 1005, 1, rle(2)), (2, 10000, 10, rle(8))]
    lines = [f'{f} {t} {c} 8 12 {r["counts"]}' for f, t, c, r in rows]
    path = tmp_path / '0002.txt'
    path.write_text('\n'.join(lines) + '\n')
    return path, lines


def test_round_trip_by_the_tool(sequence, tmp_path):
    path, lines = sequence
    tool = [sys.executable, ROOT / 'tools/convert_dataset.py']
    images, out = tmp_path / 'images', tmp_path / 'a.json'
    forth = [path, '--from', 'mots', '--images', images, '--to', 'ytvis', '--out', out]
    subprocess.run([*tool, *forth], check=True, capture_output=True)
    index = parse_ytvis(json.loads(out.read_text()))
    # a region to ignore is ignored by every class
    assert [(a['iscrowd'], a['category_id']) for a in index.tracks] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert [a['areas'] for a in index.tracks[2:]] == [[None, None, 6]] * 2
    assert index.tracks[0]['bboxes'] == [[0, 1, 3, 2], None, [2, 1, 3, 2]]
    back = [out, '--from', 'ytvis', '--to', 'mots', '--out', tmp_path / 'back']
    subprocess.run([*tool, *back], check=True, capture_output=True)
    assert sorted((tmp_path / 'back/0002.txt').read_text().splitlines()) == sorted(lines)


def written(annotations, tmp_path):
    """Lines of each file, split into fields; number of hidden pixels."""
    out = tmp_path / 'out'
    shutil.rmtree(out, ignore_errors=True)
    counts = mots.write(annotations, out)
    files = {path.stem: [line.split() for line in path.read_text().splitlines()] for path in out.iterdir()}
    return files, counts['hidden pixels']


def converted(videos, tracks, tmp_path, score_thr=0.0):
    """The same for results."""
    (tmp_path / 'r.json').write_text(json.dumps(tracks))
    listed = parse_ytvis({'videos': videos, 'categories': [{'id': 1, 'name': 'car'}]})
    return written(read_results(listed, tmp_path / 'r.json', score_thr), tmp_path)


def test_the_higher_score_keeps_shared_pixels(tmp_path):
    video = {'id': 7, 'width': 12, 'height': 8, 'file_names': ['v/a.jpg']}
    low = {'video_id': 7, 'category_id': 1, 'score': 0.2, 'segmentations': [rle(0)]}
    high = {'video_id': 7, 'category_id': 1, 'score': 0.9, 'segmentations': [rle(2)]}
    files, hidden = converted([video], [low, high], tmp_path)
    areas = {int(f[1]): rle_area({'size': [8, 12], 'counts': f[5]}) for f in files['v']}
    assert areas == {1001: 6, 1002: 4} and hidden == 2
    files, hidden = converted([video], [low, high], tmp_path, score_thr=0.5)
    assert [f[1] for f in files['v']] == ['1001'] and hidden == 0


def test_names_of_files_and_frames(tmp_path):
    names = (['a/img1/000007.jpg'], ['b/c/x.jpg'], ['9.png'])
    videos = [{'id': n, 'width': 12, 'height': 8, 'file_names': name} for n, name in enumerate(names)]
    tracks = [{'video_id': n, 'category_id': 1, 'score': 1, 'segmentations': [rle(0)]} for n in range(3)]
    files, _ = converted(videos, tracks, tmp_path)
    assert {name: lines[0][0] for name, lines in files.items()} == {'a': '7', 'b_c': '0', '2': '9'}
    videos[1]['file_names'] = ['a/x.jpg']
    with pytest.raises(UserError, match="videos 0 and 1 are both named 'a'"):
        converted(videos, tracks, tmp_path)


def test_more_objects_than_ids(tmp_path):
    video = {'id': 7, 'width': 12, 'height': 8, 'file_names': ['v/a.jpg']}
    tracks = [{'video_id': 7, 'category_id': 1, 'score': 1, 'segmentations': [None]}] * 1000
    with pytest.raises(UserError, match='more than 999 objects of category 1'):
        converted([video], tracks, tmp_path)


def test_layout_of_motschallenge_and_empty_sequences(tmp_path):
    for name in ('MOTS20-02', 'MOTS20-05'):
        (tmp_path / name / 'gt').mkdir(parents=True)
        (tmp_path / name / 'img1').mkdir()
        Image.new('RGB', (12, 8)).save(tmp_path / name / 'img1' / '000001.jpg')
        (tmp_path / name / 'gt' / 'gt.txt').write_text('')
    first, second = (tmp_path / name / 'gt' / 'gt.txt' for name in ('MOTS20-02', 'MOTS20-05'))
    second.write_text(f'1 2001 2 8 12 {rle(0)["counts"]}')
    made = mots.read([first, second], tmp_path, {2: 'pedestrian'})
    assert [v['file_names'] for v in made.videos] == [
        ['MOTS20-02/img1/000001.jpg'],
        ['MOTS20-05/img1/000001.jpg'],
    ]
    assert [(a['video_id'], a['areas']) for a in made.tracks] == [(2, [6])]


def test_masks_of_another_size_than_the_images_are_named(sequence, tmp_path):
    path, _ = sequence
    Image.new('RGB', (8, 12)).save(tmp_path / 'images/0002/000000.png')
    with pytest.raises(UserError, match=r'masks of \[8, 12\], its images have \[12, 8\]'):
        mots.read([path], tmp_path / 'images', {1: 'car', 2: 'pedestrian'})


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    (tmp_path / 'x.txt').write_text(f'\ufeff0 1001 1 8 12 {rle(0)["counts"]}\r\n', encoding='utf-8')
    ((frame, track, label, _),) = mots.read_mots_txt(tmp_path / 'x.txt')
    assert (frame, track, label) == (0, 1001, 1)


@pytest.mark.parametrize(
    'line', ['0 1 1 8 12', '0 a 1 8 12 xx', '0 1001 1 8 12 0', '-1 1001 1 8 12 P3'], ids=str
)
def test_an_invalid_line_is_named(tmp_path, line):
    path = tmp_path / 'x.txt'
    path.write_text('\n' + line)
    with pytest.raises(UserError, match=r'x\.txt, line 2'):
        mots.read_mots_txt(path)


def test_unknown_class_and_missing_image_are_named(sequence, tmp_path):
    path, _ = sequence
    with pytest.raises(UserError, match='class 2 of track 2001'):
        mots.read([path], tmp_path / 'images', {1: 'car'})
    (tmp_path / 'images/0002/000002.png').unlink()
    with pytest.raises(UserError, match='frame 2 has no image'):
        mots.read([path], tmp_path / 'images', {1: 'car', 2: 'pedestrian'})


def test_folders_without_masks_and_missing_files(sequence, tmp_path):
    path, _ = sequence
    for wrong, message in (
        (tmp_path / 'images' / '0003', 'no such file, or folder of png masks'),
        (path.with_name('empty') / '0002', 'no png masks in this folder'),
    ):
        if message.startswith('no png'):
            wrong.mkdir(parents=True)
        with pytest.raises(UserError, match=message):
            mots.read([wrong], tmp_path / 'images', {1: 'car', 2: 'pedestrian'})


def test_regions_to_ignore_hide_nothing_of_each_other(sequence, tmp_path):
    path, lines = sequence
    files, hidden = written(mots.read([path], tmp_path / 'images'), tmp_path)
    assert list(files) == ['0002'] and hidden == 0
    assert sorted(map(' '.join, files['0002'])) == sorted(lines)


@pytest.mark.parametrize('had', ['7 1 64 96 PPP\n9 9', [1], 1.5, -3, 2**80, True, 1001])
def test_ids_are_those_of_the_file_only_where_they_are_ids(tmp_path, had):
    tracks = [
        {'id': n, 'video_id': 1, 'category_id': 1, 'iscrowd': 0, 'mots_id': had, **lists}
        for n, lists in ((1, track_lists({0: rle(0)}, 1)), (2, track_lists({0: rle(6)}, 1)))
    ]
    video = {'id': 1, 'width': 12, 'height': 8, 'file_names': ['v/0.png']}
    content = {'videos': [video], 'categories': [{'id': 1, 'name': 'a'}], 'annotations': tracks}
    mots.write(parse_ytvis(content), tmp_path)
    lines = [line.split()[:5] for line in (tmp_path / 'v.txt').read_text().splitlines()]
    assert sorted(lines) == [['0', '1001', '1', '8', '12'], ['0', '1002', '1', '8', '12']]
