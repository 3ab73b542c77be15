"""Errors that a user can act on."""

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


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``' (did you mean ...?)'`` for the known name closest to ``name``, or an empty string.

    Args:
        name: the name that was given.
        known: the valid names.
        cutoff: similarity in [0, 1] below which nothing is suggested.
    """
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=cutoff)
    return f' (did you mean {close[0]!r}?)' if close else ''
