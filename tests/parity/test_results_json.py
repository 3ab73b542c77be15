"""Tracks to json as the 2019 release aggregated them."""

import json

import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet.formats.results import VideoResultWriter, merge_results, prepare_results
from tools.test_video import main

from .rules import GOLDEN, load_json, load_npz, rule_tensor


def test_scripted_tracker_results_aggregate_to_the_2019_json(tmp_path):
    golden = load_json('unit_tracker.json')
    lengths = {}
    for item in golden['results_in']:
        video, frame = item['img_id']
        lengths[video] = max(lengths.get(video, 0), frame + 1)
    path = tmp_path / 'results.json'
    prepare_results(path)
    with VideoResultWriter(path, cat_ids=range(1, 41)) as writer:
        for item in golden['results_in']:
            video, frame = item['img_id']
            ids = list(item['det'])
            writer.add_frame(
                video + 1,  # the 2019 json counts videos from 1; ours carries the dataset's own id
                frame,
                lengths[video],
                [int(i) for i in ids],
                [item['det'][i]['bbox'][4] for i in ids],
                [item['det'][i]['label'] for i in ids],
                [item['seg'][i] for i in ids],
            )
    written = json.loads(merge_results(path, order=sorted(v + 1 for v in lengths)).read_text())
    assert written == golden['results_json']
    assert len(written) == 9


def test_small_model_frames_aggregate_to_the_2019_json(tmp_path):
    golden = load_json('small_infer.json')
    for name, block in (('0p05', golden), ('0p4', golden['score_thr_0p4'])):
        path = tmp_path / f'{name}.json'
        prepare_results(path)
        with VideoResultWriter(path, cat_ids=range(1, 6)) as writer:
            for item in block['frames']:
                objects = item['objects']
                writer.add_frame(
                    item['video'] + 1,
                    item['frame'],
                    6,
                    [int(i) for i in objects],
                    [o['bbox'][4] for o in objects.values()],
                    [o['label'] for o in objects.values()],
                    [o['segmentation'] for o in objects.values()],
                )
        assert json.loads(merge_results(path).read_text()) == block['results_json']


@pytest.fixture(scope='module')
def small_checkpoint(tmp_path_factory):
    """The checkpoint of the recorded run, in the format of 2019."""
    arrays = load_npz('small_ckpt.npz')
    state = {}
    for key, shape, _ in load_json('small_state.json'):
        state[key] = torch.from_numpy(arrays[key]) if key in arrays else rule_tensor(key, tuple(shape))
    path = tmp_path_factory.mktemp('small') / 'small.pth'
    torch.save({'meta': {}, 'state_dict': state}, path)
    return str(path)


def compare(got, expected):
    """Content of two results json as parity asks: scores to 1e-4, RLEs equal but for one in a hundred."""
    assert [(e['video_id'], e['category_id']) for e in got] == [
        (e['video_id'], e['category_id']) for e in expected
    ]
    masks = different = 0
    for ours, theirs in zip(got, expected):
        assert ours['score'] == pytest.approx(theirs['score'], abs=1e-4)
        assert len(ours['segmentations']) == len(theirs['segmentations'])
        for a, b in zip(ours['segmentations'], theirs['segmentations']):
            assert (a is None) == (b is None)
            if a is not None:
                masks += 1
                if a != b:
                    different += 1
                    assert coco_mask.iou([a], [b], [0])[0, 0] > 0.97
    assert different <= masks // 100
    return masks


@pytest.mark.parametrize('threshold, masks', [(0.05, 142), (0.4, 47)])
def test_whole_program_gives_the_tracks_of_2019(
    small_checkpoint, tmp_path, monkeypatch, capsys, threshold, masks
):
    """tools/test_video.py with config and checkpoint of 2019, unchanged, from the folder its paths mean."""
    golden = load_json('small_infer.json')
    monkeypatch.chdir(GOLDEN)
    args = ['small_cfg.py', small_checkpoint, '--out', str(tmp_path / 'X'), '--eval', 'segm']
    main([*args, '--cfg-options', f'test_cfg.rcnn.score_thr={threshold}'])
    block = golden if threshold == 0.05 else golden['score_thr_0p4']
    assert compare(json.loads((tmp_path / 'X.json').read_text()), block['results_json']) == masks
    expected = block['eval_text'][0].rsplit('=', 1)[1].strip()
    assert f'video AP: {expected}' in capsys.readouterr().out
