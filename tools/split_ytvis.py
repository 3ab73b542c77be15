"""Split a YouTube-VIS annotation file into training and validation by video, or take some of its videos.

    python tools/split_ytvis.py data/annotations/train.json --out data/annotations --val-fraction 0.2 --seed 0
    python tools/split_ytvis.py data/annotations/train.json --out data/annotations --hold-out --videos-file F
    python tools/split_ytvis.py data/annotations/train.json --out few.json --videos 3,17,0043f083b5

A split writes instances_train_sub.json and instances_val_sub.json to the folder DIR; a subset writes
instances_subset.json, or the file that --out names. Images are not moved; both parts refer to the same
folder. docs/protocol.md says which lists of held-out videos others use.
"""

import argparse
import json
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.evaluation.report import table
from mmdet.formats.files import read_name_list
from mmdet.formats.reading import read_json
from mmdet.formats.split import match_video_ids, split_videos, subset
from mmdet.formats.ytvis import parse_ytvis
from mmdet.utils import ListAction, UserError, atomic_open, cli_main, printable


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Split an annotation file by video, balanced over categories, or take some of its videos.'
    )
    parser.add_argument('ann', metavar='ANN', help='annotation file in YouTube-VIS format')
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        required=True,
        metavar='DIR',
        help='folder to write to; with --videos also the name of a file',
    )
    parser.add_argument('--val-fraction', metavar='F', help='share of the validation videos (0.2)')
    parser.add_argument('--seed', type=int, metavar='N', help='another seed gives another split (0)')
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        '--videos', action=ListAction, metavar='ID', help='take these videos: ids or names of folders'
    )
    which.add_argument(
        '--videos-file',
        metavar='FILE',
        help='the same from a file: text with one per line, a json list, or an annotation file',
    )
    parser.add_argument(
        '--hold-out',
        action='store_true',
        help='split: validation are the videos of --videos or --videos-file, training is the rest',
    )
    return parser.parse_args(argv)


def wanted_videos(args):
    """Names given on the command line or in a file, or None for a split."""
    if args.videos is not None:
        return args.videos
    return read_name_list(args.videos_file) if args.videos_file is not None else None


def write(path, content):
    """Write one part and print a summary."""
    with atomic_open(path) as file:
        json.dump(content, file, separators=(',', ':'))
    tracks = content.get('annotations')
    objects = 'no annotations' if tracks is None else f'{len(tracks)} objects'
    frames = sum(len(video['file_names']) for video in content['videos'])
    print(f'wrote {path}: {len(content["videos"])} videos, {frames} frames, {objects}')


def category_table(index, parts):
    """Videos of each category in each part, as text."""
    rows = [['category', *(f'{name}: videos' for name in parts), *(f'{name}: objects' for name in parts)]]
    for category in index.categories:
        mine = [a['video_id'] for a in index.tracks if a['category_id'] == category['id']]
        videos = [len(set(mine) & ids) for ids in parts.values()]
        rows.append(
            [printable(category['name']), *videos, *(sum(v in ids for v in mine) for ids in parts.values())]
        )
    return table(rows).rstrip('\n')


def choose_parts(args, index, wanted):
    """Ids of the videos of both parts: those that are held out, or a balanced split."""
    if args.hold_out:
        val = match_video_ids(wanted, index.videos, args.ann)
        train = set(index.by_video) - val
        if not train:
            raise UserError(f'{args.ann}: all videos are held out, none is left for training')
        return {'train': train, 'val': val}
    if not index.has_annotations:
        print(f'note: {args.ann} has no annotations; the split is not balanced', file=sys.stderr)
    categories = {video: [a['category_id'] for a in tracks] for video, tracks in index.by_video.items()}
    return dict(zip(('train', 'val'), split_videos(categories, args.val_fraction or '0.2', args.seed or 0)))


@cli_main
def main(argv=None):
    """Split or take a subset, write, and report."""
    args = parse_args(argv)
    out, wanted = Path(args.out), wanted_videos(args)
    for name, value in (('--val-fraction', args.val_fraction), ('--seed', args.seed)):
        if wanted is not None and value is not None:
            raise UserError(f'{name} does not apply with --videos')
    if wanted is None and args.hold_out:
        raise UserError('--hold-out needs the videos: --videos or --videos-file')
    content = read_json(args.ann)
    index = parse_ytvis(content, args.ann)
    if wanted is not None and not args.hold_out:
        path = out if out.suffix == '.json' else out / 'instances_subset.json'
        write(path, subset(content, match_video_ids(wanted, index.videos, args.ann)))
        return
    if out.suffix == '.json':
        raise UserError(f'--out must be a folder for a split, got {out}')
    parts = choose_parts(args, index, wanted)
    for name, ids in parts.items():
        write(out / f'instances_{name}_sub.json', subset(content, ids))
    if index.tracks:
        print(category_table(index, parts))
    for category in index.categories:
        has = {name for name, ids in parts.items() if any(_seen(index, category, v) for v in ids)}
        if len(has) == 1:
            lacking = 'val' if has == {'train'} else 'train'
            print(f'note: no video of {category["name"]!r} in {lacking}', file=sys.stderr)


def _seen(index, category, video):
    return any(a['category_id'] == category['id'] for a in index.by_video[video])


if __name__ == '__main__':
    main()
