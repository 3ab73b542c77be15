"""MaskTrack R-CNN of mmtracking and mmdetection 3: the detector is under ``model.detector``."""

from .fields import Fields, plain, unsupported
from .model import backbone, neck

_MODERN = {'offset': 0}  # boxes in continuous coordinates


def without_scopes(value):
    """Return a copy without ``_scope_`` and with the bare names of types (``mmdet.ResNet``, dotted paths)."""
    if isinstance(value, dict):
        new = {key: without_scopes(item) for key, item in value.items() if key != '_scope_'}
        kind = new.get('type')
        if isinstance(kind, str) and kind.startswith(('mmdet.', 'mmtrack.', 'mmcv.', 'mmengine.', 'torch.')):
            new['type'] = kind.rpartition('.')[2]
        return new
    if isinstance(value, (list, tuple)):
        return type(value)(without_scopes(item) for item in value)
    return value


def upgrade_modern_model(model, refused):
    """Upgrade ``model`` of a MaskTrack R-CNN of mmtracking or mmdetection 3.

    Args:
        model (dict): with ``detector``, ``track_head`` and ``tracker``; without scopes.
        refused (Refusals): gets what stands against training.

    Returns:
        tuple[dict, str | None]: native ``model``, with ``data_preprocessor`` if the config has one there; and
        the checkpoint the detector starts from.

    Raises:
        UserError: names the part that has no counterpart.
    """
    fields = Fields(model, 'model')
    fields.drop('type')
    fields.refuse('motion', 'there is no motion model here')
    fields.refuse('reid', 'there is no re-identification model here')
    detector = fields.sub('detector')
    detector.take_type('MaskRCNN')
    start = _start(fields, detector)
    new = {'type': 'MaskTrackRCNN'}
    preprocessors = [fields.sub('data_preprocessor', None), detector.sub('data_preprocessor', None)]
    for part in preprocessors:
        if part is not None and 'mean' in part:
            new['data_preprocessor'] = _preprocessor(part)
    pretrained = detector.take('pretrained', None)
    new['backbone'] = backbone(detector.sub('backbone'), pretrained)
    new['neck'] = neck(detector.sub('neck'))
    new['rpn_head'] = _rpn_head(detector.sub('rpn_head'))
    new.update(_roi_head(detector.sub('roi_head')))
    track = fields.sub('track_head')
    track.drop('type')
    new['track_head'], extractor = _track_head(track)
    if extractor is not None and extractor != new['bbox_roi_extractor']:
        new['track_roi_extractor'] = extractor
    new['tracker'] = _tracker(fields.sub('tracker', {}))
    train, test = detector.sub('train_cfg', None), detector.sub('test_cfg', {})
    new['test_cfg'] = _test_cfg(test)
    new['train_cfg'] = None
    with refused.of('train'):
        if train is not None:
            new['train_cfg'] = _train_cfg(train, track.sub('train_cfg', None), new['test_cfg'])
    track.drop('train_cfg')
    track.done()
    detector.done()
    fields.drop('init_cfg')
    fields.done()
    return new, start


def _start(fields, detector):
    """The checkpoint that training starts from; the early configs of mmtracking have it in ``pretrains``."""
    pretrains = fields.sub('pretrains', None)
    init = detector.sub('init_cfg', None)
    found = None
    if pretrains is not None:
        found = pretrains.values.get('detector')
    if init is not None:
        found = init.values.get('checkpoint')
    return found if isinstance(found, str) else None


def _preprocessor(fields):
    fields.drop('type', 'pad_mask', 'pad_mask_value')
    new = {'type': 'DataPreprocessor', **fields.move('mean', 'std')}
    new['bgr_to_rgb'] = bool(fields.take('bgr_to_rgb', False))
    new['pad_size_divisor'] = fields.take('pad_size_divisor', 1)
    fields.done()
    return new


def _coder(fields):
    fields.take_type('DeltaXYWHBBoxCoder')
    fields.refuse('clip_border', 'boxes are clipped to the image', (None, True))
    new = {'type': 'DeltaXYWHBBoxCoder', **fields.move('target_means', 'target_stds')}
    fields.done()
    return new


def _losses(fields):
    new = {}
    for key in ('loss_cls', 'loss_bbox'):
        loss = fields.take(key, None)
        if loss is not None:
            new[key] = {
                name: value for name, value in loss.items() if (name, value) != ('use_sigmoid', False)
            }
    return new


def _rpn_head(fields):
    fields.take_type('RPNHead')
    fields.refuse('num_convs', 'the RPN has one convolution', (None, 1))
    new = {'type': 'RPNHead', **fields.move('in_channels', 'feat_channels')}
    anchors = fields.sub('anchor_generator')
    anchors.take_type('AnchorGenerator')
    anchors.refuse('center_offset', 'anchors are centered at 0', (None, 0, 0.0))
    anchors.refuse('octave_base_scale', 'give scales')
    anchors.drop('scales_per_octave')
    new['anchor_generator'] = {
        'type': 'AnchorGenerator',
        **anchors.move('scales', 'ratios', 'strides', 'base_sizes'),
    }
    anchors.done()
    new['bbox_coder'] = _coder(fields.sub('bbox_coder'))
    new.update(_losses(fields))
    fields.done()
    return new


def _roi_head(fields):
    fields.take_type('StandardRoIHead')
    fields.refuse('shared_head', 'no shared head exists here')
    new = {'bbox_roi_extractor': _extractor(fields.sub('bbox_roi_extractor'))}
    new['bbox_head'] = _bbox_head(fields.sub('bbox_head'))
    new['mask_roi_extractor'] = _extractor(fields.sub('mask_roi_extractor'))
    new['mask_head'] = _mask_head(fields.sub('mask_head'))
    fields.done()
    return new


def _extractor(fields):
    fields.take_type('SingleRoIExtractor')
    layer = fields.sub('roi_layer')
    layer.take_type('RoIAlign')
    aligned = layer.take('aligned', True)
    layer.refuse('use_torchvision', 'the RoIAlign of mmcv is used', (None, False))
    new = {'type': 'SingleRoIExtractor'}
    new['roi_layer'] = {
        'type': 'RoIAlign',
        'output_size': layer.take('output_size'),
        'sampling_ratio': layer.take('sampling_ratio', 0),
        'mode': 'aligned' if aligned else 'unaligned',
    }
    layer.done()
    new.update(fields.move('out_channels', 'featmap_strides', 'finest_scale'))
    fields.done()
    return {**new, **_MODERN}


def _bbox_head(fields):
    kind = fields.take_type(
        'Shared2FCBBoxHead', 'Shared4Conv1FCBBoxHead', 'SharedFCBBoxHead', 'ConvFCBBoxHead', 'BBoxHead'
    )
    fields.refuse('reg_decoded_bbox', 'losses are those of the deltas', (None, False))
    fields.refuse('conv_cfg', 'only plain convolutions exist here')
    new = {'type': kind}
    if kind == 'Shared2FCBBoxHead':
        new.update(type='SharedFCBBoxHead', num_shared_fcs=2)
    new.update(fields.move('num_shared_convs', 'num_shared_fcs', 'num_cls_convs', 'num_cls_fcs'))
    new.update(fields.move('num_reg_convs', 'num_reg_fcs', 'conv_out_channels', 'with_avg_pool'))
    new.update(fields.move('in_channels', 'fc_out_channels', 'roi_feat_size', 'norm_cfg'))
    new['num_classes'] = fields.take('num_classes', 80)
    new['bbox_coder'] = _coder(fields.sub('bbox_coder'))
    new.update(fields.move('reg_class_agnostic'))
    new.update(_losses(fields))
    fields.done()
    return new


def _mask_head(fields):
    fields.take_type('FCNMaskHead')
    fields.drop('roi_feat_size')
    fields.refuse('conv_cfg', 'only plain convolutions exist here')
    fields.refuse('upsample_cfg', 'the mask head has a deconvolution', (None, _DECONVOLUTION))
    fields.refuse('predictor_cfg', 'the mask head ends in a plain convolution', (None, {'type': 'Conv'}))
    new = {'type': 'FCNMaskHead', **fields.move('num_convs', 'in_channels', 'conv_kernel_size')}
    new.update(fields.move('conv_out_channels', 'class_agnostic', 'norm_cfg'))
    new['num_classes'] = fields.take('num_classes', 80)
    new['mask_convention'] = 'continuous'
    loss = fields.take('loss_mask', None)
    if loss not in (None, {'type': 'CrossEntropyLoss', 'use_mask': True, 'loss_weight': 1.0}):
        new['loss_mask'] = loss
    fields.done()
    return new


_DECONVOLUTION = {'type': 'deconv', 'scale_factor': 2}


def _track_head(fields):
    """The track head, and its extractor (None: that of the boxes)."""
    fields.refuse('regress_head', 'there is no regression in the track head')
    extractor = fields.sub('roi_extractor', None)
    head = fields.sub('embed_head')
    head.drop('type', 'softmax_temp', 'init_cfg')
    head.refuse('num_convs', 'the head has fully connected layers only', (None, 0))
    head.drop('conv_out_channels', 'conv_cfg', 'norm_cfg')
    new = {'type': 'TrackHead', **head.move('num_fcs', 'in_channels', 'fc_out_channels', 'roi_feat_size')}
    weight = (head.take('loss_match', None) or {}).get('loss_weight', 1.0)
    if weight != 1.0:
        new['loss_weight'] = weight
    if head.take('with_avg_pool', False):
        new['with_avg_pool'] = True
    new['relu_last'] = True
    head.done()
    return new, extractor and _extractor(extractor)


_WEIGHTS = {'det_score': 1.0, 'iou': 2.0, 'label': 10.0}


def _tracker(fields):
    if fields.values:
        fields.take_type('MaskTrackRCNNTracker')
    fields.refuse('momentums', 'the memory of an object is replaced, not averaged')
    fields.drop('init_cfg')
    weights = fields.sub('match_weights', {})
    # The first versions of mmtracking have each weight as a key of the tracker.
    early = {name: fields.take(f'{name}_coefficient', usual) for name, usual in _WEIGHTS.items()}
    coefficients = {name: weights.take(name, early[name]) for name in ('det_score', 'iou')}
    coefficients['label'] = weights.take('det_label', early['label'])
    weights.done()
    new = {
        'type': 'MaskTrackTracker',
        'match_coeff': coefficients,
        **_MODERN,
        'update_label': True,
        'max_age': fields.take('num_frames_retain', 10),
        'age_on_empty': False,
    }
    fields.done()
    return new


def _stage(fields, keys):
    assigner, sampler = fields.sub('assigner'), fields.sub('sampler')
    assigner.take_type('MaxIoUAssigner')
    sampler.take_type('RandomSampler')
    new = {'type': 'MaxIoUAssigner', **assigner.move('pos_iou_thr', 'neg_iou_thr', 'min_pos_iou')}
    for key, usual in (('match_low_quality', True), ('ignore_iof_thr', -1)):
        value = assigner.take(key, usual)
        if value != usual:
            new[key] = value
    assigner.drop('gpu_assign_thr', 'iou_calculator')
    assigner.done()
    drawn = {'type': 'RandomSampler', **sampler.move('num', 'pos_fraction', 'neg_pos_ub')}
    drawn.update(sampler.move('add_gt_as_proposals'))
    sampler.done()
    fields.drop('debug')
    out = {'assigner': {**new, **_MODERN}, 'sampler': drawn, **fields.move(*keys)}
    fields.done()
    return out


def _train_cfg(fields, track, test):
    new = {'rpn': _stage(fields.sub('rpn'), ('allowed_border', 'pos_weight')), 'rpn_proposal': None}
    proposal = fields.sub('rpn_proposal', None)
    if proposal is not None:
        settings = _proposals(proposal)
        if settings != test.get('rpn'):  # None follows the settings of testing
            new['rpn_proposal'] = settings
    new['rcnn'] = _stage(fields.sub('rcnn'), ('mask_size', 'pos_weight'))
    fields.done()
    if track is not None:
        own = _stage(track, ('pos_weight',))
        if any(own[key] != new['rcnn'][key] for key in ('assigner', 'sampler')):
            raise unsupported(
                'model.track_head.train_cfg', 'the track head learns from the samples of the box head (rcnn)'
            )
    return new


def _proposals(fields):
    fields.drop('nms_post')
    fields.refuse('nms_across_levels', 'NMS is level by level', (None, False))
    new = fields.move('nms_pre', 'max_per_img', max_num='max_per_img')
    nms = fields.sub('nms', {'type': 'nms', 'iou_threshold': fields.take('nms_thr', 0.7)})
    new['nms'] = {'type': nms.take_type('nms'), 'iou_threshold': nms.take('iou_threshold', 0.7)}
    nms.done()
    new.update(fields.move('min_bbox_size'))
    fields.done()
    return new


def _test_cfg(fields):
    rpn, rcnn = fields.sub('rpn'), fields.sub('rcnn')
    new = {'rpn': _proposals(rpn)}
    nms = rcnn.sub('nms', {'type': 'nms', 'iou_threshold': 0.5})
    part = rcnn.move('score_thr')
    part['nms'] = {'type': nms.take('type', 'nms')}
    part['nms'].update(nms.move('iou_threshold', 'sigma', 'min_score', 'method', iou_thr='iou_threshold'))
    nms.done()
    part.update(rcnn.move('max_per_img', 'mask_thr_binary'), always_sort=True)
    rcnn.done()
    fields.done()
    return {**new, 'rcnn': plain(part)}
