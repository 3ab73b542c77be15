#!/usr/bin/env python
"""YouTube-VIS to MOTS txt: python tools/convert_datasets/ytvis_to_mots.py ANN --out DIR [--results JSON]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.datasets.convert.mots import ytvis_to_mots  # noqa: E402
from mmdet.structures.ytvis import load_ytvis, read_json  # noqa: E402
from mmdet.utils import UserError, atomic_write_text, cli_main  # noqa: E402


@cli_main
def main(argv=None):
    """Convert."""
    parser = argparse.ArgumentParser(description='Write one MOTS txt file per video.')
    parser.add_argument('ann', metavar='ANN', help='annotation file (json)')
    parser.add_argument('--results', metavar='JSON', help='results instead of the annotations')
    parser.add_argument('--out', required=True, metavar='DIR')
    args = parser.parse_args(argv)
    index = load_ytvis(args.ann)
    tracks = read_json(args.results, 'results') if args.results else index.annotations
    if not isinstance(tracks, list) or not all(isinstance(track, dict) for track in tracks):
        raise UserError(f'{args.results}: expected a list of results')
    lines = ytvis_to_mots(index.videos, tracks)
    for video in index.videos:
        folder = Path(video['file_names'][0]).parent.name if video['file_names'] else ''
        path = Path(args.out) / f'{folder or video["id"]}.txt'
        atomic_write_text(path, ''.join(line + '\n' for line in lines[video['id']]))
    print(f'{args.out}: {len(index.videos)} files')


if __name__ == '__main__':
    main()
