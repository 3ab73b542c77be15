"""What trackers share: a memory for each video, checked detections, and states that can be saved."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: The identity of a detection that the tracker drops.
DROPPED = -1


@dataclass
class Detections:
    """The detections of one frame in numpy, on the CPU.

    Attributes:
        boxes (np.ndarray): (n, 4) float64, xyxy.
        scores (np.ndarray): (n,) as precise as they came.
        labels (np.ndarray): (n,) int64.
        masks (Sequence | None): n RLEs, or (n, H, W).
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: Sequence | None = None

    def __len__(self):
        return len(self.boxes)


class BaseTracker:
    """Identities for the detections of videos, frame by frame. No module: it has no weights.

    A subclass says what its memory of a video is (``new_memory``, an object with ``state()`` and
    ``restore(state)``) and how detections find their objects (``associate``). Each video has its own memory,
    so videos may be interleaved.

    Attributes:
        needs (tuple[str]): what :meth:`track` needs beside boxes, scores and labels: ``'embeddings'``,
            ``'masks'``. A detector computes these before it calls the tracker.
        memories (dict): video -> memory.
    """

    needs: tuple[str, ...] = ()

    def __init__(self):
        self.memories = {}

    def new_memory(self):
        """Memory of a video of which no frame was seen."""
        raise NotImplementedError(f'{type(self).__name__} must define new_memory()')

    def associate(self, memory, frame_id: int, found: Detections) -> np.ndarray:
        """Identities (n,) int64 of the detections of a frame; updates the memory."""
        raise NotImplementedError(f'{type(self).__name__} must define associate()')

    def reset(self, video_id: Hashable | None = None) -> None:
        """Forget a video, or all videos if ``video_id`` is None."""
        if video_id is None:
            self.memories.clear()
        else:
            self.memories.pop(video_id, None)

    def track(
        self,
        video_id: Hashable,
        frame_id: int,
        bboxes: Tensor | np.ndarray,
        scores: Tensor | np.ndarray,
        labels: Tensor | np.ndarray,
        embeddings: Tensor | np.ndarray | None = None,
        masks: Sequence[dict] | Tensor | np.ndarray | None = None,
    ) -> Tensor | np.ndarray:
        """Assign identities to the detections of one frame. Frames of a video must come in order.

        Args:
            video_id (Hashable): selects the memory.
            frame_id (int): index of the frame; frames may be left out.
            bboxes (Tensor | np.ndarray): (n, 4) xyxy, in the same scale for the whole video.
            scores (Tensor | np.ndarray): (n,).
            labels (Tensor | np.ndarray): (n,) integers.
            embeddings (Tensor | np.ndarray | None): (n, E); only for trackers whose ``needs`` name it.
            masks (Sequence[dict] | Tensor | np.ndarray | None): n RLEs or (n, H, W) binary masks, likewise.

        Returns:
            Tensor | np.ndarray: (n,) int64 distinct identities, counted from 0; -1 for dropped detections. A
            tensor on the device of ``bboxes`` if those are a tensor, else an array.

        Raises:
            ValueError: if the numbers of rows differ, something needed is missing, or the frame does not come
                after the one before.
        """
        given = dict(bboxes=bboxes, scores=scores, labels=labels, embeddings=embeddings, masks=masks)
        check_lengths(type(self).__name__, given, self.needs)
        memory = self.memories.get(video_id)
        if memory is None:
            memory = self.memories[video_id] = self.new_memory()
        found = Detections(
            _boxes(type(self).__name__, bboxes),
            _array(scores),
            _array(labels).astype(np.int64),
            masks if 'masks' in self.needs else None,
        )
        ids = self.associate(memory, int(frame_id), found)
        return like(ids, bboxes)

    def state(self, video_id: Hashable) -> dict[str, Tensor]:
        """What is remembered of a video, to be saved: ``torch.load`` reads it as data.

        Args:
            video_id (Hashable): need not have been seen; then it is the state before the first frame.

        Returns:
            dict[str, Tensor]: copies, on the CPU.
        """
        memory = self.memories.get(video_id)
        return (self.new_memory() if memory is None else memory).state()

    def restore(self, video_id: Hashable, state: Mapping[str, Tensor]) -> None:
        """Continue a video from a state of a tracker with the same settings; identities go on bit-equally.

        Args:
            video_id (Hashable): its memory is replaced.
            state (Mapping[str, Tensor]): of :meth:`state`; it is copied.

        Raises:
            ValueError: if it is no state of such a tracker.
        """
        memory = self.new_memory()
        try:
            memory.restore(state)
        except (KeyError, ValueError, RuntimeError, AttributeError, TypeError) as error:
            raise ValueError(f'{type(self).__name__}: not a state of this tracker: {error}') from error
        self.memories[video_id] = memory


def check_lengths(name: str, given: Mapping, needs: Sequence[str]) -> None:
    """Raise a ValueError unless all that a tracker needs is there, with as many rows as there are boxes."""
    missing = [key for key in needs if given.get(key) is None]
    if missing:
        raise ValueError(f'{name}: needs {" and ".join(missing)}, got None')
    used = ['bboxes', 'scores', 'labels', *needs]
    counts = [len(given[key]) for key in used]
    if len(set(counts)) != 1:
        raise ValueError(
            f'{name}: {", ".join(used[:-1])} and {used[-1]} must have equal length, got '
            + ', '.join(map(str, counts))
        )


def check_limits(name: str, **limits) -> None:
    """Raise a ValueError for a limit below 1; None is no limit."""
    for key, limit in limits.items():
        if limit is not None and limit < 1:
            raise ValueError(f'{name}: {key} must be at least 1 or None, got {limit}')


def check_shares(name: str, **shares) -> None:
    """Raise a ValueError for a threshold that is no number from 0 to 1."""
    for key, share in shares.items():
        if not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise ValueError(f'{name}: {key} must be a number from 0 to 1, got {share!r}')


def like(ids: np.ndarray, bboxes: Tensor | np.ndarray) -> Tensor | np.ndarray:
    """Identities as a tensor on the device of the boxes, or as an array if those are one."""
    return torch.from_numpy(ids).to(bboxes.device) if isinstance(bboxes, Tensor) else ids


def _boxes(name, bboxes):
    boxes = _array(bboxes).astype(np.float64)
    boxes = boxes.reshape(0, 4) if not boxes.size else boxes
    if boxes.ndim != 2 or boxes.shape[1] < 4:
        raise ValueError(f'{name}: bboxes of shape (n, 4) expected, got {boxes.shape}')
    return boxes[:, :4]


def _array(values):
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)
