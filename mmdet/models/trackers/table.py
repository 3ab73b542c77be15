"""Memory of a tracker that works in numpy: the objects of one video in columns."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


class TrackTable:
    """Columns of equal length with one row for each object, in the order in which the objects came.

    A column of dtype object holds bytes.

    Args:
        columns (dict[str, tuple]): name -> (shape of a row, dtype).

    Attributes:
        next_id (int): identity of the next new object; none is used twice.
        frame (int): the last frame, -1 before the first.
        frames (int): number of frames so far.
    """

    def __init__(self, columns: dict[str, tuple]):
        self.columns = {name: np.zeros((0, *shape), dtype) for name, (shape, dtype) in columns.items()}
        self.next_id, self.frame, self.frames = 0, -1, 0

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def start_frame(self, frame_id: int) -> int:
        """Go on to a frame; returns the number of frames since the last one.

        Raises:
            ValueError: if it does not come after that.
        """
        step = frame_id - self.frame
        if step < 1:
            raise ValueError(f'frames of a video must come in order, got {frame_id} after {self.frame}')
        self.frame, self.frames = frame_id, self.frames + 1
        return step

    def new_ids(self, count: int) -> np.ndarray:
        """(count,) int64 identities that were not used before."""
        self.next_id += count
        return np.arange(self.next_id - count, self.next_id, dtype=np.int64)

    def add(self, **values) -> None:
        """Append rows; a value of each column, (k, ...) or one for all rows."""
        count = max(np.shape(value)[0] for value in values.values() if np.ndim(value))
        for name, column in self.columns.items():
            rows = np.empty((count, *column.shape[1:]), column.dtype)
            rows[:] = values[name]
            self.columns[name] = np.concatenate([column, rows])

    def keep(self, rows: np.ndarray) -> None:
        """Forget all objects but those of ``rows``, (m,) bool."""
        if not rows.all():
            self.columns = {name: column[rows] for name, column in self.columns.items()}

    def state(self) -> dict[str, Tensor]:
        """All of it as tensors; a column of bytes is joined to uint8, with the lengths beside it."""
        numbers = (self.next_id, self.frame, self.frames)
        state = {'counters': torch.tensor(numbers, dtype=torch.int64)}
        for name, column in self.columns.items():
            if column.dtype == object:
                state[f'{name}_length'] = torch.tensor([len(text) for text in column], dtype=torch.int64)
                column = np.frombuffer(b''.join(column), np.uint8)
            state[name] = torch.from_numpy(column.copy())
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Replace all by a state of a table with the same columns; raises ValueError for any other."""
        expected = {'counters', *self.columns}
        expected |= {f'{name}_length' for name, column in self.columns.items() if column.dtype == object}
        if set(state) != expected:
            raise ValueError(f'it has {sorted(state)}, expected are {sorted(expected)}')
        columns = {}
        for name, column in self.columns.items():
            value = state[name].cpu().numpy().copy()
            if column.dtype == object:
                ends = np.cumsum(state[f'{name}_length'].numpy()).tolist()
                parts = [value[a:b].tobytes() for a, b in zip([0, *ends], ends)]
                value = np.empty(len(parts), object)
                value[:] = parts
            if value.dtype != column.dtype or value.shape[1:] != column.shape[1:]:
                raise ValueError(f'{name} is {value.dtype} {value.shape}, expected {column.dtype} (n, ...)')
            columns[name] = value
        if len({len(column) for column in columns.values()}) != 1:
            raise ValueError('its columns have different lengths')
        self.next_id, self.frame, self.frames = state['counters'].tolist()
        self.columns = columns
