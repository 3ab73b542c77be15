"""Settings of a stored config that no tensor name shows and that are not supported."""

from .common import ConversionRefused

_USUAL = {
    'backbone.strides': (1, 2, 2, 2),
    'backbone.dilations': (1, 1, 1, 1),
    'backbone.num_stages': 4,
    'backbone.out_indices': (0, 1, 2, 3),
    'backbone.avg_down': False,
    'backbone.conv_cfg.type': 'Conv2d',
    'neck.type': 'FPN',
    'neck.start_level': 0,
    'neck.add_extra_convs': False,
    'neck.conv_cfg.type': 'Conv2d',
    'rpn_head.num_convs': 1,
    'rpn_head.anchor_generator.base_sizes': None,
    'rpn_head.anchor_generator.octave_base_scale': None,
    'rpn_head.anchor_generator.centers': None,
    'rpn_head.anchor_base_sizes': None,
    'rpn_head.reg_decoded_bbox': False,
    'bbox_head.with_avg_pool': False,
    'bbox_head.reg_decoded_bbox': False,
    'bbox_head.cls_predictor_cfg.type': 'Linear',
    'bbox_head.reg_predictor_cfg.type': 'Linear',
    'bbox_head.loss_cls.use_sigmoid': False,
    'bbox_roi_extractor.type': 'SingleRoIExtractor',
    'bbox_roi_extractor.finest_scale': 56,
    'mask_roi_extractor.type': 'SingleRoIExtractor',
    'mask_roi_extractor.finest_scale': 56,
    'mask_head.type': 'FCNMaskHead',
    'mask_head.upsample_cfg.type': 'deconv',
    'mask_head.upsample_method': 'deconv',
    'mask_head.conv_kernel_size': 3,
    'mask_head.predictor_cfg.type': 'Conv',
    'mask_head.loss_mask.use_sigmoid': None,
    'shared_head': None,
    'roi_head.shared_head': None,
    'test_cfg.rcnn.nms.class_agnostic': False,
}
_SECOND_STAGE = ('bbox_head', 'mask_head', 'bbox_roi_extractor', 'mask_roi_extractor')


def _lookup(node, path):
    """Value at a dotted path; ``(found, value)``."""
    for key in path.split('.'):
        if not isinstance(node, dict) or key not in node:
            return False, None
        node = node[key]
    return True, node


def _plain(value):
    return tuple(value) if isinstance(value, list) else value


def refuse_unusual(detector):
    """Refuse settings of a stored model config that change the computation and have no counterpart here.

    Args:
        detector (dict): ``model`` of a config text (or ``model.detector``); empty if there was none.

    Raises:
        ConversionRefused: names the setting, what it is and what is supported.
    """
    for path, usual in _USUAL.items():
        first = path.split('.', 1)[0]
        places = [path] + ([f'roi_head.{path}'] if first in _SECOND_STAGE else [])
        for place in places:
            found, value = _lookup(detector, place)
            if found and value is not None and _plain(value) != usual:
                raise ConversionRefused(
                    f'the stored config sets {place} to {value!r}; supported is {usual!r}'
                )


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _numbers(length=None):
    def check(value):
        fits = isinstance(value, (list, tuple)) and all(map(_number, value)) and len(value) > 0
        return fits and (length is None or len(value) == length)

    return check


def _dict(value):
    return isinstance(value, dict)


def _text(value):
    return isinstance(value, str)


_WORDS = {
    _number: 'a number',
    _count: 'a whole number from 0 on',
    _dict: 'a dict',
    _text: 'a text',
}
_HEAD = {'': _dict, '.type': _text, '.bbox_coder': _dict, '.bbox_coder.type': _text}
_HEAD.update(
    {f'{place}.target_{name}': _numbers(4) for place in ('', '.bbox_coder') for name in ('means', 'stds')}
)
_LAYER = {
    '': _dict,
    '.roi_layer': _dict,
    '.roi_layer.sampling_ratio': _count,
    '.roi_layer.sample_num': _count,
}
_IMAGES = {'': _dict, '.mean': _numbers(3), '.std': _numbers(3)}
_TEST = {
    '': _dict,
    **dict.fromkeys(('.rpn', '.rpn.nms', '.rcnn', '.rcnn.nms'), _dict),
    **dict.fromkeys(('.rpn.nms_pre', '.rpn.nms_post', '.rpn.max_num', '.rpn.max_per_img'), _count),
    **dict.fromkeys(
        ('.rpn.nms_thr', '.rpn.min_bbox_size', '.rcnn.score_thr', '.rcnn.mask_thr_binary'), _number
    ),
    **{f'.{part}.nms.{name}': _number for part in ('rpn', 'rcnn') for name in ('iou_thr', 'iou_threshold')},
}


def _under(prefix, table):
    return {f'{prefix}{path}': check for path, check in table.items()}


_DETECTOR = {
    '': _dict,
    '.backbone': _dict,
    '.backbone.style': lambda value: value in ('pytorch', 'caffe'),
    '.roi_head': _dict,
    '.rpn_head.anchor_generator': _dict,
    **{f'.rpn_head.anchor_generator.{name}': _numbers() for name in ('scales', 'ratios', 'strides')},
    **{f'.rpn_head.anchor_{name}': _numbers() for name in ('scales', 'ratios', 'strides')},
    **_under('.rpn_head', _HEAD),
    **{
        f'{place}{key}': check
        for place in ('.bbox_head', '.roi_head.bbox_head')
        for key, check in _HEAD.items()
    },
    **{
        f'{place}.{name}_roi_extractor{key}': check
        for place in ('', '.roi_head')
        for name in ('bbox', 'mask')
        for key, check in _LAYER.items()
    },
    **_under('.data_preprocessor', _IMAGES),
    **_under('.test_cfg', _TEST),
    '.track_head': _dict,
    **_under('.track_head.roi_extractor', _LAYER),
    '.tracker': _dict,
    '.tracker.type': _text,
    '.tracker.match_weights': _dict,
    '.tracker.num_frames_retain': lambda value: _count(value) and value > 0,
    **{f'.tracker.match_weights.{name}': _number for name in ('det_score', 'iou', 'det_label')},
    **{f'.tracker.{name}_coefficient': _number for name in ('det_score', 'iou', 'label')},
}
_TYPES = {
    **_under('model', _DETECTOR),
    **_under('model.detector', _DETECTOR),
    **_under('test_cfg', _TEST),
    **_under('img_norm_cfg', _IMAGES),
}


def check_types(config):
    """Refuse a stored config in which something this package reads has another type than it should.

    Args:
        config (dict): parsed config text.

    Raises:
        ConversionRefused: names the setting and its value.
    """
    for path, check in _TYPES.items():
        found, value = _lookup(config, path)
        if found and value is not None and not check(value):
            expected = f', expected {_WORDS[check]}' if check in _WORDS else ''
            raise ConversionRefused(f'the stored config sets {path} to {value!r}{expected}')
