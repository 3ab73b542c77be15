"""The model part of a 2019 config: ``model``, ``train_cfg`` and ``test_cfg`` into one native ``model``."""

from mmdet.utils import UserError, shown

from .fields import Fields, plain, unsupported
from .values import check_value


def upgrade_model(model, train_cfg, test_cfg, refused):
    """Upgrade the model of a 2019 config.

    Args:
        model (dict): ``model`` of the old schema; ``num_classes`` counts the background there.
        train_cfg (dict | None): its ``train_cfg``.
        test_cfg (dict | None): its ``test_cfg``.
        refused (Refusals): gets what stands against training.

    Returns:
        dict: native ``model`` without ``data_preprocessor``, which the data part knows.

    Raises:
        UserError: names the key that is not supported.
    """
    fields = Fields(model, 'model')
    test, train, rpn_train, beta_rpn = _fields(test_cfg, 'test_cfg'), None, None, 1.0 / 9.0
    with refused.of('train'):
        train = _fields(train_cfg, 'train_cfg')
        rpn_train = train.sub('rpn', None)
        if rpn_train is not None:
            beta_rpn = rpn_train.take('smoothl1_beta', 1.0 / 9.0)
    old_type = fields.take_type('RPN', 'FasterRCNN', 'MaskRCNN', 'TwoStageDetector')
    new = {'type': _detector(old_type, fields)}
    pretrained = fields.take('pretrained', None)
    new['backbone'] = backbone(fields.sub('backbone'), pretrained)
    levels = fields.sub('neck', None)
    if levels is not None:
        new['neck'] = neck(levels)
    new['rpn_head'] = _rpn_head(fields.sub('rpn_head'), beta_rpn)
    for part, build in (
        ('bbox_roi_extractor', _roi_extractor),
        ('bbox_head', _bbox_head),
        ('mask_roi_extractor', _roi_extractor),
        ('mask_head', _mask_head),
        ('track_roi_extractor', _roi_extractor),
    ):
        old = fields.sub(part, None)
        if old is not None:
            new[part] = build(old)
    track = fields.sub('track_head', None)
    if track is not None:
        new['track_head'], new['tracker'] = _track_head(track)
    fields.refuse('shared_head', 'no shared head exists here')
    fields.done()
    new['train_cfg'] = None
    with refused.of('train'):
        new['train_cfg'] = None if train is None else _train_cfg(rpn_train, train)
    new['test_cfg'] = _test_cfg(test)
    return new


def _fields(values, where):
    return Fields({} if values is None else values, where)


def _detector(old_type, fields):
    if fields.values.get('track_head') is not None:
        if fields.values.get('mask_head') is None:
            raise unsupported('model.track_head', 'there is no mask_head')
        return 'MaskTrackRCNN'
    if old_type == 'TwoStageDetector':
        return 'MaskRCNN' if fields.values.get('mask_head') is not None else 'FasterRCNN'
    return old_type


def _norm(fields, default=None):
    """Read ``normalize`` (mmdetection 0.5) or ``norm_cfg`` (0.6 and later)."""
    old, norm = fields.sub('normalize', None), fields.take('norm_cfg', None)
    if old is not None:
        norm = {'type': old.take('type', 'BN'), 'requires_grad': not old.take('frozen', False)}
        norm.update(old.move('num_groups', 'eps', 'momentum'))
        old.done()
    return default if norm is None else norm


def _norm_cfg(fields):
    norm = _norm(fields)
    return {} if norm is None else {'norm_cfg': norm}


def _convolutions(fields):
    fields.refuse('conv_cfg', 'only plain convolutions exist here', (None, {'type': 'Conv'}))
    fields.refuse('dcn', 'deformable convolutions do not exist here')
    fields.refuse('stage_with_dcn', 'deformable convolutions do not exist here', (None, (False,) * 4))


def backbone(fields, pretrained):
    """Upgrade a backbone.

    Args:
        fields (Fields): the backbone.
        pretrained (str | None): weights to start from, which stood beside it in 2019.

    Returns:
        dict: native.
    """
    kind = fields.take_type('ResNet', 'ResNeXt')
    new = {'type': kind, **fields.move('depth', 'groups', 'base_width', 'num_stages')}
    new.update(fields.move('strides', 'dilations', 'out_indices', 'frozen_stages', 'style', 'with_cp'))
    if new.get('with_cp') is False:
        del new['with_cp']
    _convolutions(fields)
    new['norm_cfg'] = _norm(fields, {'type': 'BN', 'requires_grad': True})
    new['norm_eval'] = fields.take('norm_eval', True)
    new.update(fields.move('zero_init_residual'))
    init = fields.sub('init_cfg', None)
    if init is not None:
        init.take_type('Pretrained')
        pretrained = init.values.get('checkpoint', pretrained)
        check_value(init.name('checkpoint'), 'pretrained', pretrained)
    fields.refuse('plugins', 'there are no plugins here')
    fields.refuse('deep_stem', 'the stem is one convolution', (None, False))
    fields.refuse('avg_down', 'stages start with a stride', (None, False))
    fields.done()
    if pretrained is not None:
        new['init_cfg'] = {'type': 'Pretrained', 'checkpoint': _address(pretrained)}
    return new


def _address(pretrained):
    """``modelzoo://`` is what torchvision's ImageNet weights were called in 2019."""
    prefix = 'modelzoo://'
    return 'torchvision://' + pretrained[len(prefix) :] if pretrained.startswith(prefix) else pretrained


def neck(fields):
    """Upgrade a neck, a :class:`Fields`, to a native dict."""
    fields.take_type('FPN')
    new = {
        'type': 'FPN',
        **fields.move('in_channels', 'out_channels', 'num_outs', 'start_level', 'end_level'),
    }
    new.update(fields.move('relu_before_extra_convs', 'no_norm_on_lateral'))
    extra = fields.take('add_extra_convs', False)
    if extra:
        on_inputs = fields.take('extra_convs_on_inputs', True)
        new['add_extra_convs'] = (
            extra if isinstance(extra, str) else ('on_input' if on_inputs else 'on_output')
        )
    fields.drop('extra_convs_on_inputs')
    _convolutions(fields)
    norm, activation = _norm(fields), fields.take('activation', None)
    if norm is not None:
        new['norm_cfg'] = norm
    if activation is not None:
        new['act_cfg'] = {'type': {'relu': 'ReLU'}.get(activation, activation)}
    fields.done()
    return new


def _coder(fields):
    return {
        'type': 'LegacyDeltaXYWHBBoxCoder',
        'target_means': fields.take('target_means', [0.0, 0.0, 0.0, 0.0]),
        'target_stds': fields.take('target_stds', [1.0, 1.0, 1.0, 1.0]),
    }


def _rpn_head(fields, beta):
    fields.take_type('RPNHead')
    new = {'type': 'RPNHead', **fields.move('in_channels', 'feat_channels')}
    anchors = {
        'type': 'LegacyAnchorGenerator',
        'scales': fields.take('anchor_scales', [8]),
        'ratios': fields.take('anchor_ratios', [0.5, 1.0, 2.0]),
        'strides': fields.take('anchor_strides', [4, 8, 16, 32, 64]),
    }
    base_sizes = fields.take('anchor_base_sizes', None)
    if base_sizes is not None:
        anchors['base_sizes'] = base_sizes
    new['anchor_generator'] = anchors
    new['bbox_coder'] = _coder(fields)
    sigmoid = fields.take('use_sigmoid_cls', False)
    new['loss_cls'] = fields.take('loss_cls', None) or {
        'type': 'CrossEntropyLoss',
        'use_sigmoid': sigmoid,
        'loss_weight': 1.0,
    }
    new['loss_bbox'] = fields.take('loss_bbox', None) or {
        'type': 'SmoothL1Loss',
        'beta': beta,
        'loss_weight': 1.0,
    }
    fields.done()
    return new


def _roi_extractor(fields):
    fields.take_type('SingleRoIExtractor')
    layer = fields.sub('roi_layer')
    layer.take_type('RoIAlign')
    roi_layer = {
        'type': 'RoIAlign',
        'output_size': layer.take('out_size'),
        'sampling_ratio': layer.take('sample_num', 0),
        'mode': 'unaligned' if layer.take('use_torchvision', False) else 'legacy',
    }
    layer.done()
    new = {'type': 'SingleRoIExtractor', 'roi_layer': roi_layer}
    new.update(fields.move('out_channels', 'featmap_strides', 'finest_scale'))
    fields.done()
    return new


def _classes(fields, default=None):
    """Number of classes without the background, which the old schema counted."""
    count = fields.take('num_classes') if default is None else fields.take('num_classes', default)
    if not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= 100_000:
        raise UserError(
            f'{fields.name("num_classes")}: expected a whole number from 2 on, as the background counts, '
            f'got {shown(count)}'
        )
    return count - 1


def _bbox_head(fields):
    kind = fields.take_type('BBoxHead', 'SharedFCBBoxHead', 'ConvFCBBoxHead')
    new = {'type': kind}
    if kind == 'SharedFCBBoxHead':
        new['num_shared_fcs'] = fields.take('num_fcs', 2)
    new.update(fields.move('num_shared_convs', 'num_shared_fcs', 'num_cls_convs', 'num_cls_fcs'))
    new.update(fields.move('num_reg_convs', 'num_reg_fcs', 'conv_out_channels', 'with_avg_pool'))
    new.update(fields.move('in_channels', 'fc_out_channels', 'roi_feat_size', 'with_cls', 'with_reg'))
    _convolutions(fields)
    new.update(_norm_cfg(fields))
    new['num_classes'] = _classes(fields, 81)
    fields.values.setdefault('target_stds', [0.1, 0.1, 0.2, 0.2])
    new['bbox_coder'] = _coder(fields)
    new['reg_class_agnostic'] = fields.take('reg_class_agnostic', False)
    new['loss_cls'] = fields.take('loss_cls', None) or {'type': 'CrossEntropyLoss', 'loss_weight': 1.0}
    new['loss_bbox'] = fields.take('loss_bbox', None) or {
        'type': 'SmoothL1Loss',
        'beta': 1.0,
        'loss_weight': 1.0,
    }
    fields.done()
    return new


def _mask_head(fields):
    kind = fields.take_type('FCNMaskHead')
    fields.drop('roi_feat_size')  # was stored and never used
    new = {'type': kind, **fields.move('num_convs', 'in_channels', 'conv_kernel_size', 'conv_out_channels')}
    new.update(fields.move('upsample_method', 'upsample_ratio', 'class_agnostic', 'loss_mask'))
    _convolutions(fields)
    new.update(_norm_cfg(fields))
    new['num_classes'] = _classes(fields, 81)
    new['mask_convention'] = 'legacy'
    fields.done()
    return new


def _track_head(fields):
    kind = fields.take_type('TrackHead')
    fields.refuse('dynamic', 'the number of reference objects always varies', (None, True))
    tracker = {'type': 'MaskTrackTracker'}
    coefficients = fields.take('match_coeff', None)
    names = ('det_score', 'iou', 'label')
    tracker['match_coeff'] = coefficients and {name: float(v) for name, v in zip(names, coefficients)}
    dummy = fields.take('bbox_dummy_iou', 0)
    if dummy:
        tracker['dummy_iou'] = dummy
    new = {'type': kind, **fields.move('num_fcs', 'in_channels', 'fc_out_channels', 'roi_feat_size')}
    new.update(fields.move('with_avg_pool'))
    fields.done()
    return new, tracker


def _targets(fields, keys):
    """Assigner, sampler and the rest of one stage's training settings."""
    fields.drop('debug')
    assigner = fields.take('assigner')
    if assigner.get('ignore_iof_thr', -1) == -1:
        assigner.pop('ignore_iof_thr', None)
    sampler = fields.take('sampler')
    for part, value, known in (
        ('assigner', assigner, 'MaxIoUAssigner'),
        ('sampler', sampler, 'RandomSampler'),
    ):
        if value.get('type') != known:
            raise unsupported(f'{fields.name(part)}.type={value.get("type")!r}', f'known is {known}')
    new = {'assigner': assigner, 'sampler': sampler, **fields.move(*keys)}
    fields.done()
    return new


def _train_cfg(rpn, fields):
    """Native ``train_cfg`` of the model, or None where the old one has no parts (testing only)."""
    rcnn = fields.sub('rcnn', None)
    proposal = fields.take('rpn_proposal', None)
    fields.done()
    if rpn is None and rcnn is None:
        return None
    new = {}
    if rpn is not None:
        new['rpn'] = _targets(rpn, ('allowed_border', 'pos_weight'))
    new['rpn_proposal'] = None if proposal is None else _proposals(Fields(proposal, 'train_cfg.rpn_proposal'))
    if rcnn is not None:
        new['rcnn'] = _targets(rcnn, ('mask_size', 'pos_weight'))
    return new


def _proposals(fields):
    new = fields.move('nms_across_levels', 'nms_pre', 'nms_post', max_num='max_per_img')
    new['nms'] = {'type': 'nms', 'iou_threshold': fields.take('nms_thr', 0.7)}
    new.update(fields.move('min_bbox_size'))
    fields.done()
    return new


def _test_cfg(fields):
    new = {}
    rpn, rcnn = fields.sub('rpn', None), fields.sub('rcnn', None)
    if rpn is not None:
        new['rpn'] = _proposals(rpn)
    if rcnn is not None:
        nms = rcnn.sub('nms', {'type': 'nms', 'iou_thr': 0.5})
        part = rcnn.move('score_thr')
        part['nms'] = {'type': nms.take('type', 'nms'), **nms.move(iou_thr='iou_threshold')}
        part['nms'].update(nms.move('method', 'sigma', min_score='min_score'))
        nms.done()
        part.update(rcnn.move('max_per_img', 'mask_thr_binary'))
        rcnn.done()
        new['rcnn'] = part
    fields.done()
    return plain(new)
