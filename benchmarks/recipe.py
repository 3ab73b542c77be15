"""Train a config for several seeds, test it, and write what came out: mean and spread of every score.

tools/reproduce.py does the same for other data, and writes down more; this file adds the scores of images.

    python benchmarks/recipe.py CONFIG [--seeds 0 1 2] [--work-dir DIR] [--out FILE.json]

Each seed is trained (or its training continued), then tracks through the test videos: AP, HOTA and identity
switches. If the config validates on images (CocoMetric), their box and mask AP are measured as well. What is
in DIR already is not done again: delete DIR/seed_N/scores.json to score a trained seed anew.
"""

import argparse
import json
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import torch
from record import ROOT, commit, machine, track_scores

from mmdet.apis import build_test_dataset, init_detector, load_config, predict_dataset
from mmdet.evaluation.comparison import summarize_runs
from mmdet.evaluation.report import table
from mmdet.registry import METRICS
from mmdet.utils import atomic_write_text, cli_main

sys.path.append(str(ROOT / 'tools'))
from reproduce import TRACKING, last_checkpoint, test_run, train_seed  # noqa: E402


def video_scores(config, folder):
    """Scores of the test videos."""
    return track_scores(config.test_evaluator.ann_file, str(folder / 'results.json'), TRACKING)


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


def run_seed(config, config_file, seed, folder):
    """Train and score one seed."""
    if not (folder / 'trained.json').is_file():
        train_seed(config_file, seed, folder)
    checkpoint = last_checkpoint(folder)
    test_run(config_file, checkpoint, folder)
    cost = json.loads((folder / 'spent.json').read_text())['train']
    cost.pop('commits')
    return {'seed': seed, **video_scores(config, folder), **image_scores(config, checkpoint), **cost}


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
    summary = summarize_runs([{name: row[name] for name in row if name != 'seed'} for row in rows])
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
