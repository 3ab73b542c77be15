"""What holds for every tracker: states, arrays and tensors, distinct identities, order, bad input."""

import io

import numpy as np
import pytest
import torch

from mmdet.registry import TASK_UTILS
from mmdet.structures.rle import encode_mask

from .sequences import box_masks, moving_video

TRACKERS = {
    'masktrack': dict(type='MaskTrackTracker', max_age=3),
    'masktrack-limited': dict(type='MaskTrackTracker', max_objects=4, new_track_thr=0.4, update_label=True),
    'boxes': dict(type='IoUTracker', max_age=3),
    'greedy': dict(type='IoUTracker', assignment='greedy', new_track_thr=0.5, class_agnostic=True),
    'masks': dict(type='IoUTracker', overlap='masks', max_age=2),
    'sort': dict(type='SortTracker', max_age=3),
    'sort-confirmed': dict(type='SortTracker', min_hits=2, high_thr=0.5, new_track_thr=0.5, offset=0),
}


@pytest.fixture(params=TRACKERS)
def build(request):
    return lambda: TASK_UTILS.build(TRACKERS[request.param])


def step(tracker, video, frame, found, kind=np.asarray):
    """Identities of a frame; masks and embeddings are given to all trackers."""
    parts = {name: kind(values) for name, values in found.items()}
    masks = [encode_mask(mask) for mask in box_masks(found['bboxes'])] if 'masks' in tracker.needs else None
    return tracker.track(video, frame, **parts, masks=masks)


def ids_of(tracker, frames, video='v'):
    return [step(tracker, video, index, found).tolist() for index, found in enumerate(frames)]


def saved(state):
    """A state after a way through a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_state_continues_equally_from_every_frame(build):
    frames = moving_video(0)
    whole = ids_of(build(), frames)
    for cut in range(len(frames) + 1):
        first, second = build(), build()
        ids = ids_of(first, frames[:cut])
        second.restore('other', saved(first.state('v')))
        ids += [step(second, 'other', i, frames[i]).tolist() for i in range(cut, len(frames))]
        assert ids == whole
        ids_of(first, [])  # the state is a copy: the first tracker goes on, too
        for index in range(cut, len(frames)):
            assert step(first, 'v', index, frames[index]).tolist() == whole[index]
        ours, theirs = first.state('v'), second.state('other')
        assert set(ours) == set(theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_state_is_plain_tensors_and_a_copy(build):
    tracker = build()
    ids_of(tracker, moving_video(1, 3))
    before = tracker.state('v')
    assert all(type(value) is torch.Tensor and value.device.type == 'cpu' for value in before.values())
    kept = {name: value.clone() for name, value in before.items()}
    fork = build()
    fork.restore('v', before)
    for one in (tracker, fork):
        step(one, 'v', 3, moving_video(1, 4)[3])
    assert all(torch.equal(before[name], kept[name]) for name in kept)


def test_a_foreign_state_is_refused_and_changes_nothing(build):
    tracker = build()
    frames = moving_video(2)
    ids_of(tracker, frames[:4])
    other = TRACKERS['boxes' if 'embeddings' in tracker.needs else 'masktrack']
    other = TASK_UTILS.build(other)
    ids_of(other, frames[:2])
    cut = {name: value[:1] for name, value in tracker.state('v').items() if value.dim()}
    for state in (other.state('v'), {}, cut):
        with pytest.raises(ValueError, match=f'{type(tracker).__name__}: not a state of this tracker'):
            tracker.restore('v', state)
    whole = ids_of(build(), frames[:5])
    assert step(tracker, 'v', 4, frames[4]).tolist() == whole[4]


@pytest.mark.parametrize('seed', range(4))
def test_arrays_and_tensors_give_the_same_ids_in_kind(build, seed):
    arrays, tensors = build(), build()
    for index, found in enumerate(moving_video(seed)):
        ids, same = step(arrays, 'v', index, found), step(tensors, 'v', index, found, torch.as_tensor)
        assert isinstance(ids, np.ndarray) and ids.dtype == np.int64
        assert isinstance(same, torch.Tensor) and same.dtype == torch.int64
        assert ids.tolist() == same.tolist()


@pytest.mark.parametrize('seed', range(8))
def test_ids_are_distinct_and_counted_from_zero(build, seed):
    frames, seen = moving_video(seed, 20, clutter=3), set()
    for ids in ids_of(build(), frames):
        given = [identity for identity in ids if identity >= 0]
        assert len(set(given)) == len(given) and min(ids, default=0) >= -1
        new = set(given) - seen
        assert sorted(new) == list(range(len(seen), len(seen) + len(new)))
        seen |= new


@pytest.mark.parametrize('seed', range(6))
def test_the_order_of_detections_does_not_matter(build, seed):
    """But for the numbers that new objects of one frame get, which decide ties of ``max_objects``."""
    if getattr(build(), 'max_objects', None):
        return
    rng, frames = np.random.default_rng(seed), moving_video(seed, 15)
    plain, mixed, names = build(), build(), {-1: -1}
    for index, found in enumerate(frames):
        order = rng.permutation(len(found['labels']))
        ids = step(plain, 'v', index, found)[order].tolist()
        other = step(mixed, 'v', index, {name: values[order] for name, values in found.items()}).tolist()
        for one, two in zip(ids, other):
            assert names.setdefault(one, two) == two
    assert len(set(names.values())) == len(names)


def test_interleaved_videos_do_not_mix(build):
    videos = {name: moving_video(seed, 6) for name, seed in (('a', 3), (('b', 1), 4))}
    alone = {name: ids_of(build(), frames, name) for name, frames in videos.items()}
    tracker = build()
    for index in range(6):
        for name, frames in videos.items():
            assert step(tracker, name, index, frames[index]).tolist() == alone[name][index]
    tracker.reset('a')
    assert set(tracker.memories) == {('b', 1)}
    tracker.reset()
    assert not tracker.memories


def test_empty_frames(build):
    tracker, frames = build(), moving_video(5)
    nothing = {name: values[:0] for name, values in frames[0].items()}
    for frame in (0, 1):
        ids = step(tracker, 'v', frame, nothing)
        assert ids.shape == (0,) and ids.dtype == np.int64
    found = {**frames[0], 'scores': np.full(len(frames[0]['scores']), 0.9, np.float32)}
    seen = [step(tracker, 'v', frame, found).max() for frame in (2, 3)]
    assert max(seen) >= 0
    assert step(tracker, 'v', 4, nothing).shape == (0,)
    assert set(step(tracker, 'v', 5, found).tolist()) & {0, 1}


def test_not_finite_input_does_no_lasting_harm(build):
    tracker, frames = build(), moving_video(6, 1, miss=0, clutter=0)
    found = {**frames[0], 'scores': np.full(4, 0.9, np.float32)}
    first = step(tracker, 'v', 0, found)
    bad = {name: values.copy() for name, values in found.items()}
    bad['bboxes'][0], bad['bboxes'][1, 2], bad['scores'][2] = np.nan, np.inf, np.nan
    masks = [encode_mask(mask) for mask in box_masks(found['bboxes'])]
    bad = tracker.track('v', 1, **bad, masks=masks)
    assert bad[3] == first[3]
    assert len(set(bad[bad >= 0])) == (bad >= 0).sum()
    assert step(tracker, 'v', 2, found)[3] == first[3]
    step(tracker, 'v', 3, found)
    assert len(set(step(tracker, 'v', 4, found).tolist())) == 4


def test_detections_of_unequal_length_are_named(build):
    found = moving_video(0, 1)[0]
    with pytest.raises(ValueError, match='must have equal length'):
        step(build(), 'v', 0, {**found, 'scores': found['scores'][:-1]})
