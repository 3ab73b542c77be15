"""A file that grows while a long command runs, and that can be cut back to a known state."""

import os
import zlib
from pathlib import Path

from .errors import UserError


class AppendedFile:
    """A file that grows, and that can be cut back to a known state.

    Args:
        path (Path): the file.
        state (dict | None): of :meth:`sync`: keep this much; None: begin empty.

    Raises:
        UserError: the file is not the one of ``state``.
    """

    def __init__(self, path: Path, state: dict | None = None):
        self.path = path
        self.size, self.crc = 0, 0
        self._file = open(path, 'wb' if state is None else 'r+b', buffering=0)  # noqa: SIM115
        if state is None:
            return
        while self.size < state['bytes']:
            data = self._file.read(min(1 << 20, state['bytes'] - self.size))
            if not data:
                break
            self._count(data)
        if (self.size, self.crc) != (state['bytes'], state['crc']):
            self._file.close()
            raise UserError(f'{path} was changed since the run that is to be continued; run without --resume')
        self._file.truncate()

    def _count(self, data):
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        while len(view):
            view = view[self._file.write(view) :]
        self._count(data)

    def sync(self) -> dict:
        """Bring it to the disk; returns its state."""
        os.fsync(self._file.fileno())
        return {'bytes': self.size, 'crc': self.crc}

    def close(self) -> None:
        """Close the file."""
        self._file.close()
