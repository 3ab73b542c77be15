"""Write a config of 2019 in the native schema: python tools/upgrade_config.py OLD NEW."""

import argparse
import tempfile
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, atomic_write_text, cli_main


@cli_main
def main(argv=None):
    """Read, upgrade, write, and read what was written once more as a check."""
    from mmdet.apis import load_config
    from mmdet.apis.config_file import read_config
    from mmdet.apis.config_text import config_text
    from mmdet.compat.configs import NATIVE, recognize

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('old', help='config file of 2019 (a config is code: it is run)')
    parser.add_argument('new', help='file to write; must end in .py')
    parser.add_argument('--overwrite', '--force', action='store_true', help='replace an existing file')
    args = parser.parse_args(argv)
    new = Path(args.new)
    if new.suffix != '.py':
        raise UserError(f'{new}: expected a name that ends in .py')
    if new.exists() and not args.overwrite:
        raise UserError(f'{new} exists; --overwrite replaces it')
    schema = recognize(read_config(args.old), args.old)
    if schema.kind == NATIVE:
        raise UserError(f'{args.old} has the native schema already')
    config = load_config(args.old, quiet=True)
    name = Path(args.old).name
    head = (
        f'# Upgraded from {name}, a config of {schema.name}. Paths are relative to the working directory.\n'
    )
    head += f'#\n#   python tools/train.py {args.new}\n\n'
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / 'new.py'
        draft.write_text(head + config_text(config), encoding='utf-8')
        if read_config(draft)._cfg_dict.to_dict() != config._cfg_dict.to_dict():
            raise RuntimeError(f'the upgraded config does not say the same as {args.old}; please report it')
        atomic_write_text(new, draft.read_text(encoding='utf-8'))
    print(f'wrote {new}')


if __name__ == '__main__':
    main()
