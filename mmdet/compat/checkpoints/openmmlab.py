"""Conventions of mmdetection and mmtracking, read from the config text where the file carries one."""

from .common import ConversionRefused
from .conventions import IMAGE_NORMS, Conventions, legacy_conventions
from .refusals import refuse_unusual


def source_model(config):
    """Return ``(detector, whole)`` model dicts of a config; mmtracking nests the detector."""
    whole = config.get('model')
    whole = whole if isinstance(whole, dict) else {}
    detector = whole.get('detector')
    return (detector if isinstance(detector, dict) else whole), whole


def _get(mapping, *path):
    """Follow keys through nested dicts; None where the path ends early."""
    for key in path:
        if not isinstance(mapping, dict):
            return None
        mapping = mapping.get(key)
    return mapping


def _test_cfg(config, detector):
    for place in (detector.get('test_cfg'), config.get('test_cfg')):
        if isinstance(place, dict) and ('rcnn' in place or 'rpn' in place):
            return place
    return {}


def _nms_threshold(part, default):
    value = _get(part, 'nms', 'iou_threshold') or _get(part, 'nms', 'iou_thr') or _get(part, 'nms_thr')
    return default if value is None else value


def image_norm(config, options, caffe, notes):
    """Choose mean, std and channel order: command line, then config text, then the usual ones.

    Args:
        config (dict): parsed config text.
        options (Options): ``image_norm`` and ``style`` win over everything.
        caffe (str): key of IMAGE_NORMS for a Caffe backbone of this format.
        notes (list[str]): gets a line where something had to be assumed.

    Returns:
        tuple: ``(mean, std, bgr_to_rgb)``.
    """
    if options.image_norm:
        return IMAGE_NORMS[options.image_norm]
    stored = config.get('img_norm_cfg')
    if isinstance(stored, dict) and 'mean' in stored and 'std' in stored:
        return tuple(stored['mean']), tuple(stored['std']), bool(stored.get('to_rgb', True))
    detector, whole = source_model(config)
    for place in (whole, detector):
        pre = place.get('data_preprocessor')
        if isinstance(pre, dict) and 'mean' in pre and 'std' in pre:
            return tuple(pre['mean']), tuple(pre['std']), bool(pre.get('bgr_to_rgb', False))
    kind = caffe if options.style == 'caffe' else 'pytorch'
    notes.append(
        f'the file does not say how images were normalized: assumed {kind} (change with --image-norm)'
    )
    return IMAGE_NORMS[kind]


def backbone_style(config, options, notes):
    """Return ``'pytorch'`` or ``'caffe'``; the stride's place shows in no tensor."""
    detector, _ = source_model(config)
    style = options.style or _get(detector, 'backbone', 'style')
    if style is None and not detector:
        notes.append("the file does not say where strides are: assumed style 'pytorch' (change with --style)")
    return style or 'pytorch'


def roi_align_of(layer, default_mode, default_ratio, aligned_default):
    """Mode and sampling ratio of a ``roi_layer`` dict."""
    if not isinstance(layer, dict):
        return default_mode, default_ratio
    kind = layer.get('type', 'RoIAlign')
    if kind not in ('RoIAlign', 'ROIAlign'):
        raise ConversionRefused(f'roi_layer type {kind!r} is not supported, only RoIAlign')
    ratio = layer.get('sampling_ratio') or layer.get('sample_num') or 0
    if layer.get('aligned', aligned_default):
        return 'aligned', ratio
    # Version 1.x has its own kernel (+1, no minimal size) unless torchvision's was asked for; mmcv's is
    # torchvision's.
    legacy = default_mode == 'legacy' and not layer.get('use_torchvision', False)
    return ('legacy' if legacy else 'unaligned'), ratio


def apply_roi_layers(conventions, detector, aligned_default):
    """Set RoIAlign mode and sampling ratio from the config's extractors; box and mask must agree."""
    found = set()
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        layer = _get(detector, 'roi_head', name, 'roi_layer') or _get(detector, name, 'roi_layer')
        found.add(roi_align_of(layer, conventions.roi_align, conventions.sampling_ratio, aligned_default))
    if len(found) > 1:
        raise ConversionRefused(f'box and mask features use different RoIAlign: {sorted(found)}')
    conventions.roi_align, conventions.sampling_ratio = found.pop()


def apply_anchors(conventions, head, legacy_names=False):
    """Read anchors from an ``rpn_head`` dict (both generations of argument names)."""
    if not isinstance(head, dict):
        return
    generator = head.get('anchor_generator') or {}
    kind = generator.get('type', 'AnchorGenerator')
    if not legacy_names and kind not in ('AnchorGenerator', 'LegacyAnchorGenerator'):
        raise ConversionRefused(f'anchor generator {kind!r} is not supported')
    if kind == 'LegacyAnchorGenerator':
        conventions.anchors = 'legacy'
    if generator.get('center_offset', 0) not in (0, 0.0) and kind == 'AnchorGenerator':
        raise ConversionRefused(f'anchors with center_offset {generator["center_offset"]} are not supported')
    for name in ('scales', 'ratios', 'strides'):
        value = generator.get(name, head.get(f'anchor_{name}'))
        if value is not None:
            setattr(conventions, f'anchor_{name}', tuple(value))
    _refuse_means(head, 'rpn_head')


def _refuse_means(head, where):
    means = _get(head, 'bbox_coder', 'target_means') or _get(head, 'target_means')
    if means is not None and any(means):
        raise ConversionRefused(f'{where}: target_means {means} other than zero are not supported')


def apply_coders(conventions, rpn_head, box_head):
    """Read which box coder, and its deviations, the two stages use."""
    for head, name in ((rpn_head, 'rpn_coder'), (box_head, 'roi_coder')):
        kind = _get(head, 'bbox_coder', 'type')
        if kind == 'LegacyDeltaXYWHBBoxCoder':
            setattr(conventions, name, 'legacy')
        elif kind not in (None, 'DeltaXYWHBBoxCoder'):
            raise ConversionRefused(f'box coder {kind!r} is not supported')
    stds = _get(box_head, 'bbox_coder', 'target_stds') or _get(box_head, 'target_stds')
    if stds is not None:
        conventions.roi_stds = tuple(stds)
    _refuse_means(box_head, 'bbox_head')


def apply_test_cfg(conventions, config, detector):
    """Overwrite the test-time numbers with those of the config text."""
    test = _test_cfg(config, detector)
    rpn, rcnn = test.get('rpn') or {}, test.get('rcnn') or {}
    for target, source, names in (
        (
            conventions.rpn_test,
            rpn,
            ('nms_pre', 'nms_post', 'max_per_img', 'min_bbox_size', 'nms_across_levels'),
        ),
        (conventions.rcnn_test, rcnn, ('score_thr', 'max_per_img', 'mask_thr_binary')),
    ):
        target.update({name: source[name] for name in names if source.get(name) is not None})
    if rpn.get('max_num') is not None and rpn.get('max_per_img') is None:
        conventions.rpn_test['max_per_img'] = rpn['max_num']
    conventions.rpn_test['iou_threshold'] = _nms_threshold(rpn, conventions.rpn_test['iou_threshold'])
    conventions.rcnn_test['iou_threshold'] = _nms_threshold(rcnn, conventions.rcnn_test['iou_threshold'])
    kind = _get(rcnn, 'nms', 'type') or 'nms'
    if kind not in ('nms', 'soft_nms'):
        raise ConversionRefused(f'test_cfg.rcnn.nms of type {kind!r} is not supported')
    if kind != 'nms':
        conventions.rcnn_test['nms'] = dict(rcnn['nms'])


def match_coefficients(config):
    """The tracker's coefficients of a 2019 config text; those of the release if there is no text.

    A text with a track head but no ``match_coeff`` means, as in 2019, matching by similarity alone: None.
    """
    head = _get(config, 'model', 'track_head')
    values = head.get('match_coeff') if isinstance(head, dict) else (1.0, 2.0, 10.0)
    if values is None:
        return None
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise ConversionRefused(f'track_head.match_coeff needs three numbers, got {values!r}')
    return dict(zip(('det_score', 'iou', 'label'), values))


def test_scale(config):
    """``(long, short)`` edge bounds of the test pipeline in the config text; None where it has none."""
    steps = config.get('test_pipeline')
    for step in steps if isinstance(steps, (list, tuple)) else ():
        scale = _get(step, 'img_scale') or (
            _get(step, 'scale') if 'Resize' in str(_get(step, 'type')) else None
        )
        if isinstance(scale, (list, tuple)) and len(scale) == 2 and all(isinstance(v, int) for v in scale):
            return tuple(scale)
    return None


def modern(source, options, notes):
    """Conventions of mmdetection 2.x and 3.x (and of mmtracking's detector).

    Facts: docs/en/compatibility.md of mmdetection, "Compatibility with MMDetection 1.x".
    """
    conventions = Conventions(
        rpn_test=dict(nms_pre=1000, max_per_img=1000, iou_threshold=0.7, min_bbox_size=0),
        rcnn_test=dict(score_thr=0.05, iou_threshold=0.5, max_per_img=100, mask_thr_binary=0.5),
    )
    detector, _ = source_model(source.config)
    refuse_unusual(detector)
    apply_anchors(conventions, detector.get('rpn_head'))
    apply_coders(conventions, detector.get('rpn_head'), _get(detector, 'roi_head', 'bbox_head'))
    apply_roi_layers(conventions, detector, aligned_default=True)
    apply_test_cfg(conventions, source.config, detector)
    conventions.style = backbone_style(source.config, options, notes)
    conventions.mean, conventions.std, conventions.bgr_to_rgb = image_norm(
        source.config, options, 'caffe', notes
    )
    conventions.scale = test_scale(source.config) or conventions.scale
    return conventions


def legacy(source, options, notes, **numbers):
    """Conventions of mmdetection 1.x and of the 2019 code.

    Args:
        source (Source): the file.
        options (Options): command-line choices.
        notes (list[str]): gets assumptions.
        **numbers: ``rpn_test`` and ``rcnn_test`` to start from.
    """
    conventions = legacy_conventions(**numbers)
    detector, _ = source_model(source.config)
    refuse_unusual(detector)
    apply_anchors(conventions, detector.get('rpn_head'), legacy_names=True)
    apply_coders(conventions, None, detector.get('bbox_head'))
    apply_roi_layers(conventions, detector, aligned_default=False)
    apply_test_cfg(conventions, source.config, detector)
    conventions.style = backbone_style(source.config, options, notes)
    conventions.mean, conventions.std, conventions.bgr_to_rgb = image_norm(
        source.config, options, 'caffe1', notes
    )
    conventions.scale = test_scale(source.config) or conventions.scale
    return conventions


def class_names(meta):
    """Class names stored in ``meta`` by any version, as a tuple; None if there are none."""
    info = meta.get('dataset_meta')
    info = info if isinstance(info, dict) else {}
    for value in (info.get('classes'), info.get('CLASSES'), meta.get('CLASSES'), meta.get('classes')):
        if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) for name in value):
            return tuple(value)
    return None
