"""Errors a user can act on, and how command-line tools print them."""

import difflib
import errno
import functools
import os
import sys
import traceback


class UserError(ValueError):
    """Bad input: the message says what was expected, what came and where. Tools print no traceback for it."""

    def __init__(self, message=''):
        # A data loader's worker hands its error over as a new one whose message is the whole traceback.
        text = str(message)
        if text.startswith('Caught ') and '\nOriginal Traceback' in text and 'UserError: ' in text:
            message = text.rsplit('UserError: ', 1)[1].strip()
        super().__init__(message)


def suggest(name, known, cutoff=0.6):
    """Return ``' (did you mean ...?)'`` for the known name closest to ``name``, or an empty string.

    Args:
        name (str): what was given.
        known (Iterable[str]): what would be valid.
        cutoff (float): similarity in [0, 1] below which nothing is suggested.
    """
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=cutoff)
    return f' (did you mean {close[0]!r}?)' if close else ''


# What the system says of places that are not as they should be: the user's doing, or the disk's.
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


def _give_up(message):
    """Print one line about the exception at hand and exit with 2."""
    if os.environ.get('MASKTRACK_TRACEBACK') == '1':
        traceback.print_exc()
    print(f'error: {message}', file=sys.stderr, flush=True)
    sys.exit(2)


def cli_main(main):
    """Decorate a tool's ``main``: bad input becomes one line on stderr and exit status 2, Ctrl-C becomes 130.

    ``UserError`` and ``FileNotFoundError`` are printed as ``error: ...``, likewise a place that may not be
    written to or a full disk, and a library that is not installed, as when the environment is not active;
    every other exception keeps its traceback, as it is a bug and not the user's doing.
    ``MASKTRACK_TRACEBACK=1`` shows it in all cases.
    """

    @functools.wraps(main)
    def wrapper(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except (UserError, FileNotFoundError) as error:
            _give_up(str(error))
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            where = f'{error.filename}: ' if error.filename else ''
            _give_up(f'{where}{error.strerror}')
        except ModuleNotFoundError as error:
            name = (error.name or '').partition('.')[0]
            if not name or name == 'mmdet':
                raise
            _give_up(
                f'{name} is not installed for {sys.executable}: activate the environment '
                '(source .venv/bin/activate), or see INSTALL.md'
            )
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr, flush=True)
            sys.exit(130)

    return wrapper
