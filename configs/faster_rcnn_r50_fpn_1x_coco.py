# Faster R-CNN with ResNet-50 and FPN on COCO: Mask R-CNN without its mask head.
#
#   python tools/train.py configs/faster_rcnn_r50_fpn_1x_coco.py --validate
#   python tools/test.py configs/faster_rcnn_r50_fpn_1x_coco.py \
#       work_dirs/faster_rcnn_r50_fpn_1x_coco/epoch_12.pth --out results
_base_ = [
    './_base_/models/mask_rcnn_r50_fpn_2019.py',
    './_base_/datasets/coco.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

_mask = _base_.model
model = dict(
    _delete_=True,
    type='FasterRCNN',
    data_preprocessor=_mask.data_preprocessor,
    backbone=_mask.backbone,
    neck=_mask.neck,
    rpn_head=_mask.rpn_head,
    bbox_roi_extractor=_mask.bbox_roi_extractor,
    bbox_head=_mask.bbox_head,
    train_cfg=dict(
        rpn=_mask.train_cfg.rpn,
        rpn_proposal=_mask.train_cfg.rpn_proposal,
        rcnn=dict(
            assigner=_mask.train_cfg.rcnn.assigner, sampler=_mask.train_cfg.rcnn.sampler, pos_weight=-1
        ),
    ),
    test_cfg=dict(
        rpn=_mask.test_cfg.rpn,
        rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    ),
)
del _mask

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_mask=False),
    dict(type='Resize', scale=(1333, 800), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_evaluator = dict(metric='bbox')
val_evaluator = test_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.02))  # for 16 images in all (8 GPUs)
work_dir = './work_dirs/faster_rcnn_r50_fpn_1x_coco'
