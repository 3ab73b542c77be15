"""Identities and memory of the scripted detections, frame by frame, against the 2019 loop.

The original leaves stale duplicates of an identity in its list; only the detection it keeps in the end is
compared.
"""

import pytest
import torch

from mmdet.models.track_heads.track_head import TrackHead
from mmdet.models.trackers.masktrack_tracker import MaskTrackTracker

from .rules import load_json, load_npz

SCRIPT = load_json('unit_tracker.json')


@pytest.fixture(scope='module')
def arrays():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_tracker.npz').items()}


@pytest.fixture(scope='module')
def head():
    head = TrackHead(num_fcs=1, in_channels=6, roi_feat_size=1, fc_out_channels=8)
    with torch.no_grad():
        head.fcs[0].weight.copy_(torch.eye(8, 6))
        head.fcs[0].bias.zero_()
    return head


def step(tracker, head, arrays, frame):
    """Run one frame; returns the kept objects as {id: (box and score, label)}."""
    key = f'v{frame["video"]}.f{frame["frame"]}'
    if frame['frame'] == 0:
        tracker.reset(frame['video'])
    dets, labels = arrays[f'{key}.in.dets'], arrays[f'{key}.in.labels']
    embeddings = head.embed(arrays[f'{key}.in.feats'])
    ids = tracker.track(frame['video'], frame['frame'], dets[:, :4], dets[:, 4], labels, embeddings)
    return {int(i): (det.tolist(), int(label)) for i, det, label in zip(ids, dets, labels) if i >= 0}


def check_memory(tracker, head, arrays, frame):
    key = f'v{frame["video"]}.f{frame["frame"]}.mem'
    memory = tracker.memories[frame['video']]
    if f'{key}.none' in arrays:
        assert len(memory) == 0
        return
    assert torch.equal(memory.bboxes, arrays[f'{key}.bboxes'][:, :4])
    assert torch.equal(memory.labels, arrays[f'{key}.labels'])
    assert torch.equal(memory.embeddings, head.embed(arrays[f'{key}.feats']))
    assert memory.ids.tolist() == list(range(len(memory)))


def expected(frame):
    return {int(i): (kept['bbox'], kept['label']) for i, kept in frame['kept'].items()}


def test_kept_objects_and_memory_after_every_frame(arrays, head):
    tracker = MaskTrackTracker(match_coeff=[1, 2, 10])
    for frame in SCRIPT['frames']:
        assert step(tracker, head, arrays, frame) == expected(frame), frame
        check_memory(tracker, head, arrays, frame)


def test_interleaved_videos_give_the_same_objects(arrays, head):
    tracker = MaskTrackTracker(match_coeff=[1, 2, 10])
    for frame in sorted(SCRIPT['frames'], key=lambda frame: (frame['frame'], -frame['video'])):
        assert step(tracker, head, arrays, frame) == expected(frame), frame
        check_memory(tracker, head, arrays, frame)


def test_combined_scores(arrays, head):
    tracker = MaskTrackTracker(match_coeff=[1, 2, 10])
    compared = 0
    for frame in SCRIPT['frames']:
        key = f'v{frame["video"]}.f{frame["frame"]}'
        if f'{key}.out.comp' in arrays:
            scores = tracker.cue_scores(
                arrays[f'{key}.out.ll'],
                arrays[f'{key}.in.dets'][:, 4],
                arrays[f'{key}.out.iou'],
                arrays[f'{key}.out.delta'],
            )
            torch.testing.assert_close(scores, arrays[f'{key}.out.comp'], rtol=1e-6, atol=1e-6)
            memory = tracker.memories[frame['video']].embeddings
            log_probs = head.similarity(head.embed(arrays[f'{key}.in.feats']), memory).log_softmax(1)
            torch.testing.assert_close(log_probs, arrays[f'{key}.out.ll'], rtol=1e-5, atol=1e-6)
            compared += 1
        step(tracker, head, arrays, frame)
    assert compared >= 6
