"""Reading annotation and result files: json, or the zip that the servers took."""

import json
import zipfile
from pathlib import Path

from mmdet.structures.packed_masks import pack_masks
from mmdet.utils import UserError

from .plain_values import plain, plain_masks

#: Limits for what is unpacked from a zip, so that a small file cannot fill the memory.
MAX_UNPACKED = 4 * 2**30
MAX_RATIO = 500
MAX_MEMBERS = 1000


def read_bytes(path):
    """Content of a json file, or of the one json in a zip.

    Raises:
        FileNotFoundError: no such file. UserError: not readable, or a zip that is not as the servers took it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such file')
    if path.is_dir():
        raise UserError(f'{path} is a folder; a json or zip file is expected')
    try:
        with open(path, 'rb') as file:
            start = file.read(4)
            if start not in (b'PK\x03\x04', b'PK\x05\x06'):
                file.seek(0)
                data = bytearray(path.stat().st_size)
                n = file.readinto(data)
                del data[n:]
                return data
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}') from None
    return _read_zip(path)


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
    named = [info for info in top if info.filename == 'results.json']
    if len(named) == 1:
        return named[0]
    if len(named) > 1 or len(top) != 1:
        names = ', '.join(repr(info.filename) for info in infos[:10]) or 'nothing'
        raise UserError(f'{path}: one results.json at top level of the zip is expected; it has {names}')
    return top[0]


def parse_json(data, path):
    """Parse json text, with one clear message when it is none."""
    try:
        return json.loads(data)
    except UnicodeDecodeError as error:
        raise UserError(f'{path} is not a json file: {error}') from None
    except json.JSONDecodeError as error:
        early = error.pos >= len(error.doc.rstrip()) - 1 and not error.msg.startswith('Extra')
        what = 'the file ends too early' if early or 'Unterminated' in error.msg else 'not valid json'
        raise UserError(f'{path}: {what}: {error}') from None
    except (RecursionError, ValueError) as error:
        raise UserError(f'{path} cannot be parsed: {error}') from None


def read_tracks(path, core):
    """Read a file and take the masks out of it.

    Args:
        path (str | Path): json or zip.
        core (module | None): the compiled core, or None for plain Python.

    Returns:
        tuple: the parsed json, in which each ``segmentations`` list is a :class:`Span`, and the ``Masks``.
    """
    data = read_bytes(path)
    if core is not None:
        parsed = core.parse_tracks(data)
        if parsed is not None:
            return parsed
        data = read_bytes(path)
    root = parse_json(data, path)
    del data
    return take_masks(root, core)


class Span(tuple):
    """``(begin, end)``: the range of masks that stood in a ``segmentations`` list."""

    __slots__ = ()


def take_masks(root, core=None):
    """Pack the masks of parsed json, or of what scripts pass in; the caller's objects stay as they are.

    Values of numpy and torch count as the numbers and lists they hold.

    Returns:
        tuple: like :func:`read_tracks`.
    """
    whole = isinstance(root, dict)
    if whole:
        root = {key: value if key == 'annotations' else plain(value) for key, value in root.items()}
    holder = root.get('annotations') if whole else root
    if isinstance(holder, tuple):
        holder = list(holder)
    if not isinstance(holder, list):
        masks, _ = pack_masks([])
        return root, masks
    rows, frames, copied = [], [], list(holder)
    for i, entry in enumerate(holder):
        if not isinstance(entry, dict):
            continue
        copied[i] = {key: value if key == 'segmentations' else plain(value) for key, value in entry.items()}
        found = plain_masks(entry.get('segmentations'))
        if isinstance(found, list):
            rows.append(i)
            frames.append(found)
    pack = core.pack_masks if core is not None else pack_masks
    masks, spans = pack(frames)
    for i, span in zip(rows, spans.tolist()):
        copied[i]['segmentations'] = Span(span)
    return ({**root, 'annotations': copied} if whole else copied), masks
