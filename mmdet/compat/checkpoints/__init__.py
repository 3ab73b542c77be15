"""Weights of other codebases, brought into our names, row order and conventions.

:func:`convert_checkpoint` (``api.py``) takes the content of a checkpoint file and gives a :class:`Converted`:
native weights, the model config that goes with them and notes. On the way a format module (``mmdet.py``,
``mmtracking.py``, ``pytorch_vision.py``) renames tensors (``keys.py``), reorders class rows (``rows.py``) and
reads :class:`Conventions` out of the stored config (``openmmlab.py``), ``architecture.py`` measures the
weights, and ``native.py`` writes the config. To add a format, write ``matches(source)`` and
``convert(source, options, notes, source_format)`` in a module and add a line to ``FORMATS`` in ``api.py``.
"""

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
