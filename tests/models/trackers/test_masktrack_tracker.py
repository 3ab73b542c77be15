"""The tracker against the 2019 loop written out, its options, and inputs that would break it."""

import numpy as np
import pytest
import torch

from mmdet.models.trackers import MaskTrackTracker, TrackMemory
from mmdet.registry import TASK_UTILS


class Loop2019:
    """The matching of 2019, one detection after the other; returns {id: detection} as that code kept them."""

    def __init__(self, coefficients=(1.0, 2.0, 10.0)):
        self.coefficients = coefficients
        self.bboxes = None

    @staticmethod
    def iou(a, b):
        w = min(a[2], b[2]) - max(a[0], b[0]) + 1
        h = min(a[3], b[3]) - max(a[1], b[1]) + 1
        inter = max(w, 0) * max(h, 0)
        area = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
        return inter / (area[0] + area[1] - inter)

    def scores(self, box, score, label, embedding):
        det_score, iou, same = self.coefficients
        logits = np.concatenate([[0.0], self.embeddings @ embedding])
        log_probs = logits - logits.max()
        log_probs = log_probs - np.log(np.exp(log_probs).sum())
        cues = [same] + [
            iou * self.iou(box, other) + same * (label == known)
            for other, known in zip(self.bboxes, self.labels)
        ]
        return log_probs + det_score * np.log(score) + np.array(cues)

    def track(self, frame, bboxes, scores, labels, embeddings):
        if frame == 0:
            self.bboxes = None
        if not len(bboxes):
            return {}
        if self.bboxes is None:
            self.bboxes, self.labels, self.embeddings = list(bboxes), list(labels), np.array(embeddings)
            return dict(enumerate(range(len(bboxes))))
        rows = [self.scores(*row) for row in zip(bboxes, scores, labels, embeddings)]
        best, kept = np.full(len(self.bboxes), -100.0), {}
        for index, row in enumerate(rows):
            choice = int(row.argmax())
            if choice == 0:
                kept[len(self.bboxes)] = index
                self.bboxes.append(bboxes[index])
                self.labels.append(labels[index])
                self.embeddings = np.concatenate([self.embeddings, embeddings[index : index + 1]])
            elif row[choice] > best[choice - 1]:
                best[choice - 1] = row[choice]
                kept[choice - 1] = index
                self.bboxes[choice - 1] = bboxes[index]
                self.embeddings[choice - 1] = embeddings[index]
        return kept


def random_frame(rng, count, classes=2):
    corner = rng.uniform(0, 60, (count, 2))
    bboxes = np.concatenate([corner, corner + rng.uniform(10, 40, (count, 2))], axis=1)
    return bboxes, rng.uniform(0.05, 1, count), rng.integers(0, classes, count), rng.normal(size=(count, 6))


def tensors(frame, dtype=torch.float64):
    bboxes, scores, labels, embeddings = (torch.from_numpy(part) for part in frame)
    return bboxes.to(dtype), scores.to(dtype), labels, embeddings.to(dtype)


@pytest.mark.parametrize('seed', range(8))
def test_random_videos_equal_the_loop(seed):
    rng = np.random.default_rng(seed)
    tracker, loop = MaskTrackTracker(), Loop2019()
    contested = 0
    for frame in range(12):
        detections = random_frame(rng, int(rng.integers(0, 9)))
        want = loop.track(frame, *detections)
        if frame == 0:
            tracker.reset('v')
        ids = tracker.track('v', frame, *tensors(detections)).tolist()
        assert {identity: index for index, identity in enumerate(ids) if identity >= 0} == want
        contested += ids.count(-1)
        memory = tracker.memories['v']
        if loop.bboxes is not None:
            assert memory.labels.tolist() == list(loop.labels)
            np.testing.assert_allclose(memory.bboxes, loop.bboxes, rtol=1e-6)
            np.testing.assert_allclose(memory.embeddings, loop.embeddings, rtol=1e-6)
    assert contested > 0


def boxes(*starts):
    return torch.tensor([[x, 0.0, x + 20, 20] for x in starts]).reshape(-1, 4)


def track(tracker, frame, bboxes, scores, labels=None, embeddings=None, video='v'):
    labels = [0] * len(scores) if labels is None else labels
    if embeddings is None:
        embeddings = torch.zeros(len(scores), 4)
    return tracker.track(
        video, frame, bboxes, torch.tensor(scores), torch.tensor(labels, dtype=torch.int64), embeddings
    ).tolist()


def test_the_higher_score_wins_a_contested_object():
    tracker = MaskTrackTracker()
    assert track(tracker, 0, boxes(0), [0.9]) == [0]
    assert track(tracker, 1, boxes(1, 0), [0.5, 0.9]) == [-1, 0]
    assert tracker.memories['v'].bboxes.tolist() == boxes(0).tolist()


def test_of_equal_scores_the_earlier_wins():
    tracker = MaskTrackTracker()
    track(tracker, 0, boxes(0, 50), [0.9, 0.9])
    assert track(tracker, 1, boxes(50, 0, 0, 50), [0.5, 0.5, 0.5, 0.5]) == [1, 0, -1, -1]


def test_equal_alternatives_prefer_a_new_identity_then_the_older():
    tracker = MaskTrackTracker(match_coeff=(1.0, 0.0, 0.0))
    track(tracker, 0, boxes(0, 0), [0.9, 0.9])
    assert track(tracker, 1, boxes(0), [0.9]) == [2]  # all similarities are 0, so is that of "new"
    tracker = MaskTrackTracker(match_coeff=(1.0, 2.0, 0.0))
    track(tracker, 0, boxes(0, 0), [0.9, 0.9])
    assert track(tracker, 1, boxes(0), [0.9]) == [0]


def test_losers_may_start_identities():
    tracker = MaskTrackTracker(new_id_for_losers=True)
    track(tracker, 0, boxes(0), [0.9])
    assert track(tracker, 1, boxes(1, 0), [0.5, 0.9]) == [1, 0]
    assert len(tracker.memories['v']) == 2


def test_offset_decides_a_match():
    """IoU 100 / 200 in inclusive pixels, 81 / 171 in continuous coordinates; a new object counts as 0.49."""
    for offset, want in ((1, [0]), (0, [1])):
        tracker = MaskTrackTracker(match_coeff=(0, 1, 0), dummy_iou=0.49, offset=offset)
        track(tracker, 0, torch.tensor([[0.0, 0, 9, 9]]), [0.9])
        assert track(tracker, 1, torch.tensor([[0.0, 0, 9, 19]]), [0.9]) == want


@pytest.mark.parametrize(('update_label', 'want'), [(False, 0), (True, 1)])
def test_the_label_in_memory(update_label, want):
    """The first label stays unless asked otherwise; similarity carries the match here."""
    tracker = MaskTrackTracker(update_label=update_label)
    same = torch.full((1, 4), 4.0)
    track(tracker, 0, boxes(0), [0.9], [0], same)
    assert track(tracker, 1, boxes(0), [0.9], [1], same) == [0]
    assert tracker.memories['v'].labels.tolist() == [want]


def test_max_age_forgets():
    for max_age, want in ((None, [0]), (3, [0]), (2, [1])):
        tracker = MaskTrackTracker(max_age=max_age)
        track(tracker, 0, boxes(0), [0.9])
        for frame in (1, 2):
            track(tracker, frame, boxes(), [])
        assert track(tracker, 3, boxes(0), [0.9]) == want
    assert len(tracker.memories['v']) == 1


def test_max_objects_drops_the_longest_unseen():
    tracker = MaskTrackTracker(max_objects=2)
    track(tracker, 0, boxes(0, 40), [0.9, 0.9])
    assert track(tracker, 1, boxes(40, 80), [0.9, 0.9]) == [1, 2]
    assert tracker.memories['v'].ids.tolist() == [1, 2]
    assert track(tracker, 2, boxes(0), [0.9]) == [3]  # object 0 is forgotten, its number not reused
    assert tracker.memories['v'].ids.tolist() == [2, 3]


def test_thresholds_of_matching_and_of_new_tracks():
    tracker = MaskTrackTracker(match_thr=0.5)
    track(tracker, 0, boxes(0), [0.9])
    # The similarity of a zero embedding gives one half to "new" and to the object; below that it is new.
    assert track(tracker, 1, boxes(0), [0.9]) == [0]
    unlike = torch.full((1, 4), 1.0)
    tracker.memories['v'].embeddings.fill_(-1.0)
    assert track(tracker, 2, boxes(0), [0.9], embeddings=unlike) == [1]
    tracker = MaskTrackTracker(new_track_thr=0.5)
    assert track(tracker, 0, boxes(0, 50), [0.4, 0.6]) == [-1, 0]
    assert track(tracker, 1, boxes(50), [0.1]) == [0]  # a known object may score less


def test_interleaved_videos_do_not_mix():
    rng = np.random.default_rng(0)
    videos = {name: [random_frame(rng, 5) for _ in range(6)] for name in 'ab'}
    alone = {}
    for name, frames in videos.items():
        tracker = MaskTrackTracker()
        alone[name] = [tracker.track(name, i, *tensors(f)).tolist() for i, f in enumerate(frames)]
    tracker = MaskTrackTracker()
    for index in range(6):
        for name in 'ba':
            assert tracker.track(name, index, *tensors(videos[name][index])).tolist() == alone[name][index]
    tracker.reset('a')
    assert set(tracker.memories) == {'b'}
    tracker.reset()
    assert tracker.memories == {}


def test_more_objects_than_2019_had_colors():
    """253 identities and more, all found again in any order; storage grows by doubling."""
    count = 700
    tracker = MaskTrackTracker()
    grid = torch.arange(count)
    bboxes = torch.stack([grid % 30 * 50.0, grid // 30 * 50.0], dim=1)
    bboxes = torch.cat([bboxes, bboxes + 30], dim=1)
    known = 0
    for frame, upto in enumerate((10, 300, count)):
        ids = track(tracker, frame, bboxes[:upto], [0.9] * upto, embeddings=torch.zeros(upto, 4))
        assert ids == list(range(upto))
        assert len(tracker.memories['v']) == upto >= known
        known = upto
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    assert track(tracker, 3, bboxes[order], [0.9] * count) == order.tolist()


def test_not_finite_input_does_no_lasting_harm():
    tracker = MaskTrackTracker()
    good = torch.eye(3, 4) * 3
    track(tracker, 0, boxes(0, 40, 80), [0.9] * 3, embeddings=good)
    bad = good.clone()
    bad[0], bad[1, 0] = float('nan'), float('inf')
    ids = track(tracker, 1, boxes(0, 40, 80), [float('nan'), 0.0, 0.9], embeddings=bad)
    assert ids[2] == 2
    assert sorted(set(ids)) == sorted(ids)
    broken = torch.tensor([[float('nan')] * 4, [40.0, 0, float('inf'), 20], [80.0, 0, 100, 20]])
    ids = track(tracker, 2, broken, [0.9, 0.9, float('inf')], embeddings=good)
    assert ids[2] == 2
    ids = track(tracker, 3, boxes(80, 0), [0.9, 0.9], embeddings=good[[2, 0]])
    assert ids[0] == 2
    assert len(set(ids)) == 2


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="unknown cues \\['bbox'\\]"):
        MaskTrackTracker(match_coeff={'bbox': 1.0})
    with pytest.raises(ValueError, match='three numbers'):
        MaskTrackTracker(match_coeff=[1, 2])
    with pytest.raises(ValueError, match='max_age'):
        MaskTrackTracker(max_age=0)
    tracker = MaskTrackTracker()
    with pytest.raises(ValueError, match='equal length, got 1, 2, 2, 2'):
        track(tracker, 0, boxes(0), [0.9, 0.9])
    track(tracker, 0, boxes(0), [0.9])
    with pytest.raises(ValueError, match='length 4 expected'):
        track(tracker, 1, boxes(0), [0.9], embeddings=torch.zeros(1, 5))


def test_built_from_a_config_and_no_module():
    tracker = TASK_UTILS.build(
        {'type': 'MaskTrackTracker', 'match_coeff': {'det_score': 1, 'iou': 2, 'label': 10}}
    )
    assert tracker.match_coeff == (1.0, 2.0, 10.0)
    assert not isinstance(tracker, torch.nn.Module)
    assert MaskTrackTracker(match_coeff={'iou': 2}).match_coeff == (0.0, 2.0, 0.0)


def test_memory_does_not_alias_what_it_is_given():
    """2019 kept the first frame's own tensors and later wrote into them."""
    memory, first = TrackMemory(), boxes(0, 40)
    memory.add(0, first, torch.tensor([0, 0]), torch.zeros(2, 4))
    memory.update(torch.tensor([1]), 1, boxes(90), torch.ones(1, 4))
    assert first.tolist() == boxes(0, 40).tolist()
    assert memory.bboxes.tolist() == boxes(0, 90).tolist()
    assert memory.last_seen.tolist() == [0, 1]


@pytest.mark.parametrize(('age_on_empty', 'want'), [(True, [1]), (False, [0])])
def test_a_gap_without_any_detection(age_on_empty, want):
    tracker = MaskTrackTracker(max_age=2, age_on_empty=age_on_empty)
    track(tracker, 0, boxes(0), [0.9])
    for frame in (1, 2):
        track(tracker, frame, boxes(), [])
    assert track(tracker, 3, boxes(0), [0.9]) == want
