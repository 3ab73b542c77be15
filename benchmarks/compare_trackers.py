"""Compare trackers on the same detections: AP, HOTA and identity switches, for checkpoints of several seeds.

    python benchmarks/compare_trackers.py CONFIG CHECKPOINT [CHECKPOINT ...] [--out FILE.json]
    python benchmarks/compare_trackers.py CONFIG CHECKPOINT --tracker mine '{"type": "IoUTracker"}'

The detector runs once over the test videos of the config, without its tracker. What it found is kept in
memory and replayed through each tracker. Tracking numbers look at tracks with a score of at least
--score-thr.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import torch
from record import commit, machine, track_scores

from mmdet.apis import build_test_dataset, init_detector, load_config, predict_dataset
from mmdet.evaluation.comparison import mean_and_range
from mmdet.evaluation.report import table
from mmdet.formats.video_tracks import VideoTracks
from mmdet.models.match_logits import in_float32
from mmdet.registry import TASK_UTILS
from mmdet.utils import Progress, UserError, add_options, atomic_write_text, cli_main, unit_interval

#: Name -> config: the defaults, objects that may change their class, and lower thresholds of scores.
TRACKERS = {
    'IoU of boxes': dict(type='IoUTracker'),
    'IoU of masks': dict(type='IoUTracker', overlap='masks'),
    'IoU of masks, any class': dict(type='IoUTracker', overlap='masks', class_agnostic=True),
    'SORT': dict(type='SortTracker'),
    'SORT, any class': dict(type='SortTracker', class_agnostic=True),
    'SORT, low scores': dict(type='SortTracker', high_thr=0.3, low_thr=0.05, new_track_thr=0.3),
}
TRACKING = ('HOTA', 'DetA', 'AssA', 'IDF1', 'switches', 'fragments')


class Recorder:
    """In place of a tracker: keeps the detections of all videos, and drops none."""

    def __init__(self, needs):
        self.needs = needs
        self.videos = {}

    def reset(self, video_id=None):
        """Videos are kept."""

    def track(self, video_id, frame_id, bboxes, scores, labels, embeddings=None, masks=None):
        """Keep the detections of a frame."""
        found = dict(bboxes=bboxes, scores=scores, labels=labels, embeddings=embeddings, masks=masks)
        self.videos.setdefault(video_id, {})[frame_id] = found
        return torch.arange(len(bboxes), device=bboxes.device)


def detect(model, dataset, config):
    """Run the detector; returns video -> frame -> what :meth:`BaseTracker.track` takes."""
    if 'masks' not in getattr(model, 'gives', ()):
        raise UserError(f'{type(model).__name__} has no masks, which the scores compare')
    model.tracker = Recorder(model.gives)
    predict_dataset(model, dataset, config, [])
    return model.tracker.videos


def replay(tracker, videos, dataset):
    """Track through recorded detections.

    Returns:
        tuple: the results as of a results json; CPU seconds that the tracker took.
    """
    entries, seconds = [], 0.0
    for video in dataset.videos:
        frames = videos.get(video['id'], {})
        tracks = VideoTracks(video['id'], len(video['file_names']) or None)
        for frame_id in sorted(frames):
            found = frames[frame_id]
            start = time.process_time()
            ids = tracker.track(video['id'], frame_id, **found)
            seconds += time.process_time() - start
            tracks.add(frame_id, ids, found['scores'], found['labels'], found['masks'])
        tracker.reset(video['id'])
        entries += tracks.entries(dataset.metainfo['cat_ids'])
    return entries, seconds


def compare(model, dataset, config, trackers, score_thr):
    """Scores of each tracker with one checkpoint: name -> numbers."""
    similarity = None
    if 'embeddings' in model.gives:
        similarity = functools.partial(in_float32, model.track_head.similarity)
    videos = detect(model, dataset, config)
    count, found = sum(map(len, videos.values())), {}
    with Progress(len(trackers), 'trackers') as progress:
        for name, cfg in trackers.items():
            tracker = TASK_UTILS.build(dict(cfg))
            if getattr(tracker, 'similarity', tracker) is None:
                tracker.similarity = similarity
            entries, seconds = replay(tracker, videos, dataset)
            found[name] = {
                **track_scores(dataset.ann_file, entries, TRACKING, score_thr),
                'tracks': len(entries),
                'CPU ms per frame': 1000 * seconds / max(count, 1),
            }
            progress.update()
    return found


def summary_of(runs):
    """Name -> number -> mean, min, max over the checkpoints."""
    return {
        name: {
            key: mean_and_range([run['trackers'][name][key] for run in runs])
            for key in runs[0]['trackers'][name]
        }
        for name in runs[0]['trackers']
    }


def print_table(summary, count):
    """Means, with smallest and largest where there are several checkpoints."""
    columns = [['tracker', *summary]]
    for key in next(iter(summary.values())):
        digits = 1 if key in ('switches', 'fragments', 'tracks') else 2 if key == 'CPU ms per frame' else 3
        cells = []
        for numbers in summary.values():
            mean, low, high = (numbers[key][part] for part in ('mean', 'min', 'max'))
            spread = f' ({low:.{digits}f} to {high:.{digits}f})' if count > 1 and low < high else ''
            cells.append(f'{mean:.{digits}f}{spread}')
        columns.append([key, *cells])
    print(table(columns))


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config')
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='of one config, one a seed')
    parser.add_argument(
        '--tracker',
        nargs=2,
        action='append',
        metavar=('NAME', 'JSON'),
        help='a tracker to compare too, its config as json; may be given several times',
    )
    parser.add_argument(
        '--score-thr', type=unit_interval, default=0.5, metavar='S', help='for HOTA and its like (0.5)'
    )
    parser.add_argument('--data', default='', help='what the data are, for the file')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the numbers')
    add_options(parser, 'cfg-options', 'device')
    args = parser.parse_args(argv)
    try:
        args.tracker = {name: json.loads(text) for name, text in args.tracker or ()}
    except json.JSONDecodeError as error:
        parser.error(f'--tracker: the config is no json: {error}')
    return args


@cli_main
def main(argv=None):
    """Detect once for each checkpoint, replay, score, print and write."""
    args = parse_args(argv)
    code = commit('mmdet', 'configs', 'benchmarks/compare_trackers.py')  # what runs, not what is there later
    config = load_config(args.config, args.cfg_options)
    dataset = build_test_dataset(config)
    trackers = {**TRACKERS, **args.tracker}
    own = config.model.get('tracker')
    if 'track_head' in config.model:
        trackers = {'of the config': own.to_dict() if own else dict(type='MaskTrackTracker'), **trackers}
    runs = []
    for checkpoint in args.checkpoints:
        print(f'{checkpoint}: detecting')
        model = init_detector(config, checkpoint, args.device or 'cpu')
        runs.append(
            {
                'checkpoint': '/'.join(Path(checkpoint).parts[-2:]),
                'trackers': compare(model, dataset, config, trackers, args.score_thr),
            }
        )
    summary = summary_of(runs)
    print_table(summary, len(runs))
    if args.out:
        content = {
            'config': f'configs/{Path(args.config).name}',
            'commit': code,
            'data': args.data,
            **machine(torch.device(args.device or 'cpu')),
            'threads': torch.get_num_threads(),
            'score_thr': args.score_thr,
            'trackers': trackers,
            'runs': runs,
            'summary': summary,
        }
        atomic_write_text(args.out, json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
