# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled core of the evaluator: reads json and run-length codes, intersects runs, matches, accumulates.

Every function has a plain-Python twin in this package that gives the same bits. Integers are summed as integers
and divided once; nothing here multiplies floats, so there is nothing a compiler could contract.
"""

import json

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_FromLongLong
from cpython.unicode cimport PyUnicode_DecodeUTF8

from mmdet.formats.packing import Span
from mmdet.structures.packed_masks import Masks, is_absent
from mmdet.structures.packed_masks import pack_masks as pack_masks_slowly

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *s, char **endptr, void *overflow_exception) except? -1.0
    const char *PyUnicode_AsUTF8AndSize(object unicode, Py_ssize_t *size) except NULL

cdef enum:
    ABSENT = 0
    TEXT = 1
    COUNTS = 2
    OTHER = 3
    BAD_SUM = 1
    EMPTY = 2
    BAD_TEXT = 4
    ZERO_RUNS = 8
    MAX_DEPTH = 200


include "_ytvis_json.pxi"
include "_ytvis_runs.pxi"


def parse_tracks(data):
    """Parse a json file, masks into flat arrays.

    Args:
        data (bytearray): the file. Its strings are unescaped in place and it becomes ``Masks.text``.

    Returns:
        tuple | None: as ``packing.read_packed``; None for text to be left to the standard library, after
        which ``data`` is spoiled.
    """
    cdef Parser parser = Parser(data)
    try:
        root = parser.value(0)
        if parser.skip() or parser.pos < parser.end:
            return None
    except Unusual:
        return None
    n = parser.n_masks
    text = np.frombuffer(data, np.uint8) if parser.any_text else np.zeros(0, np.uint8)
    masks = Masks(
        parser.kind_array[:n],
        parser.size_array[:n],
        parser.span_array[:n],
        text,
        parser.runs_array[: parser.n_runs],
        parser.other,
    )
    return root, masks


cdef int plain_size(object mask, int64_t *size) except -1:
    """Read ``size`` if it is a list of two plain integers in [0, 2**31): 1, else 0."""
    cdef object pair = mask.get('size')
    cdef int overflow = 0, k
    if type(pair) is not list or len(pair) != 2:
        return 0
    for k in range(2):
        if type(pair[k]) is not int:
            return 0
        size[k] = PyLong_AsLongLongAndOverflow(pair[k], &overflow)
        if overflow or size[k] < 0 or size[k] >= 2147483648:
            return 0
    return 1


cdef Py_ssize_t copy_counts(list counts, uint32_t *out) except -2:
    """Copy counts to ``out``; -1 if they are not all plain integers in [0, 2**32)."""
    cdef Py_ssize_t i, n = len(counts)
    cdef int64_t number
    cdef int overflow = 0
    for i in range(n):
        item = counts[i]
        if type(item) is not int:
            return -1
        number = PyLong_AsLongLongAndOverflow(item, &overflow)
        if overflow or number < 0 or number > 4294967295:
            return -1
        out[i] = <uint32_t>number
    return n


def pack_masks(list tracks):
    """Twin of ``masks.pack_masks``; anything but the two usual kinds of RLE is packed by that one."""
    cdef Py_ssize_t n = sum(map(len, tracks)), i = 0, n_text = 0, n_runs = 0, length, k
    cdef uint8_t[::1] kind = np.zeros(n, np.uint8)
    cdef int64_t[:, ::1] size = np.zeros((n, 2), np.int64)
    cdef int64_t[:, ::1] span = np.zeros((n, 2), np.int64)
    cdef int64_t[:, ::1] spans = np.zeros((len(tracks), 2), np.int64)
    cdef const char *utf8
    cdef dict other = {}
    for frames in tracks:
        for mask in frames:
            if type(mask) is dict:
                counts = (<dict>mask).get('counts')
                if type(counts) is str:
                    n_text += len(counts)
                elif type(counts) is list:
                    n_runs += len(counts)
    cdef uint8_t[::1] text = np.empty(n_text + 1, np.uint8)
    cdef uint32_t[::1] runs = np.empty(n_runs + 1, np.uint32)
    n_text = n_runs = 0
    for k in range(len(tracks)):
        spans[k, 0] = i
        for mask in tracks[k]:
            if mask is None:
                i += 1
                continue
            counts = (<dict>mask).get('counts') if type(mask) is dict else None
            if counts is not None and plain_size(mask, &size[i, 0]):
                if type(counts) is str and (<str>counts).isascii() and '\0' not in counts:
                    utf8 = PyUnicode_AsUTF8AndSize(counts, &length)
                    memcpy(&text[n_text], utf8, length)
                    kind[i], span[i, 0], span[i, 1] = TEXT, n_text, n_text + length
                    n_text += length
                    i += 1
                    continue
                if type(counts) is list:
                    length = copy_counts(<list>counts, &runs[n_runs])
                    if length >= 0:
                        kind[i], span[i, 0], span[i, 1] = COUNTS, n_runs, n_runs + length
                        n_runs += length
                        i += 1
                        continue
            if not is_absent(mask):
                packed, _ = pack_masks_slowly([[mask]])
                if packed.kind[0] != OTHER:
                    # Bytes, numpy integers, tuples: usual to Python, so all of it goes its way.
                    return pack_masks_slowly(tracks)
                kind[i] = OTHER
            size[i, 0] = size[i, 1] = 0
            other[i] = mask
            i += 1
        spans[k, 1] = i
    masks = Masks(
        np.asarray(kind),
        np.asarray(size),
        np.asarray(span),
        np.asarray(text)[:n_text],
        np.asarray(runs)[:n_runs],
        other,
    )
    return masks, np.asarray(spans)


def mask_boxes(masks, double[:, ::1] boxes):
    """Twin of ``boxes.mask_boxes``: read all masks, and fill in the boxes around them."""
    cdef View view = View(masks, np.zeros((0, 2), np.int64))
    cdef Bench bench = Bench()
    cdef Frame frame
    cdef Py_ssize_t i, k
    cdef int64_t begin, end, height, left, right, top, bottom
    for i in range(view.kind.shape[0]):
        if view.kind[i] != TEXT and view.kind[i] != COUNTS:
            continue
        bench.want_edges(view.span[i, 1] - view.span[i, 0] + 1)
        frame.edges = bench.edges
        view.read(i, &frame)
        height, left, right, top, bottom = view.size[i, 0], -1, -1, -1, -1
        for k in range(1, frame.n_edges, 2):
            begin, end = frame.edges[k - 1], <int64_t>frame.edges[k] - 1
            if end < begin or height == 0:
                continue
            left = begin // height if left < 0 else min(left, begin // height)
            right = max(right, end // height)
            if begin // height != end // height:
                top, bottom = 0, height - 1
            else:
                top = begin % height if top < 0 else min(top, begin % height)
                bottom = max(bottom, end % height)
        if left >= 0:
            boxes[i, 0], boxes[i, 1] = left, top
            boxes[i, 2], boxes[i, 3] = right - left + 1, bottom - top + 1


cdef Py_ssize_t load_frame(
    View view, const int64_t[::1] tracks, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t t,
    Frame *frames, uint32_t *edges, Py_ssize_t at
) noexcept:
    """Read frame ``t`` of some tracks into ``frames`` (or, without ``edges``, only count their runs)."""
    cdef Py_ssize_t k, mask
    for k in range(begin, end):
        mask = view.find(tracks[k], t)
        if edges != NULL:
            frames[k - begin].mask = -1
        if mask < 0:
            continue
        if edges != NULL:
            frames[k - begin].edges = edges + at
            view.read(mask, &frames[k - begin])
        at += view.span[mask, 1] - view.span[mask, 0]
    return at


cdef int compare(View gt, Frame *g, View dt, Frame *d, Bench bench, int64_t *inter, int64_t *joint) except -1:
    """Intersection and union of two masks of one frame; ``mask`` -1 for an absent one."""
    cdef Py_ssize_t n, m, k
    inter[0] = joint[0] = 0
    if g.mask < 0 or d.mask < 0:
        joint[0] = g.area if g.mask >= 0 else d.area if d.mask >= 0 else 0
        return 0
    if gt.size[g.mask, 0] != dt.size[d.mask, 0] or gt.size[g.mask, 1] != dt.size[d.mask, 1]:
        return 0
    if g.canonical and d.canonical:
        inter[0] = intersect(d, g)
        joint[0] = d.area + g.area - inter[0]
        return 0
    k = dt.span[d.mask, 1] - dt.span[d.mask, 0]
    bench.want_spare(k + gt.span[g.mask, 1] - gt.span[g.mask, 0] + 2)
    n = dt.counts(d.mask, bench.spare)
    m = gt.counts(g.mask, bench.spare + k + 1)
    if walk(bench.spare, n, bench.spare + k + 1, m, inter, joint):
        gt.flag[g.mask] |= ZERO_RUNS
        dt.flag[d.mask] |= ZERO_RUNS
    return 0


def measure(
    gt_masks, gt_tracks, dt_masks, dt_tracks,
    const int64_t[::1] gts, const int64_t[::1] gt_ptr, const int64_t[::1] dts, const int64_t[::1] dt_ptr,
    const int64_t[::1] pairs, const int64_t[::1] pair_ptr, const int64_t[::1] pair_dt, const int64_t[::1] pair_gt,
    double[::1] inter, double[::1] union,
):
    """Twin of ``overlap._measure``: read every mask once, frame by frame, and sum up the pairs of tracks."""
    cdef View gt = View(gt_masks, gt_tracks), dt = View(dt_masks, dt_tracks)
    cdef Bench bench = Bench()
    cdef int64_t[::1] gt_slot = np.zeros(len(gt_tracks) + 1, np.int64)
    cdef int64_t[::1] dt_slot = np.zeros(len(dt_tracks) + 1, np.int64)
    cdef Py_ssize_t v, t, k, p, n_gt, n_dt, length, n, d, g
    cdef int64_t common = 0, joint = 0
    for v in range(gt_ptr.shape[0] - 1):
        n_gt, n_dt, length = gt_ptr[v + 1] - gt_ptr[v], dt_ptr[v + 1] - dt_ptr[v], 0
        bench.want_frames(n_gt + n_dt)
        for k in range(n_gt):
            gt_slot[gts[gt_ptr[v] + k]] = k
            length = max(length, gt.n_frames(gts[gt_ptr[v] + k]))
        for k in range(n_dt):
            dt_slot[dts[dt_ptr[v] + k]] = n_gt + k
            length = max(length, dt.n_frames(dts[dt_ptr[v] + k]))
        for t in range(length):
            n = load_frame(gt, gts, gt_ptr[v], gt_ptr[v + 1], t, bench.frames, NULL, 0)
            n = load_frame(dt, dts, dt_ptr[v], dt_ptr[v + 1], t, bench.frames + n_gt, NULL, n)
            bench.want_edges(n + 1)
            n = load_frame(gt, gts, gt_ptr[v], gt_ptr[v + 1], t, bench.frames, bench.edges, 0)
            load_frame(dt, dts, dt_ptr[v], dt_ptr[v + 1], t, bench.frames + n_gt, bench.edges, n)
            for k in range(pair_ptr[v], pair_ptr[v + 1]):
                p = pairs[k]
                d, g = pair_dt[p], pair_gt[p]
                if t >= gt.n_frames(g) or t >= dt.n_frames(d):
                    continue
                compare(gt, bench.frames + gt_slot[g], dt, bench.frames + dt_slot[d], bench, &common, &joint)
                inter[p] += <double>common
                union[p] += <double>joint


def frame_overlaps(gt_masks, gt_tracks, dt_masks, dt_tracks, const int64_t[::1] gts, const int64_t[::1] dts,
                   double[:, :, ::1] common, double[:, ::1] area):
    """Twin of ``analysis._frame_overlaps`` for the masks of one video."""
    cdef View gt = View(gt_masks, gt_tracks), dt = View(dt_masks, dt_tracks)
    cdef Bench bench = Bench()
    cdef Py_ssize_t n_gt = gts.shape[0], n_dt = dts.shape[0], t, i, g, n
    cdef int64_t inter = 0, joint = 0
    bench.want_frames(n_gt + n_dt + 1)
    for t in range(area.shape[1]):
        n = load_frame(gt, gts, 0, n_gt, t, bench.frames + n_dt, NULL, 0)
        n = load_frame(dt, dts, 0, n_dt, t, bench.frames, NULL, n)
        bench.want_edges(n + 1)
        n = load_frame(gt, gts, 0, n_gt, t, bench.frames + n_dt, bench.edges, 0)
        load_frame(dt, dts, 0, n_dt, t, bench.frames, bench.edges, n)
        for i in range(n_dt + n_gt):
            if bench.frames[i].mask < 0:
                continue
            area[i, t] = bench.frames[i].area
            for g in range(n_gt):
                if bench.frames[n_dt + g].mask >= 0:
                    other = dt if i < n_dt else gt
                    compare(gt, bench.frames + n_dt + g, other, bench.frames + i, bench, &inter, &joint)
                    common[i, g, t] = inter


def match(groups, const double[::1] thresholds, const uint8_t[::1] crowd, const uint8_t[::1] zero,
          const uint8_t[:, ::1] dt_outside, matches):
    """Twin of ``matching._match``."""
    cdef const int64_t[::1] gt_ptr = groups.gt_ptr, dt_ptr = groups.dt_ptr, iou_ptr = groups.iou_ptr
    cdef const double[::1] iou = groups.iou
    cdef const uint8_t[:, ::1] gt_ignore = matches.gt_ignore
    cdef int32_t[:, :, ::1] dt_gt = matches.dt_gt, gt_dt = matches.gt_dt
    cdef uint8_t[:, :, ::1] dt_hit = matches.dt_hit, dt_ignore = matches.dt_ignore
    cdef Py_ssize_t n, a, t, d, g, k, found, g0, n_gt, d0, n_dt, row
    cdef double best
    cdef int64_t[::1] order = np.zeros(max(int(np.diff(groups.gt_ptr).max(initial=0)), 1), np.int64)
    for n in range(gt_ptr.shape[0] - 1):
        g0, n_gt = gt_ptr[n], gt_ptr[n + 1] - gt_ptr[n]
        d0, n_dt = dt_ptr[n], dt_ptr[n + 1] - dt_ptr[n]
        for a in range(gt_ignore.shape[0]):
            k = 0
            for g in range(n_gt):
                if not gt_ignore[a, g0 + g]:
                    order[k] = g
                    k += 1
            for g in range(n_gt):
                if gt_ignore[a, g0 + g]:
                    order[k] = g
                    k += 1
            for t in range(thresholds.shape[0]):
                for d in range(n_dt):
                    best, found, row = thresholds[t], -1, iou_ptr[n] + d * n_gt
                    for k in range(n_gt):
                        g = order[k]
                        if gt_dt[a, t, g0 + g] >= 0 and not crowd[g0 + g]:
                            continue
                        if found >= 0 and not gt_ignore[a, g0 + found] and gt_ignore[a, g0 + g]:
                            break
                        if iou[row + g] < best:
                            continue
                        best, found = iou[row + g], g
                    if found >= 0:
                        gt_dt[a, t, g0 + found] = <int32_t>d
                        dt_gt[a, t, d0 + d] = <int32_t>found
                        dt_hit[a, t, d0 + d] = not zero[g0 + found]
                        dt_ignore[a, t, d0 + d] = gt_ignore[a, g0 + found]
                    if not dt_hit[a, t, d0 + d] and dt_outside[a, d0 + d]:
                        dt_ignore[a, t, d0 + d] = 1


def curves(const uint8_t[:, ::1] hit, const uint8_t[:, ::1] skip, const int64_t[::1] chosen, double npig,
           const double[::1] recalls, const double[::1] score,
           double[:, :] precision, double[:] recall, double[:, :] scores):
    """Twin of ``matching._curves``."""
    cdef Py_ssize_t n = chosen.shape[0], t, i, r, low, high, middle
    cdef double true, false, tiny = np.spacing(1)
    cdef double[::1] reached = np.empty(n + 1), found = np.empty(n + 1)
    for t in range(hit.shape[0]):
        true = false = 0
        for i in range(n):
            if not skip[t, chosen[i]]:
                if hit[t, chosen[i]]:
                    true += 1
                else:
                    false += 1
            reached[i] = true / npig
            found[i] = true / (false + true + tiny)
        for i in range(n - 1, 0, -1):
            if found[i] > found[i - 1]:
                found[i - 1] = found[i]
        recall[t] = reached[n - 1] if n else 0
        for r in range(recalls.shape[0]):
            precision[t, r] = scores[t, r] = 0
        for r in range(recalls.shape[0]):
            low, high = 0, n
            while low < high:
                middle = (low + high) // 2
                if reached[middle] < recalls[r]:
                    low = middle + 1
                else:
                    high = middle
            if low >= n:
                break
            precision[t, r] = found[low]
            scores[t, r] = score[chosen[low]]
