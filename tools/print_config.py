"""Print a config as the tools see it: bases merged, a 2019 schema upgraded, options applied."""

import argparse

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import add_options, atomic_write_text, cli_main


@cli_main
def main(argv=None):
    """Print the config, or one part of it."""
    from mmdet.apis import load_config
    from mmdet.apis.config_text import config_text, lookup

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, native or of 2019')
    parser.add_argument('--key', help='print this part only, such as model.backbone')
    add_options(parser, 'cfg-options')
    parser.add_argument('--out', help='write to this file instead')
    args = parser.parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    text = config_text(config) if args.key is None else f'{lookup(config, args.key)!r}\n'
    if args.out:
        atomic_write_text(args.out, text)
    else:
        print(text, end='')


if __name__ == '__main__':
    main()
