"""Masks of many tracks in a few flat arrays, and the plain-Python way of reading them.

Masks stay run-length encoded all the time; nothing here makes pixels. The compiled core
(``_ytvis_core.pyx``) fills and reads the same arrays.
"""

import numpy as np

from .rle import decode_counts

#: ``Masks.kind``: the object is absent; COCO's compressed string; a list of counts; anything else.
ABSENT, TEXT, COUNTS, OTHER = 0, 1, 2, 3

#: Bits of ``Masks.flag``, set while a mask is read.
BAD_SUM, EMPTY, BAD_TEXT, ZERO_RUNS = 1, 2, 4, 8

#: The official C code counts in unsigned numbers of 32 bits.
WRAP = 0xFFFFFFFF


class Masks:
    """Run-length encoded masks of the frames of many tracks, in flat arrays.

    Attributes:
        kind (ndarray): (n,) uint8, one of ABSENT, TEXT, COUNTS, OTHER.
        size (ndarray): (n, 2) int64, height and width in pixels.
        span (ndarray): (n, 2) int64, begin and end in ``text`` (TEXT) or ``runs`` (COUNTS).
        text (ndarray): uint8, COCO strings.
        runs (ndarray): uint32, counts.
        other (dict[int, object]): masks of kind OTHER as they came, until they are resolved; and empty
            things that stand for an absent object.
        area (ndarray): (n,) int64, pixels; filled by reading.
        flag (ndarray): (n,) uint8, BAD_SUM and its like; filled by reading.
    """

    def __init__(self, kind, size, span, text, runs, other):
        self.kind, self.size, self.span = kind, size, span
        self.text, self.runs, self.other = text, runs, other
        self.area = np.zeros(len(kind), np.int64)
        self.flag = np.zeros(len(kind), np.uint8)

    def __len__(self):
        return len(self.kind)

    def copy(self):
        """A copy that can be resolved and read on its own; texts and counts are shared."""
        kind, size, span = self.kind.copy(), self.size.copy(), self.span.copy()
        return Masks(kind, size, span, self.text, self.runs, dict(self.other))

    def unpack(self, begin, end):
        """The list of masks ``begin`` to ``end`` as json has it: None, RLE dicts, or what else there was."""
        found = []
        for i in range(begin, end):
            (low, high), size = self.span[i].tolist(), self.size[i].tolist()
            if self.kind[i] == TEXT:
                found.append({'size': size, 'counts': self.text[low:high].tobytes().decode()})
            elif self.kind[i] == COUNTS:
                found.append({'size': size, 'counts': self.runs[low:high].tolist()})
            else:
                found.append(self.other.get(i))
        return found

    def replace(self, found):
        """Turn masks of kind OTHER into COUNTS, or ABSENT.

        Args:
            found (dict[int, tuple | None]): index -> ``(counts, height, width)``, or None for absent.
        """
        parts, begin = [self.runs], len(self.runs)
        for i, value in found.items():
            self.other.pop(i, None)
            if value is None:
                self.kind[i] = ABSENT
                continue
            counts, height, width = value
            parts.append(np.asarray(counts, np.uint32))
            self.kind[i], self.size[i] = COUNTS, (height, width)
            self.span[i] = begin, begin + len(counts)
            begin += len(counts)
        if len(parts) > 1:
            self.runs = np.concatenate(parts)


def _is_size(size):
    return (
        isinstance(size, (list, tuple))
        and len(size) == 2
        and all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and 0 <= v < 2**31 for v in size)
    )


def is_absent(mask):
    """Whether a frame's entry says that the object is not there: None, or anything else that is empty."""
    return not mask if not isinstance(mask, np.ndarray) else mask.size == 0


def pack_masks(tracks):
    """Pack per-frame masks into :class:`Masks`, reading but never changing them.

    Args:
        tracks (list[list]): for each track a list over frames of None (or anything empty), an RLE dict with
            ``size`` and ``counts`` (str, bytes or list of int), or something else (polygons).

    Returns:
        tuple: ``Masks``, and ``spans`` (n_tracks, 2) int64 with each track's range of mask indices.
    """
    n = sum(len(frames) for frames in tracks)
    kind, size, span = np.zeros(n, np.uint8), np.zeros((n, 2), np.int64), np.zeros((n, 2), np.int64)
    spans = np.zeros((len(tracks), 2), np.int64)
    texts, runs, other, i, n_text, n_runs = [], [], {}, 0, 0, 0
    for track, frames in enumerate(tracks):
        spans[track] = i, i + len(frames)
        for mask in frames:
            if is_absent(mask):
                if mask is not None:
                    other[i] = mask
                i += 1
                continue
            counts = mask.get('counts') if isinstance(mask, dict) else None
            good = counts is not None and _is_size(mask.get('size'))
            data = _as_bytes(counts) if good and isinstance(counts, (str, bytes)) else None
            array = _as_counts(counts) if good and isinstance(counts, list) else None
            if data is not None:
                kind[i], size[i], span[i] = TEXT, mask['size'], (n_text, n_text + len(data))
                texts.append(data)
                n_text += len(data)
            elif array is not None:
                kind[i], size[i], span[i] = COUNTS, mask['size'], (n_runs, n_runs + len(array))
                runs.append(array)
                n_runs += len(array)
            else:
                kind[i], other[i] = OTHER, mask
            i += 1
    text = np.frombuffer(b''.join(texts), np.uint8)
    runs = np.concatenate(runs) if runs else np.zeros(0, np.uint32)
    return Masks(kind, size, span, text, runs, other), spans


def _as_bytes(counts):
    """COCO string as bytes up to a NUL, where C stops reading; None if it has no bytes (lone surrogates)."""
    try:
        data = counts.encode() if isinstance(counts, str) else counts
    except UnicodeEncodeError:
        return None
    return data.split(b'\0', 1)[0]


def _as_counts(counts):
    """List of counts as uint32, or None where they are not all integers in [0, 2**32)."""
    if not all(type(c) is int and 0 <= c < 2**32 for c in counts):
        return None
    return np.array(counts, np.uint32)


def read_counts(masks, i):
    """Counts (m,) int64 of mask ``i``; fills its area and flag.

    Returns:
        tuple: counts, and whether they are canonical: they add up to the frame and only the first may be 0.
    """
    begin, end = masks.span[i]
    if masks.kind[i] == TEXT:
        counts, fault = decode_counts(masks.text[begin:end])
        counts, flag = counts & WRAP, BAD_TEXT if fault else 0
    else:
        counts, flag = masks.runs[begin:end].astype(np.int64), 0
    total = int(counts.sum())
    if begin == end:
        flag |= EMPTY
    elif total != int(masks.size[i, 0]) * int(masks.size[i, 1]):
        flag |= BAD_SUM
    masks.area[i] = int(counts[1::2].sum()) & WRAP
    masks.flag[i] |= flag
    canonical = not flag & (BAD_SUM | EMPTY) and len(counts) > 0 and bool((counts[1:] > 0).all())
    return counts, canonical


def intersect_canonical(a, b):
    """Common pixels of two masks given as canonical counts with equal totals."""
    edges = np.cumsum(b)
    inside = np.concatenate([[0], np.cumsum(np.where(np.arange(len(b)) % 2, b, 0))])
    starts = np.concatenate([[0], edges])

    def before(x):
        k = np.minimum(np.searchsorted(edges, x, side='right'), len(b) - 1)
        return inside[k] + (k % 2) * (x - starts[k])

    ends = np.cumsum(a)
    return int((before(ends[1::2]) - before(ends[0::2][: len(ends) // 2])).sum())


def intersect_walk(a, b):
    """Common and joint pixels of any two lists of counts, walked as the official C code walks them.

    Where that code would never end, because one list is used up first, the rest of it is background. Where
    both have a run of length zero at the same place the official walk stops early, and so does this one.

    Returns:
        tuple: intersection, union (ints), and whether the walk stopped early.
    """
    a, b = a.tolist(), b.tolist()
    if not a or not b:
        rest = a or b
        return 0, sum(rest[1::2]) & WRAP, False
    left, right, i, j, va, vb = a[0], b[0], 1, 1, False, False
    inter = union = 0
    while True:
        step = min(left, right)
        inter += step * (va and vb)
        union += step * (va or vb)
        left -= step
        right -= step
        if not left and i < len(a):
            left, va, i = a[i], not va, i + 1
        if not right and j < len(b):
            right, vb, j = b[j], not vb, j + 1
        if not left and not right:
            early = any(a[i:]) or any(b[j:])
            return inter & WRAP, union & WRAP, early
        # One list is used up: the official code would turn here for ever.
        if not left and i == len(a):
            return inter & WRAP, (union + right * vb + sum(b[j | 1 :: 2])) & WRAP, False
        if not right and j == len(b):
            return inter & WRAP, (union + left * va + sum(a[i | 1 :: 2])) & WRAP, False
