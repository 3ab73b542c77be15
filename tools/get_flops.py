"""Count parameters and floating-point operations of a config's model, stage by stage.

    python tools/get_flops.py CONFIG [--shape 640 360] [--json]

A multiply-add counts as two operations. Heads are counted for as many boxes as testing allows: test_cfg.rpn
proposals in the box head, test_cfg.rcnn detections in mask and track head. RoIAlign, NMS and resizing are
not counted; they are little beside the convolutions.
"""

import argparse
import json
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, add_options, cli_main


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--shape', type=int, nargs='+', help='width and height of the image (default: of the config)'
    )
    add_options(parser, 'cfg-options')
    parser.add_argument('--format', choices=['table', 'json'], default='table', help='what is printed')
    parser.add_argument(
        '--json', dest='format', action='store_const', const='json', help='the same as --format json'
    )
    return parser.parse_args(argv)


def image_size(config, shape):
    """Width and height to count for: given, or those of the config's resize."""
    if shape is not None:
        if len(shape) > 2 or min(shape) < 1:
            raise UserError(f'--shape: expected one or two positive numbers, got {shape}')
        return (shape[0], shape[-1])
    loader = config.get('test_dataloader') or config.get('train_dataloader') or {}
    for step in (loader.get('dataset') or {}).get('pipeline') or ():
        if step.get('type') == 'Resize' and step.get('scale'):
            return tuple(step['scale'])
    raise UserError('the config names no test size; give --shape WIDTH HEIGHT')


def count(model, size):
    """Parameters and operations by top-level module.

    Args:
        model (nn.Module): a detector on the meta device.
        size (tuple[int, int]): width and height, before padding.

    Returns:
        dict: ``input`` (w, h padded) and ``stages``: name -> parameters, trainable, flops; ``total``
        likewise.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    divisor = getattr(model.data_preprocessor, 'pad_size_divisor', 1)
    width, height = (-(-side // divisor) * divisor for side in size)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.eval()(torch.zeros(1, 1, 3, height, width, device='meta'), mode='tensor')
    root = type(model).__name__
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    stages = {}
    for name, module in model.named_children():
        parameters = sum(p.numel() for p in module.parameters())
        operations = flops.get(f'{root}.{name}', 0)
        if parameters or operations:
            trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
            stages[name] = dict(parameters=parameters, trainable=trainable, flops=operations)
    total = {
        key: sum(stage[key] for stage in stages.values()) for key in ('parameters', 'trainable', 'flops')
    }
    counted = flops.get(root, flops.get('Global', 0))
    if counted != total['flops']:
        # Work done outside any module's forward is that of the track head, whose method embed() is called.
        rest = stages.setdefault('track_head', dict(parameters=0, trainable=0, flops=0))
        rest['flops'] += counted - total['flops']
        total['flops'] = counted
    return dict(input=[width, height], stages=stages, total=total)


@cli_main
def main(argv=None):
    """Build the model without memory for its weights, count, print."""
    args = parse_args(argv)
    import torch
    from terminaltables import AsciiTable

    from mmdet.apis import load_config, register_all_modules
    from mmdet.apis.config import building, require
    from mmdet.registry import MODELS

    config = load_config(args.config, args.cfg_options)
    register_all_modules()
    size = image_size(config, args.shape)
    require(config, ('model',), 'counting')
    with building('the model'), torch.device('meta'):
        model = MODELS.build(config.model)
    result = count(model.to('meta'), size)
    if args.format == 'json':
        print(json.dumps(result, indent=2))
        return
    rows = [['stage', 'parameters', 'trainable', 'GFLOPs']]
    for name, stage in [*result['stages'].items(), ('total', result['total'])]:
        rows.append(
            [name, f'{stage["parameters"]:,}', f'{stage["trainable"]:,}', f'{stage["flops"] / 1e9:.2f}']
        )
    table = AsciiTable(rows)
    table.justify_columns = {1: 'right', 2: 'right', 3: 'right'}
    table.inner_footing_row_border = True
    print(
        f'{Path(args.config).name}, image {size[0]}x{size[1]} padded to '
        f'{result["input"][0]}x{result["input"][1]}'
    )
    print(table.table)


if __name__ == '__main__':
    main()
