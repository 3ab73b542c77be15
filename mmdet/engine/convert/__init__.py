"""Weights of other projects, brought into this one's names, row order and rules. One module a format."""

from .api import FORMATS, convert_checkpoint, detect_format, is_native
from .common import ConversionRefused, Converted, Options, Source, unwrap
from .config_text import parse_config_text
from .conventions import Conventions

__all__ = [
    'FORMATS',
    'ConversionRefused',
    'Conventions',
    'Converted',
    'Options',
    'Source',
    'convert_checkpoint',
    'detect_format',
    'is_native',
    'parse_config_text',
    'unwrap',
]
