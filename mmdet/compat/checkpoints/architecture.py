"""Read the shape of the network off the weights (native names)."""

import re
from dataclasses import dataclass

from mmdet.utils import blaming

from .common import ConversionRefused, require

BASIC = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 34}
BOTTLENECK = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}


@dataclass
class Architecture:
    """What the weights alone say about the network.

    Attributes:
        depth (int): ResNet depth.
        groups (int): groups of the 3x3 convolutions; more than 1 is a ResNeXt.
        base_width (int): width of one group in the first stage (ResNeXt).
        stage_channels (tuple[int, ...]): outputs of the four stages.
        channels (int): FPN channels.
        neck_norm, box_norm, mask_norm (bool): batch norm after the convolutions of FPN, box and mask head.
        rpn_convs (int): 3x3 convolutions of the RPN.
        rpn_channels (int): hidden channels of the RPN.
        num_anchors (int): anchors per position.
        num_classes (int): classes without background.
        fc_channels (int): width of the box head.
        num_fcs (int): shared fully connected layers of the box head.
        num_shared_convs (int): shared convolutions of the box head.
        box_channels (int): their width.
        mask_convs (int): convolutions of the mask head; 0 without a mask head.
        mask_channels (int): their width.
        roi_size (int): side of the box features.
        track_fcs (int): layers of the track head; 0 without one.
        track_channels (int): their width.
        track_avg_pool (bool): the track head averages over the RoI first.
    """

    depth: int
    groups: int
    base_width: int
    stage_channels: tuple
    channels: int
    neck_norm: bool
    rpn_convs: int
    rpn_channels: int
    num_anchors: int
    num_classes: int
    fc_channels: int
    num_fcs: int
    num_shared_convs: int
    box_channels: int
    box_norm: bool
    mask_convs: int
    mask_channels: int
    mask_norm: bool
    roi_size: int
    track_fcs: int
    track_channels: int
    track_avg_pool: bool

    @property
    def backbone_name(self):
        """str: ``ResNet-50``, ``ResNeXt-101-64x4d``, ..."""
        if self.groups > 1:
            return f'ResNeXt-{self.depth}-{self.groups}x{self.base_width}d'
        return f'ResNet-{self.depth}'


def _count(state, pattern):
    """Number of distinct indices captured by ``pattern`` over all keys."""
    return len({match.group(1) for match in map(re.compile(pattern).match, state) if match})


def _backbone(state, source_format):
    stages = range(1, 5)
    blocks = tuple(_count(state, rf'backbone\.layer{stage}\.(\d+)\.') for stage in stages)
    bottleneck = 'backbone.layer1.0.conv3.weight' in state
    depth = (BOTTLENECK if bottleneck else BASIC).get(blocks)
    if depth is None:
        raise ConversionRefused(
            f'format {source_format!r}: blocks per stage {blocks} are none of '
            'ResNet-18/34/50/101/152 or ResNeXt'
        )
    last = 'conv3' if bottleneck else 'conv2'
    channels = tuple(
        require(state, f'backbone.layer{stage}.0.{last}.weight', source_format).shape[0] for stage in stages
    )
    middle = require(state, 'backbone.layer1.0.conv2.weight', source_format)
    groups = middle.shape[0] // middle.shape[1]
    return depth, groups, middle.shape[0] // groups, channels


def _box_head(state, source_format, channels):
    """Side of the RoI features and counts of shared layers, as fields of :class:`Architecture`."""
    first = require(state, 'bbox_head.shared_fcs.0.weight', source_format)
    convs = _count(state, r'bbox_head\.shared_convs\.(\d+)\.')
    if convs:
        channels = require(state, f'bbox_head.shared_convs.{convs - 1}.conv.weight', source_format).shape[0]
    roi_size = round((first.shape[1] / channels) ** 0.5)
    if roi_size * roi_size * channels != first.shape[1]:
        raise ConversionRefused(
            f'bbox_head.shared_fcs.0 takes {first.shape[1]} inputs, which is no square of {channels} channels'
        )
    if roi_size == 1:
        raise ConversionRefused(
            'bbox_head.shared_fcs.0 takes one value a channel: averaging over the RoI is not supported'
        )
    return dict(
        num_classes=require(state, 'bbox_head.fc_cls.weight', source_format).shape[0] - 1,
        fc_channels=first.shape[0],
        num_fcs=_count(state, r'bbox_head\.shared_fcs\.(\d+)\.'),
        num_shared_convs=convs,
        box_channels=channels,
        box_norm='bbox_head.shared_convs.0.bn.weight' in state,
        roi_size=roi_size,
    )


def _mask_head(state, source_format):
    convs = _count(state, r'mask_head\.convs\.(\d+)\.')
    width = require(state, 'mask_head.convs.0.conv.weight', source_format).shape[0] if convs else 0
    return dict(mask_convs=convs, mask_channels=width, mask_norm='mask_head.convs.0.bn.weight' in state)


def _rpn_head(state, source_format):
    convs = _count(state, r'rpn_head\.rpn_conv\.(\d+)\.')
    first = f'rpn_head.rpn_conv{".0.conv" if convs else ""}.weight'
    return dict(
        rpn_convs=convs or 1,
        rpn_channels=require(state, first, source_format).shape[0],
        num_anchors=require(state, 'rpn_head.rpn_reg.weight', source_format).shape[0] // 4,
    )


def _track_head(state, source_format, channels, roi_size):
    count = _count(state, r'track_head\.fcs\.(\d+)\.')
    if not count:
        return dict(track_fcs=0, track_channels=0, track_avg_pool=False)
    width, inputs = require(state, 'track_head.fcs.0.weight', source_format).shape
    if inputs not in (channels, channels * roi_size**2):
        raise ConversionRefused(
            f'track_head.fcs.0 takes {inputs} inputs; expected {channels * roi_size**2} '
            f'({roi_size}x{roi_size} RoI features) or {channels} (their average)'
        )
    return dict(track_fcs=count, track_channels=width, track_avg_pool=inputs == channels)


def read_architecture(state, source_format):
    """Infer depths, widths and counts from natively named weights.

    Args:
        state (dict[str, Tensor]): converted weights.
        source_format (str): for messages.

    Returns:
        Architecture

    Raises:
        ConversionRefused: a part that every detector here needs is missing, or has no counterpart.
    """
    with blaming(
        f'format {source_format!r}: the shapes of the weights fit no known model', ConversionRefused
    ):
        depth, groups, base_width, stage_channels = _backbone(state, source_format)
        channels = require(state, 'neck.lateral_convs.0.conv.weight', source_format).shape[0]
        box_head = _box_head(state, source_format, channels)
        return Architecture(
            depth=depth,
            groups=groups,
            base_width=base_width,
            stage_channels=stage_channels,
            channels=channels,
            neck_norm='neck.lateral_convs.0.bn.weight' in state,
            **_rpn_head(state, source_format),
            **box_head,
            **_mask_head(state, source_format),
            **_track_head(state, source_format, channels, box_head['roi_size']),
        )
