"""Errors that a user can act on."""

import contextlib
import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: the message says what was expected, what came and where. Tools print no traceback."""

    def __init__(self, message=''):
        # The data loader raises the error of a worker again with the worker's traceback as its message.
        text = str(message)
        if text.startswith('Caught ') and '\nOriginal Traceback' in text and 'UserError: ' in text:
            message = text.rsplit('UserError: ', 1)[1].strip()
        super().__init__(message)


class Interrupted(KeyboardInterrupt):
    """A signal ended the work; what was done is kept, and the message says how to continue.

    Args:
        message (str): printed by tools.
        number (int): the signal; a tool's exit status is 128 more.
    """

    def __init__(self, message='interrupted', number=2):
        super().__init__(message)
        self.number = number


@contextlib.contextmanager
def blaming(message: str, kind: type = UserError):
    """Within the block, errors of the kinds that odd contents of a file cause become one line.

    For contents from outside, where no list of checks is complete. Errors that are one line already pass.

    Args:
        message: what cannot be done with which file; the reason is added.
        kind: a subclass of ``UserError``.
    """
    try:
        yield
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [''])[0]
        raise kind(f'{message} ({type(error).__name__}: {reason:.200})') from error


def shown(value: object) -> str:
    """Return a value as short text on one line, for a message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python does not print whole numbers of thousands of digits
        return f'a value that cannot be printed ({type(value).__name__})'
    return text if len(text) <= 80 else f'{text[:77]}...'


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``' (did you mean ...?)'`` for the known name closest to ``name``, or an empty string.

    Args:
        name: the name that was given.
        known: the valid names.
        cutoff: similarity in [0, 1] below which nothing is suggested.
    """
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=cutoff)
    return f' (did you mean {close[0]!r}?)' if close else ''
