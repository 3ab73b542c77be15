"""docs/custom_dataset.md, step by step: its config, its commands and the output it promises."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet.apis import load_config

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'custom_dataset.md').read_text()
CONFIG = re.search(r'```python\n# custom.py\n(.*?)```', PAGE, re.DOTALL).group(1)
# The training of the page in small: one epoch instead of twelve.
SHORTER = ['--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']


def blocks():
    """Blocks of commands in their order: the lines and the output that follows."""
    found = re.findall(r'```bash\n(.*?)```\n(?:\n```text\n(.*?)```)?', PAGE, re.DOTALL)
    return [(code.replace('\\\n', ' ').strip().splitlines(), printed) for code, printed in found]


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like the top of a checkout, with the config of the page."""
    for name in ('configs', 'demo', 'mmdet', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / 'custom.py').write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize('base', ['masktrack_rcnn_demo_synthetic', 'masktrack_rcnn_r50_fpn_1x_youtubevos'])
def test_the_config_fits_the_small_model_and_the_real_one(checkout, base, monkeypatch):
    monkeypatch.chdir(checkout)
    text = CONFIG.replace('masktrack_rcnn_demo_synthetic', base)
    (checkout / 'custom.py').write_text(text)
    config = load_config('custom.py')
    assert config.model.bbox_head.num_classes == config.model.mask_head.num_classes == 5
    assert config.model.backbone.depth == (18 if 'demo' in base else 50)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.data_root == 'data/custom/'
        assert loader.dataset.data_prefix.img == 'frames/'
    assert config.test_evaluator.ann_file == 'data/custom/annotations/instances_val_sub.json'


@pytest.mark.long
def test_every_command_runs_in_this_order(checkout):
    environment = {**os.environ, 'OMP_NUM_THREADS': '2', 'COLUMNS': '200'}
    assert sum(len(lines) for lines, _ in blocks()) >= 14
    for lines, promised in blocks():
        printed = ''
        for line in lines:
            words = shlex.split(line.replace('epoch_12.pth', 'epoch_1.pth'))
            if words[0] == 'python':
                words[0] = sys.executable
            if 'tools/train.py' in words:
                words += SHORTER
            done = subprocess.run(
                words, cwd=checkout, env=environment, capture_output=True, text=True, timeout=900, check=False
            )
            printed += done.stdout
            assert done.returncode == 0, f'{line}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}'
        for expected in promised.splitlines():
            assert expected in printed, f'{lines}\nprinted {printed[-1500:]}'
    left = checkout / 'work_dirs' / 'custom'
    for name in (
        'results.json',
        'stats.json',
        'tracked.webm',
        'plots/worst_videos/worst_videos.jpg',
        'masks/objects.json',
    ):
        assert (left / name).stat().st_size > 0
    assert (checkout / 'work_dirs' / 'look' / 'contact_sheet.jpg').is_file()
    table = re.search(r'```\n(video,object,category.*?)```', PAGE, re.DOTALL).group(1)
    assert (checkout / 'data' / 'custom' / 'objects.csv').read_text().startswith(table)
