"""Files changed at random: the check and training say the same, and say no more than a UserError."""

import copy
import json
import random

import numpy as np
import pytest
from PIL import Image

from mmdet.datasets import YTVOSDataset
from mmdet.evaluation import evaluate_ytvis
from mmdet.evaluation.checks import check_annotations, check_predictions
from mmdet.formats import ytvis
from mmdet.formats.defects import FILE_KINDS, TRAINING
from mmdet.formats.results import results_by_video
from mmdet.formats.tracks import read_results
from mmdet.structures.rle import encode_mask, rle_counts
from mmdet.utils import UserError
from mmdet.visualization.renderer import frames_of_tracks

QUICK, LONG = 200, 3000
SIZE = (20, 30)
PIPELINE = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_ref_mask=True),
    dict(type='PackInputs'),
]
#: Kinds with which training refuses a file; the others concern scoring, or contradict nothing.
REFUSED = (TRAINING & set(FILE_KINDS)) | {'nothing_usable', 'damaged_mask'}

JUNK = [
    *(None, True, False, 0, 1, 2, -1, 3, 0.5, 1.0, -0.0, 1e308, float('nan'), float('inf')),
    *(2**31, 2**63, 10**30, '', 'x', '1', '1.0', 'é', '\0', 'a\nb', '\ud800', '\udc80', '0' * 40),
    *('v1\\0.png', '/etc/passwd', '../x', [], {}, [[]], [None], [None] * 3, [0], [[0]], {'a': 1}),
    *([1, 2, 3, 4], [0, 0, 0, 0], [0, 0, -1, 5], [[1, 2]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]]),
    *([4, 5, 12, 5, 12, 12], [[4, 5, 12, 5, 12, 12], [1, 2]], [[1, 1, 2, 2, 3, 3]]),
    *([[0, 0, 1e9, 0, 1e9, 1e9]], [[float('nan')] * 6], [['a'] * 6]),
    *({'size': [20, 30], 'counts': value} for value in ('', [], None, 'o', '0', [600], [0, 600])),
    *({'size': [20, 30], 'counts': value} for value in ([-1, 601], [10**30], [2**62] * 4, ['1'])),
    *({'size': [20, 30], 'counts': value} for value in ('\0', 'é', 3, {}, [[1]], [2**32 + 600])),
    *({'size': value, 'counts': [600]} for value in ([30, 20], [0, 0], [600], '20', [20.0, 30.0])),
    *({'size': [10**6, 10**6], 'counts': [600]}, {'size': [20, 30]}, {'counts': [600]}),
    *([{'size': [20, 30], 'counts': [10, 5, 585]}], [{'size': [20, 30], 'counts': '0'}]),
]


def rle(x, y=5):
    mask = np.zeros(SIZE, np.uint8)
    mask[y : y + 7, x : x + 8] = 1
    return encode_mask(mask)


def plain(mask):
    return {'size': mask['size'], 'counts': rle_counts(mask).tolist()}


def annotations():
    videos = [
        dict(id=n, height=20, width=30, length=n + 1, file_names=[f'v{n}/{t}.png' for t in range(n + 1)])
        for n in (1, 2)
    ]
    polygon = [[4, 5, 12, 5, 12, 12, 4, 12]]
    boxes = [[4, 5, 8, 7], [6, 5, 8, 7]]
    tracks = [
        ([rle(4), rle(6)], boxes, [56, 56], 1),
        ([plain(rle(4)), None], [boxes[0], None], [56, None], 1),
        ([polygon, rle(6), None], [*boxes, None], [56, 56, None], 2),
        ([None, rle(6), plain(rle(4))], [None, *boxes[::-1]], [None, 56, 56], 2),
    ]
    tracks = [
        dict(
            id=n,
            video_id=video,
            category_id=1 + n % 2,
            iscrowd=0,
            segmentations=masks,
            bboxes=box,
            areas=area,
        )
        for n, (masks, box, area, video) in enumerate(tracks, 1)
    ]
    crowd = {**copy.deepcopy(tracks[0]), 'id': 5, 'iscrowd': 1}
    return {
        'videos': videos,
        'categories': [{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}],
        'annotations': [*tracks, crowd],
    }


def predictions():
    return [
        {'video_id': v, 'category_id': c, 'score': s, 'segmentations': masks}
        for v, c, s, masks in (
            (1, 2, 0.9, [rle(4), rle(6)]),
            (1, 1, 0.5, [rle(5), None]),
            (2, 1, 0.25, [None, rle(6), rle(4)]),
        )
    ]


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def change(content, rng):
    """Change one place: other content, gone, twice, or a list that is longer or shorter.

    First one kind of place is drawn, then one of these: most places are run lengths.
    """
    kinds = {}
    for path in places(content):
        kinds.setdefault(tuple(key if isinstance(key, str) else 0 for key in path), []).append(path)
    kinds.pop(())
    if not kinds:
        return
    path = rng.choice(rng.choice(list(kinds.values())))
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    key, kind = path[-1], rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder[key], list):
        holder[key] = holder[key][:-1]
    elif kind == 3 and type(holder[key]) in (int, float):
        holder[key] += rng.choice([-1, 1, 0.5, 100, -100])
    elif kind == 4 and isinstance(holder[key], str):
        at = rng.randrange(len(holder[key]) + 1)
        holder[key] = holder[key][:at] + rng.choice(['', '0', 'o', '`', '\0', '2']) + holder[key][at + 1 :]
    else:
        holder[key] = copy.deepcopy(rng.choice(JUNK))


def mutated(content, seed):
    rng = random.Random(seed)
    for _ in range(rng.choice([1, 1, 2, 3])):
        change(content, rng)
    return content


def refusal(act):
    """The message with which something refuses its input, or None."""
    try:
        act()
    except UserError as error:
        assert str(error)
        return str(error)
    return None


def draw(path, images):
    dataset = YTVOSDataset(str(path), PIPELINE, data_prefix={'img': str(images)})
    for number in range(len(dataset)):
        dataset[number]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp('agreement')
    for video in annotations()['videos']:
        for name in video['file_names']:
            (made / name).parent.mkdir(exist_ok=True)
            Image.new('RGB', SIZE[::-1]).save(made / name)
    return made


def agree(seed, folder):
    path = folder / 'ann.json'
    path.write_text(json.dumps(mutated(annotations(), seed)))
    refused, found = refusal(lambda: draw(path, folder)), []
    unread = refusal(lambda: found.append(check_annotations(path, folder)))
    if unread:
        assert refused, f'{seed}: the check refuses what training reads: {unread}'
        return
    (findings,) = found
    if not findings.problems and 'no_annotations' not in findings.notes:
        assert not refused, f'{seed}: the check passes, training says: {refused}'
    if REFUSED & set(findings.problems):
        assert refused, f'{seed}: training reads what the check refuses: {findings.problems}'
    refusal(lambda: YTVOSDataset(str(path), test_mode=True))


def judge_results(seed, folder):
    ann, path = folder / 'truth.json', folder / 'res.json'
    ann.write_text(json.dumps(annotations()))
    path.write_text(json.dumps(mutated(predictions(), seed)))
    found, listed = [], ytvis.read(ann)
    unread = refusal(lambda: found.append(check_predictions(ann, path)))
    strict = refusal(lambda: evaluate_ytvis(ann, path))
    refusal(lambda: evaluate_ytvis(ann, path, strict=False))
    converted = refusal(lambda: read_results(listed, path))
    refusal(lambda: drawn(listed, path))
    if unread or found[0].problems:
        return
    assert not strict or 'zero_runs' in strict, f'{seed}: the check passes, scoring says: {strict}'
    if 'prediction_of_unknown_category' not in found[0].notes:
        assert not converted, f'{seed}: the check passes, conversion says: {converted}'


def drawn(listed, path):
    for video, tracks in results_by_video(path).items():
        try:
            size = next((v['height'], v['width']) for v in listed.videos if v['id'] == video)
            list(frames_of_tracks(tracks, 3, {1: 0, 2: 1}, size))
        except (StopIteration, ValueError):  # the renderer names the video
            continue


def test_the_files_pass_before_they_are_changed(folder):
    (folder / 'ann.json').write_text(json.dumps(annotations()))
    (folder / 'res.json').write_text(json.dumps(predictions()))
    draw(folder / 'ann.json', folder)
    assert not check_annotations(folder / 'ann.json', folder).problems
    assert not check_predictions(folder / 'ann.json', folder / 'res.json').problems


@pytest.mark.parametrize('test', [agree, judge_results])
def test_files_changed_at_random(test, folder):
    for seed in range(QUICK):
        test(seed, folder)


@pytest.mark.long
@pytest.mark.parametrize('test', [agree, judge_results])
def test_many_files_changed_at_random(test, folder):
    for seed in range(LONG):
        test(seed, folder)
