"""Taking the masks out of annotations and results: they are kept in flat arrays (see ``Masks``).

Scripts may pass numpy and torch values; their numbers and arrays become Python numbers and lists.
"""

from pathlib import Path

from mmdet.structures.packed_masks import Masks, pack_masks

from .reading import parse_json, read_bytes

_OWN = (type(None), bool, int, float, str, bytes)


def plain(value):
    """A value whose numbers, arrays, tensors and tuples are plain numbers and lists, at any depth.

    Args:
        value (object): anything; it is copied where something has to change, and never changed.

    Returns:
        object: ``value`` itself if it is plain already.
    """
    if type(value) in _OWN:
        return value
    if isinstance(value, dict):
        made = {key: plain(inner) for key, inner in value.items()}
        return made if any(made[key] is not inner for key, inner in value.items()) else value
    if isinstance(value, (list, tuple)):
        made = [plain(inner) for inner in value]
        same = type(value) is list and all(a is b for a, b in zip(made, value))
        return value if same else made
    if hasattr(value, 'tolist'):
        made = value.tolist()
        # Some numbers, such as numpy's longdouble, have no twin in Python.
        return made if type(made) is type(value) else plain(made)
    return value


def plain_masks(frames):
    """The list of a track's masks with plain sizes, counts and polygons; what is no list of masks as it is.

    Runs of plain numbers are looked at by their first one only: they are many.
    """
    if isinstance(frames, tuple) or (hasattr(frames, 'tolist') and hasattr(frames, '__len__')):
        frames = list(frames)
    if not isinstance(frames, list):
        return frames
    return [frame if _is_usual(frame) else plain(frame) for frame in frames]


def _is_usual(mask):
    """Whether a mask is absent or an RLE of plain values."""
    if mask is None:
        return True
    if type(mask) is not dict:
        return False
    size, counts = mask.get('size'), mask.get('counts')
    if type(size) is not list or any(type(side) is not int for side in size):
        return False
    return type(counts) in (str, bytes) or (type(counts) is list and (not counts or type(counts[0]) is int))


class Span(tuple):
    """``(begin, end)``: the range of masks that stood in a ``segmentations`` list."""

    __slots__ = ()


def pack_content(root, core=None) -> tuple[object, Masks]:
    """Take the masks out of parsed json, or of what a script passes in, which is not changed.

    Args:
        root (dict | list): content of an annotation or result file.
        core (module | None): compiled core of the evaluator.

    Returns:
        tuple: as :func:`read_packed`.
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


def read_packed(path: str | Path, core=None, kind: str = 'file') -> tuple[object, Masks]:
    """Read a JSON or zip file and take the masks out of it.

    Args:
        path (str | Path): file.
        core (module | None): compiled core of the evaluator, whose parser keeps masks out of Python; None for
            the standard library.
        kind (str): what messages call the file.

    Returns:
        tuple: the parsed json, in which each ``segmentations`` list is a :class:`Span`, and the ``Masks``.
    """
    if core is not None:
        parsed = core.parse_tracks(read_bytes(path, kind))
        if parsed is not None:
            return parsed
    # What the compiled parser does not read, the standard library reads or rejects with its own message.
    return pack_content(parse_json(read_bytes(path, kind), path, kind), core)
