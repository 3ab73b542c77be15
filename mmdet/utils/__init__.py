"""Helpers that know nothing of torch or of the rest of the project."""

from .lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'errors': ('UserError', 'cli_main', 'suggest'),
        'io': ('atomic_open', 'atomic_write_text'),
        'lazy': ('attach',),
        'names': ('IMAGE_SUFFIXES', 'natural_key'),
        'progress': ('Progress', 'format_seconds'),
    },
)
