"""Format detection and the one call that converts."""

from . import legacy2019, mmdet1, mmdet2, mmdet3, mmtracking, pytorch_vision
from .architecture import read_architecture
from .common import ConversionRefused, Converted, Options, unwrap
from .native import native_model
from .openmmlab import class_names
from .refusals import check_types

# The order matters: a later format is asked only when no earlier one matches.
_MODULES = (pytorch_vision, mmdet3, mmtracking, mmdet2, mmdet1, legacy2019)
FORMATS = {module.FORMAT: module for module in _MODULES}

# Layouts that people will try, and what to tell them.
_KNOWN_OTHERS = (
    (
        ('layer1.0.conv1.weight', 'conv1.weight'),
        'this is a classification backbone, which needs no conversion: name it in the config as '
        'backbone.init_cfg='
        "dict(type='Pretrained', checkpoint='PATH')",
    ),
    (('proposal_generator.rpn_head.conv.weight',), 'detectron2 checkpoints are not supported'),
    (('backbone.bottom_up.res2.0.conv1.weight',), 'detectron2 checkpoints are not supported'),
)


def is_native(source):
    """Whether this project wrote the file: it says so, or it has 2019 names beside meta of mmengine."""
    return 'masktrack_version' in source.meta or (
        'mmengine_version' in source.meta and 'bbox_head.fc_cls.weight' in source.state_dict
    )


def detect_format(source):
    """Name the format of a checkpoint by its keys, and by what it says of itself where keys are shared.

    Args:
        source (Source): unpacked checkpoint.

    Returns:
        str: a key of ``FORMATS``.

    Raises:
        ConversionRefused: no format matches.
    """
    if is_native(source):
        raise ConversionRefused(
            f'{source.name or "checkpoint"}: this is a checkpoint of this project, nothing needs converting'
        )
    for name, module in FORMATS.items():
        if module.matches(source):
            return name
    keys = source.state_dict
    for needed, text in _KNOWN_OTHERS:
        if all(key in keys for key in needed):
            raise ConversionRefused(f'{source.name or "checkpoint"}: {text}')
    first = ', '.join(list(keys)[:3])
    raise ConversionRefused(
        f'{source.name or "checkpoint"}: the keys ({first}, ...) are of no known format; known are '
        f'{", ".join(FORMATS)}. Say which one with --format if you know it'
    )


def convert_checkpoint(checkpoint, source_format='auto', options=None, name=''):
    """Bring a foreign checkpoint into this project's names, row order and, by its config, rules.

    Args:
        checkpoint (dict): as loaded; see :func:`unwrap`.
        source_format (str): a key of ``FORMATS``, or ``'auto'``.
        options (Options | None): what the weights cannot tell.
        name (str): file name, for messages.

    Returns:
        Converted

    Raises:
        ConversionRefused: a rule, a part or a key that this project does not support.
        ValueError: an unknown format name.
    """
    options = options or Options()
    source = unwrap(checkpoint, name)
    if source_format == 'auto':
        source_format = detect_format(source)
    if source_format not in FORMATS:
        raise ValueError(f'format must be auto or one of {", ".join(FORMATS)}, got {source_format!r}')
    check_types(source.config)
    notes = []
    state, conventions = FORMATS[source_format].convert(source, options, notes)
    architecture = read_architecture(state, source_format)
    classes = options.classes or class_names(source.meta)
    if classes is not None and len(classes) != architecture.num_classes:
        raise ConversionRefused(
            f'{len(classes)} class names for a classifier of {architecture.num_classes} classes '
            'and background'
        )
    state = {key: value.contiguous() for key, value in state.items()}
    model = native_model(architecture, conventions)
    return Converted(state, model, conventions, classes, source_format, notes)
