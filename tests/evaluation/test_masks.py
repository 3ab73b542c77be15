"""Run-length codes: decoding, intersecting and boxes against pycocotools' C code, on both paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from mmdet.evaluation.ap.backend import get_core
from mmdet.evaluation.ap.boxes import mask_boxes
from mmdet.structures.packed_masks import (
    BAD_SUM,
    BAD_TEXT,
    EMPTY,
    intersect_canonical,
    intersect_walk,
    pack_masks,
    read_counts,
)
from mmdet.structures.rle import decode_counts

from .helpers import BACKENDS, BUILT, plain, rectangle

HEIGHT, WIDTH = 9, 11


def encode(counts):
    """COCO string of any counts, by pycocotools."""
    return coco.frPyObjects({'size': [HEIGHT, WIDTH], 'counts': counts}, HEIGHT, WIDTH)['counts']


@st.composite
def canonical(draw):
    bits = draw(st.lists(st.booleans(), min_size=HEIGHT * WIDTH, max_size=HEIGHT * WIDTH))
    pixels = np.array(bits, np.uint8).reshape(HEIGHT, WIDTH, order='F')
    return pixels, coco.encode(np.asfortranarray(pixels))


@st.composite
def any_counts(draw):
    """Counts that add up to the frame, zeros among them."""
    cuts = sorted(draw(st.lists(st.integers(0, HEIGHT * WIDTH), max_size=12)))
    return np.diff([0, *cuts, HEIGHT * WIDTH]).tolist()


@given(canonical(), canonical())
@settings(max_examples=60, deadline=None)
def test_intersection_of_pixels(a, b):
    counts = []
    for pixels, rle in (a, b):
        masks, _ = pack_masks([[{'size': rle['size'], 'counts': rle['counts'].decode()}]])
        runs, is_canonical = read_counts(masks, 0)
        assert is_canonical and masks.area[0] == pixels.sum() and not masks.flag[0]
        counts.append(runs)
    common = int((a[0] & b[0]).sum())
    assert intersect_canonical(*counts) == common
    assert intersect_walk(*counts) == (common, int((a[0] | b[0]).sum()), False)


@given(any_counts(), any_counts())
@settings(max_examples=200, deadline=None)
def test_walk_does_what_the_official_code_does(a, b):
    rles = [{'size': [HEIGHT, WIDTH], 'counts': encode(c)} for c in (a, b)]
    common, joint = (int(coco.area(coco.merge(rles, intersect=i))) for i in (True, False))
    assert intersect_walk(np.array(a), np.array(b))[:2] == (common, joint)


@given(st.lists(st.integers(0, 2**23 - 1), max_size=20))
@settings(max_examples=200, deadline=None)
def test_strings_of_any_counts(counts):
    # pycocotools reserves six characters a count and forgets the end mark: larger counts break its memory.
    decoded, fault = decode_counts(encode(counts))
    assert decoded.tolist() == counts and fault is None


@given(st.binary(max_size=30))
@settings(max_examples=300, deadline=None)
@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_both_paths_read_any_bytes_alike(data):
    data = data.replace(b'\0', b'0')
    first, _ = pack_masks([[{'size': [3, 4], 'counts': data}]])
    second = first.copy()
    counts, is_canonical = read_counts(first, 0)
    compiled, also_canonical = get_core('cython').read_counts(second, 0)
    assert counts.tolist() == compiled.tolist() and is_canonical == also_canonical
    assert first.area.tolist() == second.area.tolist() and first.flag.tolist() == second.flag.tolist()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=9), st.lists(st.integers(0, 2**32 - 1), max_size=9))
@settings(max_examples=200, deadline=None)
@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_both_paths_measure_any_counts_alike(a, b):
    from mmdet.evaluation.ap.overlap import frame_overlap

    size = [3, 4]
    found = []
    for core in (None, get_core('cython')):
        masks, spans = pack_masks([[{'size': size, 'counts': a}], [{'size': size, 'counts': b}]])
        if core is None:
            reads = [(*read_counts(masks, i), i) for i in range(2)]
            found.append(
                (*frame_overlap(masks, reads[0], masks, reads[1]), masks.flag.tolist(), masks.area.tolist())
            )
            continue
        inter, union = np.zeros(1), np.zeros(1)
        one, ptr = np.zeros(1, np.int64), np.array([0, 1])
        other = masks.copy()
        core.measure(other, spans[1:], masks, spans[:1], one, ptr, one, ptr, one, ptr, one, one, inter, union)
        flags = [int(masks.flag[0]), int(other.flag[1])]
        found.append((int(inter[0]), int(union[0]), flags, [int(masks.area[0]), int(other.area[1])]))
    assert found[0] == found[1]


@pytest.mark.parametrize('backend', BACKENDS)
def test_boxes_are_those_of_pycocotools(backend):
    rng = np.random.default_rng(3)
    rles = [coco.encode(np.asfortranarray(rng.random((7, 6)) < p, np.uint8)) for p in (0, 0.03, 0.1, 0.5, 1)]
    rles += [rectangle(4, 5, 3, 2), rectangle(0, 0, 30, 20), rectangle(29, 0, 1, 20)]
    masks, _ = pack_masks([rles])
    boxes = mask_boxes(masks, get_core(backend))
    assert boxes.tolist() == coco.toBbox(rles).tolist()
    assert masks.area.tolist() == coco.area(rles).tolist()


def test_flags_tell_what_is_wrong():
    good = rectangle(1, 1, 3, 3)
    bad = [
        {'size': [20, 31], 'counts': good['counts']},
        {'size': [20, 30], 'counts': ''},
        {'size': [20, 30], 'counts': good['counts'][:-1] + ' '},
        {'size': [20, 30], 'counts': good['counts'] + 'o'},
    ]
    masks, _ = pack_masks([[good, plain(good), *bad]])
    for i in range(len(masks)):
        read_counts(masks, i)
    assert masks.flag[0] == masks.flag[1] == 0
    assert masks.flag[2] == BAD_SUM and masks.flag[3] == EMPTY
    assert masks.flag[4] & BAD_TEXT and masks.flag[5] & BAD_TEXT


@pytest.mark.parametrize('backend', BACKENDS)
def test_packing_and_unpacking_changes_nothing(backend):
    frames = [None, rectangle(1, 2, 3, 4), plain(rectangle(2, 2, 5, 5)), [], {}, [[1, 2, 3, 4, 5, 6]], 'x', 7]
    frames += [{'size': [1, 2], 'counts': [-1, 3]}, {'size': [20, 30], 'counts': 'é0'}]
    core = get_core(backend)
    masks, spans = (core.pack_masks if core else pack_masks)([frames, frames[:3]])
    assert spans.tolist() == [[0, len(frames)], [len(frames), len(frames) + 3]]
    if 'é0' in str(masks.unpack(0, len(masks))):
        assert masks.unpack(*spans[0].tolist()) == frames
    assert masks.unpack(*spans[1].tolist()) == frames[:3]
