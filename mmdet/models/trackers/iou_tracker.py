"""Identities by overlap with the last box or mask: no appearance, no motion."""

import numpy as np
import torch

from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps
from mmdet.structures.rle import encode_mask, rle_counts, rle_overlaps

from .assignment import ASSIGNMENTS, assign
from .base import DROPPED, BaseTracker, check_limits, check_shares
from .table import TrackTable


@TASK_UTILS.register_module()
class IoUTracker(BaseTracker):
    """A detection continues the object whose last box or mask it overlaps.

    It needs no training and serves any detector of boxes, such as a Mask R-CNN trained on images. It suits
    objects that move by less than their size between frames (compare Bochinski et al., *High-Speed
    Tracking-by-Detection Without Using Image Information*, AVSS 2017).

    Boxes and masks without an overlap that is a number (NaN, infinite) match nothing and start objects of
    their own.

    Args:
        overlap (str): ``'boxes'`` or ``'masks'``.
        iou_thr (float): least IoU of a detection with its object, in (0, 1].
        assignment (str): ``'hungarian'`` (greatest sum of IoU) or ``'greedy'`` (best pair first).
        class_agnostic (bool): a detection may continue an object of another class.
        new_track_thr (float): detections with a lower score start no object; those that continue none either
            are dropped.
        max_age (int | None): objects are found again up to this many frames after the last one with them. 1:
            they must be in every frame. None: they are never forgotten.
        offset (int): 1 for boxes in inclusive pixels (2019), 0 for continuous coordinates.

    Raises:
        ValueError: for an unknown overlap or assignment, or a number out of range.
    """

    def __init__(
        self,
        overlap: str = 'boxes',
        iou_thr: float = 0.3,
        assignment: str = 'hungarian',
        class_agnostic: bool = False,
        new_track_thr: float = 0.0,
        max_age: int | None = 10,
        offset: int = 1,
    ):
        super().__init__()
        choices = (('overlap', overlap, ('boxes', 'masks')), ('assignment', assignment, ASSIGNMENTS))
        for name, value, known in choices:
            if value not in known:
                raise ValueError(f'IoUTracker: {name} must be one of {list(known)}, got {value!r}')
        check_shares('IoUTracker', iou_thr=iou_thr, new_track_thr=new_track_thr)
        check_limits('IoUTracker', max_age=max_age)
        if iou_thr == 0:
            raise ValueError('IoUTracker: iou_thr must be above 0: objects that do not touch would match')
        self.needs = ('masks',) if overlap == 'masks' else ()
        self.iou_thr = iou_thr
        self.assignment = assignment
        self.class_agnostic = class_agnostic
        self.new_track_thr = new_track_thr
        self.max_age = max_age
        self.offset = offset

    def new_memory(self) -> TrackTable:
        """Identity, class, last frame, and last box or mask of each object."""
        columns = {'ids': ((), np.int64), 'labels': ((), np.int64), 'last_seen': ((), np.int64)}
        if self.needs:
            columns.update(counts=((), object), sizes=((2,), np.int64))
        else:
            columns.update(boxes=((4,), np.float64))
        return TrackTable(columns)

    def associate(self, memory, frame_id, found):
        """Match by overlap, start objects, forget those that were gone for too long."""
        places = self._places(memory, found)
        memory.start_frame(frame_id)
        if self.max_age is not None:
            memory.keep(frame_id - memory['last_seen'] <= self.max_age)
        ids = np.full(len(found), DROPPED, np.int64)
        if len(memory) and len(found):
            ious = self._overlaps(places, memory)
            allowed = ious >= self.iou_thr
            if not self.class_agnostic:
                allowed &= found.labels[:, None] == memory['labels'][None]
            rows, objects = assign(ious, allowed, self.assignment)
            ids[rows] = memory['ids'][objects]
            memory['last_seen'][objects] = frame_id
            for name, values in places.items():
                memory[name][objects] = values[rows]
        new = (ids == DROPPED) & (found.scores >= self.new_track_thr)
        if new.any():
            ids[new] = memory.new_ids(int(new.sum()))
            memory.add(
                ids=ids[new],
                labels=found.labels[new],
                last_seen=frame_id,
                **{name: values[new] for name, values in places.items()},
            )
        return ids

    def _places(self, memory, found):
        """Where the detections are, as columns of the memory."""
        if not self.needs:
            return {'boxes': found.boxes}
        rles = [_checked_rle(mask) for mask in found.masks]
        counts = np.empty(len(rles), object)
        counts[:] = [rle['counts'] for rle in rles]
        sizes = np.array([rle['size'] for rle in rles], np.int64).reshape(-1, 2)
        known = np.unique(np.concatenate([memory['sizes'], sizes]), axis=0)
        if len(known) > 1:
            raise ValueError(f'IoUTracker: masks of one size expected in a video, got {known.tolist()}')
        return {'counts': counts, 'sizes': sizes}

    def _overlaps(self, places, memory):
        """(n, m) IoU, 0 where it is not a number."""
        if not self.needs:
            boxes = (torch.from_numpy(boxes) for boxes in (places['boxes'], memory['boxes']))
            return bbox_overlaps(*boxes, offset=self.offset).nan_to_num_(0.0, 0.0, 0.0).numpy()
        return rle_overlaps(
            *(
                [{'size': s, 'counts': c} for s, c in zip(side['sizes'].tolist(), side['counts'])]
                for side in (places, memory.columns)
            )
        )


def _checked_rle(mask):
    """A compressed RLE with ``counts`` as bytes; damaged ones, on which pycocotools would crash, raise."""
    if not isinstance(mask, dict):
        mask = encode_mask(mask.detach().cpu().numpy() if isinstance(mask, torch.Tensor) else mask)
    else:
        rle_counts(mask)
    counts = mask['counts']
    if isinstance(counts, list):
        raise ValueError('IoUTracker: expected compressed RLEs or arrays of masks, got a list of counts')
    return {
        'size': list(mask['size']),
        'counts': counts.encode('ascii') if isinstance(counts, str) else counts,
    }
