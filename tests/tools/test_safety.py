"""No tool runs what a checkpoint file carries, unless the user says the file is trusted."""

from pathlib import Path

import pytest
import torch

from mmdet.synthetic import generate_dataset
from tests.engine.test_checkpoint import FORGERIES, Payload

from .test_train import DEMO, ROOT, call, coco_of

COCO = ROOT / 'configs' / 'rpn_r50_fpn_1x_coco.py'


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp('safety')
    data = folder / 'data' / 'synthetic'
    generate_dataset(data, train_videos=1, val_videos=1, frames=2, size=(96, 64), seed=1)
    coco_of(data, 'annotations/instances_val_sub.json', 'val')
    return folder


COCO_OPTIONS = [
    'test_dataloader.dataset.data_root=data/synthetic/',
    'test_dataloader.dataset.ann_file=coco_val.json',
    'test_dataloader.dataset.data_prefix.img=valid/JPEGImages/',
]
VIDEO = 'val_0000'
TOOLS = {
    'tools/train.py': [DEMO, '--work-dir', 'work', '--load-from', '{file}'],
    'tools/test_video.py': [DEMO, '{file}', '--out', 'out'],
    'tools/test.py': [COCO, '{file}', '--out', 'out', '--cfg-options', *COCO_OPTIONS],
    'tools/convert_checkpoint.py': ['{file}', 'converted.pth'],
    'tools/publish_model.py': ['{file}', 'published.pth'],
    'tools/inspect_checkpoint.py': ['{file}'],
    'demo/video_demo.py': ['data/synthetic/valid/JPEGImages/{video}', DEMO, '{file}', '--out', 'x.mp4'],
}


def test_every_tool_that_takes_a_checkpoint_is_tried():
    takers = {
        f'{folder}/{path.name}'
        for folder in ('tools', 'demo')
        for path in (ROOT / folder).glob('*.py')
        if "'trust-checkpoint'" in path.read_text()
    }
    assert takers == set(TOOLS)


@pytest.mark.parametrize('tool', sorted(TOOLS))
def test_a_checkpoint_that_would_run_code_is_refused(place, tmp_path, tool):
    path, mark = tmp_path / 'malicious.pth', tmp_path / 'ran'
    state = {'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)}
    torch.save({'meta': {'note': Payload(mark)}, 'state_dict': state}, path)
    args = [str(arg).format(file=path, video=VIDEO) for arg in TOOLS[tool]]
    done = call(Path(tool).stem, args, place, folder=Path(tool).parent.name)
    assert done.returncode != 0, done.stdout
    assert not mark.exists()
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert len(errors) == 1, done.stderr
    assert 'refused' in errors[0] and 'mkdir' in errors[0] and '--trust-checkpoint' in errors[0]
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('tool', sorted(TOOLS))
def test_a_checkpoint_with_forged_pointers_is_refused(place, tmp_path, tool):
    path = tmp_path / 'forged.pth'
    state = {'backbone.conv1.weight': torch.zeros(64, 3, 7, 7), 'x': FORGERIES['objects out of bytes']}
    torch.save({'meta': {'epoch': 1, 'iter': 1}, 'state_dict': state}, path)
    args = [str(arg).format(file=path, video=VIDEO) for arg in TOOLS[tool]]
    runs = [args, [DEMO, '--work-dir', 'work', '--resume', path]] if tool == 'tools/train.py' else [args]
    for args in runs:
        done = call(Path(tool).stem, [str(arg) for arg in args], place, folder=Path(tool).parent.name)
        errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
        assert len(errors) == 1 and 'refused' in errors[0] and 'numpy.dtype' in errors[0], done.stderr


@pytest.mark.parametrize('tool', ['tools/inspect_checkpoint.py', 'tools/test_video.py'])
def test_the_flag_allows_it(place, tmp_path, tool):
    path, mark = tmp_path / 'trusted.pth', tmp_path / 'ran'
    state = {'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)}
    torch.save({'meta': {'note': Payload(mark)}, 'state_dict': state}, path)
    args = [str(arg).format(file=path, video=VIDEO) for arg in TOOLS[tool]]
    done = call(Path(tool).stem, [*args, '--trust-checkpoint'], place, folder=Path(tool).parent.name)
    assert mark.exists(), done.stderr
    assert 'refused' not in done.stderr


@pytest.mark.parametrize('key', ['config', 'cfg'])
def test_configs_stored_in_checkpoints_are_never_run(place, tmp_path, key):
    """The text would make a folder if anything executed it."""
    mark = tmp_path / 'ran'
    path = tmp_path / 'x.pth'
    text = f'import os\nos.mkdir({str(mark)!r})\nmodel = dict(type="MaskTrackRCNN")\n'
    state = {'backbone.conv1.weight': torch.zeros(32, 3, 7, 7)}
    torch.save({'meta': {key: text, 'epoch': 1, 'iter': 1}, 'state_dict': state}, path)
    for tool in sorted(TOOLS):
        args = [str(arg).format(file=path, video=VIDEO) for arg in TOOLS[tool]]
        call(Path(tool).stem, args, place, folder=Path(tool).parent.name)
        assert not mark.exists(), tool
    call('train', [str(DEMO), '--work-dir', 'work', '--resume', str(path)], place)
    assert not mark.exists()
