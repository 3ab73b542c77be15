"""tools/check_dataset.py and tools/check_results.py: every seeded defect is found, good files pass."""

import copy
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from mmdet.evaluation.checks import check_annotations, check_predictions

from ..evaluation.helpers import CASES, ROOT, annotation, dataset, plain, prediction, rectangle, simple, write

CLIPS = Path(os.environ.get('MASKTRACK_CLIPS', ROOT.parent / 'shared' / 'clips'))


def run(tool, *args):
    command = [sys.executable, str(ROOT / 'tools' / f'{tool}.py'), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd='/')


def good():
    """Two videos of which the checker has nothing to say."""
    a, b, c = rectangle(2, 2, 8, 8), rectangle(12, 4, 10, 9), rectangle(5, 5, 6, 12)
    tracks = [annotation(1, [a, plain(a), None]), annotation(2, [b, b, b], category=2)]
    tracks.append(annotation(3, [c, None], video=2))
    truth = dataset(tracks, lengths=(3, 2))
    for video in truth['videos']:
        video['file_names'] = [f'v{video["id"]}/{t}.png' for t in range(video['length'])]
    for track in tracks:
        masks = track['segmentations']
        track['areas'] = [
            m and int(coco.area(rectangle(2, 2, 8, 8) if isinstance(m['counts'], list) else m)) for m in masks
        ]
        track['bboxes'] = [
            m and coco.toBbox(a if isinstance(m['counts'], list) else m).tolist() for m in masks
        ]
        track.update(height=20, width=30, length=len(masks))
    return truth


def kinds(truth, tmp_path):
    path = tmp_path / 'gt.json'
    path.write_text(json.dumps(truth))
    return check_annotations(path)


def edit(*path, to=None):
    """A change of one place; ``to`` may be a function of the old value, or ``del``."""

    def change(value):
        for key in path[:-1]:
            value = value[key]
        if to == 'del':
            del value[path[-1]]
        else:
            value[path[-1]] = to(value[path[-1]]) if callable(to) else to

    return change


TRACK = ('annotations', 0)
SEGM = (*TRACK, 'segmentations')
SEEDED = {
    'duplicate_annotation': [edit('annotations', 1, 'id', to=1)],
    'duplicate_video': [edit('videos', 1, 'id', to=1)],
    'duplicate_category': [edit('categories', 1, 'id', to=1)],
    'zero_id': [edit(*TRACK, 'id', to=0)],
    'missing_key': [
        edit(*TRACK, 'id', to='del'),
        edit(*TRACK, 'video_id', to='del'),
        edit(*TRACK, 'category_id', to='del'),
        edit(*SEGM, to='del'),
        edit('videos', 0, 'id', to='del'),
    ],
    'bad_value': [edit(*SEGM, to=5), edit(*TRACK, 'id', to=[1])],
    'bad_id': [edit(*TRACK, 'id', to=None)],
    'not_an_object': [edit(*TRACK, to='x')],
    'ground_truth_of_unknown_video': [edit(*TRACK, 'video_id', to=77)],
    'ground_truth_of_unknown_category': [edit(*TRACK, 'category_id', to=77)],
    'no_categories': [edit('categories', to='del')],
    'category_name': [edit('categories', 0, 'name', to='c2'), edit('categories', 0, 'name', to='del')],
    'bad_iscrowd': [edit(*TRACK, 'iscrowd', to='1')],
    'unusable_areas': [edit(*TRACK, 'areas', to='x')],
    'video_size': [edit('videos', 0, 'height', to=-1), edit('videos', 0, 'width', to=2.5)],
    'video_frames': [edit('videos', 0, 'length', to=9), edit('videos', 0, 'file_names', to=[])],
    'shared_frame': [edit('videos', 0, 'file_names', 0, to='v2/0.png')],
    'track_size': [edit(*TRACK, 'height', to=21), edit(*TRACK, 'length', to=4)],
    'length': [edit(*SEGM, to=lambda masks: masks[:2])],
    'list_length': [
        edit(*TRACK, 'bboxes', to=lambda b: b[:1]),
        edit(*TRACK, 'areas', to=lambda a: [*a, 7]),
    ],
    'presence': [
        edit(*TRACK, 'bboxes', 0, to=None),
        edit(*TRACK, 'areas', 0, to=None),
        edit(*SEGM, 0, to=None),
        edit(*TRACK, 'bboxes', 2, to=[1, 1, 2, 2]),
    ],
    'mask_size': [edit(*SEGM, 0, to=rectangle(2, 2, 8, 8, 20, 31))],
    'rle_sum': [
        edit(*SEGM, 1, 'counts', to=lambda c: c[:-1]),
        edit(*SEGM, 0, 'counts', to=lambda c: c + '1'),
    ],
    'bad_counts': [edit(*SEGM, 0, 'counts', to=lambda c: c[:-1] + ' '), edit(*SEGM, 0, 'counts', to='oo')],
    'unreadable_mask': [
        edit(*SEGM, 0, to='mask'),
        edit(*SEGM, 1, 'counts', to=[-1, 5]),
        edit(*SEGM, 0, 'size', to=[20]),
    ],
    'box_polygon': [edit(*SEGM, 0, to=[[2, 2, 8, 8]])],
    'bad_polygon': [edit(*SEGM, 0, to=[[2, 2, 3, 3, 4]]), edit(*SEGM, 0, to=[[0, 0, 1e9, 0, 1e9, 1e9]])],
    'bad_box': [edit(*TRACK, 'bboxes', 0, to=[2, 2, 8]), edit(*TRACK, 'bboxes', 0, 2, to=-8)],
    'box_outside': [edit(*TRACK, 'bboxes', 0, 2, to=40), edit(*TRACK, 'bboxes', 0, 0, to=-9)],
    'box_mask': [edit(*TRACK, 'bboxes', 0, 0, to=6), edit(*TRACK, 'bboxes', 1, 3, to=13)],
    'area_mask': [edit(*TRACK, 'areas', 0, to=80)],
    'empty_track': [edit(*SEGM, to=[None] * 3), edit(*SEGM, to=[rectangle(0, 0, 0, 0), None, None])],
}


def test_the_length_that_youtube_vis_writes_into_its_annotations_is_none(tmp_path):
    truth = good()
    for track in truth['annotations']:
        track['length'] = 1
    assert not kinds(truth, tmp_path).problems


def test_good_file_passes(tmp_path):
    findings = kinds(good(), tmp_path)
    assert not findings.problems and not findings.notes
    assert findings.counts == {'videos': 2, 'frames': 5, 'categories': 2, 'tracks': 3, 'masks': 6}


@pytest.mark.parametrize('kind', SEEDED)
def test_seeded_defects_are_found(kind, tmp_path):
    for change in SEEDED[kind]:
        truth = good()
        change(truth)
        findings = kinds(truth, tmp_path)
        assert kind in findings.problems, findings.problems
        assert all(findings.problems[kind])


def test_places_are_exact(tmp_path):
    truth = good()
    truth['annotations'][1]['segmentations'][2]['counts'] += '1'
    truth['annotations'][1]['segmentations'][2] = copy.deepcopy(truth['annotations'][1]['segmentations'][2])
    found = kinds(truth, tmp_path).problems['rle_sum']
    assert 'annotations[1] (video 1, id 2) frame 2' in found


def test_notes_do_not_fail_the_check(tmp_path):
    truth = good()
    truth['annotations'][0]['iscrowd'] = 1
    truth['videos'].append({**truth['videos'][0], 'id': 9, 'file_names': ['a', 'b', 'c']})
    truth['categories'].append({'id': 9, 'name': 'unused'})
    findings = kinds(truth, tmp_path)
    assert not findings.problems and set(findings.notes) == {
        'crowd',
        'video_without_tracks',
        'unused_category',
    }


def test_tool_and_images(tmp_path):
    truth, path = good(), tmp_path / 'gt.json'
    path.write_text(json.dumps(truth))
    rng = np.random.default_rng(0)
    for video in truth['videos']:
        for name in video['file_names']:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name), rng.integers(0, 255, (20, 30, 3), np.uint8))
    made = run('check_dataset', path, '--images', tmp_path)
    assert made.returncode == 0 and 'no problems' in made.stdout, made.stderr
    (tmp_path / 'v1/0.png').unlink()
    data = (tmp_path / 'v1/1.png').read_bytes()
    (tmp_path / 'v1/1.png').write_bytes(data[: len(data) // 2])
    cv2.imwrite(str(tmp_path / 'v2/0.png'), np.zeros((20, 31, 3), np.uint8))
    made = run('check_dataset', path, '--images', tmp_path, '--format', 'json')
    problems = json.loads(made.stdout)['problems']
    assert made.returncode == 1 and set(problems) == {'missing_image', 'unreadable_image', 'image_size'}
    assert problems['missing_image'] == ['videos[0] (id 1) v1/0.png']
    assert 'v2/0.png is 20x31, the file says 20x30' in problems['image_size'][0]
    made = run('check_dataset', tmp_path / 'none.json')
    assert made.returncode == 2 and made.stderr.startswith('error: ') and 'does not exist' in made.stderr


def test_results_tool(tmp_path):
    folder = CASES / 'normal'
    made = run('check_results', folder / 'gt.json', folder / 'res.json', '--format', 'markdown')
    assert made.returncode == 0 and '| tracks | 53 |' in made.stdout
    truth = good()
    a = rectangle(2, 2, 8, 8)
    results = [
        prediction([a, a, None]),
        prediction([a, a, None]),
        prediction([a], 1.5),
        prediction([a, plain(a), [[1, 1, 9, 1, 9, 9]]]),
        prediction([a, None], video=7),
        prediction([None] * 3, category=8),
        prediction([None] * 3),
        {'video_id': 1, 'category_id': 1, 'segmentations': []},
        prediction([rectangle(2, 2, 8, 8, 21, 30), None], video=2),
        prediction([{'size': [20, 30], 'counts': a['counts'][:3]}, None], video=2),
    ]
    ann, res = tmp_path / 'gt.json', tmp_path / 'res.json'
    ann.write_text(json.dumps(truth))
    res.write_text(json.dumps(results))
    findings = check_predictions(ann, res)
    assert set(findings.problems) == {
        'length',
        'uncompressed_in_results',
        'polygon_in_results',
        'prediction_of_unknown_video',
        'missing_key',
        'mask_size',
        'rle_sum',
    }
    notes = {'prediction_of_unknown_category', 'score_range', 'empty_prediction', 'repeated_track'}
    assert set(findings.notes) == notes
    made = run('check_results', ann, res, '--limit', 1)
    assert made.returncode == 1 and '7 problems of 7 kinds' in made.stdout
    assert 'results[1] (video 1) repeats results[0]' in made.stdout


def test_test_sets_have_no_annotations(tmp_path):
    truth = good()
    del truth['annotations']
    path = tmp_path / 'gt.json'
    path.write_text(json.dumps(truth))
    assert not check_annotations(path).problems
    results = tmp_path / 'res.json'
    results.write_text(json.dumps([prediction([None] * 3)]))
    assert not check_predictions(path, results).problems


@pytest.mark.skipif(not CLIPS.is_dir(), reason='the real clips are not here (MASKTRACK_CLIPS)')
def test_real_clips_pass():
    made = run('check_dataset', CLIPS / 'annotations/instances.json', '--images', CLIPS / 'JPEGImages')
    assert made.returncode == 0 and 'no problems' in made.stdout, made.stdout + made.stderr


@pytest.mark.parametrize('names', [['my_results.json'], ['results.json', 'valid.json']])
def test_a_zip_that_the_servers_would_refuse(names, tmp_path):
    truth, found = simple()
    paths = write(tmp_path, truth, found)
    for kept, code in ((['results.json'], 0), (names, 1)):
        with zipfile.ZipFile(tmp_path / 'r.zip', 'w') as archive:
            for name in kept:
                archive.write(paths[1], name)
        made = run('check_results', paths[0], tmp_path / 'r.zip')
        assert made.returncode == code, made.stdout + made.stderr
    assert 'problem zip_content' in made.stdout and names[-1] in made.stdout
