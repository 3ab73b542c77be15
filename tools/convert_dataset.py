"""Convert video annotations from one format to another.

    python tools/convert_dataset.py masks --from masks --objects objects.csv --images frames \
        --to ytvis --out all.json
    python tools/convert_dataset.py train/*/gt/gt.txt --from mots --images train --to ytvis --out mots.json
    python tools/convert_dataset.py coco.json --from coco_video --to ytvis --out ytvis.json
    python tools/convert_dataset.py all.json --from ytvis --to masks --out masks
    python tools/convert_dataset.py all.json --from ytvis --results results.json --score-thr 0.3 \
        --to mots --out mots

    python tools/convert_dataset.py export.zip --from cvat --images frames --to ytvis --out all.json --check

--results takes the tracks from a results json for the videos of SRC. docs/datasets.md describes the formats,
docs/labeling.md what to export from which label tool.
"""

import argparse
import collections
import inspect
import sys

import _checkout  # noqa: F401 - before mmdet

from mmdet.formats import FORMATS, load_format
from mmdet.formats.files import read_name_list
from mmdet.formats.tracks import read_results
from mmdet.utils import ListAction, UserError, cli_main, printable, unit_interval

READERS = {name: load_format(name).read for name in FORMATS}
WRITERS = {name: load_format(name).write for name in FORMATS if hasattr(load_format(name), 'write')}


def pixels(text):
    """A number of pixels from 0 to 100."""
    if not 0 <= float(text) <= 100:
        raise argparse.ArgumentTypeError('expected 0 to 100 pixels')
    return float(text)


# Parameter of readers and writers -> option.
OPTIONS = {
    'images': ('--images', {'metavar': 'DIR', 'help': 'folder of the images; they are checked'}),
    'objects': ('--objects', {'metavar': 'FILE', 'help': 'csv (video,object,category[,iscrowd]) or json'}),
    'category': ('--category', {'metavar': 'NAME', 'help': 'category of objects that --objects lacks'}),
    'classes': (
        '--classes',
        {'action': ListAction, 'metavar': 'NAME', 'help': 'categories in the order of their ids (by name)'},
    ),
    'class_ids': (
        '--class-ids',
        {'action': ListAction, 'metavar': 'ID=NAME', 'help': 'class ids (1=car 2=pedestrian)'},
    ),
    'videos': ('--videos-file', {'metavar': 'FILE', 'help': 'read only these videos, one name per line'}),
    'void': ('--void', {'metavar': 'N', 'help': 'void label, or "none" (255 in 8-bit masks)'}),
    'image_suffix': ('--image-suffix', {'metavar': '.EXT', 'help': 'of images, without --images (.jpg)'}),
    'video_from_path': ('--video-from-path', {'action': 'store_true', 'help': 'each folder is a video'}),
    'flatten': ('--flatten', {'action': 'store_true', 'help': 'one image per frame; small objects on top'}),
    'overwrite': (
        '--overwrite',
        {'action': 'store_true', 'help': 'replace masks and tables that were made or edited by hand'},
    ),
    'boxes_as_masks': (
        '--boxes-as-masks',
        {'action': 'store_true', 'help': 'take boxes as the masks of their objects'},
    ),
    'tolerance': (
        '--tolerance',
        {'type': pixels, 'metavar': 'PX', 'help': 'polygons may lie off so far, for fewer points (0)'},
    ),
    'csv': ('--csv', {'metavar': 'FILE', 'help': 'also write the table video,object,category,iscrowd'}),
}


def formats_of(name):
    """Where a parameter applies, as text."""
    found = [f'--from {f}' for f, read in READERS.items() if name in parameters(read)]
    return ', '.join(found + [f'--to {f}' for f, write in WRITERS.items() if name in parameters(write)])


def parameters(function):
    """Parameters of a reader or writer by name."""
    return inspect.signature(function).parameters


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Convert video annotations from one format to another.')
    parser.add_argument('sources', nargs='+', metavar='SRC', help='file or folder; several for mots and cvat')
    parser.add_argument('--from', dest='source_format', required=True, choices=READERS, help='format of SRC')
    parser.add_argument('--to', dest='target_format', required=True, choices=WRITERS, help='format to write')
    parser.add_argument('--out', required=True, metavar='DST', help='file or folder to write')
    parser.add_argument('--results', metavar='JSON', help='take the tracks from results for these videos')
    parser.add_argument(
        '--score-thr', type=unit_interval, metavar='S', help='leave out results with lower scores (0)'
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='check what was written, with --images the images too [--to ytvis]',
    )
    for name, (flag, settings) in OPTIONS.items():
        text = f'{settings["help"]} [{formats_of(name)}]'
        parser.add_argument(flag, dest=name, default=None, **{**settings, 'help': text})
    return parser.parse_args(argv)


def read_options(args):
    """Options that were given, as arguments of readers and writers."""
    options = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    if 'videos' in options:
        options['videos'] = read_name_list(options['videos'])
    if 'class_ids' in options:
        options['class_ids'] = read_class_ids(options['class_ids'])
    if 'void' in options:
        options['void'] = read_void(options['void'])
    return options


def read_void(text):
    """The void label (int), or None."""
    if text == 'none':
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 2**16):
        raise UserError(f'--void must be a number or "none", 0 to 65535, got {text!r:.60}')
    return int(text)


def read_class_ids(items):
    """dict[int, str]: class id -> name, from ``ID=NAME`` texts."""
    classes = {}
    for item in items:
        number, _, name = item.partition('=')
        if not (number.isascii() and number.isdigit() and len(number) < 10) or not name:
            raise UserError(f'--class-ids: expected ID=NAME, got {item!r:.60}')
        if int(number) in classes or name in classes.values():
            raise UserError(f'--class-ids: {item!r} repeats an id or a name')
        classes[int(number)] = name
    return classes


def select(options, function, call):
    """Those of the options that a reader or writer takes; an error if it needs another one."""
    taken = parameters(function)
    for name in list(taken)[1:]:
        if name in OPTIONS and taken[name].default is inspect.Parameter.empty and name not in options:
            raise UserError(f'{call} needs {OPTIONS[name][0]}')
    return {name: value for name, value in options.items() if name in taken}


@cli_main
def main(argv=None):
    """Convert and report what was written."""
    args = parse_args(argv)
    options = read_options(args)
    source, target = f'--from {args.source_format}', f'--to {args.target_format}'
    read, write = READERS[args.source_format], WRITERS[args.target_format]
    for name in options:
        if name not in parameters(read) and name not in parameters(write):
            where = f'{OPTIONS[name][0]} does not apply to {source} {target}'
            raise UserError(f'{where}; it applies to {formats_of(name)}')
    if args.check and args.target_format != 'ytvis':
        raise UserError('--check does not apply without --to ytvis')
    if args.score_thr is not None and args.results is None:
        raise UserError('--score-thr does not apply without --results')
    several = next(iter(parameters(read))) == 'sources'
    if len(args.sources) > 1 and not several:
        raise UserError(f'{source} takes one SRC, got {len(args.sources)}')
    reading, writing = select(options, read, source), select(options, write, target)
    annotations = read(args.sources if several else args.sources[0], **reading)
    for note in annotations.notes:
        print(f'note: {note}', file=sys.stderr)
    if args.results is not None:
        annotations = read_results(annotations, args.results, args.score_thr or 0.0)
    counts = write(annotations, args.out, **writing)
    print(f'wrote {args.out}: ' + ', '.join(f'{count} {what}' for what, count in counts.items() if count))
    objects = collections.Counter(track['category_id'] for track in annotations.tracks)
    names = [f'{printable(c["name"])} {objects[c["id"]]}' for c in annotations.categories]
    print('objects by category: ' + ', '.join(names[:40]) + (', ...' if len(names) > 40 else ''))
    if args.check:
        from mmdet.evaluation.checks import check_annotations
        from mmdet.evaluation.report import findings_report

        findings = check_annotations(args.out, args.images)
        print(findings_report(findings, args.out, 'table', None))
        sys.exit(1 if findings.problems else 0)


if __name__ == '__main__':
    main()
