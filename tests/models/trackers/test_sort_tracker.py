"""SortTracker: the filter against the textbook, motion, the second pass, confirmation, and bad arguments."""

import numpy as np
import pytest

from mmdet.models.trackers import IoUTracker, SortTracker, kalman

from .test_iou_tracker import boxes, track


def textbook(observations):
    """Kalman filter of one box, every matrix written out (SORT, section 3.2).

    Args:
        observations (list[np.ndarray | None]): u, v, s, r of each frame; None where it was not seen.

    Returns:
        list[tuple]: mean and covariance after each frame.
    """
    motion = np.array(
        [
            [1, 0, 0, 0, 1, 0, 0],
            [0, 1, 0, 0, 0, 1, 0],
            [0, 0, 1, 0, 0, 0, 1],
            [0, 0, 0, 1, 0, 0, 0],
            [0, 0, 0, 0, 1, 0, 0],
            [0, 0, 0, 0, 0, 1, 0],
            [0, 0, 0, 0, 0, 0, 1],
        ],
        float,
    )
    seen = np.array(
        [[1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0]]
    )
    process, noise = np.diag([1, 1, 1, 1, 1e-2, 1e-2, 1e-4]), np.diag([1.0, 1, 10, 10])
    x, p = np.concatenate([observations[0], np.zeros(3)]), np.diag([10.0, 10, 10, 10, 1e4, 1e4, 1e4])
    found = [(x, p)]
    for z in observations[1:]:
        x, p = motion @ x, motion @ p @ motion.T + process
        if z is not None:
            gain = p @ seen.T @ np.linalg.inv(seen @ p @ seen.T + noise)
            x = x + gain @ (z - seen @ x)
            keep = np.eye(7) - gain @ seen
            p = keep @ p @ keep.T + gain @ noise @ gain.T  # Joseph's form
        found.append((x, p))
    return found


@pytest.mark.parametrize('seed', range(5))
def test_the_filter_equals_the_textbook(seed):
    rng = np.random.default_rng(seed)
    count, frames = 6, 30
    base = np.stack([rng.uniform(0, 500, (count, 2)), rng.uniform(20, 90, (count, 2))], 1).reshape(count, 4)
    speed = rng.uniform(-4, 4, (count, 4)) * [1, 1, 0.1, 0.1]
    videos = [base + speed * t + rng.normal(0, 0.5, (count, 4)) for t in range(frames)]
    seen = rng.random((frames, count)) < 0.8
    seen[0] = True
    observed = [
        kalman.observe(np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1), offset=0) for b in videos
    ]
    expected = [
        textbook([observed[t][k] if seen[t, k] else None for t in range(frames)]) for k in range(count)
    ]
    mean, covariance = kalman.start(observed[0])
    for t in range(1, frames):
        mean, covariance = kalman.predict(mean, covariance)
        rows = seen[t]
        mean[rows], covariance[rows] = kalman.update(mean[rows], covariance[rows], observed[t][rows])
        for k in range(count):
            np.testing.assert_allclose(mean[k], expected[k][t][0], rtol=1e-9, atol=1e-8)
            np.testing.assert_allclose(covariance[k], expected[k][t][1], rtol=1e-8, atol=1e-8)
        assert np.array_equal(covariance, covariance.transpose(0, 2, 1))


@pytest.mark.parametrize('offset', [0, 1])
def test_boxes_come_back_from_observations(offset):
    given = np.array([[3.0, 5, 20, 90], [0, 0, 1, 1], [-7.5, 2, 60.25, 3]])
    state, _ = kalman.start(kalman.observe(given, offset))
    np.testing.assert_allclose(kalman.boxes_of(state, offset), given, atol=1e-9)


def test_boxes_without_area_and_shrinking_ones_stay_boxes():
    flat = np.array([[4.0, 4, 4, 9], [5, 5, 3, 3]])
    state, covariance = kalman.start(kalman.observe(flat, 0))
    state[:, 6] = -1e9
    for _ in range(3):
        state, covariance = kalman.predict(state, covariance)
    found = kalman.boxes_of(state, 0)
    assert np.isfinite(found).all() and (found[:, 2:] >= found[:, :2]).all()


def ids_over(tracker, columns, scores=None):
    """Identities of boxes that are at these columns, frame by frame."""
    return [
        track(tracker, frame, boxes(*places), scores and scores[frame])
        for frame, places in enumerate(columns)
    ]


def test_crossing_objects_keep_their_ids_by_their_motion():
    """Two boxes, 20 wide, pass each other at 12 pixels a frame: where one was, the other is next."""
    columns = [(12 * frame, 132 - 12 * frame) for frame in range(12)]
    by_place = ids_over(IoUTracker(iou_thr=0.2), columns)
    assert by_place[0] == [0, 1] and by_place[-1] == [1, 0]  # the last positions tell the wrong story
    assert ids_over(SortTracker(), columns) == [[0, 1]] * 12


def test_an_object_is_found_where_it_should_be_after_a_gap():
    """Unseen in frames 5 to 8, with empty frames or none: it has moved by more than its width."""
    seen = [frame for frame in range(12) if not 5 <= frame <= 8]
    for with_empty in (True, False):
        tracker, plain = SortTracker(), IoUTracker()
        for frame in range(12) if with_empty else seen:
            places = (10 * frame,) if frame in seen else ()
            ids, other = track(tracker, frame, boxes(*places)), track(plain, frame, boxes(*places))
            assert ids == [0] * len(places)
        assert other == [1]


def test_uncertain_detections_continue_objects_but_start_none():
    """Scores fall while the object is half hidden; the box elsewhere has always been uncertain."""
    scores = [[0.9, 0.4], [0.9, 0.4], [0.3, 0.4], [0.2, 0.4], [0.9, 0.4]]
    columns = [(4 * frame, 200) for frame in range(5)]
    assert ids_over(SortTracker(), columns, scores) == [[0, -1]] * 5
    assert ids_over(SortTracker(low_thr=0.6), columns, scores)[2:] == [[-1, -1], [-1, -1], [0, -1]]
    assert ids_over(SortTracker(low_thr=0.25), columns, scores)[3] == [-1, -1]


def test_confident_detections_come_first():
    """The uncertain box fits better, but takes only what is left."""
    tracker = SortTracker()
    track(tracker, 0, boxes(0))
    assert track(tracker, 1, boxes(0, 8), [0.3, 0.9]) == [-1, 0]


def test_uncertain_detections_do_not_find_lost_objects_again():
    tracker = SortTracker()
    for frame, (places, score, want) in enumerate(
        [((0,), 0.9, [0]), ((), 0, []), ((0,), 0.3, [-1]), ((0,), 0.9, [0])]
    ):
        assert track(tracker, frame, boxes(*places), [score] * len(places)) == want


def test_between_the_thresholds_a_detection_continues_but_does_not_start():
    tracker = SortTracker()
    assert track(tracker, 0, boxes(0, 100), [0.65, 0.7]) == [-1, 0]
    assert track(tracker, 1, boxes(0, 100), [0.65, 0.65]) == [-1, 0]


def test_objects_are_confirmed_by_min_hits_in_a_row():
    tracker = SortTracker(min_hits=3)
    start = [track(tracker, frame, boxes(0)) for frame in range(4)]
    assert start == [[0]] * 4  # a video begins with objects that are believed at once
    late = [(0, 100), (0,), (0, 100), (0, 100), (0, 100), (0, 100)]
    found = [track(tracker, 4 + index, boxes(*places)) for index, places in enumerate(late)]
    assert found == [[0, -1], [0], [0, -1], [0, -1], [0, 1], [0, 1]]


def test_classes_do_not_mix_unless_asked():
    for agnostic, want in ((False, [1]), (True, [0])):
        tracker = SortTracker(class_agnostic=agnostic)
        track(tracker, 0, boxes(0), labels=[0])
        assert track(tracker, 1, boxes(0), labels=[1]) == want


@pytest.mark.parametrize(('max_age', 'want'), [(1, 1), (3, 1), (4, 0), (None, 0)])
def test_objects_are_found_again_up_to_max_age(max_age, want):
    for between in ((1, 2, 3), ()):
        tracker = SortTracker(max_age=max_age)
        track(tracker, 0, boxes(0))
        for frame in between:
            track(tracker, frame, boxes())
        assert track(tracker, 4, boxes(0)) == [want]


def test_memory_is_bounded_by_max_age():
    tracker = SortTracker(max_age=2)
    for frame in range(50):
        track(tracker, frame, boxes(*(frame * 1000 + np.arange(5) * 100)))
        assert len(tracker.memories['v']) <= 15
    assert tracker.memories['v'].next_id == 250


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(high_thr=0.05), 'expected low_thr <= high_thr <= new_track_thr, got 0.1, 0.05, 0.7'),
        (dict(new_track_thr=0.5), 'expected low_thr <= high_thr <= new_track_thr, got 0.1, 0.6, 0.5'),
        (dict(match_thr=0), 'match_thr must be above 0'),
        (dict(low_match_thr=2), 'low_match_thr must be a number from 0 to 1, got 2'),
        (dict(min_hits=0), 'min_hits must be at least 1'),
        (dict(max_age=-1), 'max_age must be at least 1 or None, got -1'),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=f'SortTracker: {message}'):
        SortTracker(**options)
