"""Key tables shared by the formats whose names descend from mmdetection."""

BN = r'(?:weight|bias|running_mean|running_var|num_batches_tracked)'
WB = r'(?:weight|bias)'
INDEX = r'\d+'


def backbone_rules(prefix):
    """Rules for a ResNet or ResNeXt under ``prefix`` (a regular expression); its names are torchvision's."""
    return [
        (rf'{prefix}((?:conv1|layer[1-4]\.{INDEX}\.(?:conv[1-3]|downsample\.0))\.weight)', r'backbone.\1'),
        (rf'{prefix}((?:bn1|layer[1-4]\.{INDEX}\.(?:bn[1-3]|downsample\.1))\.{BN})', r'backbone.\1'),
    ]


def mmdet_rules(detector='', heads=''):
    """Rules for a Mask R-CNN of mmdetection.

    Args:
        detector (str): regular expression in front of every key, ``''`` or ``'detector\\.'``.
        heads (str): regular expression in front of the second stage, ``''`` (1.x) or ``'roi_head\\.'`` (2.x,
            3.x).

    Returns:
        list[tuple[str, str]]: patterns and native names.
    """
    return [
        *backbone_rules(rf'{detector}backbone\.'),
        (rf'{detector}(neck\.(?:lateral_convs|fpn_convs)\.{INDEX}\.conv\.{WB})', r'\1'),
        (rf'{detector}(rpn_head\.(?:rpn_conv|rpn_cls|rpn_reg)\.{WB})', r'\1'),
        (rf'{detector}{heads}(bbox_head\.(?:shared_fcs\.{INDEX}|shared_convs\.{INDEX}\.conv)\.{WB})', r'\1'),
        (rf'{detector}{heads}(bbox_head\.(?:fc_cls|fc_reg)\.{WB})', r'\1'),
        (rf'{detector}{heads}(mask_head\.(?:convs\.{INDEX}\.conv|upsample|conv_logits)\.{WB})', r'\1'),
    ]


# Buffers without weights of their own: the normalization of mmengine's preprocessor, and the copies that the
# EMA hook of mmcv leaves beside the averaged weights, which it saves under the ordinary names.
DROP = (r'(?:detector\.)?data_preprocessor\.(?:mean|std)', r'ema_.*')
