"""The native model config that goes with converted weights."""

from .common import ConversionRefused

ZERO = [0.0, 0.0, 0.0, 0.0]
ONE = [1.0, 1.0, 1.0, 1.0]


def native_model(architecture, conventions):
    """Build the ``model`` config of this project for converted weights.

    Args:
        architecture (Architecture): read off the weights.
        conventions (Conventions): of the source.

    Returns:
        dict: in the schema of ``docs/config.md``; builds with ``MODELS.build`` and takes every tensor.

    Raises:
        ConversionRefused: a combination no registered type covers.
    """
    arch, conv = architecture, conventions
    expected = len(conv.anchor_scales) * len(conv.anchor_ratios)
    if arch.num_anchors != expected:
        raise ConversionRefused(
            f'the RPN has {arch.num_anchors} anchors a position, but scales {conv.anchor_scales} and ratios '
            f'{conv.anchor_ratios} make {expected}; the checkpoint must carry the config that tells them'
        )
    tracking = arch.track_fcs > 0
    norm = dict(type='BN', requires_grad=True)
    model = dict(
        type='MaskTrackRCNN' if tracking else ('MaskRCNN' if arch.mask_convs else 'FasterRCNN'),
        data_preprocessor=dict(
            type='DataPreprocessor',
            mean=list(conv.mean),
            std=list(conv.std),
            bgr_to_rgb=conv.bgr_to_rgb,
            pad_size_divisor=32,
        ),
        backbone=_backbone(arch, conv),
        neck=dict(
            type='FPN',
            in_channels=list(arch.stage_channels),
            out_channels=arch.channels,
            num_outs=len(conv.anchor_strides),
            **(dict(norm_cfg=norm) if arch.neck_norm else {}),
        ),
        rpn_head=_rpn_head(arch, conv),
        bbox_roi_extractor=_extractor(arch, conv, arch.roi_size, conv.sampling_ratio),
        bbox_head=_bbox_head(arch, conv),
    )
    if arch.mask_convs:
        model['mask_roi_extractor'] = _extractor(arch, conv, 14, conv.sampling_ratio)
        model['mask_head'] = dict(
            type='FCNMaskHead',
            num_convs=arch.mask_convs,
            in_channels=arch.channels,
            conv_out_channels=arch.mask_channels,
            num_classes=arch.num_classes,
            mask_convention=conv.mask,
            **(dict(norm_cfg=norm) if arch.mask_norm else {}),
        )
    if tracking:
        model.update(_tracking(arch, conv))
    model['train_cfg'] = _train_cfg(conv, arch.mask_convs > 0)
    model['test_cfg'] = _test_cfg(conv)
    return model


def _backbone(arch, conv):
    backbone = dict(
        type='ResNeXt' if arch.groups > 1 else 'ResNet',
        depth=arch.depth,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        style=conv.style,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
    )
    if arch.groups > 1:
        backbone.update(groups=arch.groups, base_width=arch.base_width)
    return backbone


def _coder(kind, stds):
    names = dict(
        legacy='LegacyDeltaXYWHBBoxCoder', modern='DeltaXYWHBBoxCoder', torchvision='DeltaXYWHBBoxCoder'
    )
    coder = dict(type=names[kind], target_means=ZERO, target_stds=list(stds))
    if kind == 'torchvision':
        coder['clip_shrinking'] = False
    return coder


def _losses(conv):
    """The losses the source was trained with: smooth L1 before mmdetection 2, L1 since."""
    if conv.rpn_coder == 'modern':
        return dict(type='L1Loss', loss_weight=1.0), dict(type='L1Loss', loss_weight=1.0)
    beta = 1.0 / 9.0
    return (
        dict(type='SmoothL1Loss', beta=beta, loss_weight=1.0),
        dict(type='SmoothL1Loss', beta=beta if conv.rpn_coder == 'torchvision' else 1.0, loss_weight=1.0),
    )


def _rpn_head(arch, conv):
    strides, ratios = list(conv.anchor_strides), list(conv.anchor_ratios)
    if conv.anchors == 'torchvision':
        anchors = dict(
            type='AnchorGenerator',
            sizes=[[stride * scale for scale in conv.anchor_scales] for stride in strides],
            ratios=ratios,
            strides=strides,
            rounded=True,
            image_strides=True,
        )
    else:
        kind = 'LegacyAnchorGenerator' if conv.anchors == 'legacy' else 'AnchorGenerator'
        anchors = dict(type=kind, scales=list(conv.anchor_scales), ratios=ratios, strides=strides)
    return dict(
        type='RPNHead',
        in_channels=arch.channels,
        feat_channels=arch.rpn_channels,
        anchor_generator=anchors,
        bbox_coder=_coder(conv.rpn_coder, ONE),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=_losses(conv)[0],
        **(dict(num_convs=arch.rpn_convs) if arch.rpn_convs > 1 else {}),
    )


def _extractor(arch, conv, size, ratio):
    return dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=size, sampling_ratio=ratio, mode=conv.roi_align),
        out_channels=arch.channels,
        featmap_strides=list(conv.anchor_strides[:4]),
        offset=conv.level_offset,
    )


def _bbox_head(arch, conv):
    head = dict(
        type='SharedFCBBoxHead',
        num_shared_fcs=arch.num_fcs,
        in_channels=arch.channels,
        fc_out_channels=arch.fc_channels,
        roi_feat_size=arch.roi_size,
        num_classes=arch.num_classes,
        bbox_coder=_coder(conv.roi_coder, conv.roi_stds),
        reg_class_agnostic=False,
        loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
        loss_bbox=_losses(conv)[1],
    )
    if arch.num_shared_convs:
        head.update(
            type='ConvFCBBoxHead',
            num_shared_convs=arch.num_shared_convs,
            conv_out_channels=arch.box_channels,
        )
    if arch.box_norm:
        head['norm_cfg'] = dict(type='BN', requires_grad=True)
    return head


def _tracking(arch, conv):
    parts = dict(
        track_head=dict(
            type='TrackHead',
            num_fcs=arch.track_fcs,
            in_channels=arch.channels,
            fc_out_channels=arch.track_channels,
            roi_feat_size=arch.roi_size,
        ),
        tracker=dict(type='MaskTrackTracker', **conv.tracker),
    )
    if arch.track_avg_pool:
        parts['track_head']['with_avg_pool'] = True
    if conv.track_final_relu:
        parts['track_head']['relu_last'] = True
    if conv.track_sampling_ratio is not None and conv.track_sampling_ratio != conv.sampling_ratio:
        parts['track_roi_extractor'] = _extractor(arch, conv, arch.roi_size, conv.track_sampling_ratio)
    return parts


def _train_cfg(conv, has_masks):
    """Training settings in the style of the source, for fine-tuning."""
    offset = conv.nms_offset
    legacy = offset == 1
    numbers = (64, 128) if conv.tracker else (256, 512)

    def stage(pos, neg, low_quality, num, fraction, add_gt):
        return dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=pos,
                neg_iou_thr=neg,
                min_pos_iou=neg,
                match_low_quality=low_quality,
                offset=offset,
            ),
            sampler=dict(
                type='RandomSampler',
                num=num,
                pos_fraction=fraction,
                neg_pos_ub=-1,
                add_gt_as_proposals=add_gt,
            ),
            pos_weight=-1,
        )

    rpn = dict(**stage(0.7, 0.3, True, numbers[0], 0.5, False), allowed_border=0 if legacy else -1)
    # Low-quality matching in the second stage: always before mmdetection 2, since then only with masks.
    rcnn = dict(**stage(0.5, 0.5, legacy or has_masks, numbers[1], 0.25, True), mask_size=28)
    proposals = None
    if not conv.tracker and not legacy:
        proposals = dict(
            nms_pre=2000, max_per_img=1000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0
        )
    return dict(rpn=rpn, rpn_proposal=proposals, rcnn=rcnn)


def _test_cfg(conv):
    rpn, rcnn = dict(conv.rpn_test), dict(conv.rcnn_test)
    rpn_nms = dict(type='nms', iou_threshold=rpn.pop('iou_threshold'))
    rcnn_nms = rcnn.pop('nms', None) or dict(type='nms', iou_threshold=rcnn['iou_threshold'])
    rcnn.pop('iou_threshold')
    if (conv.rpn_coder == 'legacy') != (conv.nms_offset == 1):
        # mmdetection 2.x runs its upgraded 1.x models with NMS without +1.
        rpn_nms['offset'] = rcnn_nms['offset'] = conv.nms_offset
    rcnn['nms'] = rcnn_nms
    if conv.sort_detections:
        rcnn['always_sort'] = True
    return dict(rpn=dict(**rpn, nms=rpn_nms), rcnn=rcnn)
