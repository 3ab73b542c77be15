# MaskTrack R-CNN with ResNet-50 and FPN, in the conventions of mmtracking and mmdetection 2 and 3.
#
# Only what differs from 2019; docs/conventions.md explains each setting.
_base_ = './masktrack_rcnn_r50_fpn_2019.py'

roi_align = dict(sampling_ratio=0, mode='aligned')
model = dict(
    rpn_head=dict(
        anchor_generator=dict(type='AnchorGenerator'),  # centered on the grid, not rounded
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_bbox=dict(_delete_=True, type='L1Loss', loss_weight=1.0),
    ),
    # Continuous boxes: offset=0 wherever 2019 counts inclusive pixels.
    bbox_roi_extractor=dict(roi_layer=roi_align, offset=0),
    bbox_head=dict(
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_bbox=dict(_delete_=True, type='L1Loss', loss_weight=1.0),
    ),
    mask_roi_extractor=dict(roi_layer=roi_align, offset=0),
    mask_head=dict(mask_convention='continuous'),
    track_head=dict(relu_last=True),
    tracker=dict(
        offset=0,
        update_label=True,  # memory takes the label of the last match
        max_age=20,  # objects not seen for 20 frames are forgotten
        age_on_empty=False,  # but only when a frame has detections
    ),
    train_cfg=dict(
        rpn=dict(assigner=dict(offset=0), allowed_border=-1),  # anchors may leave the image
        rcnn=dict(assigner=dict(offset=0)),
    ),
    test_cfg=dict(
        # Suppressed level by level, then the best of all levels.
        rpn=dict(
            _delete_=True,
            nms_pre=200,
            max_per_img=200,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0,
        ),
        rcnn=dict(score_thr=0.01, max_per_img=100, always_sort=True),
    ),
)
