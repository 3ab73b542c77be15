"""The whole job in small: make synthetic videos, train on them, track through held-back ones, score, render.

python demo/run_demo.py [--work-dir work_dirs/demo]

Ends with a line ``video AP: 0.xxx``. A second run continues where the first one stopped.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from _checkout import ROOT

from mmdet.utils import cli_main, format_seconds

CONFIG = ROOT / 'configs' / 'masktrack_rcnn_demo_synthetic.py'


def step(title, *command):
    """Run one tool and stop if it fails."""
    print(f'--- {title}', flush=True)
    start = time.monotonic()
    result = subprocess.run([sys.executable, *(str(part) for part in command)], cwd=ROOT, check=False)
    if result.returncode:
        print(f'error: {title} failed', file=sys.stderr)
        sys.exit(result.returncode)
    print(f'--- {title}: {format_seconds(time.monotonic() - start)}', flush=True)


@cli_main
def main():
    """Run the four steps and print the score and where the images are."""
    from mmdet.apis import load_config
    from mmdet.evaluation import evaluate_ytvis

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--work-dir', default='work_dirs/demo')
    parser.add_argument('--train-videos', type=int, default=80)
    parser.add_argument('--val-videos', type=int, default=16)
    parser.add_argument('--fresh', action='store_true', help='train from the beginning')
    args = parser.parse_args()
    work_dir = ROOT / args.work_dir
    data = ROOT / load_config(CONFIG).data_root
    sizes = (
        '--train-videos',
        args.train_videos,
        '--val-videos',
        args.val_videos,
        '--difficulty',
        0.3,
        '--overwrite',
    )
    step('make synthetic videos', 'tools/make_synthetic_dataset.py', data, *sizes)
    resume = () if args.fresh else ('--resume',)
    step('train', 'tools/train.py', CONFIG, '--work-dir', work_dir, '--validate', '--seed', 0, *resume)
    checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())
    step('track', 'tools/test_video.py', CONFIG, checkpoint, '--out', work_dir / 'results')
    annotations = data / 'annotations' / 'instances_val_sub.json'
    drawing = ('--images', data / 'valid' / 'JPEGImages', '--out', work_dir / 'show', '--gt')
    render = ('tools/visualize.py', annotations, work_dir / 'results.json', *drawing)
    step('render', *render, '--hide-duplicates')
    stats = evaluate_ytvis(str(annotations), str(work_dir / 'results.json'))['stats']
    print(f'rendered videos and contact sheet: {work_dir / "show"}')
    print(f'video AP: {stats["AP"]:.3f}')


if __name__ == '__main__':
    main()
