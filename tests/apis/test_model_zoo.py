"""Weights by name: the table, its page, lookup, fetching from a local server that stands for the net."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet.apis import load_config
from mmdet.apis.model_zoo import ZOO, config_path, find_weights, named
from mmdet.apis.named_weights import read_weights
from mmdet.utils import UserError
from tools import test as test_tool
from tools import test_video

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('entry', ZOO.values(), ids=lambda entry: entry.name)
def test_entries_have_their_config_and_the_hash_of_their_file_name(entry):
    assert load_config(config_path(entry)).model.type in ('MaskRCNN', 'MaskTrackRCNN')
    assert entry.sha256.startswith(re.search(r'-([0-9a-f]{8})\.pth$', entry.file).group(1))
    assert all(url.endswith(f'/{entry.file}') for url in (entry.url, *entry.mirrors))


def test_unknown_names_list_those_that_are_near():
    with pytest.raises(UserError, match='did you mean maskrcnn_r50_fpn_v2_coco.*--list-models'):
        find_weights('maskrcnn_r50_fpn_v2')
    with pytest.raises(UserError, match='masktrack_rcnn_r50_fpn_12e_youtubevis2019 or masktrack.*2021'):
        find_weights('masktrack_r50')
    with pytest.raises(UserError, match=r"'qqq'.*\(--list-models shows"):
        find_weights('qqq')


def test_a_file_comes_before_a_name_and_paths_are_no_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named('maskrcnn_r50_fpn_coco', 'config').name == 'maskrcnn_r50_fpn_coco'
    Path('maskrcnn_r50_fpn_coco').write_text('')
    for value in ('maskrcnn_r50_fpn_coco', 'a/maskrcnn', 'x.py', 'https://a.org/b', Path('b'), None):
        assert named(value, 'config') is None
    with pytest.raises(UserError, match="config 'maskrcnn_r5': no such file, and no weights have this name"):
        load_config('maskrcnn_r5')
    with pytest.raises(UserError, match="checkpoint 'maskrcnn_r5': no such file"):
        read_weights('maskrcnn_r5')


def test_model_stands_for_config_and_checkpoint(capsys):
    for tool in (test_tool, test_video):
        args = tool.parse_args(['--model', 'maskrcnn_r50_fpn_coco'])
        assert args.config == args.checkpoint == 'maskrcnn_r50_fpn_coco'
        with pytest.raises(SystemExit):
            tool.parse_args(['c.py', '--model', 'maskrcnn_r50_fpn_coco'])
        assert 'give one or the other' in capsys.readouterr().err
        with pytest.raises(SystemExit):
            tool.parse_args(['c.py'])
        assert 'CHECKPOINT is missing; --model NAME stands for both' in capsys.readouterr().err
        with pytest.raises(UserError, match='maskrcnn_r50_fpn_coco'):
            tool.parse_args(['--model', 'maskrcnn'])


def test_the_list_is_quick_and_names_everything():
    run = [sys.executable, '-X', 'importtime', ROOT / 'tools/test.py', '--list-models']
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ZOO)
    assert 'torch' not in {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
