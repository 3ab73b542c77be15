#!/usr/bin/env python
"""Reproduce a score: check the data, train each seed, test, score, and write one file that says how.

    python tools/reproduce.py CONFIG --ann TRAIN.json --hold-out LIST --weights maskrcnn_r50_fpn_coco
    python tools/reproduce.py CONFIG --ann TRAIN.json --checkpoint NAME_OR_PATH --images DIR

Without --ann the annotation files of the config are used. Steps that are done are not done again, so that the
same command goes on after any interruption; --dry-run says what there is to do. docs/protocol.md says
what the numbers are.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import _checkout  # before mmdet

from mmdet.utils import UserError, add_options, atomic_write_text, cli_main

ROOT = _checkout.ROOT
TRACKING = ('HOTA', 'DetA', 'AssA', 'IDF1', 'switches')
LIBRARIES = [
    'torch',
    'numpy',
    'onedl-mmengine',
    'onedl-mmcv',
    'opencv-python',
    'pycocotools',
    'scipy',
    'trackeval',
]


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Check data, train each seed, test, score, and write one file with all that a reader '
        'needs. The same command goes on where an interrupted one stopped.'
    )
    parser.add_argument('config', help='config file (a config is code: it is run), or a published name')
    parser.add_argument('--ann', metavar='TRAIN.json', help='annotations of all training videos, to be split')
    parser.add_argument('--images', metavar='DIR', help='with --ann: folder of their images')
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--hold-out', metavar='LIST', help='with --ann: videos to hold out (a file)')
    which.add_argument('--val-fraction', metavar='F', help='with --ann: share of held-out videos (0.2)')
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument('--weights', metavar='W', help='start training from these: a path or published name')
    weights.add_argument(
        '--checkpoint', metavar='C', help='do not train, test this: a path or published name'
    )
    parser.add_argument('--seeds', type=int, nargs='+', metavar='N', help='seeds to train (0 1 2)')
    parser.add_argument('--work-dir', type=Path, metavar='DIR', help='default: work_dirs/reproduce_NAME')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='default: reproduction.json in DIR')
    parser.add_argument('--dry-run', action='store_true', help='say what there is to do, and do nothing')
    add_options(parser, 'cfg-options', 'device')
    args = parser.parse_args(argv)
    if args.ann is None and (args.images or args.hold_out or args.val_fraction):
        parser.error('--images, --hold-out and --val-fraction need --ann')
    if args.checkpoint and args.seeds:
        parser.error('--seeds are for training: --checkpoint is tested once')
    args.seeds = [] if args.checkpoint else list(dict.fromkeys(args.seeds or [0, 1, 2]))
    return args


@dataclasses.dataclass
class Step:
    """One thing to do: it is done when its file is there.

    Attributes:
        what: for people.
        file: written last.
        run: does it.
    """

    what: str
    file: Path
    run: Callable[[], None]


def read(path):
    """Content of a json file."""
    return json.loads(Path(path).read_text())


def write(path, content):
    """Write a json file."""
    atomic_write_text(path, json.dumps(content, indent=1) + '\n')


def tool(name, *arguments):
    """Run a tool of the checkout."""
    command = [sys.executable, str(ROOT / 'tools' / name), *map(str, arguments)]
    status = subprocess.run(command, check=False).returncode
    if status:
        raise UserError(f'tools/{name} failed (exit status {status}): see above. The same command goes on')


@contextlib.contextmanager
def spending(folder, kind):
    """Add the time of the block to ``spent.json``, also of one that is interrupted, and name the commit."""
    from record import commit

    file = Path(folder) / 'spent.json'
    start, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    try:
        yield
    finally:
        spent = read(file) if file.is_file() else {}
        mine = spent.setdefault(kind, {'wall minutes': 0.0, 'CPU minutes': 0.0, 'commits': []})
        mine['wall minutes'] += (time.monotonic() - start) / 60
        mine['CPU minutes'] += (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu) / 60
        mine['commits'] = sorted({*mine['commits'], str(commit('mmdet', 'configs', 'tools'))})
        write(file, spent)


def device_options(args):
    """The option of the tools that names the device, if one was given."""
    return ['--device', args.device] if args.device else []


def train_seed(config_file, seed, folder, options=()):
    """Train one seed, or go on with it; the initial weights are those of the config.

    Args:
        config_file (Path): as run.
        seed (int): of everything random.
        folder (Path): work dir.
        options (Sequence[str]): further options of ``tools/train.py``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with spending(folder, 'train'):
        tool('train.py', config_file, '--work-dir', folder, '--seed', seed, '--resume', *options)
    write(folder / 'trained.json', {'checkpoint': last_checkpoint(folder).name})


def last_checkpoint(folder):
    """Path of the last checkpoint of a training."""
    return Path(folder) / Path((Path(folder) / 'last_checkpoint').read_text().strip()).name


def test_run(config_file, checkpoint, folder, options=()):
    """Track through the test videos, or go on with it; writes ``results.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    with spending(folder, 'test'):
        tool('test_video.py', config_file, checkpoint, '--out', folder / 'results', '--resume', *options)


def score_run(config_file, folder):
    """Score the results of a run; writes ``scores.json``."""
    from mmdet.apis import build_test_dataset, load_config
    from mmdet.evaluation import evaluate_tables, run_scores, scores_by_length

    ann = build_test_dataset(load_config(config_file)).ann_file
    evaluation = evaluate_tables(str(ann), str(folder / 'results.json'), strict=False)
    found = {'scores': run_scores(evaluation, TRACKING), 'by_length': scores_by_length(evaluation)}
    write(folder / 'scores.json', found)


def annotated(dataset):
    """The datasets with an annotation file inside a dataset of a config, also inside wrappers."""
    found = [dataset] if 'ann_file' in dataset else []
    inner = dataset.get('dataset') or dataset.get('datasets') or []
    for part in inner if isinstance(inner, list) else [inner]:
        found += annotated(part)
    return found


def use_annotations(config, folder, images):
    """Let a config train and test on the two parts in ``folder``; images are those of the training videos."""
    found = annotated(config.train_dataloader.dataset)
    if len(found) != 1:
        raise UserError(f'--ann: the config trains on {len(found)} annotation files, one is expected')
    (train,) = found
    if images:
        train.data_prefix = {'img': str(Path(images).resolve())}
    train.ann_file = str(folder / 'instances_train_sub.json')
    for kind in ('val', 'test'):
        if config.get(f'{kind}_dataloader') is None:
            continue
        for part in annotated(config[f'{kind}_dataloader'].dataset):
            part.ann_file = str(folder / 'instances_val_sub.json')
            part.data_prefix = train.data_prefix
            part.data_root = train.get('data_root')
        if config.get(f'{kind}_evaluator') is not None:
            config[f'{kind}_evaluator'].ann_file = str(folder / 'instances_val_sub.json')


def split(args, folder):
    """Make the two annotation files."""
    how = ['--videos-file', args.hold_out, '--hold-out'] if args.hold_out else []
    how += ['--val-fraction', args.val_fraction] if args.val_fraction else []
    tool('split_ytvis.py', args.ann, '--out', folder, *how)


def file_facts(path):
    """Name and SHA-256 of a file."""
    from mmdet.engine.download import sha256

    return {'file': Path(path).name, 'sha256': sha256(path)}


def check_data(config_file, out, train):
    """Check annotations and images of training and testing, as ``tools/check_dataset.py`` does."""
    from mmdet.apis import build_test_dataset, load_config, register_all_modules
    from mmdet.evaluation.checks import check_annotations
    from mmdet.registry import DATASETS

    config = load_config(config_file)
    register_all_modules()
    parts = {'test': build_test_dataset(config)}
    if train:
        for number, part in enumerate(annotated(config.train_dataloader.dataset)):
            if part.type.startswith(('YTVOS', 'YouTubeVIS', 'OVIS')):
                parts[f'train {number}' if number else 'train'] = DATASETS.build(part)
    found = {}
    for name, dataset in parts.items():
        findings = check_annotations(dataset.ann_file, dataset.img_prefix)
        if findings.problems:
            raise UserError(
                f'{dataset.ann_file}: {findings.n_problems} problems ({", ".join(findings.problems)}); '
                f'see them: python tools/check_dataset.py {dataset.ann_file} --images {dataset.img_prefix}'
            )
        names = folders_of(dataset)
        listed = hashlib.sha256('\n'.join(names).encode()).hexdigest()
        found[name] = {**file_facts(dataset.ann_file), 'counts': findings.counts, 'videos_sha256': listed}
    same = [p for n, p in parts.items() if n != 'test' and p.img_prefix == parts['test'].img_prefix]
    both = {name for part in same for name in folders_of(part)} & set(folders_of(parts['test']))
    if both:
        raise UserError(f'{len(both)} videos are in training and in testing, such as {min(both)!r}')
    found['test']['videos'] = folders_of(parts['test'])
    write(out, found)


def folders_of(dataset):
    """Names of the videos of a dataset: the folders of their frames."""
    return sorted(
        {str(video['file_names'][0]).rpartition('/')[0] or str(video['id']) for video in dataset.videos}
    )


def get_weights(name, out):
    """Fetch weights by name, or convert those of another project; writes where they are to ``out``."""
    from mmdet.apis import fetch_weights
    from mmdet.apis.model_zoo import named
    from mmdet.compat.checkpoints import is_native, unwrap
    from mmdet.engine import read_checkpoint

    if named(name, 'checkpoint') is not None:
        write(out, {'name': name, 'use': name, **file_facts(fetch_weights(name))})
        return
    path = Path(name).resolve()
    facts = {'name': path.name, 'use': str(path), **file_facts(path)}
    if not is_native(unwrap(read_checkpoint(path), path.name)):
        converted = out.with_name('converted.pth')
        tool('convert_checkpoint.py', path, converted, '--overwrite')
        facts |= {'use': str(converted), 'converted': file_facts(converted)}
    write(out, facts)


def settings_of(args, text):
    """What must not change while a reproduction goes on."""
    facts = {'config': hashlib.sha256(text.encode()).hexdigest()}
    for name in ('ann', 'hold_out'):
        path = getattr(args, name)
        facts[name] = file_facts(path)['sha256'] if path else None
    return {
        **facts,
        'val_fraction': args.val_fraction,
        'weights': args.weights,
        'checkpoint': args.checkpoint,
    }


def refuse_other(work_dir, settings):
    """Stop if ``work_dir`` holds a reproduction with other settings."""
    file = work_dir / 'settings.json'
    before = read(file) if file.is_file() else settings
    changed = [name for name, value in settings.items() if before.get(name) != value]
    if changed:
        raise UserError(
            f'{work_dir} holds a reproduction with another {" and another ".join(changed)}: '
            'choose another --work-dir, or remove it'
        )


def plan(args, config_file, config):
    """Steps in order, and the folders of the runs."""
    work_dir, device = args.work_dir, device_options(args)
    annotations, data, weights = work_dir / 'annotations', work_dir / 'data.json', work_dir / 'weights.json'
    steps = []
    if args.ann:
        made = annotations / 'instances_val_sub.json'
        steps.append(Step(f'split {args.ann}', made, partial(split, args, annotations)))
    check = partial(check_data, config_file, data, not args.checkpoint)
    steps.append(Step('check annotations and images', data, check))
    name = args.checkpoint or args.weights or config.get('load_from')
    if name:
        steps.append(Step(f'get the weights {name}', weights, partial(get_weights, name, weights)))

    def train(folder, seed):
        start = ['--cfg-options', f'load_from={read(weights)["use"]}'] if name else []
        train_seed(config_file, seed, folder, [*device, *start])

    def test(folder, seed):
        checkpoint = read(weights)['use'] if seed is None else last_checkpoint(folder)
        test_run(config_file, checkpoint, folder, device)

    folders = [work_dir / f'seed_{seed}' for seed in args.seeds] or [work_dir / 'run']
    for folder, seed in zip(folders, args.seeds or [None]):
        if seed is not None:
            steps.append(Step(f'train seed {seed}', folder / 'trained.json', partial(train, folder, seed)))
        steps.append(Step(f'test {folder.name}', folder / 'results.json', partial(test, folder, seed)))
        score = partial(score_run, config_file, folder)
        steps.append(Step(f'score {folder.name}', folder / 'scores.json', score))
    return steps, folders


def run_record(folder, seed, weights):
    """What the result file says about one run."""
    checkpoint = weights if seed is None else file_facts(last_checkpoint(folder))
    facts = {'run': folder.name, 'seed': seed, 'checkpoint': checkpoint}
    facts |= {'results': file_facts(folder / 'results.json'), **read(folder / 'spent.json')}
    return {**facts, **read(folder / 'scores.json')}


def installed():
    """Versions of the libraries that the numbers may depend on."""
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def record(args, text, folders):
    """Everything that a reader needs to believe the numbers."""
    import torch
    from record import commit, machine

    from mmdet.evaluation.comparison import summarize_runs
    from mmdet.version import __version__

    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    weights = args.work_dir / 'weights.json'
    weights = {k: v for k, v in read(weights).items() if k != 'use'} if weights.is_file() else None
    runs = [run_record(folder, seed, weights) for folder, seed in zip(folders, args.seeds or [None])]
    state = commit('mmdet', 'configs', 'tools')
    return {
        'config': Path(args.config).name,
        'config_sha256': hashlib.sha256(text.encode()).hexdigest(),
        'config_text': text,
        'version': __version__,
        'commit': state and state.rstrip('+'),
        'dirty': state and state.endswith('+'),
        **machine(device),
        'libraries': installed(),
        'data': read(args.work_dir / 'data.json'),
        'settings': read(args.work_dir / 'settings.json'),
        'weights': weights,
        'runs': runs,
        'summary': summarize_runs([run['scores'] for run in runs]),
    }


@cli_main
def main(argv=None):
    """Do what is not done yet, then write the result file and print the table."""
    from mmdet.apis import load_config
    from mmdet.evaluation.comparison import runs_table

    args = parse_args(argv)
    sys.path.append(str(ROOT / 'benchmarks'))  # record.py
    args.work_dir = (args.work_dir or Path('work_dirs') / f'reproduce_{Path(args.config).stem}').resolve()
    config = load_config(args.config, args.cfg_options)
    if args.ann:
        use_annotations(config, args.work_dir / 'annotations', args.images)
    text, config_file = config.pretty_text, args.work_dir / 'config.py'
    settings = settings_of(args, text)
    refuse_other(args.work_dir, settings)
    steps, folders = plan(args, config_file, config)
    if args.dry_run:
        for number, step in enumerate(steps, 1):
            print(f'{number}. {step.what}: {"done" if step.file.is_file() else "to do"}')
        print(f'{len(steps) + 1}. write {args.out or args.work_dir / "reproduction.json"}')
        return
    args.work_dir.mkdir(parents=True, exist_ok=True)
    atomic_write_text(config_file, text)
    write(args.work_dir / 'settings.json', settings)
    for number, step in enumerate(steps, 1):
        if not step.file.is_file():
            print(f'step {number} of {len(steps)}: {step.what}', flush=True)
            step.run()
    out = args.out or args.work_dir / 'reproduction.json'
    content = record(args, text, folders)
    write(out, content)
    print(runs_table([run['run'] for run in content['runs']], [run['scores'] for run in content['runs']]))
    print(f'wrote {out}')


if __name__ == '__main__':
    main()
