# Mask R-CNN with ResNet-50 and FPN on COCO, in the conventions of torchvision: maskrcnn_resnet50_fpn_v2.
#
#   python tools/test.py --model maskrcnn_r50_fpn_v2_coco --out results --eval bbox segm
#   python tools/train.py configs/maskrcnn_r50_fpn_v2_coco.py --load-from maskrcnn_r50_fpn_v2_coco
#
# Two convolutions in the RPN, batch norm in FPN, box and mask head, and a box head of four convolutions and
# one fully connected layer (Li et al., arXiv 2111.11429).
_base_ = './maskrcnn_r50_fpn_coco.py'

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    neck=dict(norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    bbox_head=dict(
        type='ConvFCBBoxHead',
        num_shared_convs=4,
        num_shared_fcs=1,
        conv_out_channels=256,
        norm_cfg=norm_cfg,
    ),
    mask_head=dict(norm_cfg=norm_cfg),
)
work_dir = './work_dirs/maskrcnn_r50_fpn_v2_coco'
