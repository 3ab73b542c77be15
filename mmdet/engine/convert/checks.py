"""What a stored config may ask for that shows in no tensor name, and that this project does not do."""

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
