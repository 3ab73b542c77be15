"""Atomic writes: a crash never leaves an incomplete file under its final name."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def atomic_open(path: str | Path, mode: str = 'w', **kwargs) -> Iterator[IO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` when the block ends without an error.

    Args:
        path: final name; missing parent folders are created.
        mode: ``'w'`` or ``'wb'``.
        **kwargs: passed to :func:`open`, such as ``encoding``.

    Yields:
        The open temporary file. After an exception it is removed, and ``path`` keeps its old content.
    """
    if mode not in ('w', 'wb'):
        raise ValueError(f"atomic_open: mode must be 'w' or 'wb', got {mode!r}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.', suffix='.tmp')
    except OSError as error:  # name the file that was asked for, not the temporary one
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        # mkstemp makes files private; give this one the permissions of any new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        if mode == 'w':
            kwargs.setdefault('encoding', 'utf-8')
        with os.fdopen(descriptor, mode, **kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with atomic_open(path) as file:
        file.write(text)
