"""IoUTracker: thresholds, classes, age, assignment, masks, and bad arguments."""

import itertools

import numpy as np
import pytest
import torch

from mmdet.models.trackers import IoUTracker
from mmdet.models.trackers.assignment import assign
from mmdet.structures.rle import encode_mask

from .sequences import box_masks


def boxes(*starts, width=20):
    """Boxes 20 wide and 20 high in inclusive pixels, at these columns."""
    return np.array([[x, 0.0, x + width - 1, 19] for x in starts]).reshape(-1, 4)


def track(tracker, frame, bboxes, scores=None, labels=None, **more):
    count = len(bboxes)
    scores = np.full(count, 0.9) if scores is None else np.array(scores)
    labels = np.zeros(count, int) if labels is None else np.array(labels)
    return tracker.track('v', frame, bboxes, scores, labels, **more).tolist()


def test_follows_overlap_whatever_the_order():
    tracker = IoUTracker()
    assert track(tracker, 0, boxes(0, 50)) == [0, 1]
    assert track(tracker, 1, boxes(52, 2, 100)) == [1, 0, 2]


@pytest.mark.parametrize(('offset', 'want'), [(1, [0]), (0, [1])])
def test_threshold_is_inclusive_and_in_the_pixels_of_the_convention(offset, want):
    """Inclusive pixels: 10 of 30 columns are shared, IoU 1/3. Continuous: 9 x 19 / (2 x 361 - 171) = 0.31."""
    tracker = IoUTracker(iou_thr=1 / 3, offset=offset)
    track(tracker, 0, boxes(0))
    assert track(tracker, 1, boxes(10)) == want


def test_classes_do_not_mix_unless_asked():
    for agnostic, want in ((False, [1]), (True, [0])):
        tracker = IoUTracker(class_agnostic=agnostic)
        track(tracker, 0, boxes(0), labels=[0])
        assert track(tracker, 1, boxes(0), labels=[1]) == want


@pytest.mark.parametrize(('max_age', 'want'), [(1, 1), (3, 1), (4, 0), (None, 0)])
def test_objects_are_found_again_up_to_max_age(max_age, want):
    """Seen in frame 0 and then in frame 4, with empty frames or with no frames between."""
    for between in ((1, 2, 3), ()):
        tracker = IoUTracker(max_age=max_age)
        track(tracker, 0, boxes(0))
        for frame in between:
            track(tracker, frame, boxes())
        assert track(tracker, 4, boxes(0)) == [want]


def test_memory_is_bounded_by_max_age():
    tracker = IoUTracker(max_age=2)
    for frame in range(50):
        track(tracker, frame, boxes(*(frame * 1000 + np.arange(5) * 100)))
        assert len(tracker.memories['v']) <= 15
    assert tracker.memories['v'].next_id == 250


def test_low_scores_continue_objects_but_start_none():
    tracker = IoUTracker(new_track_thr=0.5)
    assert track(tracker, 0, boxes(0, 50), [0.4, 0.5]) == [-1, 0]
    assert track(tracker, 1, boxes(0, 50), [0.4, 0.1]) == [-1, 0]


def test_hungarian_and_greedy_differ_where_they_should():
    """Objects at 0 and 12. Detection at 8 fits both, the other at 20 only the second."""
    for method, want in (('greedy', [1, 2]), ('hungarian', [0, 1])):
        tracker = IoUTracker(assignment=method)
        track(tracker, 0, boxes(0, 12))
        assert track(tracker, 1, boxes(8, 20)) == want


@pytest.mark.parametrize('seed', range(20))
def test_assignments_equal_an_exhaustive_search(seed):
    rng = np.random.default_rng(seed)
    fit = rng.random((rng.integers(1, 6), rng.integers(1, 6)))
    allowed = fit > 0.4
    best = 0.0
    wide = fit if fit.shape[0] <= fit.shape[1] else fit.T
    for columns in itertools.permutations(range(wide.shape[1]), wide.shape[0]):
        values = wide[range(len(wide)), list(columns)]
        best = max(best, values[values > 0.4].sum())
    rows, columns = assign(fit, allowed)
    assert allowed[rows, columns].all() and fit[rows, columns].sum() == pytest.approx(best)
    left, want = np.where(allowed, fit, -1.0), []
    while left.max() > 0:
        row, column = np.unravel_index(left.argmax(), left.shape)
        want.append((row, column))
        left[row], left[:, column] = -1, -1
    assert list(zip(*assign(fit, allowed, 'greedy'))) == sorted(want)


def test_equal_pairs_go_to_the_earlier_detection_then_the_older_object():
    tracker = IoUTracker(assignment='greedy')
    track(tracker, 0, boxes(0, 0))
    assert track(tracker, 1, boxes(0, 0, 0)) == [0, 1, 2]


def test_masks_tell_apart_what_boxes_cannot():
    """Two triangles in one box: their boxes are equal, their masks share nothing."""
    upper = np.triu(np.ones((40, 40), bool), 1)
    masks, swapped = np.stack([upper, upper.T]), np.stack([upper.T, upper])
    bboxes = np.array([[0.0, 0, 39, 39]] * 2)
    tracker = IoUTracker(overlap='masks')
    assert track(tracker, 0, bboxes, masks=masks) == [0, 1]
    assert track(tracker, 1, bboxes, masks=[encode_mask(mask) for mask in swapped]) == [1, 0]
    assert track(tracker, 2, bboxes, masks=torch.from_numpy(masks)) == [0, 1]
    rles = [{**encode_mask(mask), 'counts': encode_mask(mask)['counts'].encode()} for mask in swapped]
    assert track(tracker, 3, bboxes, masks=rles) == [1, 0]


def test_empty_masks_match_nothing():
    tracker = IoUTracker(overlap='masks')
    empty = np.zeros((1, 9, 9), bool)
    assert track(tracker, 0, boxes(0), masks=empty) == [0]
    assert track(tracker, 1, boxes(0), masks=empty) == [1]


def test_bad_masks_are_refused_before_anything_changes():
    tracker = IoUTracker(overlap='masks')
    good = box_masks(boxes(0))
    track(tracker, 0, boxes(0), masks=good)
    before = tracker.state('v')
    damaged = {'size': [200, 300], 'counts': 'abc'}
    for masks, message in (
        (None, 'needs masks, got None'),
        ([damaged], 'RLE counts'),
        ([{'size': [200, 300], 'counts': [60000]}], 'compressed'),
        (good[:, :50], 'masks of one size'),
        (good[0, :1], 'mask of shape'),
    ):
        with pytest.raises(ValueError, match=message):
            track(tracker, 1, boxes(0), masks=masks)
    after = tracker.state('v')
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert track(tracker, 1, boxes(0), masks=good) == [0]


def test_frames_must_come_in_order():
    tracker = IoUTracker()
    track(tracker, 3, boxes(0))
    with pytest.raises(ValueError, match='in order, got 3 after 3'):
        track(tracker, 3, boxes(0))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(overlap='box'), r"overlap must be one of \['boxes', 'masks'\], got 'box'"),
        (dict(assignment='best'), 'assignment must be one of'),
        (dict(iou_thr=1.5), 'iou_thr must be a number from 0 to 1, got 1.5'),
        (dict(iou_thr=0), 'iou_thr must be above 0'),
        (dict(new_track_thr='high'), "new_track_thr must be a number from 0 to 1, got 'high'"),
        (dict(max_age=0), 'max_age must be at least 1 or None, got 0'),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=f'IoUTracker: {message}'):
        IoUTracker(**options)
