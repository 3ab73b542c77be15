"""Format detection and the one call that converts."""

from mmdet.utils import blaming

from . import mmdet, mmtracking, pytorch_vision
from .architecture import read_architecture
from .common import ConversionRefused, Converted, Options, unwrap
from .native import native_model
from .openmmlab import class_names
from .refusals import check_types


def _is_mmdet3(source):
    """Whether the file says 3.x; it may have the layout of mmtracking, whose weights 3.x offers, too."""
    offered = mmtracking.matches(source) and 'mmtrack_version' not in source.meta
    return mmdet.version_of(source.meta)[0] == 3 and (mmdet.has_layout_2x(source) or offered)


def _convert_mmdet3(source, *args):
    return (mmtracking.convert if mmtracking.matches(source) else mmdet.convert_2x)(source, *args)


#: Name of a format -> whether a file has it, and its conversion. The first format that matches is taken.
FORMATS = {
    'torchvision': (pytorch_vision.matches, pytorch_vision.convert),
    'mmdet3': (_is_mmdet3, _convert_mmdet3),
    'mmtracking': (mmtracking.matches, mmtracking.convert),
    'mmdet2': (mmdet.has_layout_2x, mmdet.convert_2x),
    'mmdet1': (mmdet.is_1x, mmdet.convert_1x),
    '2019': (mmdet.is_2019, mmdet.convert_1x),
}

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
    for name, (matches, _) in FORMATS.items():
        if matches(source):
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
    _, convert = FORMATS[source_format]
    with blaming(
        f'{name or "checkpoint"} cannot be converted from format {source_format!r}', ConversionRefused
    ):
        state, conventions = convert(source, options, notes, source_format)
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
