"""Time the trackers on a long crowded video: CPU time a frame, and what their memories hold.

    python benchmarks/bench_trackers.py [--objects 200] [--frames 1000] [--out FILE.json]

The objects of a made-up video of 640 x 360 drift. Each is missed in one frame of ten, and in each frame one
in a hundred is replaced by another one, so that a tracker that forgets nothing remembers more and more.
"""

import argparse
import json
import time
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import numpy as np
import torch
from record import commit, machine, spread
from torch.nn import functional

from mmdet.evaluation.report import table
from mmdet.registry import TASK_UTILS
from mmdet.structures.rle import encode_mask
from mmdet.utils import Progress, atomic_write_text, cli_main

TRACKERS = {
    'MaskTrack, max_age=30': dict(type='MaskTrackTracker', max_age=30),
    'MaskTrack, forgets nothing': dict(type='MaskTrackTracker'),
    'IoU of boxes': dict(type='IoUTracker'),
    'IoU of masks': dict(type='IoUTracker', overlap='masks'),
    'SORT': dict(type='SortTracker'),
}
SIZE = (360, 640)


def ellipse(box):
    """RLE of an ellipse in a box of the frame."""
    x1, y1, x2, y2 = box
    mask = np.zeros(SIZE, np.uint8)
    left, top = max(int(x1), 0), max(int(y1), 0)
    rows, columns = np.mgrid[top : min(int(y2) + 1, SIZE[0]), left : min(int(x2) + 1, SIZE[1])]
    inside = ((columns - (x1 + x2) / 2) / (x2 - x1)) ** 2 + ((rows - (y1 + y2) / 2) / (y2 - y1)) ** 2 <= 0.25
    mask[top : top + len(rows), left : left + inside.shape[1]] = inside
    return encode_mask(mask)


def frames_of(objects, frames, length=256, masks=False):
    """Yield the detections of each frame."""
    rng = np.random.default_rng(0)
    sides = rng.uniform(15, 40, (objects, 2))
    room = np.array([SIZE[1] - 41, SIZE[0] - 41])
    corner = rng.uniform(0, 1, (objects, 2)) * room
    speed, looks = rng.uniform(-2, 2, (objects, 2)), rng.normal(size=(objects, length))
    for _ in range(frames):
        fresh = rng.random(objects) < 0.01
        corner = np.clip(corner + speed, 0, room)
        corner[fresh] = rng.uniform(0, 1, (int(fresh.sum()), 2)) * room
        looks[fresh] = rng.normal(size=(int(fresh.sum()), length))
        seen = rng.random(objects) > 0.1
        bboxes = np.concatenate([corner, corner + sides], axis=1)[seen]
        yield dict(
            bboxes=torch.from_numpy(bboxes).float(),
            scores=torch.from_numpy(rng.uniform(0.5, 1, len(bboxes))).float(),
            labels=torch.zeros(len(bboxes), dtype=torch.int64),
            embeddings=torch.from_numpy(looks[seen]).float(),
            masks=[ellipse(box) for box in bboxes] if masks else None,
        )


def similarity(embeddings, known):
    """Logits of a head that tells objects apart: 10 for the same one, around -10 for any other."""
    cosines = functional.normalize(embeddings, dim=1) @ functional.normalize(known, dim=1).t()
    return functional.pad(20 * cosines - 10, (1, 0))


def measure(cfg, objects, frames):
    """Times of all frames, most objects remembered, size of the state in MB at the end, identities."""
    tracker, times, most, last = TASK_UTILS.build(dict(cfg)), [], 0, -1
    tracker.similarity = similarity  # of MaskTrackTracker; others do not look at it
    with Progress(frames, cfg['type']) as progress:
        for index, found in enumerate(frames_of(objects, frames, masks='masks' in tracker.needs)):
            start = time.process_time()  # not what others do on the machine
            ids = tracker.track('v', index, **found)
            times.append(1000 * (time.process_time() - start))
            most, last = max(most, len(tracker.memories['v'])), max(last, int(ids.max()))
            progress.update()
    megabytes = sum(value.nbytes for value in tracker.state('v').values()) / 1e6
    return {
        'CPU ms per frame': spread(times, 2),
        'CPU ms per frame, last tenth': spread(times[-max(frames // 10, 1) :], 2),
        'most objects in memory': most,
        'state in MB': round(megabytes, 2),
        'identities': last + 1,
    }


@cli_main
def main(argv=None):
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--objects', type=int, default=200, help='in each frame (200)')
    parser.add_argument('--frames', type=int, default=1000, help='of the video (1000)')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the numbers')
    args = parser.parse_args(argv)
    code = commit('mmdet', 'benchmarks/bench_trackers.py')  # what runs, not what is there later
    rows = {name: measure(cfg, args.objects, args.frames) for name, cfg in TRACKERS.items()}
    columns = [['tracker', *rows]]
    for key in next(iter(rows.values())):
        cells = [row[key] for row in rows.values()]
        shown = [
            f'{c["median"]} ({c["min"]} to {c["max"]})' if isinstance(c, dict) else str(c) for c in cells
        ]
        columns.append([key, *shown])
    print(table(columns))
    if args.out:
        content = {
            'objects': args.objects,
            'frames': args.frames,
            'commit': code,
            **machine(),
            'threads': torch.get_num_threads(),
            'trackers': TRACKERS,
            'results': rows,
        }
        atomic_write_text(args.out, json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
