"""Reading configs: native ones and those of 2019, with options from the command line."""

import contextlib
import difflib
import sys

from mmdet.compat.configs import LEGACY_KEYS, NATIVE, NEW_NAMES, known_keys, recognize, to_native
from mmdet.utils import UserError, suggest

from .config_file import read_config
from .model_zoo import config_path, named

# Top-level keys that mean something to the runner or to the tools. Any other name is a variable of the
# config's author and free, unless it looks like a misspelling of one of these.
KNOWN_KEYS = {
    'model',
    'work_dir',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'auto_scale_lr',
    'optim_wrapper',
    'param_scheduler',
    'val_evaluator',
    'test_evaluator',
    'default_hooks',
    'custom_hooks',
    'data_preprocessor',
    'load_from',
    'load_options',
    'resume',
    'launcher',
    'env_cfg',
    'log_processor',
    'log_level',
    'visualizer',
    'default_scope',
    'randomness',
    'experiment_name',
    'model_wrapper_cfg',
    'find_unused_parameters',
    'sync_bn',
    'compile',
    'activation_checkpointing',
    'efficient_conv_bn_eval',
    'custom_imports',
    'runner_type',
}
# Names that authors of configs use for their own variables although they resemble known keys.
_USUAL_VARIABLES = {
    'train_pipeline',
    'val_pipeline',
    'test_pipeline',
    'dataset_type',
    'data_root',
    'img_norm_cfg',
    'norm_cfg',
    'backend_args',
    'vis_backends',
    'classes',
    'num_classes',
    'img_scale',
    'max_epochs',
    'base_lr',
    'train_dataset',
    'val_dataset',
    'test_dataset',
}


def load_config(path, cfg_options=None, quiet=False):
    """Read a config file, bring one of 2019 up to date and apply options.

    A config is a Python file and reading it runs it: read only configs you would run.

    Args:
        path (str | Path): ``.py``, ``.json`` or ``.yaml``, or a name of the model zoo. Relative paths inside
            stay relative to the working directory.
        cfg_options (dict | None): ``{'model.test_cfg.rcnn.score_thr': 0.4}``; for a config of 2019 its own
            names work as well (``test_cfg.rcnn.score_thr``).
        quiet (bool): do not print the line that says that a 2019 config was upgraded.

    Returns:
        Config: in the native schema, with ``default_scope='mmdet'``.

    Raises:
        UserError: the file is missing or no valid config, a top-level key is nearly a known one, or an option
            is of another schema.
    """
    entry = named(path, 'config')
    path = path if entry is None else config_path(entry)
    config = read_config(path)
    schema = recognize(config, f'config {path}')
    before, after = {}, dict(cfg_options or {})
    if schema.kind != NATIVE:
        before, after = _split_options(after)
        _apply(config, before, path)
    known = KNOWN_KEYS if schema.kind == NATIVE else known_keys(schema)
    if known is not None:
        check_keys(config, path, known)
    if schema.kind != NATIVE:
        config, notes = to_native(config, schema, path)
        if not quiet:
            told = f'{path} has the schema of {schema.name} and was upgraded in memory '
            told += '(tools/upgrade_config.py writes the new one)'
            for note in (told, *(f'{path}: {line}' for line in notes)):
                print(f'note: {note}', file=sys.stderr, flush=True)
    for key in after:
        if name := NEW_NAMES.get(key.split('.')[0]):
            raise UserError(f'--cfg-options {key}: this is of mmdetection 1 and 2; in {path} it is {name}')
    _apply(config, after, path)
    check_keys(config, '--cfg-options', KNOWN_KEYS)
    if config.get('default_scope') is None:
        config['default_scope'] = 'mmdet'
    return config


def _split_options(options):
    """Divide options into those that name keys of the 2019 schema and those that name native ones."""
    native_only = KNOWN_KEYS - LEGACY_KEYS
    before, after = {}, {}
    for key, value in options.items():
        first, _, rest = key.partition('.')
        second = rest.split('.')[0]
        native = first in native_only
        native |= first == 'model' and second in ('train_cfg', 'test_cfg', 'data_preprocessor', 'tracker')
        native |= first == 'train_cfg' and second in ('by_epoch', 'max_epochs', 'val_interval', 'type')
        (after if native else before)[key] = value
    return before, after


def _apply(config, options, path):
    for key in options:
        _check_option(config, key, path)
    try:
        config.merge_from_dict(dict(options))
    except (KeyError, TypeError, AssertionError, IndexError) as error:
        names = ', '.join(options)
        raise UserError(f'--cfg-options {names}: does not fit {path} ({error})') from None


def _check_option(config, key, path):
    """Refuse an option whose parent key is nearly one the config has; a new key may be added anywhere."""
    node = config._cfg_dict
    parts = key.split('.')
    for depth, part in enumerate(parts[:-1]):
        if isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                raise UserError(f'--cfg-options {key}: {".".join(parts[:depth])} is a list of {len(node)}')
            node = node[int(part)]
            continue
        if not isinstance(node, dict) or node.get(part) is None:
            near = suggest(part, node, cutoff=0.75) if isinstance(node, dict) else ''
            if near:
                raise UserError(
                    f'--cfg-options {key}: {path} has no key {".".join(parts[: depth + 1])}{near}'
                )
            return
        node = node[part]


def check_keys(config, path, known):
    """Raise if a top-level key is not known but nearly one that is.

    Args:
        config (Config): the config.
        path (str): where it comes from, for the message.
        known (Collection[str]): names that mean something.

    Raises:
        UserError: names the key and the close one.
    """
    for key in config:
        if key in known or key in _USUAL_VARIABLES or key.startswith('_'):
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if near:
            raise UserError(
                f'{path}: unknown key {key!r} (did you mean {near[0]!r}? '
                'Start the name of a variable of yours with an underscore)'
            )


@contextlib.contextmanager
def registry_errors():
    """Turn mmengine's long ``KeyError`` for an unknown ``type`` into one line with the close name."""
    import re

    from mmdet import registry as ours

    try:
        yield
    except KeyError as error:
        match = re.match(r'([^\s]+) is not in the ([\w.-]+)::(.+?) registry', str(error.args[0]))
        if match is None:
            raise
        name, _, kind = match.groups()
        known = set()
        for registry in vars(ours).values():
            if getattr(registry, 'name', None) == kind and hasattr(registry, 'module_dict'):
                registry.import_from_location()
                node = registry
                while node is not None:
                    known |= set(node.module_dict)
                    node = node.parent
        raise UserError(f'unknown {kind} type {name!r}{suggest(name, known)}') from None


@contextlib.contextmanager
def building(what):
    """Say in one line what a config has wrong when its parts are built: types, names and values of arguments.

    Args:
        what (str): what is being built, for the message.

    Raises:
        UserError: instead of any other error; ``MASKTRACK_TRACEBACK=1`` shows where it was.
    """
    try:
        with registry_errors():
            yield
    except (UserError, OSError):
        raise
    except Exception as error:  # a constructor may fail in any way over a value it does not expect
        text = ' '.join(str(error).split())
        if not isinstance(error, (ValueError, TypeError)):
            text = f'{type(error).__name__}: {text}'
        if 'unexpected keyword' in text:
            text += ' (of the base config? _delete_=True drops its settings)'
        raise UserError(f'{what} cannot be built from the config: {text}') from error


_OLD_NAMES = {
    'optim_wrapper': 'optimizer',
    'train_cfg': 'total_epochs',
    'param_scheduler': 'lr_config',
    'train_dataloader': 'data.train',
    'val_dataloader': 'data.val',
    'test_dataloader': 'data.test',
}


_JOBS = {'training': 'train', 'validation': 'val', 'testing': 'test'}


def require(config, keys, job):
    """Raise if the config lacks a key that ``job`` needs.

    Args:
        config (Config): the config, native schema.
        keys (Sequence[str]): what is needed.
        job (str): what for: 'training', 'validation' or 'testing', perhaps with more words.

    Raises:
        UserError: says why the upgrade left a part out, or names the missing keys, with their names of 2019.
    """
    missing = [key for key in keys if config.get(key) is None]
    if not missing:
        return
    where = config.filename or 'the config'
    refused = (config.get('_refused') or {}).get(_JOBS.get(job.split()[0]))
    if refused is not None:
        raise UserError(f'{where} cannot be used for {job}: {refused}')
    named = [
        f'{key} ({_OLD_NAMES[key]} in the schema of 2019)' if key in _OLD_NAMES else key for key in missing
    ]
    raise UserError(f'{where} cannot be used for {job}: it has no {", ".join(named)}')
