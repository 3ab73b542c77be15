"""Errors that a user can act on, and how command-line tools print them."""

import difflib
import errno
import functools
import os
import sys
import traceback
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: the message says what was expected, what came and where. Tools print no traceback."""

    def __init__(self, message=''):
        # The data loader raises the error of a worker again with the worker's traceback as its message.
        text = str(message)
        if text.startswith('Caught ') and '\nOriginal Traceback' in text and 'UserError: ' in text:
            message = text.rsplit('UserError: ', 1)[1].strip()
        super().__init__(message)


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``' (did you mean ...?)'`` for the known name closest to ``name``, or an empty string.

    Args:
        name: the name that was given.
        known: the valid names.
        cutoff: similarity in [0, 1] below which nothing is suggested.
    """
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=cutoff)
    return f' (did you mean {close[0]!r}?)' if close else ''


# Errors of the file system that a user can fix: permissions, a full disk, a wrong path.
_REFUSED = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}


def _exit_with(message):
    """Print the current exception as one line and exit with status 2."""
    if os.environ.get('MASKTRACK_TRACEBACK') == '1':
        traceback.print_exc()
    print(f'error: {message}', file=sys.stderr, flush=True)
    sys.exit(2)


def cli_main(main):
    """Decorate ``main`` of a tool: bad input gives one line on stderr and exit status 2, Ctrl-C gives 130.

    Bad input is a ``UserError``, a missing file, a path that cannot be written, a full disk, or a library
    that is not installed (often because the environment is not active). Any other exception is a bug and
    keeps its traceback. ``MASKTRACK_TRACEBACK=1`` shows the traceback in all cases.
    """

    @functools.wraps(main)
    def wrapper(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except (UserError, FileNotFoundError) as error:
            _exit_with(str(error))
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            where = f'{error.filename}: ' if error.filename else ''
            _exit_with(f'{where}{error.strerror}')
        except ModuleNotFoundError as error:
            name = (error.name or '').partition('.')[0]
            if not name or name == 'mmdet':
                raise
            _exit_with(
                f'{name} is not installed for {sys.executable}: activate the environment '
                '(source .venv/bin/activate), or see INSTALL.md'
            )
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr, flush=True)
            sys.exit(130)

    return wrapper
