"""Time of all that is not the network: from a JPEG file to its input, and from its output to a file.

    python benchmarks/data.py [--video-size 1280 720] [--videos 4] [--objects 10] [--out FILE.json]

The videos are synthetic. Training samples are pairs of frames with masks, test samples single frames; the
pipelines are those of the config. The floor of a sample is OpenCV alone: its JPEGs from memory to pixels, and
resized. Then each stage of testing alone: how many frames a second one core does tells where the limit lies.
"""

import argparse
import tempfile
import time

import _checkout
import cv2
import numpy as np
from measure import Clock, add_arguments, checked_device, how, in_turns, pairwise, write
from record import shown, spread

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


def detections(count, size, seed):
    """Mask probabilities (n, 28, 28) of discs in boxes (n, 4), a tenth to a third of the shorter side."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.1, 0.33, (count, 2)) * min(size)
    corners = rng.uniform(0, 1, (count, 2)) * (np.array(size) - sides)
    steps = np.linspace(-1, 1, 28) ** 2
    discs = np.clip(1.3 - steps[:, None] - steps, 0, 1).astype(np.float32)
    return np.repeat(discs[None], count, 0), np.concatenate([corners, corners + sides], 1)


def stages_of_testing(config, folder, args, clock):
    """Measure each stage alone, over the frames of the first video.

    Returns:
        dict: name of the stage -> CPU seconds of a frame, and frames a second of one core.
    """
    from mmdet.apis.inference import FramePipeline
    from mmdet.media import VideoReader, VideoWriter, write_image
    from mmdet.registry import MODELS
    from mmdet.structures.mask import paste_masks
    from mmdet.visualization import draw_instances

    files = sorted(folder.glob('valid/JPEGImages/*/*.jpg'))[:8]
    contents = [np.fromfile(file, np.uint8) for file in files]
    images = [cv2.imdecode(content, cv2.IMREAD_COLOR) for content in contents]
    pipeline, preprocessor = FramePipeline(config), MODELS.build(config.model.data_preprocessor)
    packed = [pipeline(image, 'video', 0)['inputs'] for image in images]
    probs, boxes = detections(args.objects, args.video_size, args.seed)
    shape, numbers = images[0].shape[:2], np.arange(args.objects)
    masks = paste_masks(probs, boxes, shape)
    found = {'masks': masks, 'labels': numbers % 5, 'scores': numbers / args.objects, 'instance_ids': numbers}

    def encode(suffix):
        with VideoWriter(folder / f'out{suffix}', 24) as writer:
            for image in images:
                writer.write(image)

    encode('.mp4')
    objects = f'{args.objects} objects'
    stages = {
        'decoding JPEG': lambda: [cv2.imdecode(content, cv2.IMREAD_COLOR) for content in contents],
        'decoding MP4': lambda: list(VideoReader(folder / 'out.mp4')),
        'resizing and packing': lambda: [pipeline(image, 'video', 0) for image in images],
        'normalizing': lambda: [preprocessor({'inputs': [image]}) for image in packed],
        f'pasting and RLE, {objects}': lambda: [paste_masks(probs, boxes, shape) for _ in images],
        f'drawing, {objects}': lambda: [draw_instances(image, found) for image in images],
        'encoding MP4': lambda: encode('.mp4'),
        'encoding WebM': lambda: encode('.webm'),
        'writing JPEG': lambda: [write_image(folder / 'out.jpg', image) for image in images],
    }
    return {
        name: {
            'seconds': spread([row[0] / len(images) for row in rows], 5),
            'frames_a_second': spread([len(images) / row[0] for row in rows], 1),
        }
        for name, rows in in_turns(stages, args.turns, clock).items()
    }


@cli_main
def main():
    """Draw the videos, measure both splits and the stages, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_arguments(parser, CONFIG, turns=5)
    parser.add_argument('--video-size', type=int, nargs=2, default=[1280, 720], metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--videos', type=int, default=4, help='of each split, eight frames each (4)')
    parser.add_argument('--objects', type=int, default=10, help='to paste and to draw in a frame (10)')
    args = parser.parse_args()
    from mmdet.apis import load_config, register_all_modules
    from mmdet.evaluation.report import table
    from mmdet.synthetic import generate_dataset

    if min(args.turns, args.videos, args.objects) < 1:
        raise UserError('--turns, --videos and --objects must be at least 1')
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
        stages = stages_of_testing(config, folder, args, Clock(device))
    print(table(rows))
    for row in cases:
        steps = [(name, f'{1000 * value:.2f}') for name, value in row['stages'].items()]
        print(table([(f'step of {row["split"]}', 'CPU ms a sample'), *steps]))
    rows = [(name, *map(shown, row.values(), (5, 1))) for name, row in stages.items()]
    print(table([('stage of testing', 'CPU s a frame', 'frames/s of a core'), *rows]))
    sizes = {'video_size': args.video_size, 'objects': args.objects}
    write(args.out, how(args, device, **sizes, cases=cases, stages=stages))


if __name__ == '__main__':
    main()
