"""From a config file to plain values: Python is executed, JSON and YAML are parsed, bases are merged."""

import ast
import codecs
import contextlib
import re
import sys
import traceback
from pathlib import Path, PurePath

from mmengine.config import Config

from mmdet.compat.configs import describe_fragment
from mmdet.utils import UserError, note_input, suggest

SUFFIXES = ('.py', '.json', '.yaml', '.yml')
# YAML 1.1 reads 1e-4 as text, as it lacks the dot.
_YAML_NUMBER = re.compile(r'[-+]?\d+(\.\d*)?[eE][-+]?\d+')


def read_config(path):
    """Read a config file as its author meant it, in whatever schema.

    Args:
        path (str | Path): ``.py``, ``.json`` or ``.yaml``. A Python file is executed, so it may import what
            it likes; with ``read_base`` it is read in mmengine's lazy way.

    Returns:
        Config: plain values only: numbers of numpy become numbers, classes their dotted names; modules and
        functions that the file left at its top level are dropped.

    Raises:
        UserError: there is no such file, it cannot be read, or it holds something else than a config.
    """
    path = Path(path)
    if not path.is_file():
        near = suggest(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ''
        raise UserError(f'config {path} does not exist{near}')
    if path.suffix not in SUFFIXES:
        raise UserError(
            f'config {path}: expected a .py, .json or .yaml file, got {path.suffix or "no suffix"}'
        )
    note_input(path)
    try:
        _check_text(path)
        lazy = _lazy(path)
        if path.suffix == '.json':
            _refuse_other_json(path)
        with contextlib.redirect_stdout(sys.stderr):  # print() in a config is not output of a tool
            config = Config.fromfile(str(path), lazy_import=lazy, format_python_code=False)
        values = config.to_dict() if lazy else config._cfg_dict.to_dict()
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(_missing(path, error)) from None
    except (Exception, SystemExit) as error:  # the file is code of its author and may raise anything
        raise UserError(_failure(path, error)) from error
    values = {key: value for key, value in values.items() if not _left_over(value)}
    yaml = path.suffix in ('.yaml', '.yml')
    with _readable(path):
        return Config(
            {key: _plain(value, str(key), yaml) for key, value in values.items()}, filename=str(path)
        )


def _check_text(path, above=()):
    """Refuse a file, or a base, whose text cannot be read; mmengine would name a copy of it."""
    if path in above or path.suffix not in ('.py', '.json') or not path.is_file():
        return
    data = path.read_bytes()
    if data.startswith(codecs.BOM_UTF8):
        raise UserError(f'config {path}: begins with a byte order mark: save it as UTF-8 without one')
    for node in ast.parse(data, filename=str(path)).body if path.suffix == '.py' else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            for base in ast.walk(node.value):
                if isinstance(base, ast.Constant) and isinstance(base.value, str):
                    _check_text(path.parent / base.value, (*above, path))


def _lazy(path):
    """Whether a file says ``with read_base()``; an import alone does not make it lazy."""
    if path.suffix != '.py':
        return False
    tree = ast.parse(path.read_bytes(), filename=str(path))
    return any(
        isinstance(node, ast.With) and 'read_base' in ast.dump(node.items[0].context_expr)
        for node in ast.walk(tree)
    )


def _refuse_other_json(path):
    import json

    content = json.loads(path.read_text(encoding='utf-8'))
    if not isinstance(content, dict):
        raise UserError(f'config {path}: expected keys and values, got a {type(content).__name__}')


@contextlib.contextmanager
def _readable(path):
    try:
        yield
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f'config {path}: {error}') from None


def _failure(path, error):
    """One line for what went wrong while a file was read, with the line in it where there is one."""
    if isinstance(error, SyntaxError):
        line = f', line {error.lineno}' if error.lineno else ''
        return f'config {error.filename or path}{line}: {error.msg}'
    if isinstance(error, (RecursionError, MemoryError)):
        return f'config {path}: nested too deeply to be read'
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.name == '<module>' and 'mmengine' not in Path(frame.filename).parts
    ]
    where = f'{frames[0].filename}, line {frames[0].lineno}' if frames else str(path)
    text = ' '.join(str(error).split()) or 'no message'
    text = text if len(text) <= 300 else text[:300] + ' ...'
    return f'config {where}: cannot be read: {type(error).__name__}: {text}'


def _missing(path, error):
    """A file that a config needs is not there, most often a base; say what the rest of the config is."""
    what = error.filename or str(error)
    found = re.search(r'file "?(.+?)"? does not exist', str(error))
    what = found.group(1) if found else what
    return (
        f'config {path}: cannot be read: {what}, which it builds on, does not exist{describe_fragment(path)}'
    )


def _left_over(value):
    """Whether a value at the top level is a tool of the file and no setting: a module, function or class."""
    return callable(value) or type(value).__name__ in ('module', 'LazyObject', 'LazyAttr', '_Feature')


def _plain(value, where, yaml=False):
    """Return a setting as plain Python; numbers and arrays of numpy become numbers and lists."""
    if isinstance(value, dict):
        return {key: _plain(item, f'{where}.{key}', yaml) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item, where, yaml) for item in value)
    if yaml and isinstance(value, str) and _YAML_NUMBER.fullmatch(value):
        return float(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.item() if type(value).__module__ == 'numpy' else value
    if type(value).__module__ == 'numpy' and hasattr(value, 'tolist'):
        return _plain(value.tolist(), where)
    if isinstance(value, (range, set, frozenset)) or type(value).__name__ in (
        'dict_keys',
        'dict_values',
        'map',
    ):
        return [_plain(item, where) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, type) or hasattr(value, '__qualname__') and hasattr(value, '__module__'):
        return f'{value.__module__}.{value.__qualname__}'
    raise TypeError(f'{where}: expected numbers, texts, lists and dicts, got {type(value).__name__}')
