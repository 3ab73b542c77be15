"""Say what a checkpoint is: its format, conventions and classes, and what a config would take of it.

python tools/inspect_checkpoint.py CHECKPOINT [--config CONFIG] [--json]
"""

import argparse
import dataclasses
import json

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import add_options, cli_main


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='path or address')
    parser.add_argument('--config', help='say what this config would take and leave')
    add_options(parser, 'cfg-options', 'trust-checkpoint')
    parser.add_argument('--format', choices=['table', 'json'], default='table', help='what is printed')
    parser.add_argument(
        '--json', dest='format', action='store_const', const='json', help='the same as --format json'
    )
    return parser.parse_args(argv)


def fit(checkpoint, name, description, config):
    """What a config would take: weights by way of the converter where needed, and differing conventions."""
    from mmdet.apis import register_all_modules
    from mmdet.compat.checkpoints import ConversionRefused, convert_checkpoint
    from mmdet.compat.checkpoints.describe import describe_model
    from mmdet.engine.weights import load_weights
    from mmdet.registry import MODELS
    from mmdet.utils import UserError

    register_all_modules()
    result, conventions, content = {}, description['conventions'], checkpoint
    if description['format'] not in ('native', 'backbone', 'unknown'):
        try:
            converted = convert_checkpoint(checkpoint, description['format'], name=name)
        except ConversionRefused as error:
            return dict(takes=0, text=f'the converter refuses it: {error}', differences={})
        # Files of the 2019 layout load as they are; for them the conversion only tells the conventions.
        result['converted'] = description['format'] not in ('2019', 'mmdet1')
        content, conventions = converted.state_dict, describe_model(converted.model)
    model = MODELS.build(config.model)
    backbone = description['format'] == 'backbone'
    try:
        report = load_weights(model.backbone if backbone else model, content, source=name)
        text = ('as backbone.init_cfg: ' if backbone else '') + report.text(limit=20)
        result.update(takes=len(report.loaded), complete=report.complete(), text=text)
    except UserError as error:
        result.update(takes=0, complete=False, text=str(error))
    mine = describe_model(config.model.to_dict())
    result['differences'] = {
        key: (conventions[key], mine[key])
        for key in mine
        if key in conventions and conventions[key] != mine[key]
    }
    return result


def as_text(name, found, fitted):
    """Lay the findings out for a person."""
    lines = [f'{name}: format {found["format"]}']
    if found['why']:
        lines.append(f'  {found["why"]}')
    if found.get('architecture'):
        arch = found['architecture']
        heads = ['masks'] * (arch.mask_convs > 0) + ['tracking'] * (arch.track_fcs > 0)
        lines.append(
            f'  {arch.backbone_name}, FPN of {arch.channels} channels, {arch.num_classes} classes'
            + (f', {" and ".join(heads)}' if heads else '')
        )
    lines.append(
        f'  {found["tensors"]} tensors, {found["parameters"]:,} parameters, {", ".join(found["dtypes"])}'
    )
    lines.append('  parts: ' + ', '.join(f'{part} {count}' for part, count in found['parts'].items()))
    if found['stored']:
        lines.append(f'  also stored: {", ".join(found["stored"])} (tools/publish_model.py takes it out)')
    classes = found['classes']
    lines.append(f'  classes: {", ".join(classes)}' if classes else '  classes: not stored')
    lines += [f'  {key}: {value}' for key, value in found['meta'].items()]
    if found['conventions']:
        lines += ['conventions:'] + [f'  {key}: {value}' for key, value in found['conventions'].items()]
    lines += [f'  note: {note}' for note in found.get('notes') or ()]
    if fitted is not None:
        lines.append('with the config' + (', after conversion:' if fitted.get('converted') else ':'))
        lines += [f'  {line}' for line in fitted['text'].splitlines()]
        for key, (theirs, mine) in fitted['differences'].items():
            lines.append(f'  {key} differ: checkpoint {theirs}; config {mine}')
    return '\n'.join(lines)


@cli_main
def main(argv=None):
    """Read, describe, compare with the config if there is one, print."""
    args = parse_args(argv)
    from mmdet.apis import load_config
    from mmdet.compat.checkpoints.describe import describe_checkpoint
    from mmdet.engine import read_checkpoint

    config = load_config(args.config, args.cfg_options) if args.config else None
    checkpoint = read_checkpoint(args.checkpoint, trust=args.trust_checkpoint or None)
    name = args.checkpoint.rsplit('/', 1)[-1]
    found = describe_checkpoint(checkpoint, name)
    fitted = fit(checkpoint, name, found, config) if config is not None else None
    if args.format == 'json':
        if found.get('architecture'):
            found['architecture'] = dataclasses.asdict(found['architecture'])
        print(json.dumps(dict(file=name, **found, config=fitted), indent=2))
    else:
        print(as_text(name, found, fitted))


if __name__ == '__main__':
    main()
