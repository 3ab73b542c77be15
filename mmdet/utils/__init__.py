"""Helpers that import neither torch nor the rest of the package."""

from .cli import add_options
from .errors import UserError, cli_main, suggest
from .io import atomic_open, atomic_write_text
from .lazy import attach
from .modules import import_submodules
from .names import IMAGE_SUFFIXES, natural_key
from .progress import Progress, format_seconds

__all__ = [
    'IMAGE_SUFFIXES',
    'Progress',
    'UserError',
    'add_options',
    'atomic_open',
    'atomic_write_text',
    'attach',
    'cli_main',
    'format_seconds',
    'import_submodules',
    'natural_key',
    'suggest',
]
