"""A YouTube-VIS annotation file, or results for it, to MOTS: one txt file a video.

    python tools/convert_datasets/ytvis_to_mots.py ANN --out gt
    python tools/convert_datasets/ytvis_to_mots.py ANN --results results.json --score-thr 0.3 --out results

MOTS allows no overlap: a pixel goes to the object of higher score, of annotations to the smaller one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.formats.mots import ytvis_to_mots  # noqa: E402
from mmdet.formats.ytvis import load_ytvis  # noqa: E402
from mmdet.utils import Progress, atomic_write_text, cli_main  # noqa: E402


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write one MOTS txt file a video.')
    parser.add_argument('ann', metavar='ANN', help='annotation file in YouTube-VIS format')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--results', metavar='JSON', help='take the objects from results')
    parser.add_argument(
        '--score-thr', type=float, default=0.0, metavar='S', help='leave out results below (0)'
    )
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Convert and say what was written."""
    args = parse_args(argv)
    index = load_ytvis(args.ann)
    masks = pixels = 0
    with Progress(len(index.videos), 'videos') as progress:
        for name, lines, hidden in ytvis_to_mots(index, args.results, args.score_thr):
            atomic_write_text(Path(args.out) / f'{name}.txt', ''.join(line + '\n' for line in lines))
            masks, pixels = masks + len(lines), pixels + hidden
            progress.update()
    print(f'wrote {args.out}: {len(index.videos)} files, {masks} masks')
    if pixels:
        print(f'note: {pixels} pixels of objects lie under another object', file=sys.stderr)


if __name__ == '__main__':
    main()
