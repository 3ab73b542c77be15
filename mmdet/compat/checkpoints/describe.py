"""What a model config and a checkpoint say of themselves, in the same words, so that they can be compared."""

from mmdet.utils import blaming

from .api import convert_checkpoint, detect_format, is_native
from .architecture import read_architecture
from .common import ConversionRefused, unwrap

_CODERS = {
    'LegacyDeltaXYWHBBoxCoder': 'inclusive pixels (+1)',
    'DeltaXYWHBBoxCoder': 'continuous',
}


def describe_model(model):
    """Conventions of a native model config, one phrase each.

    Args:
        model (dict): ``model`` of a native config.

    Returns:
        dict[str, str]: only what the config says.
    """

    with blaming('the config stored in the checkpoint is not one of a model'):
        return _describe_model(model)


def _describe_model(model):
    def get(*path):
        node = model
        for key in path:
            if not isinstance(node, dict) or key not in node:
                return None
            node = node[key]
        return node

    found = dict(background='first column')
    pre = model.get('data_preprocessor') or {}
    if pre:
        order = 'RGB' if pre.get('bgr_to_rgb') else 'BGR'
        found['images'] = f'{order}, mean {_numbers(pre.get("mean"))}, std {_numbers(pre.get("std"))}'
    if get('backbone', 'style') is not None:
        found['strides'] = (
            'in the 3x3 (pytorch)' if get('backbone', 'style') == 'pytorch' else 'in the 1x1 (caffe)'
        )
    generator = get('rpn_head', 'anchor_generator')
    if generator:
        found['anchors'] = _anchors(generator)
    coder = get('bbox_head', 'bbox_coder', 'type') or get('rpn_head', 'bbox_coder', 'type')
    if coder:
        found['boxes'] = _CODERS.get(coder, coder)
    layer = get('bbox_roi_extractor', 'roi_layer')
    if layer:
        ratio = layer.get('sampling_ratio', 0)
        samples = f'{ratio}x{ratio} samples' if ratio else 'adaptive samples'
        found['RoIAlign'] = f'{layer.get("mode", "legacy")}, {samples}'
    if get('mask_head'):
        found['masks'] = get('mask_head', 'mask_convention') or 'legacy'
    tracker = get('tracker')
    if tracker or get('track_head'):
        kind = (tracker or {}).get('type', 'MaskTrackTracker')
        options = {key: value for key, value in (tracker or {}).items() if key not in ('type', 'match_coeff')}
        shown = ', '.join(f'{key}={value}' for key, value in sorted(options.items()))
        if kind == 'MaskTrackTracker':
            shown = f'tracker {shown or "as in 2019"}'
        else:
            shown = f'{kind}({shown})'
        last = 'ReLU' if get('track_head', 'relu_last') else 'no ReLU'
        found['tracking'] = f'{last} after the last layer; {shown}' if get('track_head') else shown
    return found


def _numbers(values):
    return '(' + ', '.join(f'{value:g}' for value in values or ()) + ')'


def _anchors(generator):
    if generator.get('type') == 'LegacyAnchorGenerator':
        return 'rounded, centered at (stride - 1) / 2'
    rounded = 'rounded' if generator.get('rounded') else 'not rounded'
    stride = ', stride from the padded image' if generator.get('image_strides') else ''
    return f'{rounded}, centered at 0{stride}'


def _look_inside(checkpoint, source, result):
    """Add ``architecture`` to ``result``; returns the model config, stored or by conversion, or None."""
    if result['format'] in ('backbone', 'unknown'):
        return None
    try:
        if result['format'] == 'native':
            result['architecture'] = read_architecture(source.state_dict, 'native')
            return source.config.get('model')
        # A look only: what the weights cannot tell is assumed as the converter would assume it.
        converted = convert_checkpoint(checkpoint, result['format'], name=source.name)
        result['architecture'] = read_architecture(converted.state_dict, result['format'])
        result['notes'] = converted.notes
        return converted.model
    except ConversionRefused as error:
        result['why'] = str(error)
        return None


def describe_checkpoint(checkpoint, name=''):
    """Say what a checkpoint is without converting it.

    Args:
        checkpoint (dict): as loaded.
        name (str): file name.

    Returns:
        dict: ``format`` (a key of FORMATS, ``'native'``, ``'backbone'`` or ``'unknown'``), ``why`` (for an
        unknown one), ``tensors``, ``parameters``, ``dtypes``, ``parts`` (tensors by first name), ``classes``,
        ``architecture``, ``notes`` (what converting it would assume), ``stored`` (what is there beside the
        weights), ``conventions`` (phrases; of a native file those of its config), ``meta`` (short entries).
    """
    from .openmmlab import class_names

    source = unwrap(checkpoint, name)
    state, meta = source.state_dict, source.meta
    result = dict(format='unknown', why='', tensors=len(state))
    try:
        result['format'] = 'native' if is_native(source) else detect_format(source)
    except ConversionRefused as error:
        result['why'] = str(error)
        if 'layer1.0.conv1.weight' in state and 'conv1.weight' in state:
            result['format'] = 'backbone'
    weights = {key: value for key, value in state.items() if value.dim() > 0}
    buffers = ('running_mean', 'running_var')
    result['parameters'] = sum(v.numel() for k, v in weights.items() if not k.endswith(buffers))
    result['dtypes'] = sorted({str(value.dtype).removeprefix('torch.') for value in weights.values()})
    parts = {}
    for key in state:
        part = key.split('.', 1)[0]
        parts[part] = parts.get(part, 0) + 1
    result['parts'] = parts
    result['classes'] = class_names(meta)
    model = _look_inside(checkpoint, source, result)
    bare = not any(isinstance(checkpoint.get(key), dict) for key in ('state_dict', 'model'))
    result['stored'] = [] if bare else sorted(set(checkpoint) - {'state_dict', 'model', 'meta'})
    result['conventions'] = describe_model(model) if isinstance(model, dict) else {}
    result['meta'] = {
        key: value
        for key, value in meta.items()
        if isinstance(value, (str, int, float)) and (not isinstance(value, str) or len(value) <= 80)
    }
    return result
