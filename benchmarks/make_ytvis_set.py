"""Make an annotation file and results of the size of the YouTube-VIS 2019 validation set, without images.

    python benchmarks/make_ytvis_set.py DIR [--videos 302] [--seed 0]

Objects are wobbling ellipses in frames of 1280 x 720, 15 to 36 frames a video, one or a few in each, with
masks as uncompressed runs, as the released file has them. Of ten predictions a video one follows each object,
most others repeat objects or follow nothing. The same arguments give the same files everywhere.
"""

import argparse
import json
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import numpy as np

from mmdet.structures.rle import pack_counts, rle_area, rle_to_bbox
from mmdet.utils import Progress, atomic_open, cli_main

HEIGHT, WIDTH, CATEGORIES, PREDICTIONS = 720, 1280, 40, 10


class Ellipse:
    """An ellipse that moves: place and size in each frame, in pixels."""

    def __init__(self, rng, length):
        self.center = rng.uniform((200, 150), (1080, 570)) + np.cumsum(rng.normal(0, 10, (length, 2)), axis=0)
        self.radii = rng.uniform(40, 240, 2) * np.exp(np.cumsum(rng.normal(0, 0.02, (length, 2)), axis=0))


def runs(center, radii, rough, rng):
    """Run lengths of one mask, column by column; an outline that is ``rough`` pixels off at random."""
    first, last = np.clip(np.round(center[0] + np.array([-radii[0], radii[0]])), 0, WIDTH - 1).astype(int)
    columns = np.arange(first, last + 1)
    half = radii[1] * np.sqrt(np.maximum(0, 1 - ((columns - center[0]) / radii[0]) ** 2))
    edges = np.stack([center[1] - half, center[1] + half], axis=1) + rng.normal(0, rough, (len(columns), 2))
    top, bottom = np.clip(np.round(edges), 0, HEIGHT).astype(int).T
    filled = bottom > top
    starts, ends = (columns * HEIGHT + top)[filled], (columns * HEIGHT + bottom)[filled]
    bounds = np.stack([starts, ends], axis=1).ravel()
    # A column filled to the bottom goes on at the top of the next one: one run, not two with nothing between.
    double = np.flatnonzero(np.diff(bounds) == 0)
    bounds = np.delete(bounds, np.concatenate([double, double + 1]))
    return np.diff(np.concatenate([[0], bounds, [HEIGHT * WIDTH]])).tolist()


def truth_of(path, absent, rng):
    """Masks of an object, None where it is absent."""
    made = []
    for center, radii in zip(path.center, path.radii):
        counts = None if rng.random() < absent else runs(center, radii, 1.5, rng)
        made.append(counts and {'size': [HEIGHT, WIDTH], 'counts': counts})
    return made


def prediction_of(path, rough, dropped, rng):
    """Compressed masks that follow ``path``: shifted, rough, and missing in some frames."""
    shift = rng.normal(0, rough, 2)
    made = []
    for center, radii in zip(path.center, path.radii):
        made.append(None if rng.random() < dropped else runs(center + shift, radii, 1 + rough / 6, rng))
    return [counts and pack_counts(counts, HEIGHT, WIDTH) for counts in made]


def make_video(number, rng, truth, results):
    """Add one video, its objects and its predictions."""
    length = int(rng.integers(15, 37))
    names = [f'{number:04d}/{frame:05d}.jpg' for frame in range(length)]
    size = {'height': HEIGHT, 'width': WIDTH, 'length': length}
    truth['videos'].append({'id': number, **size, 'file_names': names})
    main, objects = int(rng.integers(1, CATEGORIES + 1)), []
    for _ in range(int(rng.choice([1, 1, 1, 1, 1, 2, 2, 2, 3, 4]))):
        category = main if rng.random() < 0.75 else int(rng.integers(1, CATEGORIES + 1))
        path = Ellipse(rng, length)
        masks = truth_of(path, 0.02 if rng.random() < 0.6 else 0.3, rng)
        objects.append((path, category))
        truth['annotations'].append(
            {
                'id': len(truth['annotations']) + 1,
                'video_id': number,
                'category_id': category,
                'iscrowd': 0,
                **size,
                'segmentations': masks,
                'bboxes': [mask and rle_to_bbox(mask) for mask in masks],
                'areas': [mask and rle_area(mask) for mask in masks],
            }
        )
    for rank in range(PREDICTIONS):
        if rank < len(objects):
            (path, category), rough, score = objects[rank], rng.choice([2, 6, 15, 30]), rng.uniform(0.4, 1)
        else:
            follows = rng.random() < 0.6
            path = objects[rng.integers(len(objects))][0] if follows else Ellipse(rng, length)
            category = main if rng.random() < 0.35 else int(rng.integers(1, CATEGORIES + 1))
            rough, score = rng.choice([6, 15, 40]), rng.uniform(0, 0.6)
        masks = prediction_of(path, rough, 0.06, rng)
        entry = {'video_id': number, 'category_id': category, 'score': round(float(score), 6)}
        results.append({**entry, 'segmentations': masks})


@cli_main
def main():
    """Write ``gt.json`` and ``res.json``."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', metavar='DIR')
    parser.add_argument('--videos', type=int, default=302)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    categories = [{'id': c, 'name': f'category {c}'} for c in range(1, CATEGORIES + 1)]
    truth, results = {'categories': categories, 'videos': [], 'annotations': []}, []
    with Progress(args.videos, 'videos') as progress:
        for number in range(1, args.videos + 1):
            make_video(number, rng, truth, results)
            progress.update()
    for name, content in (('gt.json', truth), ('res.json', results)):
        with atomic_open(Path(args.out) / name) as file:
            json.dump(content, file, separators=(',', ':'))
    print(f'{args.out}: {len(truth["annotations"])} objects, {len(results)} predictions')


if __name__ == '__main__':
    main()
