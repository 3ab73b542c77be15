"""Mask targets, pasting and run-length encoding against OpenCV, pycocotools and written-out references."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask

from mmdet.structures.mask import encode_region, mask_targets, paste_masks
from mmdet.structures.rle import decode_rle, encode_mask, rle_area, rle_counts, rle_to_bbox, segm_to_rle


def blobs(rng, count, height, width):
    noise = rng.random((count, height, width)) > 0.5
    smooth = np.stack([cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 4) for mask in noise])
    keep = rng.random((count, 1, 1)) > 0.5
    return np.where(keep, noise, smooth > 0.5).astype(np.uint8)


def random_boxes(rng, count, height, width, reach=0):
    x = np.sort(rng.uniform(-reach, width - 1 + reach, (count, 2)), axis=1)
    y = np.sort(rng.uniform(-reach, height - 1 + reach, (count, 2)), axis=1)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(np.float32)


def cv2_target(mask, box, size):
    """The 2019 rule written with OpenCV; an empty crop is a zero target."""
    x1, y1, x2, y2 = box.astype(np.int32)
    crop = mask[y1 : y1 + max(y2 - y1 + 1, 1), x1 : x1 + max(x2 - x1 + 1, 1)]
    if crop.size == 0:
        return np.zeros((size, size), np.uint8)
    return cv2.resize(crop, (size, size))


# ---------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize('size', [7, 14, 28, 56])
def test_targets_are_bit_equal_to_opencv(size):
    rng = np.random.default_rng(size)
    masks = blobs(rng, 5, 120, 170)
    boxes = random_boxes(rng, 400, 120, 170)
    boxes[:40, 2:] = boxes[:40, :2] + rng.integers(0, 4, (40, 2))  # a few pixels only
    boxes[40:60] = np.floor(boxes[40:60])
    boxes[:, 2] = np.minimum(boxes[:, 2], 169)
    boxes[:, 3] = np.minimum(boxes[:, 3], 119)
    inds = rng.integers(0, 5, 400)
    got = mask_targets(torch.from_numpy(masks), torch.from_numpy(boxes), torch.from_numpy(inds), size)
    want = np.stack([cv2_target(masks[i], box, size) for i, box in zip(inds, boxes)])
    assert got.dtype == torch.float32
    np.testing.assert_array_equal(got.numpy(), want)


def test_targets_at_exact_halving_and_same_size():
    rng = np.random.default_rng(3)
    masks = blobs(rng, 1, 80, 80)
    boxes = np.array([[3, 5, 58, 60], [0, 0, 27, 27], [10, 0, 65, 27], [0, 0, 79, 79]], np.float32)
    got = mask_targets(torch.from_numpy(masks), torch.from_numpy(boxes), torch.zeros(4, dtype=torch.int64))
    want = np.stack([cv2_target(masks[0], box, 28) for box in boxes])
    np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize('convention', ['legacy', 'continuous', 'torchvision'])
@pytest.mark.parametrize('sizes', [[(40, 60)] * 3, [(40, 60), (50, 30), (40, 60)]])
def test_targets_of_a_batch_are_those_of_its_images(convention, sizes):
    rng = np.random.default_rng(1)
    counts = [(2, 9), (1, 0), (3, 5)]
    masks = [torch.from_numpy(blobs(rng, n, *size)) for (n, _), size in zip(counts, sizes)]
    boxes = [torch.from_numpy(random_boxes(rng, n, *size)) for (_, n), size in zip(counts, sizes)]
    inds = [torch.from_numpy(rng.integers(0, n, k)) for n, k in counts]
    one_by_one = [mask_targets(*image, 14, convention) for image in zip(masks, boxes, inds)]
    assert torch.equal(mask_targets(masks, boxes, inds, 14, convention), torch.cat(one_by_one))


def test_an_empty_crop_is_a_zero_target():
    masks = torch.ones((1, 20, 30), dtype=torch.uint8)
    boxes = torch.tensor([[30.0, 0, 35, 10], [0, 20, 5, 25], [28, 18, 40, 40]])
    targets = mask_targets(masks, boxes, torch.zeros(3, dtype=torch.int64))
    assert targets[:2].sum() == 0
    assert targets[2].min() == 1  # cut at the border, what is left is all foreground


def test_targets_of_no_boxes_and_bad_arguments():
    masks = torch.zeros((0, 20, 30), dtype=torch.uint8)
    assert mask_targets(masks, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (0, 28, 28)
    with pytest.raises(ValueError, match='convention'):
        mask_targets(masks, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), convention='new')
    with pytest.raises(ValueError, match='2 boxes but 1'):
        mask_targets(masks, torch.zeros(2, 4), torch.zeros(1, dtype=torch.int64))


def test_continuous_targets_average_the_bitmap():
    masks = torch.zeros((1, 8, 8), dtype=torch.uint8)
    masks[0, 2:6, 2:6] = 1
    boxes = torch.tensor([[0.0, 0, 8, 8], [2, 2, 6, 6], [6, 6, 8, 8]])
    inds = torch.zeros(3, dtype=torch.int64)
    targets = mask_targets(masks, boxes, inds, size=4, convention='continuous')
    want = torch.zeros(3, 4, 4)
    want[0, 1:3, 1:3] = 1
    want[1] = 1
    # Samples between a foreground and a background pixel average to exactly 0.5, which counts as foreground.
    assert torch.equal(targets[:2], want[:2])
    assert targets[2, 1:, 1:].sum() == 0
    soft = mask_targets(masks, boxes, inds, size=4, convention='torchvision')
    assert ((soft > 0) & (soft < 1)).any()


# ------------------------------------------------------------------------------------------------------ paste


def full_image(prob, box, height, width, threshold):
    """The 2019 rule on a whole image."""
    image = np.zeros((height, width), np.uint8)
    x1, y1, x2, y2 = box.astype(np.int32)
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    image[y1 : y1 + h, x1 : x1 + w] = cv2.resize(prob, (int(w), int(h))) > threshold
    return image


@pytest.mark.parametrize('threshold', [0.5, 0.3])
def test_legacy_paste_equals_the_whole_image(threshold):
    rng = np.random.default_rng(1)
    height, width = 96, 128
    probs = rng.random((60, 28, 28)).astype(np.float32)
    boxes = random_boxes(rng, 60, height, width)
    boxes[0] = [0, 0, width - 1, height - 1]
    boxes[1] = [5, 0, 40, height - 1]  # full height: runs pass the ends of columns
    boxes[2] = [7.9, 8.9, 7.99, 8.99]
    probs[1] = 0.9
    rles = paste_masks(torch.from_numpy(probs), torch.from_numpy(boxes), (height, width), threshold)
    for prob, box, rle in zip(probs, boxes, rles):
        want = encode_mask(full_image(prob, box, height, width, threshold))
        assert rle == want
        assert isinstance(rle['counts'], str)


def test_paste_of_boxes_beyond_the_image():
    probs = np.full((4, 28, 28), 0.9, np.float32)
    boxes = np.array(
        [[-10, -10, 9, 4], [200, 5, 220, 9], [np.nan, 0, 5, 5], [-1e30, -5, 1e30, 2]], np.float32
    )
    rles = paste_masks(probs, boxes, (40, 60))
    assert decode_rle(rles[0]).sum() == 10 * 5
    assert decode_rle(rles[0])[:5, :10].all()
    assert rle_area(rles[1]) == 0
    assert rle_area(rles[2]) == 0
    assert rle_area(rles[3]) == 60 * 3


def test_a_cut_box_shows_what_the_whole_box_would():
    rng = np.random.default_rng(5)
    prob = cv2.GaussianBlur(rng.random((28, 28)).astype(np.float32), (0, 0), 2)
    box = np.array([[-20.0, -13, 70, 55]], np.float32)
    whole = decode_rle(paste_masks(prob[None], box + 50, (200, 200), threshold=float(prob.mean()))[0])
    cut = decode_rle(paste_masks(prob[None], box, (40, 50), threshold=float(prob.mean()))[0])
    assert (cut != whole[50:90, 50:100]).mean() < 0.002


def grid_sample_paste(prob, box, height, width):
    x1, y1, x2, y2 = box.astype(np.float64)
    x = (torch.arange(width, dtype=torch.float64) + 0.5 - x1) / (x2 - x1) * 2 - 1
    y = (torch.arange(height, dtype=torch.float64) + 0.5 - y1) / (y2 - y1) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1)[None]
    return F.grid_sample(torch.from_numpy(prob).double()[None, None], grid, align_corners=False)[0, 0].numpy()


def test_continuous_paste_samples_pixel_centers():
    rng = np.random.default_rng(2)
    probs = rng.random((40, 28, 28)).astype(np.float32)
    probs[20:] = 0.99
    boxes = random_boxes(rng, 40, 70, 90, reach=20)
    rles = paste_masks(probs, boxes, (70, 90), convention='continuous')
    for prob, box, rle in zip(probs, boxes, rles):
        want = grid_sample_paste(prob, box, 70, 90)
        clear = np.abs(want - 0.5) > 1e-5
        np.testing.assert_array_equal(decode_rle(rle)[clear], (want >= 0.5)[clear])


def torchvision_paste(prob, box, height, width):
    """The rule of torchvision: a frame of one zero cell, the box widened to match, whole pixels."""
    padded = F.pad(torch.from_numpy(prob)[None, None], (1, 1, 1, 1))
    scale = 30 / 28
    center, half = (box[2:] + box[:2]) * 0.5, (box[2:] - box[:2]) * 0.5 * np.float32(scale)
    x1, y1 = (center - half).astype(np.int64)
    x2, y2 = (center + half).astype(np.int64)
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    big = F.interpolate(padded, size=(int(h), int(w)), mode='bilinear', align_corners=False)[0, 0].numpy()
    image = np.zeros((height, width), np.float32)
    left, right, top, bottom = max(x1, 0), min(x2 + 1, width), max(y1, 0), min(y2 + 1, height)
    image[top:bottom, left:right] = big[top - y1 : bottom - y1, left - x1 : right - x1]
    return image


def test_torchvision_paste():
    rng = np.random.default_rng(4)
    probs = rng.random((40, 28, 28)).astype(np.float32)
    boxes = random_boxes(rng, 40, 70, 90)
    rles = paste_masks(probs, boxes, (70, 90), convention='torchvision')
    for prob, box, rle in zip(probs, boxes, rles):
        want = torchvision_paste(prob, box, 70, 90)
        clear = np.abs(want - 0.5) > 1e-5
        np.testing.assert_array_equal(decode_rle(rle)[clear], (want > 0.5)[clear])


def test_paste_of_nothing_and_bad_arguments():
    assert paste_masks(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32), (5, 6)) == []
    with pytest.raises(ValueError, match='2 masks but 1 boxes'):
        paste_masks(np.zeros((2, 28, 28)), np.zeros((1, 4)), (5, 6))
    with pytest.raises(ValueError, match='leaves the image'):
        encode_region(np.ones((4, 4), bool), 3, 0, 5, 6)


# -------------------------------------------------------------------------------------------------------- RLE


@pytest.mark.parametrize('seed', range(6))
def test_encode_region_equals_the_whole_image(seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        height, width = rng.integers(1, 30, 2)
        h, w = rng.integers(0, height + 1), rng.integers(0, width + 1)
        y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        region = rng.random((h, w)) > rng.choice([0.02, 0.5, 0.98])
        image = np.zeros((height, width), np.uint8)
        image[y : y + h, x : x + w] = region
        assert encode_region(region, int(x), int(y), int(height), int(width)) == encode_mask(image)


def test_encode_decode_area_and_box_agree_with_pycocotools():
    rng = np.random.default_rng(7)
    for density in (0, 0.001, 0.1, 0.5, 0.999, 1):
        mask = (rng.random((37, 53)) < density).astype(np.uint8)
        rle = encode_mask(mask)
        np.testing.assert_array_equal(decode_rle(rle), mask)
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)
        assert rle_area(rle) == int(mask.sum())
        assert rle_to_bbox(rle) == coco_mask.toBbox(rle).astype(int).tolist()
        uncompressed = {'size': [37, 53], 'counts': rle_counts(rle).tolist()}
        assert segm_to_rle(uncompressed, 37, 53) == rle
        assert segm_to_rle({'size': [37, 53], 'counts': rle['counts'].encode()}, 37, 53) == rle


def test_large_runs_survive_the_string():
    mask = np.zeros((2000, 3000), np.uint8)
    mask[100:1900, 50:2900] = 1
    mask[500, 1000] = 0
    rle = encode_mask(mask)
    assert rle_area(rle) == int(mask.sum())
    assert rle_to_bbox(rle) == [50, 100, 2850, 1800]


def test_polygons_are_rasterized_and_merged():
    rle = segm_to_rle([[2, 2, 8, 2, 8, 6, 2, 6], [12, 3, 15, 3, 15, 5, 12, 5]], 10, 20)
    mask = decode_rle(rle)
    assert mask[3:6, 3:8].all()
    assert mask[4, 13]
    assert not mask[4, 10]


@pytest.mark.parametrize(
    ('segm', 'message'),
    [
        ({'size': [4, 5], 'counts': [10, 5]}, 'add up to 15'),
        ({'size': [4, 5], 'counts': [30, -10]}, 'negative'),
        ({'size': [4, 5], 'counts': [10.5, 9.5]}, 'integers'),
        ({'size': [4, 5], 'counts': [[20]]}, 'integers'),
        ({'size': [4], 'counts': [20]}, 'size'),
        ({'size': [4.0, 5], 'counts': [20]}, 'size'),
        ({'size': [0, 5], 'counts': []}, 'size'),
        ({'size': [5, 4], 'counts': [20]}, 'the image has'),
        ({'size': [4, 5], 'counts': 'd0 '}, 'invalid character'),
        ({'size': [4, 5], 'counts': 'é'}, 'ASCII'),
        ({'size': [4, 5], 'counts': 'P'}, 'ends? inside'),
        ({'size': [4, 5], 'counts': 'oooooooooo0'}, '35 bits'),
        ({'size': [4, 5], 'counts': ''}, 'add up to 0'),
        ({'size': [4, 5], 'counts': None}, 'string or a list'),
        ({'counts': [20]}, 'keys size and counts'),
        ([], 'no polygons: a mask is needed'),
        ([[1, 2, 3, 4]], 'at least 3 points'),
        ([[1, 2, 3, 4, 5, 6, 7]], 'at least 3 points'),
        ([1, 2, 3, 4, 5, 6], 'list of numbers'),
        ([['a', 2, 3, 4, 5, 6]], 'list of numbers'),
        ([[float('nan'), 2, 3, 4, 5, 6]], 'not finite'),
        ([[1e9, 2, 3, 4, 5, 6]], 'far outside'),
        (None, 'expected an RLE'),
    ],
)
def test_damaged_segmentations_are_named(segm, message):
    with pytest.raises(ValueError, match=message):
        segm_to_rle(segm, 4, 5)


def test_random_strings_never_pass_silently():
    rng = np.random.default_rng(11)
    accepted = 0
    for _ in range(500):
        text = ''.join(chr(48 + code) for code in rng.integers(0, 64, rng.integers(1, 8)))
        try:
            mask = decode_rle({'size': [6, 7], 'counts': text})
        except ValueError:
            continue
        accepted += 1
        assert mask.shape == (6, 7)
    assert accepted < 50
