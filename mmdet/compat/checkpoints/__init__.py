"""Weights of other projects, brought into this one's names, row order and rules. One module a format."""

from .api import FORMATS, convert_checkpoint, detect_format, is_native
from .common import ConversionRefused, Converted, Options, Source, unwrap
from .conventions import Conventions
from .stored_config import parse_config_text

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
