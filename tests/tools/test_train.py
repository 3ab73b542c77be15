"""tools/train.py and its neighbors by command line: real data, small model, old and new spellings."""

import contextlib
import importlib.util
import io
import json
import os
import random
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.visualization import Visualizer

from mmdet.synthetic import generate_dataset
from tests.compat.configs.old_configs import SMALL_CFG
from tests.engine.test_checkpoint import Payload

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / 'configs' / 'masktrack_rcnn_demo_synthetic.py'
# A model of a few thousand weights on eight frames.
SMALL = [
    'data_root=data/synthetic/',
    'train_cfg.max_epochs=2',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=4',
    'model.backbone.base_channels=8',
    'model.neck.in_channels=[8,16,32,64]',
    'model.bbox_head.fc_out_channels=16',
    'model.track_head.fc_out_channels=16',
]


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with a tiny synthetic dataset where the demo config looks for it."""
    folder = tmp_path_factory.mktemp('train')
    generate_dataset(
        folder / 'data' / 'synthetic', train_videos=2, val_videos=1, frames=4, size=(96, 64), seed=1
    )
    return folder


def run(tool, *args, cwd, ok=True, process=False):
    """Run a tool from another working directory; within this process unless asked otherwise."""
    if process:
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools' / f'{tool}.py'), *map(str, args)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )
    else:
        done = call(tool, [str(arg) for arg in args], cwd)
    assert (done.returncode == 0) == ok, done.stdout[-2000:] + done.stderr[-3000:]
    return done


def call(tool, args, cwd, folder='tools'):
    """Call the tool's ``main``; an unexpected exception counts as exit status 1, as it would outside."""
    spec = importlib.util.spec_from_file_location(f'tool_{tool}', ROOT / folder / f'{tool}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # these are kept by a name that holds the second; those of an earlier run would write to that run's places
    MMLogger._instance_dict.clear()
    Visualizer._instance_dict.clear()
    out, err, status = io.StringIO(), io.StringIO(), 0
    before = os.getcwd()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            module.main(args)
    except SystemExit as stop:
        status = stop.code
    except Exception:
        status = 1
        err.write(traceback.format_exc())
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(args, status, out.getvalue(), err.getvalue())


def train(place, work_dir, *args, ok=True, config=DEMO):
    return run('train', config, '--work-dir', work_dir, *args, '--cfg-options', *SMALL, cwd=place, ok=ok)


@pytest.fixture(scope='module')
def trained(place):
    """Output of a run of two epochs with validation."""
    options = ('--work-dir', 'run', '--validate', '--seed', 3, '--cfg-options', *SMALL)
    return run('train', DEMO, *options, cwd=place, process=True)


def test_trains_validates_and_keeps_the_best(place, trained):
    assert 'segm: AP' in trained.stdout
    assert 'eta' in trained.stdout and 'loss_match' in trained.stdout
    names = {path.name for path in (place / 'run').glob('*.pth')}
    assert 'epoch_2.pth' in names
    assert any(name.startswith('best_ytvis_segm_AP') for name in names)
    assert len([line for line in trained.stdout.splitlines() if line]) < 15


def test_config_in_the_work_dir_can_be_tested_with(place, trained):
    # Training leaves the test part out of its runner; the file written must keep it.
    from mmdet.apis import load_config

    for text in (
        (place / 'run' / f'{Path(DEMO).stem}.py').read_text(),
        torch.load(place / 'run' / 'epoch_2.pth', weights_only=True)['meta']['cfg'],
    ):
        (place / 'written.py').write_text(text)
        written = load_config(place / 'written.py')
        assert written.test_dataloader.dataset.type == 'YTVOSDataset'
        assert '_left_out' not in written


def test_resumed_run_ends_as_the_whole_one(place, trained):
    train(place, 'cut', '--resume', place / 'run' / 'epoch_1.pth')
    whole, rest = (torch.load(place / name / 'epoch_2.pth', weights_only=True) for name in ('run', 'cut'))
    assert all(torch.equal(a, b) for a, b in zip(whole['state_dict'].values(), rest['state_dict'].values()))
    assert rest['meta']['seed'] == 3


def test_spellings_of_2019(place, trained):
    done = run(
        'train', DEMO, '--work_dir', 'old', '--resume_from', place / 'run' / 'epoch_1.pth', '--gpus', 1,
        '--cfg-options', *SMALL, cwd=place,
    )  # fmt: skip
    assert 'continuing after epoch 1' in done.stdout
    assert (place / 'old' / 'epoch_2.pth').is_file()


def test_mixed_precision_on_cpu(place):
    done = train(place, 'amp', '--amp', '--seed', 0)
    assert 'nan' not in done.stdout
    state = torch.load(place / 'amp' / 'epoch_2.pth', weights_only=True)['state_dict']
    assert all(torch.isfinite(value).all() for value in state.values())


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--gpus', 2], 'dist_train.sh'),
        (['--resume', 'nothing.pth'], 'nothing.pth does not exist'),
        (['--launcher', 'pytorch'], 'dist_train.sh'),
        (['--load-from', 'a.pth', '--resume', 'b.pth'], 'exclude each other'),
    ],
)
def test_bad_options_are_one_line(place, args, message):
    done = train(place, 'bad', *args, ok=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert done.returncode == 2 and len(errors) == 1 and message in errors[0]
    assert 'Traceback' not in done.stderr


def test_unknown_type_and_misspelled_key_are_one_line(place):
    done = run('train', DEMO, '--cfg-options', 'model.backbone.type=ResNett', cwd=place, ok=False)
    assert "unknown model type 'ResNett' (did you mean 'ResNet'?)" in done.stderr
    assert 'Traceback' not in done.stderr
    done = run('train', DEMO, '--cfg-options', 'modle.backbone.type=ResNet', cwd=place, ok=False)
    assert "did you mean 'model'?" in done.stderr


def test_wrong_number_of_classes_is_named(place):
    heads = ('model.bbox_head.num_classes=3', 'model.mask_head.num_classes=3')
    options = ('--work-dir', 'bad', '--cfg-options', *SMALL, *heads)
    done = run('train', DEMO, *options, cwd=place, ok=False)
    assert 'model.bbox_head.num_classes is 3, but train_dataloader has 5 classes' in done.stderr


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('model.mask_head.num_classes=9', 'num_classes'),
        ('model.backbone.depht=18', 'depht'),
        ('train_dataloader.dataset.pipeline.2.mode=both', "mode must be 'value' or 'range'"),
        ('train_dataloader.dataset.img_prefx=x', "dataset: YTVOSDataset has no argument 'img_prefx'"),
    ],
)
def test_wrong_values_and_names_of_arguments_are_one_line(place, option, message):
    done = run('train', DEMO, '--work-dir', 'bad', '--cfg-options', *SMALL, option, cwd=place, ok=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert len(errors) == 1 and message in errors[0]
    assert 'Traceback' not in done.stderr


def test_a_refused_run_leaves_what_the_work_dir_held(place, trained):
    """Checkpoints and config stay as they are; the log of the refused run comes beside them."""
    before = {path: path.stat().st_mtime_ns for path in (place / 'run').iterdir()}
    (place / 'torn.pth').write_bytes((place / 'run' / 'epoch_1.pth').read_bytes()[:5000])
    for args in (['--load-from', 'torn.pth'], ['--resume', 'torn.pth']):
        assert 'torn.pth cannot be read' in train(place, 'run', *args, ok=False).stderr
        train(place, 'deep/new', *args, ok=False)
    option = 'train_dataloader.dataset.ann_file=none.json'
    run('train', DEMO, '--work-dir', 'run', '--cfg-options', *SMALL, option, cwd=place, ok=False)
    after = {path: path.stat().st_mtime_ns for path in (place / 'run').iterdir()}
    assert {path: after[path] for path in before} == before
    assert all(re.fullmatch(r'\d{8}_\d{6}', path.name) for path in after.keys() - before.keys())
    assert not list((place / 'deep/new').glob('*.py'))


def test_missing_annotations_are_named(place):
    done = run(
        'train',
        DEMO,
        '--cfg-options',
        'train_dataloader.dataset.ann_file=annotations/none.json',
        cwd=place,
        ok=False,
    )
    assert 'none.json' in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.parametrize('option', ['--resume', '--load-from'])
def test_malicious_checkpoint_is_refused_and_the_flag_allows_it(place, tmp_path, option):
    path, mark = tmp_path / 'malicious.pth', tmp_path / 'ran'
    torch.save({'state_dict': {'backbone.conv1.weight': torch.zeros(1)}, 'note': Payload(mark)}, path)
    done = train(place, tmp_path / 'work', option, path, ok=False)
    assert 'refused' in done.stderr and '--trust-checkpoint' in done.stderr and 'Traceback' not in done.stderr
    assert not mark.exists()
    done = train(place, tmp_path / 'work', option, path, '--trust-checkpoint', ok=False)
    assert mark.exists() and 'refused' not in done.stderr


def test_config_of_2019_without_a_schedule_names_what_training_needs(place):
    (place / 'small_cfg.py').write_text(SMALL_CFG)
    done = run('train', 'small_cfg.py', cwd=place, ok=False)
    assert 'schema of 2019' in done.stderr
    assert 'it has no train_cfg (total_epochs' in done.stderr and 'optimizer' in done.stderr


def test_print_config(place):
    text = run('print_config', DEMO, '--cfg-options', 'train_cfg.max_epochs=7', cwd=place).stdout
    assert 'max_epochs=7' in text and text.startswith("default_scope = 'mmdet'")
    compile(text, 'printed', 'exec')
    assert run('print_config', DEMO, '--key', 'train_cfg.max_epochs', cwd=place).stdout.strip().isdigit()
    run('print_config', DEMO, '--out', 'printed.py', cwd=place)
    assert 'MaskTrackRCNN' in (place / 'printed.py').read_text()


def test_upgrade_config_writes_what_is_built_in_memory(place):
    from mmdet.apis import load_config

    (place / 'old.py').write_text(SMALL_CFG)
    done = run('upgrade_config', 'old.py', 'new.py', cwd=place)
    assert 'wrote new.py' in done.stdout
    written = load_config(place / 'new.py')._cfg_dict.to_dict()
    assert written == load_config(place / 'old.py', quiet=True)._cfg_dict.to_dict()
    assert (place / 'new.py').read_text().startswith('# Upgraded from old.py')
    (place / 'torn.py').write_text('x = (')
    done = run('upgrade_config', 'torn.py', 'none/new.py', cwd=place, ok=False)
    assert 'torn.py, line 1' in done.stderr and 'Traceback' not in done.stderr
    assert not (place / 'none').exists()
    assert 'exists; --overwrite' in run('upgrade_config', 'old.py', 'new.py', cwd=place, ok=False).stderr
    run('upgrade_config', 'old.py', 'new.py', '--force', cwd=place)
    assert 'native schema already' in run('upgrade_config', 'new.py', 'x.py', cwd=place, ok=False).stderr
    assert 'ends in .py' in run('upgrade_config', 'old.py', 'x.txt', cwd=place, ok=False).stderr


def test_two_processes_on_cpu(place):
    done = subprocess.run(
        [
            'bash',
            ROOT / 'tools' / 'dist_train.sh',
            DEMO,
            '2',
            '--work-dir',
            'two',
            '--seed',
            '0',
            '--validate',
        ]
        + ['--cfg-options', *SMALL, 'train_dataloader.batch_size=2'],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'segm: AP' in done.stdout
    assert (place / 'two' / 'epoch_2.pth').is_file()


def coco_of(folder, ann_file, prefix):
    """Write the frames of a synthetic video file as a COCO dataset; returns its path."""
    source = json.loads((folder / ann_file).read_text())
    images, annotations = [], []
    for video in source['videos']:
        for frame, name in enumerate(video['file_names']):
            images.append(
                dict(id=len(images) + 1, file_name=name, width=video['width'], height=video['height'])
            )
            for track in source['annotations']:
                if track['video_id'] == video['id'] and track['bboxes'][frame] is not None:
                    annotations.append(
                        dict(
                            id=len(annotations) + 1,
                            image_id=len(images),
                            category_id=track['category_id'],
                            bbox=track['bboxes'][frame],
                            area=track['areas'][frame],
                            segmentation=track['segmentations'][frame],
                            iscrowd=0,
                        )
                    )
    path = folder / f'coco_{prefix}.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=source['categories'])))
    return path


@pytest.mark.parametrize(
    ('name', 'score'), [('mask_rcnn', 'segm'), ('faster_rcnn', 'bbox'), ('rpn', 'proposal')]
)
def test_plain_detectors_train_and_validate_on_coco(place, name, score):
    data = place / 'data' / 'synthetic'
    coco_of(data, 'annotations/instances_train_sub.json', 'train')
    coco_of(data, 'annotations/instances_val_sub.json', 'val')
    options = [
        'train_cfg.max_epochs=1',
        'train_dataloader.num_workers=0',
        'val_dataloader.num_workers=0',
        'model.backbone.depth=18',
        'model.backbone.init_cfg=None',
        'model.backbone.base_channels=8',
        'model.neck.in_channels=[8,16,32,64]',
        'model.data_preprocessor.pad_size_divisor=32',
    ]
    for split, folder in (('train', 'train'), ('val', 'valid')):
        options += [
            f'{split}_dataloader.dataset.data_root={data}/',
            f'{split}_dataloader.dataset.ann_file=coco_{split}.json',
            f'{split}_dataloader.dataset.data_prefix.img={folder}/JPEGImages/',
            f'{split}_dataloader.dataset.pipeline.{2 if split == "train" else 1}.scale=(96,64)',
        ]
    options.append(f'val_evaluator.ann_file={data}/coco_val.json')
    if name != 'rpn':
        options += ['model.bbox_head.num_classes=5', 'model.bbox_head.fc_out_channels=16']
    if name == 'mask_rcnn':
        options.append('model.mask_head.num_classes=5')
    config = ROOT / 'configs' / f'{name}_r50_fpn_1x_coco.py'
    done = run(
        'train', config, '--work-dir', name, '--validate', '--seed', 0, '--cfg-options', *options, cwd=place
    )
    assert (place / name / 'epoch_1.pth').is_file()
    assert score in done.stdout and 'loss_rpn_cls' in done.stdout


@pytest.mark.long
@pytest.mark.parametrize('attempt', range(3))
def test_killed_at_any_moment_and_resumed_ends_as_the_whole_run(place, trained, attempt):
    """SIGKILL while checkpoints are written after every iteration; what is left is always readable."""
    hook = ['default_hooks.checkpoint.interval=1', 'default_hooks.checkpoint.by_epoch=False']
    work_dir = f'killed{attempt}'
    args = ['--work-dir', work_dir, '--seed', '3', '--resume', '--cfg-options', *SMALL, *hook]
    command = [sys.executable, str(ROOT / 'tools' / 'train.py'), str(DEMO), *args]
    # Two epochs have four iterations; each start but the last is killed at or soon after a checkpoint.
    rng = random.Random(attempt)
    for goal in (1, 2, 3, None):
        process = subprocess.Popen(
            command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if goal is None:
            errors = process.communicate(timeout=300)[1]
            assert process.returncode == 0, errors[-2000:]
            break
        while process.poll() is None and not (place / work_dir / f'iter_{goal}.pth').is_file():
            time.sleep(0.01)
        time.sleep(0.3 * rng.random())
        process.kill()
        process.communicate()
    last = torch.load((place / work_dir / 'last_checkpoint').read_text(), weights_only=True)
    whole = torch.load(place / 'run' / 'epoch_2.pth', weights_only=True)
    assert last['meta']['iter'] == whole['meta']['iter']
    assert all(torch.equal(v, last['state_dict'][k]) for k, v in whole['state_dict'].items())
