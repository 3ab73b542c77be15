"""Identities by appearance, confidence, overlap and class (Video Instance Segmentation, section 4.2)."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps

from ..match_logits import dot_product_logits, in_float32
from .base import DROPPED, BaseTracker, check_lengths, check_limits
from .memory import TrackMemory

CUES = ('det_score', 'iou', 'label')


@TASK_UTILS.register_module()
class MaskTrackTracker(BaseTracker):
    """Give each detection of a frame the identity of a remembered object, or a new one.

    The score of detection i and object j is ``log softmax(similarity)_ij + a * log(det score_i) + b * IoU_ij
    + c * [label_i = label_j]``; the alternative "new object" has similarity 0, IoU ``dummy_iou`` and the same
    class (docs/conventions.md, "Match scores"). Each detection takes its best alternative. If several claim
    one object, the highest score gets it, the earlier one in a tie; the others are dropped ("Contested
    objects"). Each video has its own memory, so videos may be interleaved ("Track memory").

    Args:
        match_coeff (dict | Sequence[float] | None): a, b, c as a dict with the keys ``det_score``, ``iou``,
            ``label``, or in this order. None uses only the similarity.
        dummy_iou (float): IoU of a new object.
        update_label (bool): store the label of the last match instead of the first label.
        new_id_for_losers (bool): a detection that loses its object to a better one starts a new identity
            instead of being dropped.
        match_thr (float | None): objects with a lower softmax probability of the similarity cannot be
            matched.
        new_track_thr (float | None): detections with a lower score cannot start an identity and are dropped.
        max_age (int | None): objects unseen for this many frames are forgotten.
        age_on_empty (bool): objects can be forgotten in a frame without detections. False as in mmtracking:
            objects survive a gap without any detection.
        max_objects (int | None): largest number of remembered objects. Those unseen for longest are forgotten
            first, the older identity in a tie.
        offset (int): 1 for boxes in inclusive pixels (2019), 0 for continuous coordinates.

    Attributes:
        similarity (Callable | None): from embeddings (n, E) and (m, E) to match logits (n, m + 1), as
            :meth:`TrackHead.similarity`. None by default: a detector then sets the similarity of its track
            head, and a tracker without a detector uses dot products. A subclass may define a method of this
            name, which the detector does not replace.

    Raises:
        ValueError: for unknown cues or limits below 1.
    """

    needs = ('embeddings',)
    similarity: Callable[[Tensor, Tensor], Tensor] | None = None

    def __init__(
        self,
        match_coeff: dict | Sequence[float] | None = (1.0, 2.0, 10.0),
        dummy_iou: float = 0.0,
        update_label: bool = False,
        new_id_for_losers: bool = False,
        match_thr: float | None = None,
        new_track_thr: float | None = None,
        max_age: int | None = None,
        age_on_empty: bool = True,
        max_objects: int | None = None,
        offset: int = 1,
    ):
        super().__init__()
        self.match_coeff = _coefficients(match_coeff)
        check_limits('MaskTrackTracker', max_age=max_age, max_objects=max_objects)
        self.dummy_iou = dummy_iou
        self.update_label = update_label
        self.new_id_for_losers = new_id_for_losers
        self.match_thr = match_thr
        self.new_track_thr = new_track_thr
        self.max_age = max_age
        self.age_on_empty = age_on_empty
        self.max_objects = max_objects
        self.offset = offset

    def new_memory(self) -> TrackMemory:
        """Embedding, box and class of each object."""
        return TrackMemory()

    @torch.no_grad()
    def track(
        self,
        video_id: Hashable,
        frame_id: int,
        bboxes: Tensor | np.ndarray,
        scores: Tensor | np.ndarray,
        labels: Tensor | np.ndarray,
        embeddings: Tensor | np.ndarray | None = None,
        masks: None = None,
    ) -> Tensor | np.ndarray:
        """Assign identities to the detections of one frame. Frames of a video must come in order.

        Args:
            video_id (Hashable): selects the memory.
            frame_id (int): index of the frame, for ``max_age`` and ``max_objects``.
            bboxes (Tensor | np.ndarray): (n, 4) xyxy, in the same scale for the whole video.
            scores (Tensor | np.ndarray): (n,) in (0, 1].
            labels (Tensor | np.ndarray): (n,) int64.
            embeddings (Tensor | np.ndarray): (n, E) of :meth:`TrackHead.embed`.
            masks (None): for other trackers.

        Returns:
            Tensor | np.ndarray: (n,) int64 distinct identities from 0, -1 for dropped detections; a tensor on
            the device of ``labels``, or an array if ``bboxes`` are one.

        Raises:
            ValueError: if the numbers of rows differ, or embeddings are not as long as before.
        """
        given = dict(bboxes=bboxes, scores=scores, labels=labels, embeddings=embeddings)
        check_lengths('MaskTrackTracker', given, self.needs)
        if not isinstance(bboxes, Tensor):
            return self.track(video_id, frame_id, *map(torch.as_tensor, given.values())).numpy()
        memory = self.memories.setdefault(video_id, TrackMemory())
        memory.to(bboxes.device)
        _check_embeddings(video_id, memory, embeddings)
        bboxes = bboxes[:, :4]
        ids = torch.full((len(bboxes),), DROPPED, dtype=torch.int64)
        if len(memory) and len(bboxes):
            choice, score = self._choose(memory, bboxes, scores, labels, embeddings)
        else:
            choice, score = np.zeros(len(bboxes), np.int64), np.zeros(len(bboxes), np.float32)

        winners, new = self._settle(choice, score)
        rows = torch.from_numpy(choice[winners] - 1)
        if len(winners):
            ids[winners] = memory.ids[rows]
        if self.new_track_thr is not None and len(new):
            new = new[(scores[new] >= self.new_track_thr).cpu().numpy()]
        memory.update(
            rows,
            frame_id,
            bboxes[winners],
            embeddings[winners],
            labels[winners] if self.update_label else None,
        )
        if len(new):
            ids[new] = memory.add(frame_id, bboxes[new], labels[new], embeddings[new])
        if self.age_on_empty or len(bboxes):
            self._forget(memory, frame_id)
        return ids.to(labels.device)

    def cue_scores(self, log_probs: Tensor, scores: Tensor, ious: Tensor, same_label: Tensor) -> Tensor:
        """Combine the cues (paper, equation 3).

        Args:
            log_probs (Tensor): (n, m + 1) log-softmax of the match logits.
            scores (Tensor): (n,) detection scores.
            ious (Tensor): (n, m) overlaps with the remembered boxes.
            same_label (Tensor): (n, m) 1 where the labels agree.

        Returns:
            Tensor: (n, m + 1).
        """
        if self.match_coeff is None:
            return log_probs
        det_score, iou, label = self.match_coeff
        confidence = scores.float().nan_to_num(nan=0.0).clamp(min=torch.finfo(torch.float32).tiny).log()
        ious = F.pad(ious.nan_to_num(nan=0.0), (1, 0), value=self.dummy_iou)
        same_label = F.pad(same_label.to(ious.dtype), (1, 0), value=1.0)
        return log_probs + det_score * confidence[:, None] + iou * ious + label * same_label

    def _choose(self, memory, bboxes, scores, labels, embeddings):
        """Best alternative of each detection (0: new, j + 1: row j of memory) and its score, in numpy."""
        similarity = self.similarity or dot_product_logits
        logits = in_float32(similarity, embeddings, memory.embeddings)
        huge = torch.finfo(logits.dtype).max
        # A detection that overflows must not affect the others.
        log_probs = logits.nan_to_num(nan=-huge, posinf=huge, neginf=-huge).log_softmax(dim=1)
        ious = bbox_overlaps(bboxes, memory.bboxes, offset=self.offset)
        combined = self.cue_scores(log_probs, scores, ious, labels[:, None] == memory.labels[None])
        if self.match_thr is not None:
            unlike = log_probs.exp() < self.match_thr
            unlike[:, 0] = False
            combined = combined.masked_fill(unlike, -torch.inf)
        combined = combined.cpu().numpy()
        choice = combined.argmax(axis=1)  # numpy: the first of equal maxima, so "new" before any object
        return choice, combined[np.arange(len(choice)), choice]

    def _settle(self, choice, score):
        """Indices of detections that get the object they chose, and of those that start an identity."""
        starts = choice == 0
        # Best score first, the earlier of equal ones first: the first claim of each object wins it.
        order = np.argsort(-score, kind='stable')
        claims = order[~starts[order]]
        _, first = np.unique(choice[claims], return_index=True)
        winners = np.sort(claims[first])
        if self.new_id_for_losers:
            starts = np.ones(len(choice), bool)
            starts[winners] = False
        return winners, np.flatnonzero(starts)

    def _forget(self, memory, frame_id):
        if self.max_age is not None and len(memory):
            memory.keep((frame_id - memory.last_seen < self.max_age).nonzero()[:, 0])
        if self.max_objects is not None and len(memory) > self.max_objects:
            by_age = memory.last_seen.argsort(stable=True)
            memory.keep(by_age[len(memory) - self.max_objects :].sort().values)


def _check_embeddings(video_id, memory, embeddings):
    if len(memory) and len(embeddings) and embeddings.size(1) != memory.embeddings.size(1):
        raise ValueError(
            f'MaskTrackTracker: embeddings of length {memory.embeddings.size(1)} expected in video '
            f'{video_id!r}, got {embeddings.size(1)}'
        )


def _coefficients(match_coeff):
    if match_coeff is None:
        return None
    if isinstance(match_coeff, dict):
        unknown = sorted(set(match_coeff) - set(CUES))
        if unknown:
            raise ValueError(
                f'MaskTrackTracker: unknown cues {unknown} in match_coeff; known are {list(CUES)}'
            )
        return tuple(float(match_coeff.get(name, 0.0)) for name in CUES)
    if len(match_coeff) != len(CUES):
        raise ValueError(
            f'MaskTrackTracker: match_coeff needs the three numbers {list(CUES)}, got {match_coeff!r}'
        )
    return tuple(float(value) for value in match_coeff)
