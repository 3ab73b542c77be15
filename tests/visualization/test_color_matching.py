"""Colors that go with the ground truth."""

import numpy as np
import pytest

from mmdet.structures.rle import encode_mask
from mmdet.visualization import (
    draw_instances,
    frames_of_tracks,
    hide_duplicates,
    match_colors,
    matched_numbers,
    track_color,
    track_iou,
)


def square(x, size=10):
    mask = np.zeros((20, 60), np.uint8)
    mask[5 : 5 + size, x : x + size] = 1
    return encode_mask(mask)


def test_overlap_is_summed_over_the_frames_before_it_is_divided():
    # 100 of 100, 50 of 150, nothing of 100: 150 / 350.
    first, second = [square(0), square(0), square(0), None], [square(0), square(5), None, None]
    assert track_iou(first, second) == pytest.approx(150 / 350)
    assert track_iou([None], [None]) == 0.0


def test_tracks_take_the_colors_of_what_they_cover():
    objects = [[square(0)], [square(20)], [square(40)]]
    assert match_colors([[square(41)], [square(1)]], objects) == [2, 0]
    assert match_colors([], objects) == []
    assert match_colors([[square(0)]], []) == [0]


def test_second_track_on_an_object_and_one_on_nothing_get_new_colors():
    objects = [[square(0)], [square(20)]]
    assert match_colors([[square(2)], [square(0)], [square(45)]], objects) == [2, 0, 3]


def test_tracks_on_better_tracks_are_hidden():
    masks = [[square(0), None], [square(1), None], [square(30), square(30)], [None, square(0)]]
    assert hide_duplicates(masks, [0.5, 0.9, 0.3, 0.1]) == [1, 2, 3]
    assert hide_duplicates(masks, [0.5, 0.9, 0.3, 0.1], threshold=0.95) == [0, 1, 2, 3]
    assert hide_duplicates([], []) == []


def test_colors_reach_the_image():
    tracks = [
        {'category_id': 1, 'segmentations': [square(0)]},
        {'category_id': 1, 'segmentations': [square(30)]},
    ]
    (fields,) = frames_of_tracks(tracks, 1, colors=[7, 3])
    image = draw_instances(np.zeros((20, 60, 3), np.uint8), fields, draw_labels=False, mask_alpha=1.0)
    assert tuple(image[10, 5]) == track_color(7) and tuple(image[10, 35]) == track_color(3)


def test_annotations_keep_their_ids_and_predictions_on_them_take_their_colors():
    tracks = [
        {'id': 38, 'category_id': 0, 'segmentations': [square(0)]},
        {'id': 12, 'category_id': 0, 'segmentations': [square(20)]},
    ]
    (fields,) = frames_of_tracks(tracks, 1)
    assert fields['instance_ids'] == [38, 12] and fields['color_ids'] == [0, 1]
    masks = [track['segmentations'] for track in tracks]
    results = [{'category_id': 0, 'score': 0.9, 'segmentations': m} for m in masks[::-1]]
    colors = match_colors(masks[::-1], masks)
    (found,) = frames_of_tracks(results, 1, colors=colors)
    assert found['instance_ids'] == [0, 1] and found['color_ids'] == [1, 0]
    numbers = matched_numbers(colors, tracks)
    (found,) = frames_of_tracks(results, 1, colors=colors, numbers=numbers)
    assert found['instance_ids'] == [12, 38]
    assert matched_numbers([1, 3, 2], tracks) == [12, 40, 39]  # tracks on nothing count on from the highest
