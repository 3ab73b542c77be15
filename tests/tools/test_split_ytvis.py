"""Splitting an annotation file by video."""

import copy
import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet.formats import ytvis
from mmdet.formats.files import read_name_list
from mmdet.formats.split import match_video_ids, split_videos, subset
from mmdet.utils import UserError

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location('split_ytvis', ROOT / 'tools' / 'split_ytvis.py')
split_ytvis = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(split_ytvis)


def long_tail(videos=200, seed=5):
    """Video id -> category ids; category c stands in about every (c + 1)th video."""
    rng = random.Random(seed)
    return {v: [c for c in range(1, 21) if rng.random() < 1 / (c + 1)] for v in range(1, videos + 1)}


def content(categories_by_video):
    tracks = [(video, c) for video, cs in categories_by_video.items() for c in cs]
    return {
        'info': {'note': 'kept'},
        'categories': [{'id': c, 'name': f'c{c}'} for c in range(1, 21)],
        'videos': [
            {'id': v, 'width': 4, 'height': 3, 'length': 1, 'file_names': [f'clip{v}/0.jpg']}
            for v in categories_by_video
        ],
        'annotations': [
            {
                'id': number,
                'video_id': video,
                'category_id': c,
                'iscrowd': 0,
                'segmentations': [{'size': [3, 4], 'counts': [0, 1, 11]}],
                'bboxes': [[0, 0, 1, 1]],
                'areas': [1],
            }
            for number, (video, c) in enumerate(tracks, 1)
        ],
    }


@pytest.mark.parametrize('fraction', ['0.1', 0.2, '1/3', 0.5, 0.9])
@pytest.mark.parametrize('seed', [0, 1])
def test_parts_are_disjoint_complete_and_have_the_requested_size(fraction, seed):
    videos = long_tail()
    train, val = split_videos(videos, fraction, seed)
    assert not train & val
    assert train | val == set(videos)
    share = 1 / 3 if fraction == '1/3' else float(fraction)
    assert len(val) == int(200 * share + 0.5)


@pytest.mark.parametrize('seed', range(5))
def test_every_category_is_distributed(seed):
    videos = long_tail()
    _, val = split_videos(videos, 0.2, seed)
    for category in range(1, 21):
        members = {v for v, cs in videos.items() if category in cs}
        # a random split is off by up to 7 for the frequent categories
        assert abs(len(members & val) - 0.2 * len(members)) <= 3, category
        assert members & val and members - val


def test_two_videos_of_a_category_go_to_different_sides():
    videos = {v: [1] for v in range(20)} | {20: [2], 21: [2], 22: [3]}
    train, val = split_videos(videos, 0.2)
    assert len({20, 21} & val) == 1
    assert 22 in train


def test_split_does_not_depend_on_the_order_of_the_file():
    videos = long_tail(60)
    shuffled = list(videos.items())
    random.Random(1).shuffle(shuffled)
    assert split_videos(dict(shuffled), 0.25, 3) == split_videos(videos, 0.25, 3)


def test_split_is_the_same_on_every_machine():
    # fixed numbers: a change here changes the validation set of every user
    assert sorted(split_videos(long_tail(30), 0.2, 0)[1]) == [3, 4, 6, 11, 14, 24]
    assert split_videos(long_tail(30), 0.2, 1)[1] != split_videos(long_tail(30), 0.2, 0)[1]


@pytest.mark.parametrize('bad', [0, 1, -0.1, 'much', '1/0', 'nan'])
def test_bad_fractions(bad):
    with pytest.raises(UserError, match='fraction'):
        split_videos({1: [], 2: []}, bad)


def test_one_video_cannot_be_split():
    with pytest.raises(UserError, match='at least two videos, got 1'):
        split_videos({1: [1]})


def test_videos_without_objects_and_ids_of_text():
    train, val = split_videos({f'v{i}': [] for i in range(10)}, 0.3)
    assert (len(train), len(val)) == (7, 3)


def test_subset_keeps_all_else_and_the_original():
    whole = content(long_tail(10))
    before = copy.deepcopy(whole)
    part = subset(whole, {2, 5})
    assert whole == before
    assert [v['id'] for v in part['videos']] == [2, 5]
    assert {a['video_id'] for a in part['annotations']} <= {2, 5}
    assert part['categories'] == whole['categories'] and part['info'] == {'note': 'kept'}


def test_match_video_ids():
    videos = content(long_tail(12))['videos']
    assert match_video_ids(['3', 'clip11'], videos) == {3, 11}
    with pytest.raises(UserError, match="no video 'clip99'"):
        match_video_ids(['clip99'], videos)
    with pytest.raises(UserError, match=r"no video 'x', 'clip99' \(2 of 4 names\)"):
        match_video_ids(['x', '3', 'clip99', '4'], videos)
    with pytest.raises(UserError, match='empty'):
        match_video_ids([], videos)
    videos[1]['file_names'] = ['clip1/9.jpg']
    with pytest.raises(UserError, match='matches 2 videos'):
        match_video_ids(['clip1'], videos)


def test_tool_splits_a_file(tmp_path, capsys):
    ann = tmp_path / 'all.json'
    ann.write_text(json.dumps(content(long_tail(40))))
    split_ytvis.main([str(ann), '--out', str(tmp_path / 'parts'), '--val-fraction', '0.25'])
    train = ytvis.read(tmp_path / 'parts' / 'instances_train_sub.json')
    val = ytvis.read(tmp_path / 'parts' / 'instances_val_sub.json')
    assert (len(train.videos), len(val.videos)) == (30, 10)
    whole = ytvis.read(ann)
    assert sorted(train.tracks + val.tracks, key=lambda a: a['id']) == whole.tracks
    out = capsys.readouterr().out
    assert '30 videos' in out and '| c20 ' in out


def test_tool_gives_the_same_bytes_under_another_hash_seed(tmp_path):
    ann = tmp_path / 'all.json'
    ann.write_text(json.dumps(content({f'v{v}': cs for v, cs in long_tail(30).items()})))
    parts = []
    for seed in ('1', '2'):
        out = tmp_path / seed
        command = [sys.executable, str(ROOT / 'tools' / 'split_ytvis.py'), str(ann), '--out', str(out)]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, 'PYTHONHASHSEED': seed})
        parts.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert parts[0] == parts[1] and len(parts[0]) == 2


def test_tool_takes_videos_by_name_and_from_a_file(tmp_path):
    ann = tmp_path / 'all.json'
    ann.write_text(json.dumps(content(long_tail(10))))
    split_ytvis.main([str(ann), '--out', str(tmp_path / 'few.json'), '--videos', '7, clip2'])
    assert [v['id'] for v in ytvis.read(tmp_path / 'few.json').videos] == [2, 7]
    names = tmp_path / 'names.txt'
    names.write_text('# my videos\n4\nclip9  # good\n\n')
    split_ytvis.main([str(ann), '--out', str(tmp_path), '--videos-file', str(names)])
    assert [v['id'] for v in ytvis.read(tmp_path / 'instances_subset.json').videos] == [4, 9]


@pytest.mark.parametrize(
    'listed',
    [
        'clip9 # by its folder\n4\n',
        '["clip9", 4]',
        # of another release: other ids, the same folders
        json.dumps({'videos': [{'id': 1, 'file_names': [f'clip{v}/0.jpg']} for v in (4, 9)]}),
        json.dumps({'videos': [{'id': 4, 'file_names': ['0.jpg']}, {'id': 9}]}),
    ],
)
def test_a_list_of_others_is_held_out(tmp_path, capsys, listed):
    (tmp_path / 'all.json').write_text(json.dumps(content(long_tail(10))))
    (tmp_path / 'val.list').write_text(listed)
    args = ['--videos-file', str(tmp_path / 'val.list'), '--hold-out']
    split_ytvis.main([str(tmp_path / 'all.json'), '--out', str(tmp_path), *args])
    train, val = (ytvis.read(tmp_path / f'instances_{name}_sub.json') for name in ('train', 'val'))
    assert [v['id'] for v in val.videos] == [4, 9]
    assert [v['id'] for v in train.videos] == [1, 2, 3, 5, 6, 7, 8, 10]
    assert {a['video_id'] for a in val.tracks} <= {4, 9} and 'category' in capsys.readouterr().out


def test_tool_reads_files_without_annotations(tmp_path, capsys):
    whole = content(long_tail(10))
    whole['annotations'] = None  # as in the official validation files
    ann = tmp_path / 'valid.json'
    ann.write_text(json.dumps(whole))
    split_ytvis.main([str(ann), '--out', str(tmp_path / 'few.json'), '--videos', '1'])
    assert json.loads((tmp_path / 'few.json').read_text())['annotations'] is None
    split_ytvis.main([str(ann), '--out', str(tmp_path / 'parts')])
    assert 'not balanced' in capsys.readouterr().err


@pytest.mark.parametrize(
    'args, message',
    [
        (['--out', 'x.json'], 'must be a folder'),
        (['--out', 'x', '--videos', 'nosuch'], "no video 'nosuch'"),
        (['--out', 'x', '--videos-file', 'missing.txt'], 'missing.txt'),
        (['--out', 'x', '--videos', '1,2,3,4,5', '--hold-out'], 'none is left for training'),
        (['--out', 'x', '--hold-out'], '--hold-out needs the videos'),
        (['--out', 'x', '--videos', '1', '--seed', '2'], '--seed does not apply'),
        (['--out', 'all.json', '--videos', '1'], 'is an input of this command'),
        (['--out', 'x', '--val-fraction', '2'], 'between 0 and 1'),
    ],
)
def test_tool_errors(tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    Path('all.json').write_text(json.dumps(content(long_tail(5))))
    with pytest.raises(SystemExit) as caught:
        split_ytvis.main(['all.json', *args])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ['all.json']


@pytest.mark.parametrize('text', ['[1, true]', '{"images": []}', '[', '{"videos": [{}]}'])
def test_a_json_without_videos_is_no_list(tmp_path, text):
    (tmp_path / 'list.json').write_text(text)
    with pytest.raises(UserError, match=r'list of videos .*list\.json'):
        read_name_list(tmp_path / 'list.json')


def test_a_fraction_of_chosen_videos_is_refused(tmp_path, capsys):
    (tmp_path / 'a.json').write_text(json.dumps(content({1: [1], 2: [2]})))
    args = [str(tmp_path / 'a.json'), '--out', str(tmp_path), '--videos', '1', '--val-fraction', '0.5']
    with pytest.raises(SystemExit) as stop:
        split_ytvis.main(args)
    assert stop.value.code == 2 and '--val-fraction does not apply' in capsys.readouterr().err
