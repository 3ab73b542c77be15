"""What the values of foreign configs must be: one table by the name of the key, for all parts."""

import math

from mmdet.utils import UserError, shown

_MOST = 1 << 20  # no count of channels, images or iterations per step is sensibly larger


def number(value):
    """Whether a value is a finite number."""
    # The comparison holds for whole numbers that no float can hold, too.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e300 < value < 1e300


def _integer(least, most=_MOST):
    def check(value):
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    return check


def _between(low, high):
    def check(value):
        return number(value) and low <= value <= high

    return check


def _list(check, length=None):
    def check_all(value):
        fits = isinstance(value, (list, tuple)) and len(value) > 0 and all(map(check, value))
        return fits and (length is None or len(value) == length)

    return check_all


def _either(*checks):
    return lambda value: any(check(value) for check in checks)


def _text(value):
    return isinstance(value, str) and '\0' not in value


def _dict(value):
    return isinstance(value, dict)


def _flag(value):
    return isinstance(value, bool) or value in (0, 1)


def _among(*words):
    return lambda value: isinstance(value, str) and value in words


SIZE, COUNT = (_integer(1), 'a whole number from 1 on'), (_integer(0), 'a whole number from 0 on')
INTEGER = (_integer(-_MOST), 'a whole number')
LIMIT = (_integer(-1), 'a whole number, -1 for no limit')
FEW = (_integer(0, 64), 'a whole number from 0 to 64')
SIZES = (_list(_integer(1)), 'a list of whole numbers from 1 on')
SIZE_OR_SIZES = (_either(_integer(1), _list(_integer(1))), 'a whole number from 1 on, or a list of them')
SIDE = (_either(_integer(1, 4096), _list(_integer(1, 4096), 2)), 'a whole number from 1 on, or two of them')
COUNTS = (_list(_integer(0)), 'a list of whole numbers from 0 on')
NUMBER = (number, 'a finite number')
POSITIVE = (lambda value: number(value) and value > 0, 'a number above 0')
NOT_NEGATIVE = (lambda value: number(value) and value >= 0, 'a number from 0 on')
FRACTION = (_between(0, 1), 'a number from 0 to 1')
BAND = (_either(_between(0, 1), _list(_between(0, 1), 2)), 'a number from 0 to 1, or two of them')
POSITIVES = (_list(POSITIVE[0]), 'a list of numbers above 0')
FOUR, THREE = (_list(number, 4), 'a list of four numbers'), (_list(number, 3), 'a list of three numbers')
THREE_STDS = (_list(POSITIVE[0], 3), 'a list of three numbers above 0')
TWO = (_list(number, 2), 'two numbers')
PAIR = _list(_integer(1, 65536), 2)
SCALES = (_either(PAIR, _list(PAIR)), 'the longest and the shortest edge in pixels, or a list of such pairs')
TEXT, DICT, FLAG = (_text, 'a text'), (_dict, 'a dict'), (_flag, 'True or False')
TEXTS = (_either(_text, _list(_text)), 'a text, or a list of texts')
DICTS = (lambda value: isinstance(value, (list, tuple)) and all(map(_dict, value)), 'a list of dicts')
NORM = (_either(POSITIVE[0], lambda value: value == math.inf), 'a number above 0')
STAGES = (_integer(-1, 4), 'a whole number from -1 to 4')

KINDS = {
    'type': TEXT,
    # backbone and neck
    **dict.fromkeys(('depth', 'groups', 'base_width', 'out_channels', 'feat_channels'), SIZE),
    'num_stages': (_integer(1, 4), 'a whole number from 1 to 4'),
    **dict.fromkeys(('strides', 'dilations'), SIZE_OR_SIZES),
    'out_indices': COUNTS,
    'frozen_stages': STAGES,
    'style': (_among('pytorch', 'caffe'), "'pytorch' or 'caffe'"),
    **dict.fromkeys(('with_cp', 'norm_eval', 'zero_init_residual', 'requires_grad', 'frozen'), FLAG),
    'in_channels': SIZE_OR_SIZES,
    'num_outs': (_integer(1, 16), 'a whole number from 1 to 16'),
    **dict.fromkeys(('start_level', 'end_level'), (_integer(-1, 16), 'a whole number from -1 on')),
    **dict.fromkeys(('extra_convs_on_inputs', 'relu_before_extra_convs', 'no_norm_on_lateral'), FLAG),
    'activation': TEXT,
    # heads
    **dict.fromkeys(('anchor_scales', 'anchor_ratios', 'anchor_strides', 'anchor_base_sizes'), POSITIVES),
    **dict.fromkeys(('scales', 'ratios'), POSITIVES),
    'target_means': FOUR,
    'target_stds': (_list(POSITIVE[0], 4), 'a list of four numbers above 0'),
    **dict.fromkeys(('use_sigmoid_cls', 'use_sigmoid', 'use_mask', 'reg_class_agnostic'), FLAG),
    **dict.fromkeys(('with_avg_pool', 'with_cls', 'with_reg', 'class_agnostic'), FLAG),
    **dict.fromkeys(('loss_cls', 'loss_bbox', 'loss_mask', 'roi_layer', 'norm_cfg', 'normalize'), DICT),
    'loss_weight': NUMBER,
    'beta': NOT_NEGATIVE,
    'featmap_strides': SIZES,
    **dict.fromkeys(('sample_num', 'sampling_ratio'), COUNT),
    **dict.fromkeys(('out_size', 'output_size', 'roi_feat_size', 'mask_size'), SIDE),
    'finest_scale': POSITIVE,
    **dict.fromkeys(('num_fcs', 'num_convs', 'num_shared_convs', 'num_shared_fcs'), FEW),
    **dict.fromkeys(('num_cls_convs', 'num_cls_fcs', 'num_reg_convs', 'num_reg_fcs'), FEW),
    **dict.fromkeys(('fc_out_channels', 'conv_out_channels', 'conv_kernel_size', 'upsample_ratio'), SIZE),
    'upsample_method': TEXT,
    'num_groups': SIZE,
    'match_coeff': THREE,
    'bbox_dummy_iou': FRACTION,
    **dict.fromkeys(('det_score', 'iou', 'det_label', 'label'), NUMBER),
    **dict.fromkeys(('det_score_coefficient', 'iou_coefficient', 'label_coefficient'), NUMBER),
    'num_frames_retain': SIZE,
    # training and testing of the model
    **dict.fromkeys(('rpn', 'rcnn', 'rpn_proposal', 'assigner', 'sampler', 'nms'), DICT),
    **dict.fromkeys(('pos_iou_thr', 'min_pos_iou', 'pos_fraction', 'nms_thr'), FRACTION),
    **dict.fromkeys(('iou_thr', 'iou_threshold', 'score_thr', 'min_score'), FRACTION),
    'neg_iou_thr': BAND,
    'num': SIZE,
    **dict.fromkeys(
        ('ignore_iof_thr', 'neg_pos_ub', 'allowed_border', 'pos_weight', 'mask_thr_binary'), NUMBER
    ),
    **dict.fromkeys(('add_gt_as_proposals', 'nms_across_levels', 'match_low_quality'), FLAG),
    **dict.fromkeys(('smoothl1_beta', 'min_bbox_size', 'sigma'), NOT_NEGATIVE),
    **dict.fromkeys(('nms_pre', 'nms_post', 'max_num', 'max_per_img'), LIMIT),
    'method': TEXT,
    # data
    **dict.fromkeys(('imgs_per_gpu', 'samples_per_gpu'), SIZE),
    'workers_per_gpu': (_integer(0, 1024), 'a whole number from 0 to 1024'),
    'img_scale': SCALES,
    'flip_ratio': FRACTION,
    'size_divisor': SIZE,
    'mean': THREE,
    'std': THREE_STDS,
    **dict.fromkeys(('to_rgb', 'with_mask', 'with_bbox', 'resize_keep_ratio', 'keep_ratio'), FLAG),
    'img_norm_cfg': DICT,
    **dict.fromkeys(('ann_file', 'img_prefix'), TEXTS),
    'data_root': TEXT,
    'multiscale_mode': (_among('value', 'range'), "'value' or 'range'"),
    'ratio_range': TWO,
    'aug_ref_bbox_param': (_list(NOT_NEGATIVE[0], 2), 'two numbers from 0 on'),
    **dict.fromkeys(('pipeline', 'transforms'), DICTS),
    'times': SIZE,
    # training
    'total_epochs': SIZE,
    'lr': NOT_NEGATIVE,
    **dict.fromkeys(('momentum', 'weight_decay'), NOT_NEGATIVE),
    **dict.fromkeys(('gamma', 'power'), POSITIVE),
    **dict.fromkeys(('bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult'), NUMBER),
    'grad_clip': DICT,
    'max_norm': POSITIVE,
    'norm_type': NORM,
    **dict.fromkeys(('policy', 'warmup', 'log_level', 'work_dir', 'load_from', 'resume_from'), TEXT),
    'pretrained': TEXT,
    'step': SIZE_OR_SIZES,
    'warmup_iters': COUNT,
    'warmup_ratio': (lambda value: number(value) and 0 < value <= 1, 'a number above 0, up to 1'),
    **dict.fromkeys(('target_lr', 'min_lr'), NOT_NEGATIVE),
    **dict.fromkeys(('interval', 'max_keep_ckpts'), LIMIT),
    **dict.fromkeys(
        ('by_epoch', 'save_optimizer', 'find_unused_parameters', 'cudnn_benchmark', 'use_torchvision'), FLAG
    ),
    'hooks': DICTS,
    'seed': (_integer(0, 2**32 - 1), 'a whole number from 0 to 4294967295'),
    **dict.fromkeys(('out_dir', 'filename_tmpl'), TEXT),
}
# Where None means what leaving the key out means.
_MAY_BE_NONE = {
    *(
        'pretrained',
        'neck',
        'load_from',
        'resume_from',
        'work_dir',
        'grad_clip',
        'match_coeff',
        'rpn_proposal',
    ),
    *('rpn', 'rcnn', 'size_divisor', 'norm_cfg', 'normalize', 'activation', 'warmup', 'seed', 'loss_cls'),
    *('loss_bbox', 'loss_mask', 'anchor_base_sizes', 'aug_ref_bbox_param', 'target_lr', 'min_lr', 'out_dir'),
    *('ratio_range', 'img_scale', 'iou', 'num_frames_retain'),
}


def check_value(where, key, value):
    """Refuse a value of another type or range than its key takes, also within dicts and lists of dicts.

    Args:
        where (str): dotted name of the key, for the message.
        key (str): its last part, which ``KINDS`` knows, or not: then anything passes.
        value: what the config says.

    Raises:
        UserError: names the key, what came and what it takes.
    """
    if key in KINDS and not (value is None and key in _MAY_BE_NONE):
        fits, words = KINDS[key]
        if not fits(value):
            raise UserError(f'{where}: expected {words}, got {shown(value)}')
    if isinstance(value, dict):
        for name, item in value.items():
            check_value(f'{where}.{name}', name, item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                check_value(f'{where}[{index}]', '', item)
