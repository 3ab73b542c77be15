"""Convert weights of mmdetection 1.x to 3.x, mmtracking or torchvision into weights of this project.

    python tools/convert_checkpoint.py SRC DST [--format auto] [--config-out CONFIG.py]

DST may end in .pth or .safetensors. What the weights cannot carry (anchors, box coding, RoIAlign, image
normalization, tracker rules) goes into a config: written to --config-out, or printed. docs/checkpoints.md
says what is converted, what is refused and why.
"""

import argparse
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, add_options, atomic_write_text, cli_main

# The keys of the dicts of these names in mmdet.compat.checkpoints, which take seconds to import.
FORMATS = ('torchvision', 'mmdet3', 'mmtracking', 'mmdet2', 'mmdet1', '2019')
IMAGE_NORMS = ('pytorch', 'caffe', 'caffe1')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', help='checkpoint of another project: a path or an address')
    parser.add_argument('dst', help='file to write, .pth or .safetensors')
    parser.add_argument(
        '--format', default='auto', choices=['auto', *FORMATS], help='default: found by the keys'
    )
    parser.add_argument('--config-out', metavar='FILE', help='write a config that runs the weights')
    add_options(parser, 'trust-checkpoint')
    parser.add_argument('--style', choices=['pytorch', 'caffe'], help="where a bottleneck's stride is")
    parser.add_argument('--image-norm', choices=IMAGE_NORMS, help='mean, std and channel order of images')
    parser.add_argument(
        '--bn-eps', type=float, help='epsilon the batch norms ran with (torchvision: 0 or 1e-5)'
    )
    parser.add_argument(
        '--rpn-foreground', type=int, choices=[0, 1], help='foreground column of a softmax RPN'
    )
    parser.add_argument('--coco80', action='store_true', help="keep the 80 of torchvision's 90 COCO columns")
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='class names, in label order')
    parser.add_argument('--data-root', help='data folder named in the config')
    parser.add_argument('--overwrite', '--force', action='store_true', help='replace existing files')
    return parser.parse_args(argv)


def check_loads(converted):
    """Build the written model and load the weights strictly, so that nothing wrong leaves this tool."""
    from mmdet.apis import register_all_modules
    from mmdet.engine.weights import refuse_quantized
    from mmdet.registry import MODELS

    register_all_modules()
    model = MODELS.build(converted.model)
    refuse_quantized(converted.state_dict, model.state_dict(), 'the checkpoint')
    try:
        missing, unexpected = model.load_state_dict(converted.state_dict, strict=False)
    except RuntimeError as error:
        first = next(
            (line.strip() for line in str(error).splitlines() if 'size mismatch' in line), str(error)
        )
        raise UserError(f'the checkpoint has tensors no model here has in this shape: {first}') from None
    missing = [key for key in missing if not key.endswith('num_batches_tracked')]
    if missing or unexpected:
        raise UserError(
            f'the checkpoint is not complete: missing {missing[:4] or "nothing"}, '
            f'without a place {list(unexpected)[:4] or "nothing"}'
        )
    return len(converted.state_dict)


@cli_main
def main(argv=None):
    """Read, convert, check, write, and say what was assumed."""
    args = parse_args(argv)
    from mmengine.config import Config

    from mmdet.apis.config_text import config_text
    from mmdet.compat.checkpoints import Options, convert_checkpoint
    from mmdet.compat.checkpoints.full_config import full_config
    from mmdet.engine import read_checkpoint, write_checkpoint
    from mmdet.version import __version__

    outputs = [Path(args.dst)] + ([Path(args.config_out)] if args.config_out else [])
    if outputs[0].suffix not in ('.pth', '.pt', '.safetensors'):
        raise UserError(f'{args.dst}: expected a name that ends in .pth or .safetensors')
    if args.config_out and outputs[1].suffix != '.py':
        raise UserError(f'{args.config_out}: expected a name that ends in .py')
    for path in outputs:
        if path.exists() and not args.overwrite:
            raise UserError(f'{path} exists; --overwrite replaces it')
    options = Options(
        style=args.style,
        image_norm=args.image_norm,
        bn_eps=args.bn_eps,
        rpn_foreground=args.rpn_foreground,
        coco80=args.coco80,
        classes=tuple(args.classes) if args.classes else None,
    )
    name = args.src.rsplit('/', 1)[-1]
    checkpoint = read_checkpoint(args.src, trust=args.trust_checkpoint or None)
    converted = convert_checkpoint(checkpoint, args.format, options, name)
    count = check_loads(converted)
    text = config_text(Config(full_config(converted, args.data_root, args.dst)))
    meta = dict(
        masktrack_version=__version__,
        converted_from=dict(file=name, format=converted.source_format),
        conventions=converted.conventions.to_dict(),
        config=text,
    )
    if converted.classes:
        meta['CLASSES'] = list(converted.classes)
        meta['dataset_meta'] = dict(classes=list(converted.classes))
    write_checkpoint(dict(meta=meta, state_dict=converted.state_dict), args.dst)
    print(
        f'{name}: format {converted.source_format}, {count} tensors, '
        f'{converted.model["bbox_head"]["num_classes"]} classes; wrote {args.dst}'
    )
    for note in converted.notes:
        print(f'note: {note}')
    head = f'# Runs the weights converted from {name} ({converted.source_format}).\n#\n'
    tool = 'test_video.py' if converted.model['type'] == 'MaskTrackRCNN' else 'test.py'
    head += f'#   python tools/{tool} {args.config_out or "CONFIG.py"} {args.dst} --out results\n\n'
    if args.config_out:
        atomic_write_text(args.config_out, head + text)
        print(f'wrote {args.config_out}')
    else:
        print('The weights need these settings (--config-out writes them to a file):\n')
        print(head + text, end='')


if __name__ == '__main__':
    main()
