"""Config, checkpoint with random weights and videos for tests of whole programs."""

import json
import shutil

import cv2
import numpy as np
import torch

from mmdet.structures.rle import encode_mask
from tests.model_configs import program_cfg

CLASSES = ('disc', 'box', 'bar')
CAT_IDS = (2, 5, 9)  # neither contiguous nor from 1
VIDEO_IDS = (31, 7, 12)


def write_config(path, root, kind='MaskTrackRCNN', num_classes=3, ann='ann.json', **dataset):
    """Write a native config that tests on ``root``; returns its path as text."""
    loader = {
        'batch_size': 2,
        'num_workers': 0,
        'dataset': {
            'type': 'YTVOSDataset',
            'ann_file': f'{root}/{ann}',
            'data_prefix': {'img': f'{root}/frames'},
            'pipeline': [
                {'type': 'LoadImage'},
                {'type': 'Resize', 'scale': (96, 64), 'keep_ratio': True},
                {'type': 'PackInputs'},
            ],
            'test_mode': True,
            **dataset,
        },
    }
    text = f'model = {program_cfg(kind, num_classes)!r}\ntest_dataloader = {loader!r}\n'
    path.write_text(text + f'work_dir = {str(root / "work")!r}\n')
    return str(path)


def write_checkpoint(path, config, seed=0, **meta):
    """Write a checkpoint with seeded random weights; returns its path as text."""
    from mmdet.apis import init_detector

    torch.manual_seed(seed)
    model = init_detector(config)
    # Scores of an untrained classifier are all alike; spread them out so that there is something to keep.
    for name, value in model.named_parameters():
        if name.endswith(('fc_cls.weight', 'conv_logits.weight')):
            torch.nn.init.normal_(value, std=1.0)
    torch.save({'meta': meta, 'state_dict': model.state_dict()}, path)
    return str(path)


def make_videos(root, length=4, size=(48, 72)):
    """Write three short videos with two moving objects each, annotated; returns ``root``."""
    shutil.rmtree(root, ignore_errors=True)
    rng = np.random.default_rng(0)
    videos, annotations = [], []
    for number, video_id in enumerate(VIDEO_IDS):
        names = [f'clip{number}/{frame:05d}.png' for frame in range(length)]
        (root / 'frames' / f'clip{number}').mkdir(parents=True)
        tracks = [
            {'segmentations': [], 'bboxes': [], 'areas': [], 'category_id': CAT_IDS[(number + k) % 3]}
            for k in range(2)
        ]
        for frame, name in enumerate(names):
            image = rng.integers(60, 110, (*size, 3), dtype=np.uint8)
            for k, track in enumerate(tracks):
                x, y = 5 + 4 * frame + 25 * k, 6 + 15 * k + number
                mask = np.zeros(size, np.uint8)
                mask[y : y + 14, x : x + 18] = 1
                image[mask > 0] = (40 + 180 * k, 200, 255 - 180 * k)
                track['segmentations'].append(encode_mask(mask))
                track['bboxes'].append([x, y, 18, 14])
                track['areas'].append(int(mask.sum()))
            cv2.imwrite(str(root / 'frames' / name), image)
        videos.append(
            {'id': video_id, 'width': size[1], 'height': size[0], 'length': length, 'file_names': names}
        )
        for track in tracks:
            annotations.append({**track, 'id': len(annotations) + 1, 'video_id': video_id, 'iscrowd': 0})
    content = {
        'videos': videos,
        'annotations': annotations,
        'categories': [{'id': i, 'name': n} for i, n in zip(CAT_IDS, CLASSES)],
    }
    (root / 'ann.json').write_text(json.dumps(content))
    (root / 'no_truth.json').write_text(json.dumps({**content, 'annotations': []}))
    return root
