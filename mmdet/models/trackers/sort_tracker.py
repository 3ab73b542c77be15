"""Identities by motion: SORT with the second association of ByteTrack."""

import numpy as np
import torch

from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps

from . import kalman
from .assignment import assign
from .base import DROPPED, BaseTracker, check_limits, check_shares
from .table import TrackTable


@TASK_UTILS.register_module()
class SortTracker(BaseTracker):
    """A detection continues the object whose box, moved on at constant velocity, it overlaps.

    Boxes move on by the Kalman filter of SORT (Bewley et al., arXiv 1602.00763) and are assigned by the
    Hungarian method, in the order of ByteTrack (Zhang et al., arXiv 2110.06864), whose thresholds are the
    defaults:

    1. confident detections to all objects;
    2. the uncertain ones to the objects that are left and were there in the last frame: an object that is
       partly hidden scores low, but is where it should be;
    3. confident detections that are left to objects not yet confirmed (``min_hits``);
    4. those that are still left start objects.

    Other detections get -1 and are dropped. The detector drops those below ``test_cfg.rcnn.score_thr`` before
    the tracker sees them: with ``score_thr`` above ``low_thr`` the second step has that much less to work
    with, above ``high_thr`` nothing.

    It needs neither training nor masks. Boxes that are not finite match nothing and start objects of their
    own.

    Args:
        high_thr (float): detections of at least this score are confident.
        low_thr (float): those of a lower score are dropped.
        new_track_thr (float): least score of a detection that starts an object.
        match_thr (float): least IoU of confident detections and objects, in (0, 1].
        low_match_thr (float): least IoU of uncertain ones.
        new_match_thr (float): least IoU of a detection and an object that is not yet confirmed.
        min_hits (int): an object is confirmed, and gets its identity, when it was detected in this many
            frames in a row; one that is missed before is forgotten. In the first ``min_hits`` frames of a
            video all are confirmed at once, as in SORT. 2 is what ByteTrack does; 1 trusts every detection.
        max_age (int | None): objects are found again up to this many frames after the last one with them. 1:
            they must be in every frame. None: they are never forgotten.
        class_agnostic (bool): a detection may continue an object of another class.
        offset (int): 1 for boxes in inclusive pixels (2019), 0 for continuous coordinates.

    Raises:
        ValueError: for a number out of range, or thresholds that are not in order.
    """

    def __init__(
        self,
        high_thr: float = 0.6,
        low_thr: float = 0.1,
        new_track_thr: float = 0.7,
        match_thr: float = 0.2,
        low_match_thr: float = 0.5,
        new_match_thr: float = 0.3,
        min_hits: int = 1,
        max_age: int | None = 30,
        class_agnostic: bool = False,
        offset: int = 1,
    ):
        super().__init__()
        matches = dict(match_thr=match_thr, low_match_thr=low_match_thr, new_match_thr=new_match_thr)
        scores = dict(high_thr=high_thr, low_thr=low_thr, new_track_thr=new_track_thr)
        check_shares('SortTracker', **scores, **matches)
        for name, value in matches.items():
            if value == 0:
                raise ValueError(f'SortTracker: {name} must be above 0: boxes that do not touch would match')
        if not low_thr <= high_thr <= new_track_thr:
            raise ValueError(
                f'SortTracker: expected low_thr <= high_thr <= new_track_thr, got {low_thr}, {high_thr}, '
                f'{new_track_thr}'
            )
        check_limits('SortTracker', max_age=max_age, min_hits=min_hits)
        self.high_thr, self.low_thr, self.new_track_thr = high_thr, low_thr, new_track_thr
        self.match_thr, self.low_match_thr, self.new_match_thr = match_thr, low_match_thr, new_match_thr
        self.min_hits = min_hits
        self.max_age = max_age
        self.class_agnostic = class_agnostic
        self.offset = offset

    def new_memory(self) -> TrackTable:
        """Identity (-1 before it is confirmed), class, frames and motion of each object."""
        integers = dict.fromkeys(('ids', 'labels', 'last_seen', 'hits'), ((), np.int64))
        motion = {'mean': ((7,), np.float64), 'covariance': ((7, 7), np.float64)}
        return TrackTable({**integers, **motion})

    @np.errstate(invalid='ignore', over='ignore')  # boxes that are not finite
    def associate(self, memory, frame_id, found):
        """Move objects on, match in three steps, start objects, forget those that were gone for too long."""
        previous = memory.frame
        steps = memory.start_frame(frame_id)
        if self.max_age is not None:
            memory.keep(frame_id - memory['last_seen'] <= self.max_age)
        for _ in range(steps if len(memory) else 0):
            motion = kalman.predict(memory['mean'], memory['covariance'])
            memory.columns.update(mean=motion[0], covariance=motion[1])
        high = found.scores >= self.high_thr
        low = (found.scores >= self.low_thr) & ~high
        confirmed, there = memory['ids'] >= 0, memory['last_seen'] == previous
        match = np.full(len(found), -1)  # the row of the object of each detection
        if len(memory) and len(found):
            ious = self._overlaps(found, memory)
            self._assign(match, ious, high, confirmed, self.match_thr)
            self._assign(match, ious, low, confirmed & there, self.low_match_thr)
            self._assign(match, ious, high, ~confirmed, self.new_match_thr)
        ids = self._update(memory, frame_id, found, match)
        new = (match < 0) & (found.scores >= self.new_track_thr)
        if new.any():
            ids[new] = self._start(memory, frame_id, found, new)
        return ids

    def _overlaps(self, found, memory):
        """(n, m) IoU of detections and predicted boxes, 0 where it is not a number or classes differ."""
        predicted = kalman.boxes_of(memory['mean'], self.offset)
        boxes = (torch.from_numpy(found.boxes), torch.from_numpy(predicted))
        ious = bbox_overlaps(*boxes, offset=self.offset).nan_to_num_(0.0, 0.0, 0.0).numpy()
        if not self.class_agnostic:
            ious[found.labels[:, None] != memory['labels'][None]] = 0
        return ious

    @staticmethod
    def _assign(match, ious, detections, objects, threshold):
        """Match some of the detections with some of the objects, without those that are matched already."""
        rows = np.flatnonzero(detections & (match < 0))
        columns = np.flatnonzero(objects & ~np.isin(np.arange(ious.shape[1]), match))
        part = ious[np.ix_(rows, columns)]
        first, second = assign(part, part >= threshold)
        match[rows[first]] = columns[second]

    def _update(self, memory, frame_id, found, match):
        """Put matched detections into the memory; returns identities (n,)."""
        rows = np.flatnonzero(match >= 0)
        objects = match[rows]
        if len(rows):
            state = (memory['mean'][objects], memory['covariance'][objects])
            state = kalman.update(*state, kalman.observe(found.boxes[rows], self.offset))
            memory['mean'][objects], memory['covariance'][objects] = state
            memory['last_seen'][objects] = frame_id
            memory['hits'][objects] += 1
            ripe = objects[(memory['ids'][objects] < 0) & (memory['hits'][objects] >= self.min_hits)]
            memory['ids'][ripe] = memory.new_ids(len(ripe))
        ids = np.full(len(found), DROPPED, np.int64)
        ids[rows] = memory['ids'][objects]
        memory.keep((memory['ids'] >= 0) | (memory['last_seen'] == frame_id))
        return ids

    def _start(self, memory, frame_id, found, new):
        """Start objects from the detections of a mask (n,); returns their identities."""
        count = int(new.sum())
        confirmed = self.min_hits == 1 or memory.frames <= self.min_hits
        ids = memory.new_ids(count) if confirmed else np.full(count, DROPPED, np.int64)
        mean, covariance = kalman.start(kalman.observe(found.boxes[new], self.offset))
        memory.add(
            ids=ids, labels=found.labels[new], last_seen=frame_id, hits=1, mean=mean, covariance=covariance
        )
        return ids
