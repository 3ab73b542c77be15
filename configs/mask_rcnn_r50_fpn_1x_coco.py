# Mask R-CNN with ResNet-50 and FPN on COCO: the detector MaskTrack R-CNN starts from.
#
#   python tools/train.py configs/mask_rcnn_r50_fpn_1x_coco.py --validate
#   python tools/test.py configs/mask_rcnn_r50_fpn_1x_coco.py \
#       work_dirs/mask_rcnn_r50_fpn_1x_coco/epoch_12.pth --out results
_base_ = [
    './_base_/models/mask_rcnn_r50_fpn_2019.py',
    './_base_/datasets/coco.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.02))  # for 16 images in all (8 GPUs)
work_dir = './work_dirs/mask_rcnn_r50_fpn_1x_coco'
