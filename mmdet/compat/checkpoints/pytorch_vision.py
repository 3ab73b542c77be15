"""``maskrcnn_resnet50_fpn`` and ``_v2`` of torchvision, and the same networks with another ResNet.

Facts: torchvision/models/detection/{mask_rcnn,faster_rcnn,rpn,anchor_utils,roi_heads,transform,_utils}.py and
ops/poolers.py. Background is column 0 and the regressor has a block for it, as here. Boxes are continuous,
base anchors are rounded and their stride is (padded image side // cells), RoIAlign is not aligned and takes
2x2 samples, masks are padded by one cell before they are pasted, image scale is per axis.

Batch norms of version 1 are frozen; torchvision runs its own COCO_V1 file of it with epsilon 0 and everything
else with 1e-5. Ours is 1e-5, so the difference is folded into the variance:
``var + 0 = (var - 1e-5) + 1e-5``.

Version 2 has two convolutions in the RPN, batch norms in FPN, box and mask head, and a box head of four
convolutions and one fully connected layer.
"""

import torch

from mmdet.structures.classes import COCO_CLASSES

from .common import ConversionRefused
from .conventions import Conventions
from .keys import BN, INDEX, WB, backbone_rules, rename
from .rows import fix_box_head, fix_mask_head

OUR_EPS = 1e-5
UNUSED_COCO_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_V1_FILE = 'maskrcnn_resnet50_fpn_coco-'

# Keys of torchvision before 0.13 have one index less: the conv is not yet inside a Conv2dNormActivation.
RULES = [
    *backbone_rules(r'backbone\.body\.'),
    (rf'backbone\.fpn\.inner_blocks\.({INDEX})(?:\.0)?\.({WB})', r'neck.lateral_convs.\1.conv.\2'),
    (rf'backbone\.fpn\.layer_blocks\.({INDEX})(?:\.0)?\.({WB})', r'neck.fpn_convs.\1.conv.\2'),
    (rf'backbone\.fpn\.inner_blocks\.({INDEX})\.1\.({BN})', r'neck.lateral_convs.\1.bn.\2'),
    (rf'backbone\.fpn\.layer_blocks\.({INDEX})\.1\.({BN})', r'neck.fpn_convs.\1.bn.\2'),
    (rf'rpn\.head\.conv(?:\.0\.0)?\.({WB})', r'rpn_head.rpn_conv.\1'),
    (rf'rpn\.head\.cls_logits\.({WB})', r'rpn_head.rpn_cls.\1'),
    (rf'rpn\.head\.bbox_pred\.({WB})', r'rpn_head.rpn_reg.\1'),
    (rf'roi_heads\.box_head\.fc6\.({WB})', r'bbox_head.shared_fcs.0.\1'),
    (rf'roi_heads\.box_head\.fc7\.({WB})', r'bbox_head.shared_fcs.1.\1'),
    (rf'roi_heads\.box_head\.({INDEX})\.0\.({WB})', r'bbox_head.shared_convs.\1.conv.\2'),
    (rf'roi_heads\.box_head\.({INDEX})\.1\.({BN})', r'bbox_head.shared_convs.\1.bn.\2'),
    (rf'roi_heads\.box_head\.5\.({WB})', r'bbox_head.shared_fcs.0.\1'),
    (rf'roi_heads\.box_predictor\.cls_score\.({WB})', r'bbox_head.fc_cls.\1'),
    (rf'roi_heads\.box_predictor\.bbox_pred\.({WB})', r'bbox_head.fc_reg.\1'),
    (rf'roi_heads\.mask_head\.mask_fcn1\.({WB})', r'mask_head.convs.0.conv.\1'),
    (rf'roi_heads\.mask_head\.mask_fcn2\.({WB})', r'mask_head.convs.1.conv.\1'),
    (rf'roi_heads\.mask_head\.mask_fcn3\.({WB})', r'mask_head.convs.2.conv.\1'),
    (rf'roi_heads\.mask_head\.mask_fcn4\.({WB})', r'mask_head.convs.3.conv.\1'),
    (rf'roi_heads\.mask_head\.({INDEX})\.0\.({WB})', r'mask_head.convs.\1.conv.\2'),
    (rf'roi_heads\.mask_head\.({INDEX})\.1\.({BN})', r'mask_head.convs.\1.bn.\2'),
    (rf'roi_heads\.mask_predictor\.conv5_mask\.({WB})', r'mask_head.upsample.\1'),
    (rf'roi_heads\.mask_predictor\.mask_fcn_logits\.({WB})', r'mask_head.conv_logits.\1'),
]

# With two convolutions or more they are numbered here, too.
SEVERAL_RPN_CONVS = (rf'rpn\.head\.conv\.({INDEX})\.0\.({WB})', r'rpn_head.rpn_conv.\1.conv.\2')


def matches(source):
    """Whether the keys are torchvision's."""
    return 'roi_heads.box_predictor.cls_score.weight' in source.state_dict


def _fold_eps(state, source, options, notes):
    """Fold the batch norms' epsilon into their variances and complete frozen batch norms with a counter."""
    eps, version_2 = options.bn_eps, 'neck.lateral_convs.0.bn.weight' in state
    if eps is None and version_2:
        eps = OUR_EPS
    elif eps is None:
        eps = 0.0 if COCO_V1_FILE in source.name else OUR_EPS
        notes.append(
            f'batch norm epsilon taken as {eps:g} '
            f'({"the COCO_V1 file" if eps == 0.0 else "not the COCO_V1 file by its name"}; change '
            'with --bn-eps)'
        )
    for key in [name for name in state if name.endswith('running_var')]:
        if eps != OUR_EPS:
            state[key] = (state[key].double() + (eps - OUR_EPS)).to(state[key].dtype)
        counter = key.replace('running_var', 'num_batches_tracked')
        if counter not in state:
            state[counter] = state[key].new_zeros(()).long()


def _coco_classes(state, options, notes):
    """Names of the 90 COCO columns; with ``coco80`` the ten unused ones are cut out of the weights.

    Returns:
        tuple[str, ...] | None: None if the classifier has not 90 classes.
    """
    classes = state['bbox_head.fc_cls.weight'].shape[0] - 1
    if classes != 90:
        if options.coco80:
            raise ConversionRefused(f'--coco80 needs the 90 COCO columns, the classifier has {classes}')
        return None
    used = [i for i in range(1, 91) if i not in UNUSED_COCO_IDS]
    if not options.coco80:
        notes.append(
            'labels are COCO ids - 1, ten of which COCO never used; CocoDataset has 80 classes, for which '
            '--coco80 cuts the columns out (they then leave the softmax, too, where they are next to nothing)'
        )
        names = iter(COCO_CLASSES)
        return tuple(next(names) if i in used else f'unused {i}' for i in range(1, 91))
    rows = torch.tensor([0, *used])
    blocks = (rows[:, None] * 4 + torch.arange(4)).flatten()
    for key in ('bbox_head.fc_cls', 'mask_head.conv_logits', 'bbox_head.fc_reg'):
        for part in ('weight', 'bias'):
            state[f'{key}.{part}'] = state[f'{key}.{part}'][blocks if key.endswith('fc_reg') else rows]
    return COCO_CLASSES


def convert(source, options, notes, source_format):
    """Return native weights and conventions; see :func:`.mmdet.convert_1x`."""
    several = 'rpn.head.conv.1.0.weight' in source.state_dict
    rules = [SEVERAL_RPN_CONVS, *RULES] if several else RULES
    state = rename(source.state_dict, rules, source_format)
    _fold_eps(state, source, options, notes)
    fix_box_head(state, 'first', source_format)
    fix_mask_head(state, 'first', source_format)
    classes = _coco_classes(state, options, notes)
    if classes is not None:
        source.meta['CLASSES'] = classes
    notes.append(
        "anchors, test numbers and image size are torchvision's own; a model built with others needs them set"
    )
    return state, Conventions(
        anchors='torchvision',
        rpn_coder='torchvision',
        roi_coder='torchvision',
        roi_align='unaligned',
        sampling_ratio=2,
        mask='torchvision',
        scale_factor='torchvision',
        rpn_test=dict(nms_pre=1000, max_per_img=1000, iou_threshold=0.7, min_bbox_size=1e-3),
        rcnn_test=dict(
            score_thr=0.05, iou_threshold=0.5, max_per_img=100, mask_thr_binary=0.5, min_bbox_size=1e-2
        ),
    )
