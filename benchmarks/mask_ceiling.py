"""What a perfect network could score: true boxes and identities, masks through the mask head's square.

    python benchmarks/mask_ceiling.py CONFIG [--mask-size 28 56] [--out FILE.json]

Every true mask of the config's test set goes the way of a prediction: resized with its frame, cut to its
box, resized to the square that the mask head learns, pasted back into the frame. What is lost on this way no
training brings back.
"""

import argparse
import json
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import numpy as np
import torch
from record import commit

from mmdet.apis import build_test_dataset, load_config
from mmdet.datasets.base import compose
from mmdet.evaluation import evaluate_ytvis
from mmdet.formats.video_tracks import TrackCollector
from mmdet.structures.bbox import unscale_bboxes
from mmdet.structures.mask import mask_targets, paste_masks
from mmdet.utils import Progress, atomic_write_text, cli_main


def through_the_head(frame, size, convention, threshold):
    """RLEs of a frame's true masks after the square of the mask head.

    Args:
        frame (dict): after ``LoadAnnotations`` and ``Resize``.
        size (int): side of the square.
        convention (str): ``mask_convention`` of the mask head.
        threshold (float): ``mask_thr_binary``.
    """
    boxes = torch.from_numpy(frame['gt_bboxes']).float()
    masks = torch.from_numpy(frame['gt_masks'])
    squares = mask_targets(masks, boxes, torch.arange(len(boxes)), size, convention)
    boxes = unscale_bboxes(boxes, frame['scale_factor'])
    return paste_masks(squares, boxes, frame['ori_shape'], threshold, convention)


def ceiling(dataset, steps, size, convention, threshold, progress):
    """Results of a network that makes no mistake, as YouTube-VIS results; ``progress`` counts its frames."""
    entries = []
    collector = TrackCollector(dataset.metainfo['cat_ids'], lambda _, found: entries.extend(found))
    for number, video in enumerate(dataset.videos):
        count = len(video['file_names'])
        for index in range(count):
            frame = dataset.raw_frame(number, index)
            shape = (frame['height'], frame['width'])
            frame.update(img=np.zeros((*shape, 3), np.uint8), ori_shape=shape)
            results = {'frames': [frame], 'rng': np.random.default_rng(0)}
            for step in steps:
                results = step(results)
            frame = results['frames'][0]
            found = through_the_head(frame, size, convention, threshold) if len(frame['gt_labels']) else []
            collector.add_frame(
                video['id'],
                index,
                count,
                frame['gt_instance_ids'],
                np.ones(len(found), np.float32),
                frame['gt_labels'],
                found,
            )
            progress.update()
    return entries


@cli_main
def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config')
    parser.add_argument('--mask-size', type=int, nargs='+', help="sides to try; default: the config's")
    parser.add_argument('--out', type=Path, help='write the numbers')
    args = parser.parse_args()
    config = load_config(args.config)
    dataset = build_test_dataset(config)
    resize = [step for step in config.test_dataloader.dataset.pipeline if step['type'] == 'Resize']
    steps = compose([dict(type='LoadAnnotations', with_mask=True), *resize])
    convention = config.model.mask_head.get('mask_convention', 'legacy')
    threshold = config.model.test_cfg.rcnn.mask_thr_binary
    sizes = args.mask_size or [config.model.train_cfg.rcnn.mask_size]
    rows = {}
    with Progress(len(sizes) * len(dataset), 'frames') as progress:
        for size in sizes:
            entries = ceiling(dataset, steps, size, convention, threshold, progress)
            rows[size] = evaluate_ytvis(dataset.ann_file, entries)
    for size, row in rows.items():
        stats = row['stats']
        print(f'{size} x {size}: AP {stats["AP"]:.3f}, AP50 {stats["AP50"]:.3f}, AP75 {stats["AP75"]:.3f}')
        names = dict(zip(map(str, dataset.metainfo['cat_ids']), dataset.metainfo['classes']))
        print('  ' + ', '.join(f'{names[c]} {value:.3f}' for c, value in row['per_category_AP'].items()))
    if args.out:
        content = {
            'config': Path(args.config).name,
            'commit': commit('mmdet', 'benchmarks', 'configs'),
            'what': 'true boxes and identities, masks through the square of the mask head',
            'ceiling': {
                size: {k: round(v, 4) for k, v in row['stats'].items()} for size, row in rows.items()
            },
        }
        atomic_write_text(args.out, json.dumps(content, indent=1))


if __name__ == '__main__':
    main()
