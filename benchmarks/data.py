"""Time from a JPEG file to what the network takes, step by step, against its floor: decoding and resizing.

    python benchmarks/data.py [--video-size 1280 720] [--videos 4] [--out FILE.json]

The videos are synthetic. Training samples are pairs of frames with masks, test samples single frames; the
pipelines are those of the config. The floor of a sample is OpenCV alone: its JPEGs from memory to pixels, and
resized.
"""

import argparse
import tempfile
import time

import _checkout
import cv2
import numpy as np
from measure import Clock, add_arguments, checked_device, how, in_turns, pairwise, shown, write
from record import spread

from mmdet.utils import UserError, cli_main

CONFIG = 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py'


class TimedStep:
    """A step of a pipeline that adds up its seconds."""

    def __init__(self, step):
        self.step, self.seconds = step, 0.0

    def __call__(self, results):
        start = time.process_time()
        results = self.step(results)
        self.seconds += time.process_time() - start
        return results


def build_dataset(config, split, folder):
    """The dataset of a split, reading the synthetic videos."""
    from mmdet.registry import DATASETS

    loader = config.train_dataloader if split == 'train' else config.test_dataloader
    cfg = loader.dataset.to_dict()
    name = {'train': 'train', 'test': 'val'}[split]
    images = {'train': 'train/JPEGImages', 'test': 'valid/JPEGImages'}[split]
    cfg.update(
        data_root=f'{folder}/',
        ann_file=f'annotations/instances_{name}_sub.json',
        data_prefix=dict(img=f'{images}/'),
        classes=None,
    )
    return DATASETS.build(cfg)


def files_of(dataset, index):
    """Content of the JPEG files of a sample."""
    sample = dataset[index]['data_samples']
    paths = [sample.metainfo.get(name) for name in ('img_path', 'ref_img_path')]
    return [np.fromfile(path, np.uint8) for path in paths if path]


def measure(config, split, folder, turns, clock):
    """Measure one split; the seconds are those of a sample.

    Returns:
        dict: figures of the split.
    """
    dataset = build_dataset(config, split, folder)
    indices = range(len(dataset))
    contents = [content for index in indices for content in files_of(dataset, index)]
    scale = next(step['scale'] for step in config[f'{split}_pipeline'] if step['type'] == 'Resize')
    sizes = []

    def run():
        sizes[:] = [tuple(dataset[index]['inputs'].shape[-2:]) for index in indices]

    def decode():
        return [cv2.imdecode(content, cv2.IMREAD_COLOR) for content in contents]

    def floor():
        for image in decode():
            factor = min(max(scale) / max(image.shape[:2]), min(scale) / min(image.shape[:2]))
            cv2.resize(image, None, fx=factor, fy=factor)

    found = in_turns({'pipeline': run, 'floor': floor, 'decoding': decode}, turns, clock)
    dataset.pipeline = [TimedStep(step) for step in dataset.pipeline]
    run()
    stages = {type(timed.step).__name__: timed.seconds / len(indices) for timed in dataset.pipeline}
    return {
        'split': split,
        'samples': len(indices),
        'images a sample': len(contents) / len(indices),
        'network_size': list(sizes[0][::-1]),
        'seconds': {n: spread([row[0] / len(indices) for row in rows], 5) for n, rows in found.items()},
        'over_floor': pairwise(found['pipeline'], found['floor']),
        'samples_a_second': spread([len(indices) / row[1] for row in found['pipeline']], 1),
        'stages': {name: round(value, 5) for name, value in stages.items()},
    }


@cli_main
def main():
    """Draw the videos, measure both splits, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_arguments(parser, CONFIG, turns=5)
    parser.add_argument('--video-size', type=int, nargs=2, default=[1280, 720], metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--videos', type=int, default=4, help='of each split, eight frames each (4)')
    args = parser.parse_args()
    from mmdet.apis import load_config, register_all_modules
    from mmdet.evaluation.report import table
    from mmdet.synthetic import generate_dataset

    if args.turns < 1 or args.videos < 1:
        raise UserError('--turns and --videos must be at least 1')
    device = checked_device('cpu', args.threads)
    cv2.setNumThreads(args.threads)
    config = load_config(str(_checkout.ROOT / args.config))
    register_all_modules()
    rows = [['split', 'network size', 'ms a sample', 'floor', 'x floor', 'samples/s']]
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        videos = {'train_videos': args.videos, 'val_videos': args.videos}
        folder = generate_dataset(f'{folder}/data', frames=8, size=args.video_size, seed=args.seed, **videos)
        for split in ('train', 'test'):
            cases.append(measure(config, split, folder, args.turns, Clock(device)))
            row = cases[-1]
            milliseconds = [
                {key: 1000 * value for key, value in row['seconds'][name].items()}
                for name in ('pipeline', 'floor')
            ]
            values = [*milliseconds, row['over_floor'], row['samples_a_second']]
            rows.append([split, 'x'.join(map(str, row['network_size'])), *map(shown, values)])
    print(table(rows))
    for row in cases:
        stages = [(name, f'{1000 * value:.2f}') for name, value in row['stages'].items()]
        print(table([(f'step of {row["split"]}', 'CPU ms a sample'), *stages]))
    write(args.out, how(args, device, video_size=args.video_size, cases=cases))


if __name__ == '__main__':
    main()
