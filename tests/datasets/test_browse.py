import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """
train_dataloader = dict(batch_size=1, sampler=dict(type='GroupSampler'), dataset=dict(
    type='YTVOSDataset', data_root={root!r}, ann_file='annotations/instances_train_sub.json',
    data_prefix=dict(img='train/'), pipeline=[dict(type='LoadImage'), dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(96, 64)), dict(type='RandomFlip'), dict(type='PackInputs')]))
"""


def browse(tmp_path, *options):
    command = [sys.executable, str(ROOT / 'tools/browse_dataset.py'), str(tmp_path / 'config.py')]
    return subprocess.run(
        [*command, '--out', str(tmp_path / 'out'), *options], cwd=tmp_path, capture_output=True, text=True
    )


@pytest.fixture
def config(synthetic, tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(synthetic)))
    return tmp_path


def test_pairs_are_drawn_side_by_side(config):
    done = browse(config, '--count', '3')
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (config / 'out').iterdir())
    assert len(names) == 4
    assert names[-1] == 'contact_sheet.jpg'
    picture = cv2.imread(str(config / 'out' / names[0]))
    assert picture.shape[0] == 64 * 5
    assert picture.shape[1] == 2 * 96 * 5 + 4
    assert 'wrote 3 of' in done.stdout


def test_the_same_draws_give_the_same_picture_and_another_epoch_another(config):
    def first(*options):
        assert browse(config, '--count', '1', *options).returncode == 0
        return (config / 'out/000000.jpg').read_bytes()

    assert first() == first()
    assert len({first('--epoch', str(epoch)) for epoch in range(3)}) > 1


def test_wrong_requests_are_one_line(config):
    failed = browse(config, '--start', '1000')
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith('error: --start must be between 0 and')
    failed = browse(config, '--split', 'val')
    assert failed.returncode == 2
    assert 'has no val_dataloader.dataset' in failed.stderr
