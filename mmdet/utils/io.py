"""Output files: complete or absent under their final name, never in place of an input, one writer at a time.

A temporary file is locked while it is written. What a killed run left behind has no lock, and goes when the
next one writes to the same folder.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from .errors import UserError

_PREFIX = '.mmdet-tmp.'

# What the running command has read, but not written: (device, inode) -> (size, time of change).
# None outside of a command.
_inputs = None
_written = {}  # the same, of what this process wrote
_swept = set()
_thread = threading.local()  # reads_own: within reading_own_output, which a writer enters beside the readers


@contextlib.contextmanager
def protecting_inputs():
    """Within the block, what :func:`note_input` notes is never replaced. Command-line tools run in it."""
    global _inputs
    before, _inputs = _inputs, {}
    try:
        yield
    finally:
        _inputs = before


@contextlib.contextmanager
def reading_own_output():
    """Within the block, what this thread reads does not become input: a command looks at its own output."""
    before, _thread.reads_own = getattr(_thread, 'reads_own', False), True
    try:
        yield
    finally:
        _thread.reads_own = before


def note_input(path: str | Path) -> None:
    """Tell that the running command reads ``path``. Readers of files call this."""
    if _inputs is not None and not getattr(_thread, 'reads_own', False):
        key, state = _identity(path)
        if _written.get(key) != state:
            _inputs[key] = state


def is_input(path: str | Path) -> bool:
    """Whether the running command has read this file, under any name or link."""
    if not _inputs:
        return False
    key, state = _identity(path)
    return key is not None and _inputs.get(key) == state  # another state: the number was used again


def _identity(path):
    try:
        status = os.stat(os.path.realpath(path))  # also x/../name where there is no x yet
    except (OSError, ValueError):
        return None, None
    return (status.st_dev, status.st_ino), (status.st_size, status.st_mtime_ns)


def check_output(path: str | Path) -> Path:
    """Return ``path``; call it before long work whose results go there.

    Raises:
        UserError: the running command has read this very file, or it is a device or a pipe, which a file
            would replace.
    """
    if is_input(path):
        raise UserError(f'{path} is an input of this command and would be overwritten: choose another output')
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise UserError(f'{path} is a device or a pipe: expected the name of a file to write')
    return Path(path)


def inside(folder: str | Path, name: str | Path) -> Path:
    """Path of ``name`` in an output folder, for names that come from data.

    Raises:
        UserError: it leads out of the folder, by ``..``, as an absolute path, or through a link.
    """
    path = Path(folder, name)
    if not path.parent.resolve().is_relative_to(Path(folder).resolve()):
        raise UserError(f'{path} leads out of the output folder {folder}: nothing is written there')
    return path


def check_output_folder(folder: str | Path, images: str | Path, names: Iterable[str] = ()) -> None:
    """Refuse to draw into a folder of images that are read: tools would take the results for frames.

    Args:
        folder: where output goes.
        images: folder of the images.
        names: file names of images, relative to it.

    Raises:
        UserError: it is the folder of the images, or lies in a folder that holds some.
    """
    out, root = Path(folder).resolve(), Path(images).resolve()
    for used in {root, *((root / name).parent for name in names)}:
        if out == used or (used != root and out.is_relative_to(used)):
            raise UserError(f'{folder} holds images that are read; choose another output folder')


class Scratch:
    """A temporary file or folder beside ``path`` that takes its name when it is complete.

    Args:
        path: final name; missing parent folders are created.
        folder: make a folder.

    Attributes:
        temporary (Path): where to write; it has the suffix of ``path``.

    Raises:
        UserError: ``path`` is an input of the running command.
    """

    def __init__(self, path: str | Path, folder: bool = False):
        self.path = check_output(path)
        parent = self.path.parent
        if self.path.is_dir() and not folder:
            raise UserError(f'{path} is a folder; expected the name of a file to write')
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(f'{path}: {parent} is a file; expected a folder') from None
        _sweep(parent)
        try:
            if folder:
                temporary = tempfile.mkdtemp(dir=parent, prefix=_PREFIX)
                self._lock = os.open(temporary, os.O_RDONLY)
            else:
                self._lock, temporary = tempfile.mkstemp(
                    dir=parent, prefix=_PREFIX, suffix=self.path.suffix[:16]
                )
        except OSError as error:  # name the file that was asked for, not the temporary one
            raise type(error)(error.errno, error.strerror, str(path)) from None
        _try_lock(self._lock)
        # Temporary files are private; give this one the permissions of any new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, (0o777 if folder else 0o666) & ~umask)
        self.temporary = Path(temporary)

    def commit(self, path: str | Path | None = None) -> None:
        """Rename to the final name, or to ``path`` beside it."""
        if path is not None:
            self.path = check_output(path)
        if not self.temporary.is_dir():
            os.fsync(self._lock)
        os.replace(self.temporary, self.path)
        key, state = _identity(self.path)
        _written[key] = state
        os.close(self._lock)

    def discard(self) -> None:
        """Remove it; ``path`` keeps its old content."""
        _remove(self.temporary)
        os.close(self._lock)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.discard()
            return
        try:
            self.commit()
        except BaseException:
            self.discard()
            raise


@contextlib.contextmanager
def atomic_open(path: str | Path, mode: str = 'w', **kwargs) -> Iterator[IO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` when the block ends without an error.

    Args:
        path: final name; missing parent folders are created.
        mode: ``'w'`` or ``'wb'``.
        **kwargs: passed to :func:`open`, such as ``encoding``.

    Yields:
        The open temporary file. After an exception it is removed, and ``path`` keeps its old content.

    Raises:
        UserError: ``path`` is an input of the running command.
        OSError: it cannot be written; the error names ``path``.
    """
    if mode not in ('w', 'wb'):
        raise ValueError(f"atomic_open: mode must be 'w' or 'wb', got {mode!r}")
    if mode == 'w':
        kwargs.setdefault('encoding', 'utf-8')
    try:
        with Scratch(path) as scratch, open(scratch.temporary, mode, **kwargs) as file:
            yield file
    except OSError as error:  # a full disk: writes know no file name
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with atomic_open(path) as file:
        file.write(text)


@contextlib.contextmanager
def exclusive(path: str | Path, busy: str) -> Iterator[None]:
    """Hold the lock file ``path`` during the block; the system releases it however the process ends.

    Args:
        path: the lock file; it is removed at the end.
        busy: the message if another process holds it; its process id is added.

    Raises:
        UserError: another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0), 0o666)
        if not _try_lock(lock):
            owner = os.read(lock, 200).decode('utf-8', 'replace').strip()
            os.close(lock)
            raise UserError(busy + (f' ({owner})' if owner else ''))
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == os.stat(path).st_ino:
                break
        os.close(lock)  # its owner removed it in between
    try:
        os.ftruncate(lock, 0)
        os.write(lock, f'process {os.getpid()} on {os.uname().nodename}'.encode())
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.close(lock)


def _try_lock(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _sweep(folder):
    """Remove what killed runs left in a folder, once for each folder and process."""
    key = os.path.abspath(folder)
    if key in _swept:
        return
    _swept.add(key)
    for path in folder.glob(f'{_PREFIX}*'):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, 'O_NOFOLLOW', 0))
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        except OSError:  # its writer is alive, or the file system has no locks
            pass
        finally:
            os.close(descriptor)
