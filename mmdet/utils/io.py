"""Writing files so that a crash never leaves half of one under its final name."""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def atomic_open(path, mode='w', **kwargs):
    """Open a temporary file beside ``path`` and rename it to ``path`` when the block ends without an error.

    Args:
        path (str | Path): final name; missing parent folders are created.
        mode (str): ``'w'`` or ``'wb'``.
        **kwargs: passed to :func:`open`, such as ``encoding``.

    Yields:
        IO: the open temporary file. After an exception it is removed and ``path`` keeps its old content.
    """
    if mode not in ('w', 'wb'):
        raise ValueError(f"atomic_open: mode must be 'w' or 'wb', got {mode!r}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.', suffix='.tmp')
    except OSError as error:  # of the file that was asked for, not of a name nobody knows
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        # mkstemp makes private files; results are meant to be read by others like any file of the user.
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


def atomic_write_text(path, text):
    """Write ``text`` (UTF-8) to ``path`` by way of :func:`atomic_open`."""
    with atomic_open(path) as file:
        file.write(text)
