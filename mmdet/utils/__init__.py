"""Helpers that import neither torch nor the rest of the package."""

from .appended_file import AppendedFile
from .background import Background, read_ahead, was_interrupted
from .cli import PRECISIONS, ListAction, add_options, cli_main, unit_interval
from .errors import Interrupted, UserError, blaming, shown, suggest
from .interrupts import handling_signals, outliving_signals, uninterrupted
from .io import (
    Scratch,
    atomic_open,
    atomic_write_text,
    check_output,
    check_output_folder,
    exclusive,
    inside,
    is_input,
    note_input,
    reading_own_output,
)
from .lazy import LazyModule, attach
from .modules import import_submodules
from .names import IMAGE_SUFFIXES, file_name_fault, is_text, natural_key, printable
from .progress import Progress, format_seconds

__all__ = [
    'AppendedFile',
    'Background',
    'IMAGE_SUFFIXES',
    'Interrupted',
    'LazyModule',
    'PRECISIONS',
    'ListAction',
    'Progress',
    'Scratch',
    'UserError',
    'add_options',
    'atomic_open',
    'atomic_write_text',
    'attach',
    'blaming',
    'check_output',
    'check_output_folder',
    'cli_main',
    'exclusive',
    'file_name_fault',
    'format_seconds',
    'handling_signals',
    'import_submodules',
    'inside',
    'is_input',
    'is_text',
    'natural_key',
    'note_input',
    'read_ahead',
    'reading_own_output',
    'outliving_signals',
    'printable',
    'shown',
    'suggest',
    'uninterrupted',
    'unit_interval',
    'was_interrupted',
]
