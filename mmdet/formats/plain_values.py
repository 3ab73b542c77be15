"""What scripts pass in, as json would have it: numbers and lists of numpy and torch become Python's own."""

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
