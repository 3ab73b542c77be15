#!/usr/bin/env python
"""Draw tracks over their videos: python tools/visualize.py ANN [RESULTS] --images DIR --out DIR."""

import argparse
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, cli_main, unit_interval


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw the tracks of a results json over the frames, or without one the annotations. '
        'Writes OUT/<video>/00000.jpg, ..., OUT/<video>.webm and OUT/contact_sheet.jpg.'
    )
    parser.add_argument('ann', metavar='ANN', help='YouTube-VIS annotation json')
    parser.add_argument('results', metavar='RESULTS', nargs='?', help='results json')
    parser.add_argument('--images', metavar='DIR', required=True, help='folder of the frames')
    parser.add_argument('--out-dir', '--out', dest='out', metavar='DIR', required=True, help='output folder')
    parser.add_argument(
        '--videos', nargs='+', metavar='ID', help='ids of videos or names of folders; default: all'
    )
    parser.add_argument(
        '--score-thr',
        type=unit_interval,
        default=0.3,
        metavar='S',
        help='draw tracks of score S and above (0.3)',
    )
    parser.add_argument('--gt', action='store_true', help='draw the annotations beside the results')
    parser.add_argument(
        '--hide-duplicates',
        action='store_true',
        help='of tracks on one object, of whatever categories, draw the one with the best score',
    )
    parser.add_argument('--boxes', action='store_true', help='draw boxes too')
    parser.add_argument('--fps', type=float, default=6.0, metavar='F', help='frames per second (6)')
    parser.add_argument(
        '--format',
        choices=['webm', 'mp4', 'avi'],
        default='webm',
        help='webm plays in browsers; mp4 is faster to write, for other players (webm)',
    )
    parser.add_argument('--no-frames', action='store_true', help='write the videos only')
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Draw."""
    args = parse_args(argv)
    from mmdet.formats import ytvis
    from mmdet.formats.results import results_by_video
    from mmdet.formats.split import match_video_ids
    from mmdet.visualization import ResultRenderer

    index = ytvis.read(args.ann, require_annotations=args.results is None)
    tracks = index.by_video
    if args.results is not None:
        tracks = results_by_video(args.results)
        known = {video['id'] for video in index.videos}
        lost = sum(len(entries) for video, entries in tracks.items() if video not in known)
        if lost and known.isdisjoint(tracks):
            raise UserError(f'{args.results}: none of {lost} predictions is of a video of {args.ann}')
        if lost:
            print(f'note: {lost} predictions are of videos that {args.ann} lacks', file=sys.stderr)
    videos = index.videos
    if args.videos:
        wanted = match_video_ids(args.videos, videos, args.ann)
        videos = [video for video in videos if video['id'] in wanted]
    if not Path(args.images).is_dir():
        raise UserError(f'--images {args.images}: no such folder')
    renderer = ResultRenderer(
        args.out,
        index.videos,
        {category['id']: category['name'] for category in index.categories},
        args.images,
        truth=index.by_video if args.gt else None,
        score_thr=args.score_thr,
        fps=args.fps,
        duplicates=not args.hide_duplicates,
        frames=not args.no_frames,
        suffix=f'.{args.format}',
        **({'draw_boxes': True} if args.boxes else {}),
    )
    renderer.render(tracks, videos)
    if not args.no_frames:
        renderer.write_sheet()
    print(f'{len(videos)} videos are in {args.out}')


if __name__ == '__main__':
    main()
