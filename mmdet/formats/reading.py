"""Reading JSON files, as they are or in the zip that evaluation servers take."""

import gc
import json
import zipfile
from pathlib import Path

from mmdet.utils import UserError, note_input

from .recognize import name_bytes

#: Limits for what is unpacked from a zip, so that a small file cannot fill the memory.
MAX_UNPACKED = 4 * 2**30
MAX_RATIO = 500
MAX_MEMBERS = 1000

#: Levels of lists and objects that are read; annotations have five.
MAX_DEPTH = 50
_NESTED = {list, dict}


class MissingFileError(UserError, FileNotFoundError):
    """A file to be read does not exist."""


def read_bytes(path: str | Path, kind: str = 'file') -> bytearray:
    """Content of a JSON file, or of the one JSON file in a zip.

    Args:
        path (str | Path): file.
        kind (str): what messages call it, such as ``'annotation file'``.

    Raises:
        MissingFileError: the file does not exist.
        UserError: it cannot be read, or is a zip without a single ``results.json``.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f'{kind} {path} cannot be read: it is a folder')
    try:
        with open(path, 'rb') as file:
            note_input(path)
            start = file.read(4)
            if start not in (b'PK\x03\x04', b'PK\x05\x06'):
                if not path.is_file():  # a pipe: its size is not known
                    return bytearray(start + file.read())
                file.seek(0)
                data = bytearray(path.stat().st_size)
                n = file.readinto(data)
                del data[n:]
                return data
    except FileNotFoundError:
        raise MissingFileError(f'{kind} {path} does not exist') from None
    except OSError as error:
        raise UserError(f'{kind} {path} cannot be read: {error.strerror or error}') from None
    return _read_zip(path)


def parse_json(data: bytes | bytearray, path: str | Path, kind: str = 'file'):
    """Parse JSON text.

    Args:
        data (bytes | bytearray): the text.
        path (str | Path), kind (str): as for :func:`read_bytes`, for messages.

    Raises:
        UserError: it is not valid; the message has the line and the column.
    """
    if not data or data.isspace():
        raise UserError(f'{kind} {path} is empty')
    # The garbage collector would walk the growing tree again and again, for a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        content = json.loads(data)
    except (RecursionError, ValueError) as error:
        if known := name_bytes(data, path):
            raise UserError(f'{kind} {path} is no json, but {known}') from None
        if not isinstance(error, json.JSONDecodeError):
            what = str(error).partition(' for integer string')[0].partition('; use')[0]
            raise UserError(f'{kind} {path} is not valid json: {what}') from None
        text = error.doc.rstrip()
        cut = error.pos >= len(text) or not text.endswith(('}', ']'))
        hint = (
            ': the file seems to be cut off'
            if cut and error.pos and not error.msg.startswith('Extra')
            else ''
        )
        place = f'line {error.lineno}, column {error.colno} ({error.msg})'
        raise UserError(f'{kind} {path} is not valid json at {place}{hint}') from None
    finally:
        if collecting:
            gc.enable()
    if not _is_shallow([content], MAX_DEPTH):
        raise UserError(f'{kind} {path}: lists and objects lie more than {MAX_DEPTH} deep in one another')
    return content


def _is_shallow(values, depth):
    """Whether nothing is nested so deep that functions which call themselves would fail later."""
    if _NESTED.isdisjoint(map(type, values)):  # the many plain values cost no step of Python
        return True
    nested = [value.values() if type(value) is dict else value for value in values if type(value) in _NESTED]
    return depth > 0 and all(_is_shallow(inner, depth - 1) for inner in nested)


def read_json(path: str | Path, kind: str = 'annotation file'):
    """Read and parse a JSON file; see :func:`read_bytes` and :func:`parse_json`."""
    return parse_json(read_bytes(path, kind), path, kind)


def _read_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > MAX_MEMBERS:
                raise UserError(f'{path}: {len(infos)} files in the zip; one results.json is expected')
            for info in infos:
                parts = Path(info.filename.replace('\\', '/')).parts
                if info.filename.startswith('/') or '..' in parts or ':' in info.filename:
                    raise UserError(f'{path}: unsafe path in the zip: {info.filename!r}')
            chosen = _choose(path, infos)
            if chosen.file_size > MAX_UNPACKED or chosen.file_size > MAX_RATIO * max(
                chosen.compress_size, 4096
            ):
                raise UserError(
                    f'{path}: {chosen.filename} unpacks from {chosen.compress_size} to {chosen.file_size} B; '
                    f'at most {MAX_UNPACKED} bytes and {MAX_RATIO} times the packed size are read'
                )
            data = bytearray(chosen.file_size)
            with archive.open(chosen) as file:
                n = file.readinto(data)
                # The header may lie about the size.
                if n != len(data) or file.read(1):
                    raise UserError(f'{path}: {chosen.filename} has another size than the zip says')
            return data
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        zipfile.zlib.error,
    ) as error:
        raise UserError(f'{path}: the zip cannot be read: {error}') from None


def zip_members(path):
    """Names of the files in a zip (list of str); None if ``path`` is no readable zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError):
        return None


def _choose(path, infos):
    """The member ``results.json`` at top level, else the only json at top level."""
    top = [info for info in infos if '/' not in info.filename and info.filename.lower().endswith('.json')]
    if any(info.filename == 'annotations.xml' for info in infos):
        raise UserError(f'{path} is a zip of {name_bytes(b"<annotations>", path)}')
    named = [info for info in top if info.filename == 'results.json']
    if len(named) == 1:
        return named[0]
    if len(named) > 1 or len(top) != 1:
        names = ', '.join(repr(info.filename) for info in infos[:10]) or 'nothing'
        raise UserError(f'{path}: one results.json at top level of the zip is expected; it has {names}')
    return top[0]
