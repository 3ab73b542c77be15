"""Decoding segmentations of any kind; bounding boxes of masks."""

import numpy as np
import pytest

from mmdet.structures.rle import (
    decode_rle,
    decode_rle_box,
    decode_segm,
    encode_mask,
    mask_extent,
    rle_counts,
    segm_to_rle,
)

MASK = np.zeros((20, 30), np.uint8)
MASK[3:9, 2:7] = 1
RLE = encode_mask(MASK)
COUNTS = rle_counts(RLE)


@pytest.mark.parametrize(
    'segm',
    [
        RLE,
        {'size': [20, 30], 'counts': COUNTS.tolist()},
        {'size': [20, 30], 'counts': COUNTS.astype(np.int32)},
        [[2, 3, 7, 3, 7, 9, 2, 9]],
    ],
    ids=['compressed', 'list', 'array', 'polygon'],
)
def test_every_kind_of_segmentation_decodes_to_one_mask(segm):
    assert (decode_segm(segm, 20, 30) == MASK).all()
    assert (decode_rle(segm_to_rle(segm, 20, 30)) == MASK).all()


@pytest.mark.parametrize(
    ('counts', 'message'),
    [
        (COUNTS.astype(np.float32), 'must be integers'),
        (COUNTS[None], 'must be integers'),
        (COUNTS[:-1], 'add up to'),
        (COUNTS > 0, 'must be integers'),
    ],
)
def test_damaged_arrays_of_run_lengths_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        decode_segm({'size': [20, 30], 'counts': counts}, 20, 30)


def test_size_of_another_image_is_refused():
    with pytest.raises(ValueError, match=r'RLE has size \[20, 30\], but the image has \[30, 20\]'):
        decode_segm(RLE, 30, 20)


def test_extent_of_a_mask_has_inclusive_pixels():
    assert mask_extent(MASK) == (2, 3, 6, 8)
    assert mask_extent(np.zeros((4, 5), np.uint8)) is None


def test_the_box_of_a_mask_is_decoded_alone():
    for mask in (MASK, 1 - MASK, np.eye(5, 4, 1), np.ones((3, 2)), np.zeros((4, 5))):
        part, x, y = decode_rle_box(encode_mask(mask))
        x1, y1, x2, y2 = mask_extent(mask) or (0, 0, -1, -1)
        assert (x, y) == (x1, y1) and np.array_equal(part, mask[y1 : y2 + 1, x1 : x2 + 1])


@pytest.mark.parametrize(
    ('size', 'counts', 'message'),
    [
        ([100_000, 100_000], [0, 10**10], 'is more than the'),
        ([100_000, 100_000], 'o' * 9, 'is more than the'),
        ([20, 30], [2**62] * 4 + [600], 'more than the 600 pixels'),
        ([20, 30], [10**400, 600], 'more than the 600 pixels'),
        ([20, 30], [-(10**400), 600], 'negative run'),
        ([20, 30], np.array([2**62] * 4 + [600]), 'more than the 600 pixels'),
        ([20, 30], np.array([2**63, 600], np.uint64), 'more than the 600 pixels'),
    ],
)
def test_no_mask_is_larger_than_it_may_be(size, counts, message):
    """Neither memory for its pixels is asked for, nor do sums overflow."""
    with pytest.raises(ValueError, match=message):
        decode_rle({'size': size, 'counts': counts})
    with pytest.raises(ValueError, match=r'but the image has \[8, 8\]|is more than the'):
        decode_segm({'size': size, 'counts': counts}, 8, 8)
