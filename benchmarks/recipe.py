"""Train a config for several seeds, test it, and write what came out: mean and spread of every score.

    python benchmarks/recipe.py CONFIG [--seeds 0 1 2] [--work-dir DIR] [--out FILE.json]

Each seed is trained (or its training continued), then tracks through the test videos: AP, HOTA and identity
switches. If the config validates on images (CocoMetric), their box and mask AP are measured as well. What is
in DIR already is not done again: delete DIR/seed_N/scores.json to score a trained seed anew.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import torch
from record import ROOT, commit, machine, track_scores

from mmdet.apis import build_test_dataset, init_detector, load_config, predict_dataset
from mmdet.evaluation.comparison import mean_and_range
from mmdet.evaluation.report import table
from mmdet.registry import METRICS
from mmdet.utils import atomic_write_text, cli_main

TRACKING = ('HOTA', 'DetA', 'AssA', 'IDF1', 'switches')


def tool(name, *arguments):
    """Run a tool of the checkout; stop if it fails."""
    subprocess.run([sys.executable, ROOT / 'tools' / name, *map(str, arguments)], cwd=ROOT, check=True)


def video_scores(config, config_file, checkpoint, folder):
    """Scores of the test videos."""
    tool('test_video.py', config_file, checkpoint, '--out', folder / 'video')
    return track_scores(config.test_evaluator.ann_file, str(folder / 'video.json'), TRACKING)


def image_scores(config, checkpoint):
    """Box and mask AP of the images that the config validates on; empty if it validates on videos."""
    settings = config.get('val_evaluator', {})
    if settings.get('type') != 'CocoMetric':
        return {}
    images = config.copy()
    images.test_dataloader = config.val_dataloader
    dataset = build_test_dataset(images, videos=False)
    metric = METRICS.build({**settings, 'metric': ['bbox', 'segm']})
    metric.dataset_meta = dataset.metainfo
    predict_dataset(init_detector(images, checkpoint), dataset, images, [metric])
    found = metric.evaluate(len(dataset))
    names = {'AP': 'mAP', 'AP50': 'mAP_50'}
    return {
        f'image {kind} {name}': found[f'coco/{kind}_{stat}']
        for kind in ('bbox', 'segm')
        for name, stat in names.items()
    }


def train(config_file, seed, folder):
    """Train one seed, or read what it cost if that was done; returns minutes."""
    file = folder / 'cost.json'
    if not file.is_file():
        start, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        tool('train.py', config_file, '--work-dir', folder, '--seed', seed, '--resume')
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu
        minutes = {'wall minutes': (time.monotonic() - start) / 60, 'CPU minutes': cpu / 60}
        atomic_write_text(file, json.dumps(minutes))
    return json.loads(file.read_text())


def run_seed(config, config_file, seed, folder):
    """Train and score one seed."""
    cost = train(config_file, seed, folder)
    checkpoint = Path((folder / 'last_checkpoint').read_text().strip())
    scores = video_scores(config, config_file, checkpoint, folder)
    return {'seed': seed, **scores, **image_scores(config, checkpoint), **cost}


def summary_of(rows):
    """Mean, smallest and largest of every column."""
    names = [name for name in rows[0] if name != 'seed']
    values = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: mean_and_range(found) for name, found in values.items()}


@cli_main
def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/recipe_NAME')
    parser.add_argument('--out', type=Path, help='write the numbers')
    parser.add_argument('--data', default='', help='what the data are, for the file')
    args = parser.parse_args()
    config_file = Path(args.config).resolve()
    config = load_config(config_file)
    work_dir = (args.work_dir or ROOT / 'work_dirs' / f'recipe_{config_file.stem}').resolve()
    rows = []
    for seed in args.seeds:
        folder = work_dir / f'seed_{seed}'
        done = folder / 'scores.json'
        if not done.is_file():
            row = run_seed(config, config_file, seed, folder)
            atomic_write_text(done, json.dumps({'commit': commit('mmdet', 'configs', 'tools'), **row}))
        rows.append(json.loads(done.read_text()))
    commits = sorted({str(row.pop('commit')) for row in rows})
    summary = summary_of(rows)
    names = list(summary)
    lines = [['seed', *names]]
    lines += [[row['seed'], *(f'{row.get(name, float("nan")):.3f}' for name in names)] for row in rows]
    lines += [['mean', *(f'{summary[name]["mean"]:.3f}' for name in names)]]
    print(table([list(column) for column in zip(*lines)]))
    if args.out:
        content = {
            'config': f'configs/{config_file.name}',
            'commit': ', '.join(commits),
            'data': args.data,
            **machine(),
            'threads': torch.get_num_threads(),
            'runs': rows,
            'summary': summary,
        }
        atomic_write_text(args.out, json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
