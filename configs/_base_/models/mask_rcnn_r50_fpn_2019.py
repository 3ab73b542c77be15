# Mask R-CNN with ResNet-50 and FPN, in the conventions of 2019: MaskTrack R-CNN without its track head, with
# the numbers of boxes that are usual on COCO.
_base_ = './masktrack_rcnn_r50_fpn_2019.py'

num_classes = 80  # without background
_old = _base_.model
model = dict(
    _delete_=True,
    type='MaskRCNN',
    data_preprocessor=_old.data_preprocessor,
    backbone=_old.backbone,
    neck=_old.neck,
    rpn_head=_old.rpn_head,
    bbox_roi_extractor=_old.bbox_roi_extractor,
    bbox_head=dict(_old.bbox_head, num_classes=num_classes),
    mask_roi_extractor=_old.mask_roi_extractor,
    mask_head=dict(_old.mask_head, num_classes=num_classes),
    train_cfg=dict(
        rpn=dict(_old.train_cfg.rpn, sampler=dict(_old.train_cfg.rpn.sampler, num=256)),
        rpn_proposal=dict(_old.test_cfg.rpn, nms_pre=2000, nms_post=2000, max_per_img=2000),
        rcnn=dict(_old.train_cfg.rcnn, sampler=dict(_old.train_cfg.rcnn.sampler, num=512)),
    ),
    test_cfg=dict(
        rpn=dict(_old.test_cfg.rpn, nms_pre=1000, nms_post=1000, max_per_img=1000),
        rcnn=dict(_old.test_cfg.rcnn, max_per_img=100),
    ),
)
del _old
