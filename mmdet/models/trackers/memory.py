"""Memory of a tracker for one video."""

from collections.abc import Mapping

import torch
from torch import Tensor

_COLUMNS = ('_embeddings', '_bboxes', '_labels', '_ids', '_last_seen')


class TrackMemory:
    """The objects of one video, one row per object: embedding, box and label.

    Storage doubles when it is full, so that adding an object takes constant time. Rows are in order of
    identity. Forgotten objects are removed, and their identities are never used again.

    Attributes:
        next_id (int): identity of the next new object, the number of objects seen so far.
    """

    def __init__(self):
        self.next_id = 0
        self._count = 0
        self._embeddings = self._bboxes = self._labels = self._ids = self._last_seen = None

    def __len__(self) -> int:
        """Number of objects that can be matched."""
        return self._count

    @property
    def embeddings(self) -> Tensor:
        """Tensor: (m, E)."""
        return self._embeddings[: self._count]

    @property
    def bboxes(self) -> Tensor:
        """Tensor: (m, 4) xyxy, in the scale of the detections."""
        return self._bboxes[: self._count]

    @property
    def labels(self) -> Tensor:
        """Tensor: (m,) int64."""
        return self._labels[: self._count]

    @property
    def ids(self) -> Tensor:
        """Tensor: (m,) int64 identities, ascending, on the CPU."""
        return self._ids[: self._count]

    @property
    def last_seen(self) -> Tensor:
        """Tensor: (m,) int64 frame of the last match, on the CPU."""
        return self._last_seen[: self._count]

    def add(self, frame_id: int, bboxes: Tensor, labels: Tensor, embeddings: Tensor) -> Tensor:
        """Add new objects.

        Args:
            frame_id (int): the current frame.
            bboxes (Tensor): (k, 4).
            labels (Tensor): (k,) int64.
            embeddings (Tensor): (k, E).

        Returns:
            Tensor: (k,) int64 new identities, on the CPU.
        """
        count = len(bboxes)
        ids = torch.arange(self.next_id, self.next_id + count)
        if count:
            self._reserve(self._count + count, bboxes, labels, embeddings)
            rows = slice(self._count, self._count + count)
            self._embeddings[rows], self._bboxes[rows], self._labels[rows] = embeddings, bboxes, labels
            self._ids[rows], self._last_seen[rows] = ids, frame_id
            self._count += count
            self.next_id += count
        return ids

    def update(
        self, rows: Tensor, frame_id: int, bboxes: Tensor, embeddings: Tensor, labels: Tensor | None = None
    ) -> None:
        """Update matched objects.

        Args:
            rows (Tensor): (k,) int64 distinct rows, on the CPU.
            frame_id (int): the current frame.
            bboxes (Tensor): (k, 4).
            embeddings (Tensor): (k, E).
            labels (Tensor | None): (k,) int64; None keeps the first label (docs/conventions.md,
                "Track memory").
        """
        if not len(rows):
            return
        device_rows = rows.to(self._bboxes.device)
        self._embeddings[device_rows] = embeddings
        self._bboxes[device_rows] = bboxes
        if labels is not None:
            self._labels[device_rows] = labels
        self._last_seen[rows] = frame_id

    def keep(self, rows: Tensor) -> None:
        """Forget all objects except ``rows``, (k,) int64 ascending, on the CPU."""
        if len(rows) == self._count:
            return
        device_rows = rows.to(self._bboxes.device)
        for name in ('_embeddings', '_bboxes', '_labels'):
            setattr(self, name, getattr(self, name)[device_rows])
        self._ids, self._last_seen = self._ids[rows], self._last_seen[rows]
        self._count = len(rows)

    def state(self) -> dict[str, Tensor]:
        """All of it as tensors: copies, on the CPU."""
        state = {'next_id': torch.tensor(self.next_id)}
        if self._bboxes is not None:
            columns = {name: getattr(self, name)[: self._count] for name in _COLUMNS}
            state.update({name[1:]: column.to('cpu', copy=True) for name, column in columns.items()})
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Replace all by a state; raises ValueError or KeyError if it is none."""
        names = set(state) - {'next_id'}
        if names and names != {name[1:] for name in _COLUMNS}:
            raise ValueError(f'it has {sorted(state)}')
        columns = {name: state[name[1:]].to('cpu', copy=True) for name in _COLUMNS if names}
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError('its tensors have different lengths')
        self.next_id = int(state['next_id'])
        self._count = len(columns.get('_ids', ()))
        for name in _COLUMNS:
            setattr(self, name, columns.get(name))

    def to(self, device: torch.device) -> None:
        """Move embeddings, boxes and labels to the device of the detections."""
        if self._bboxes is not None and self._bboxes.device != device:
            for name in ('_embeddings', '_bboxes', '_labels'):
                setattr(self, name, getattr(self, name).to(device))

    def _reserve(self, size, bboxes, labels, embeddings):
        if self._bboxes is None:
            self._embeddings = embeddings.new_empty((max(size, 16), embeddings.size(1)))
            self._bboxes = bboxes.new_empty((max(size, 16), 4))
            self._labels = labels.new_empty(max(size, 16))
            self._ids = torch.empty(max(size, 16), dtype=torch.int64)
            self._last_seen = torch.empty(max(size, 16), dtype=torch.int64)
        capacity = len(self._bboxes)
        if size > capacity:
            grown = max(size, 2 * capacity)
            for name in _COLUMNS:
                old = getattr(self, name)
                new = old.new_empty((grown, *old.shape[1:]))
                new[: self._count] = old[: self._count]
                setattr(self, name, new)
