"""Readers on files mutated at random: valid annotations or one clear message."""

import copy
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdet.formats import mask_folders, mots, ytvis
from mmdet.formats.coco_video import parse_coco_video
from mmdet.formats.object_table import ObjectTable
from mmdet.formats.tracks import read_results
from mmdet.structures.rle import encode_mask
from mmdet.utils import UserError

from ..evaluation.test_fuzz import LONG, QUICK, RELAXED, mutate


def rle(x):
    mask = np.zeros((8, 12), np.uint8)
    mask[1:4, x : x + 3] = 1
    return encode_mask(mask)


def coco():
    images = [
        {'id': n, 'video_id': 1, 'frame_id': n, 'file_name': f'v/{n}.jpg', 'width': 12, 'height': 8}
        for n in range(3)
    ]
    objects = [
        {'image_id': n, 'track_id': t, 'category_id': 1, 'iscrowd': 0, 'segmentation': rle(4 * t)}
        for n in range(3)
        for t in range(2)
    ]
    return {'images': images, 'annotations': objects, 'categories': [{'id': 1, 'name': 'cat'}]}


def results():
    return [{'video_id': 1, 'category_id': 1, 'score': s, 'segmentations': [rle(2)] * 3} for s in (0.5, 0.9)]


def change(draw, value):
    for _ in range(draw(st.integers(1, 3))):
        mutate(draw, value)
    return value


def check_coco(draw, folder):
    content = change(draw, coco())
    before = repr(content)
    try:
        made = parse_coco_video(content, video_from_path=draw(st.booleans()), stream=io.StringIO())
        ytvis.write(made, folder / 'made.json')
        ytvis.read(folder / 'made.json')
    except UserError as error:
        assert str(error)
    assert repr(content) == before, 'the input was changed'


def check_results(draw, folder):
    listed = parse_coco_video(coco(), stream=io.StringIO())
    (folder / 'r.json').write_text(json.dumps(change(draw, results())))
    for write, out in ((mots.write, 'mots'), (mask_folders.write, 'masks'), (ytvis.write, 'made.json')):
        try:
            write(read_results(listed, folder / 'r.json'), folder / out)
        except UserError as error:
            assert str(error)


def check_manifest(draw, folder):
    mask_folders.write(parse_coco_video(coco(), stream=io.StringIO()), folder, stream=io.StringIO())
    manifest = json.loads((folder / 'objects.json').read_text())
    (folder / 'objects.json').write_text(json.dumps(change(draw, manifest)))
    try:
        mask_folders.read(folder, stream=io.StringIO())
    except UserError as error:
        assert str(error)


def check_mots(draw, folder):
    (folder / 'images' / 's').mkdir(parents=True, exist_ok=True)
    for frame in range(2):
        Image.new('RGB', (12, 8)).save(folder / 'images' / 's' / f'{frame}.png')
    rows = [
        [f, t, t // 1000, 8, 12, rle(x)['counts']] for f, t, x in ((0, 1001, 0), (1, 1001, 1), (1, 2001, 5))
    ]
    words = st.sampled_from(['', '-1', '0', '10000', 'x', '1e3', '99999999999999999999', '0' * 30, 'é', '`'])
    for _ in range(draw(st.integers(1, 3))):
        row = rows[draw(st.integers(0, 2))]
        row[draw(st.integers(0, 5))] = draw(words)
    (folder / 's.txt').write_text('\n'.join(' '.join(map(str, row)) for row in rows), encoding='utf-8')
    try:
        made = mots.read([folder / 's.txt'], folder / 'images', {1: 'a', 2: 'b'}, stream=io.StringIO())
        ytvis.write(made, folder / 'made.json')
    except UserError as error:
        assert str(error)


def check_table(draw, folder):
    table = {'videos': {'v': {'objects': {'1': {'category': 'cat'}, '2': {'category': 'dog'}}}}}
    (folder / 't.json').write_text(json.dumps(change(draw, copy.deepcopy(table))))
    try:
        ObjectTable.read(folder / 't.json')
    except UserError as error:
        assert str(error)


CHECKS = [check_coco, check_results, check_manifest, check_mots, check_table]


def run(check, data, factory):
    folder = factory.mktemp('fuzz', numbered=True)
    check(data.draw, folder)


@pytest.mark.parametrize('check', CHECKS)
@given(st.data())
@settings(max_examples=QUICK // 6, **RELAXED)
def test_mutated_files(check, tmp_path_factory, data):
    run(check, data, tmp_path_factory)


@pytest.mark.long
@pytest.mark.parametrize('check', CHECKS)
@given(st.data())
@settings(max_examples=LONG // 10, **RELAXED)
def test_mutated_files_long(check, tmp_path_factory, data):
    run(check, data, tmp_path_factory)
