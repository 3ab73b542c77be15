"""mmdetection 1.x, 2.x and 3.x Mask R-CNN against plain forwards of their conventions."""

import pytest
import torch

from mmdet.compat.checkpoints import ConversionRefused, Options, convert_checkpoint
from tests.compat.checkpoints import foreign, native_run, oracle

SMALL = dict(nms_pre=100, proposals=50, score_thr=0.3, max_per_img=10)
META2 = dict(mmdet_version='2.25.0', CLASSES=('a', 'b', 'c', 'd', 'e'))
META3 = dict(mmengine_version='0.7.0', dataset_meta=dict(classes=('a', 'b', 'c', 'd', 'e')))
SCALE, ORI = (1.25, 1.2), (80, 102)


def config_text(version=2, **backbone):
    """The part of a stored config text that carries conventions."""
    style = backbone.get('style', 'pytorch')
    norm = backbone.get('norm', 'mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True')
    roi = backbone.get('roi', "roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0)")
    return f"""
model = dict(
    type='MaskRCNN',
    backbone=dict(type='ResNet', depth=18, style={style!r}),
    roi_head=dict(bbox_roi_extractor=dict({roi}), mask_roi_extractor=dict({roi})))
img_norm_cfg = dict({norm})
"""


def run(checkpoint, detector, image='a', scale=SCALE, options=None, **oracle_args):
    """Convert, run both sides, compare; returns the conversion."""
    converted = convert_checkpoint(checkpoint, options=options)
    model = native_run.build(converted, **SMALL)
    image = foreign.random_image(image)
    found, masks = native_run.predict(model, image, scale, ORI)
    pair = scale if isinstance(scale, tuple) else (scale, scale)
    sd = checkpoint.get('state_dict', checkpoint)
    native_run.assert_same(found, masks, detector(sd, **SMALL, **oracle_args).detect(image, pair, ORI))
    return converted


@pytest.mark.parametrize('meta', [META2, META3], ids=['2.x', '3.x'])
def test_modern_mask_rcnn_equals_oracle(meta):
    state = foreign.fill(foreign.mmdet_shapes(2))
    converted = run(dict(state_dict=state, meta=meta), oracle.MMDet2)
    assert converted.source_format == ('mmdet2' if meta is META2 else 'mmdet3')
    assert converted.classes == ('a', 'b', 'c', 'd', 'e')


def test_1x_mask_rcnn_equals_oracle():
    state = foreign.fill(foreign.mmdet_shapes(1))
    converted = run(dict(state_dict=state, meta=dict(mmdet_version='1.2.0')), oracle.MMDet1, scale=1.25)
    assert converted.source_format == 'mmdet1'
    assert all(torch.equal(converted.state_dict[key], value) for key, value in state.items())


@pytest.mark.parametrize('style', ['pytorch', 'caffe'])
def test_bottleneck_style_comes_from_the_config_text(style):
    state = foreign.fill(foreign.mmdet_shapes(2, depth=50))
    meta = dict(META2, config=config_text(style=style))
    converted = run(dict(state_dict=state, meta=meta), oracle.MMDet2, style=style)
    assert converted.model['backbone']['style'] == style
    assert not converted.notes


def test_resnext_equals_oracle():
    state = foreign.fill(foreign.mmdet_shapes(2, depth=50, groups=32, base_width=4))
    converted = convert_checkpoint(dict(state_dict=state, meta=META2))
    assert converted.model['backbone']['type'] == 'ResNeXt'
    model = native_run.build(converted)
    detector = oracle.MMDet2(state)
    x = detector.image(foreign.random_image('a'))
    with torch.no_grad():
        mine = model.backbone(x)
        other = oracle.resnet(x, state, 'backbone.', groups=32)
    for a, b in zip(mine, other):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=2e-4)


class CaffeImages(oracle.MMDet2):
    mean, std, rgb = (103.53, 116.28, 123.675), (1.0, 1.0, 1.0), False


@pytest.mark.parametrize('how', ['text', 'flag'])
def test_caffe_images_stay_bgr(how):
    state = foreign.fill(foreign.mmdet_shapes(2))
    state['backbone.conv1.weight'] /= 58  # inputs with std 1 are that much larger
    norm = 'mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False'
    meta = dict(META2, config=config_text(norm=norm)) if how == 'text' else META2
    options = Options(image_norm='caffe') if how == 'flag' else None
    converted = run(dict(state_dict=state, meta=meta), CaffeImages, options=options)
    assert converted.model['data_preprocessor']['bgr_to_rgb'] is False


class Unaligned(oracle.MMDet2):
    roi_mode, roi_ratio = 'unaligned', 2


def test_roi_align_of_the_config_text_is_used():
    state = foreign.fill(foreign.mmdet_shapes(2))
    roi = "roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2, aligned=False)"
    converted = run(dict(state_dict=state, meta=dict(META2, config=config_text(roi=roi))), Unaligned)
    assert converted.model['bbox_roi_extractor']['roi_layer']['mode'] == 'unaligned'


def test_module_prefix_and_preprocessor_buffers_are_dropped():
    state = foreign.fill(foreign.mmdet_shapes(2))
    state['data_preprocessor.mean'] = torch.zeros(3, 1, 1)
    wrapped = {f'module.{key}': value for key, value in state.items()}
    plain = convert_checkpoint(dict(state_dict=state, meta=META3))
    assert (
        plain.state_dict.keys() == convert_checkpoint(dict(state_dict=wrapped, meta=META3)).state_dict.keys()
    )
    assert 'data_preprocessor.mean' not in plain.state_dict


class SoftmaxFirst(oracle.MMDet2):
    softmax_rpn = 0


class SoftmaxLast(oracle.MMDet2):
    softmax_rpn = 1


class SoftmaxOne(oracle.MMDet1):
    softmax_rpn = 1


@pytest.mark.parametrize(
    ('version', 'detector', 'layout', 'scale'),
    [
        ('2.5.0', SoftmaxFirst, 2, SCALE),
        ('2.4.0', SoftmaxLast, 2, SCALE),
        ('1.1.0', SoftmaxOne, 1, 1.25),
    ],
)
def test_softmax_rpn_becomes_an_equal_sigmoid_rpn(version, detector, layout, scale):
    state = foreign.fill(foreign.mmdet_shapes(layout, rpn_columns=2))
    converted = run(dict(state_dict=state, meta=dict(mmdet_version=version)), detector, scale=scale)
    assert converted.state_dict['rpn_head.rpn_cls.weight'].shape[0] == 3
    assert any('softmax' in note for note in converted.notes)


def test_softmax_rpn_of_unknown_version_is_refused():
    state = foreign.fill(foreign.mmdet_shapes(2, rpn_columns=2))
    with pytest.raises(ConversionRefused, match='--rpn-foreground'):
        convert_checkpoint(state)
    assert convert_checkpoint(state, options=Options(rpn_foreground=0)).source_format == 'mmdet2'


@pytest.mark.parametrize(
    ('layout', 'detector', 'scale'), [(2, oracle.MMDet2, SCALE), (1, oracle.MMDet1, 1.25)]
)
def test_class_agnostic_predictors_are_spread_over_the_classes(layout, detector, scale):
    state = foreign.fill(foreign.mmdet_shapes(layout, agnostic=True))
    converted = run(dict(state_dict=state, meta=dict(mmdet_version=f'{layout}.0.0')), detector, scale=scale)
    assert converted.state_dict['bbox_head.fc_reg.weight'].shape[0] == 24
    assert converted.state_dict['mask_head.conv_logits.weight'].shape[0] == 6


@pytest.mark.parametrize('layout', [1, 2])
def test_a_single_class_is_not_mistaken_for_class_agnostic(layout):
    state = foreign.fill(foreign.mmdet_shapes(layout, classes=1))
    converted = convert_checkpoint(dict(state_dict=state, meta=dict(mmdet_version=f'{layout}.1.0')))
    key = 'bbox_head.fc_reg.weight' if layout == 1 else 'roi_head.bbox_head.fc_reg.weight'
    assert torch.equal(converted.state_dict['bbox_head.fc_reg.weight'][4:], state[key][-4:])
    assert converted.state_dict['bbox_head.fc_reg.weight'].shape[0] == 8


def test_dead_rows_are_zero_and_background_moves_to_the_front():
    state = foreign.fill(foreign.mmdet_shapes(2))
    native = convert_checkpoint(dict(state_dict=state, meta=META2)).state_dict
    assert torch.equal(native['bbox_head.fc_cls.weight'][0], state['roi_head.bbox_head.fc_cls.weight'][5])
    assert torch.equal(native['bbox_head.fc_cls.weight'][1:], state['roi_head.bbox_head.fc_cls.weight'][:5])
    assert native['bbox_head.fc_reg.weight'][:4].abs().sum() == 0
    assert native['mask_head.conv_logits.bias'][0] == 0


def test_legacy_types_of_a_2x_config_are_kept():
    text = """
model = dict(
    rpn_head=dict(anchor_generator=dict(type='LegacyAnchorGenerator', center_offset=0.5),
                  bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder')),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(type='RoIAlign', sampling_ratio=2, aligned=False)),
        mask_roi_extractor=dict(roi_layer=dict(type='RoIAlign', sampling_ratio=2, aligned=False)),
        bbox_head=dict(bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder'))))
"""
    state = foreign.fill(foreign.mmdet_shapes(2))
    model = convert_checkpoint(dict(state_dict=state, meta=dict(META2, config=text))).model
    assert model['rpn_head']['anchor_generator']['type'] == 'LegacyAnchorGenerator'
    assert model['bbox_head']['bbox_coder']['type'] == 'LegacyDeltaXYWHBBoxCoder'
    # mmcv's NMS has no +1 whatever the coder, and masks are pasted the new way.
    assert model['test_cfg']['rcnn']['nms']['offset'] == 0
    assert model['test_cfg']['rpn']['nms']['offset'] == 0
    assert model['mask_head']['mask_convention'] == 'continuous'


@pytest.mark.parametrize(
    ('extra', 'reason'),
    [
        ('backbone.layer2.0.conv2_offset.weight', 'deformable convolutions'),
        ('roi_head.bbox_head.0.fc_cls.weight', 'cascade'),
        ('roi_head.semantic_head.convs.0.conv.weight', 'semantic branch'),
        ('roi_head.mask_iou_head.fcs.0.weight', 'Mask Scoring'),
        ('roi_head.bbox_head.shared_convs.0.gn.weight', 'group normalization'),
        ('neck.something.weight', 'no rule of format'),
    ],
)
def test_parts_without_a_counterpart_are_refused_by_name(extra, reason):
    state = foreign.fill(foreign.mmdet_shapes(2))
    state[extra] = torch.zeros(3)
    with pytest.raises(ConversionRefused, match=reason):
        convert_checkpoint(dict(state_dict=state, meta=META2))


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ("model = dict(rpn_head=dict(bbox_coder=dict(type='TBLRBBoxCoder')))", 'TBLRBBoxCoder'),
        ('model = dict(rpn_head=dict(bbox_coder=dict(target_means=[1., 0., 0., 0.])))', 'target_means'),
        ("model = dict(rpn_head=dict(anchor_generator=dict(type='YOLOAnchorGenerator')))", 'YOLOAnchor'),
        ("model = dict(roi_head=dict(bbox_roi_extractor=dict(roi_layer=dict(type='RoIPool'))))", 'RoIPool'),
        ('model = dict(rpn_head=dict(anchor_generator=dict(ratios=[1.0])))', '3 anchors a position'),
    ],
)
def test_conventions_without_a_registered_type_are_refused(text, reason):
    state = foreign.fill(foreign.mmdet_shapes(2))
    with pytest.raises(ConversionRefused, match=reason):
        convert_checkpoint(dict(state_dict=state, meta=dict(META2, config=text)))


def test_test_numbers_come_from_the_config_text():
    text = """
test_cfg = dict(rpn=dict(nms_pre=321, max_num=123, nms_thr=0.66, min_bbox_size=2),
                rcnn=dict(score_thr=0.07, nms=dict(type='nms', iou_thr=0.44), max_per_img=7))
"""
    state = foreign.fill(foreign.mmdet_shapes(1))
    checkpoint = dict(
        state_dict=state, meta=dict(mmdet_version='1.0.0', config='/path/of/config.py\n' + text)
    )
    test = convert_checkpoint(checkpoint).model['test_cfg']
    assert test['rpn'] == dict(
        nms_pre=321, nms_post=1000, max_per_img=123, min_bbox_size=2, nms=dict(type='nms', iou_threshold=0.66)
    )
    assert test['rcnn']['nms'] == dict(type='nms', iou_threshold=0.44)
    assert (test['rcnn']['score_thr'], test['rcnn']['max_per_img']) == (0.07, 7)


def test_copies_of_an_ema_hook_are_left_out():
    state = foreign.fill(foreign.mmdet_shapes(2))
    extra = {f'ema_{key.replace(".", "_")}': value for key, value in list(state.items())[:5]}
    converted = convert_checkpoint(dict(state_dict={**state, **extra}, meta=META2))
    assert not any(key.startswith('ema') for key in converted.state_dict)


def test_test_size_comes_from_the_config_text():
    text = "test_pipeline = [dict(type='LoadImage'), dict(type='MultiScaleFlipAug', img_scale=(800, 500))]"
    state = foreign.fill(foreign.mmdet_shapes(2))
    converted = convert_checkpoint(dict(state_dict=state, meta=dict(META2, config=text)))
    assert converted.conventions.scale == (800, 500)


@pytest.mark.parametrize('prefix', ['', 'detector.'])
def test_cascades_are_refused_as_such(prefix):
    state = foreign.fill(foreign.mmdet_shapes(2, prefix=prefix))
    cascade = {key.replace('bbox_head.', 'bbox_head.0.'): value for key, value in state.items()}
    with pytest.raises(ConversionRefused, match='cascade of heads'):
        convert_checkpoint(cascade)


def test_detector_alone_of_mmtracking_is_a_mask_rcnn():
    state = foreign.fill(foreign.mmdet_shapes(2, prefix='detector.'))
    converted = convert_checkpoint(state)
    assert converted.source_format == 'mmtracking' and converted.model['type'] == 'MaskRCNN'
    assert any('detector alone' in note for note in converted.notes)


def test_faster_rcnn_converts_without_a_mask_head():
    state = foreign.fill(foreign.mmdet_shapes(2, mask=False))
    converted = run(dict(state_dict=state, meta=META2), oracle.MMDet2)
    assert converted.model['type'] == 'FasterRCNN'
    assert converted.model['train_cfg']['rcnn']['assigner']['match_low_quality'] is False


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('backbone=dict(dilations=(1, 1, 1, 2))', 'backbone.dilations'),
        ("backbone=dict(conv_cfg=dict(type='ConvWS'))", 'backbone.conv_cfg.type'),
        ("neck=dict(type='NASFPN')", 'neck.type'),
        ('rpn_head=dict(anchor_generator=dict(octave_base_scale=4))', 'octave_base_scale'),
        ('roi_head=dict(bbox_head=dict(with_avg_pool=True))', 'roi_head.bbox_head.with_avg_pool'),
        ("roi_head=dict(bbox_head=dict(cls_predictor_cfg=dict(type='NormedLinear')))", 'cls_predictor_cfg'),
        ('roi_head=dict(bbox_head=dict(loss_cls=dict(use_sigmoid=True)))', 'loss_cls.use_sigmoid'),
        ('roi_head=dict(mask_roi_extractor=dict(finest_scale=112))', 'mask_roi_extractor.finest_scale'),
        ("roi_head=dict(mask_head=dict(upsample_cfg=dict(type='carafe')))", 'upsample_cfg'),
        ('test_cfg=dict(rcnn=dict(nms=dict(class_agnostic=True)))', 'class_agnostic'),
    ],
)
def test_settings_that_show_in_no_name_are_refused(text, reason):
    state = foreign.fill(foreign.mmdet_shapes(2))
    with pytest.raises(ConversionRefused, match=f'{reason}.*supported is'):
        convert_checkpoint(dict(state_dict=state, meta=dict(META2, config=f'model = dict({text})')))


def test_the_usual_settings_pass():
    text = """model = dict(
    backbone=dict(strides=[1, 2, 2, 2], dilations=(1, 1, 1, 1), conv_cfg=None, out_indices=(0, 1, 2, 3)),
    neck=dict(type='FPN', add_extra_convs=False),
    roi_head=dict(bbox_roi_extractor=dict(type='SingleRoIExtractor'), mask_head=dict(type='FCNMaskHead')))"""
    state = foreign.fill(foreign.mmdet_shapes(2))
    assert convert_checkpoint(dict(state_dict=state, meta=dict(META2, config=text))).source_format == 'mmdet2'
