"""Model configs of the tests: the model of the main config, in smaller sizes."""

import copy
from functools import cache
from pathlib import Path

from mmengine.config import Config

MAIN_CONFIG = Path(__file__).resolve().parents[1] / 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py'

#: Parts of MaskTrack R-CNN that the other detectors lack.
_ABSENT = {
    'MaskTrackRCNN': (),
    'MaskRCNN': ('track_head', 'tracker'),
    'FasterRCNN': ('track_head', 'tracker', 'mask_head', 'mask_roi_extractor'),
    'RPN': (
        'track_head',
        'tracker',
        'mask_head',
        'mask_roi_extractor',
        'bbox_head',
        'bbox_roi_extractor',
    ),
}


@cache
def _main_model():
    return Config.fromfile(str(MAIN_CONFIG)).model.to_dict()


def model_cfg(
    kind='MaskTrackRCNN', channels=256, fc=1024, mask_channels=256, num_classes=40, rois=128, frozen_stages=1
):
    """The model of the main config without pretrained weights.

    Args:
        kind (str): any of the four detectors.
        channels (int): of the pyramid and of all heads.
        fc (int): length of the fully connected layers and of embeddings.
        mask_channels (int): of the convolutions of the mask head.
        num_classes (int): without background.
        rois (int): sampled boxes per image in training.
        frozen_stages (int): of the backbone.

    Returns:
        dict: to change freely.
    """
    cfg = copy.deepcopy(_main_model())
    cfg['type'] = kind
    cfg['backbone'].update(frozen_stages=frozen_stages, init_cfg=None)
    cfg['neck']['out_channels'] = channels
    cfg['rpn_head'].update(in_channels=channels, feat_channels=channels)
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        cfg[name]['out_channels'] = channels
    cfg['bbox_head'].update(in_channels=channels, fc_out_channels=fc, num_classes=num_classes)
    cfg['mask_head'].update(in_channels=channels, conv_out_channels=mask_channels, num_classes=num_classes)
    cfg['track_head'].update(in_channels=channels, fc_out_channels=fc)
    cfg['train_cfg']['rcnn']['sampler']['num'] = rois
    for name in _ABSENT[kind]:
        del cfg[name]
    return cfg


def small_cfg():
    """The small trained model of the golden tracks: reduced heads, five classes."""
    return model_cfg(channels=64, fc=128, mask_channels=32, num_classes=5, rois=64, frozen_stages=-1)


def tiny_cfg(kind='MaskTrackRCNN', **model_options):
    """ResNet-18 with 32 channels in the pyramid and 3 classes: trains a step in a test."""
    cfg = model_cfg(kind, channels=32, fc=32, mask_channels=16, num_classes=3, rois=32, frozen_stages=-1)
    cfg['backbone'].update(depth=18)
    cfg['neck']['in_channels'] = [64, 128, 256, 512]
    cfg['data_preprocessor'].update(mean=[128.0] * 3, std=[64.0] * 3)
    cfg.update(model_options)
    return cfg


def program_cfg(kind='MaskTrackRCNN', num_classes=3):
    """About 0.2 million parameters and few boxes, for tests that run whole programs."""
    cfg = model_cfg(kind, channels=16, fc=32, mask_channels=16, num_classes=num_classes, frozen_stages=-1)
    norm = dict(type='GN', num_groups=4)
    cfg['backbone'].update(depth=18, base_channels=8, norm_cfg=norm, norm_eval=False)
    cfg['neck']['in_channels'] = [8, 16, 32, 64]
    cfg['rpn_head']['anchor_generator']['scales'] = [4]
    if 'mask_head' in cfg:
        cfg['mask_head']['num_convs'] = 1
    cfg['test_cfg']['rpn'].update(nms_pre=20, nms_post=20, max_per_img=20)
    cfg['test_cfg']['rcnn']['max_per_img'] = 5
    return cfg
