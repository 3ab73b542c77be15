"""Residual blocks, with parameter names of the published checkpoints (conv1, bn1, ..., downsample.0)."""

import torch.utils.checkpoint
from mmengine.model import BaseModule
from torch import nn

from ..fused import conv_act
from ..norm import build_norm


class _ResidualBlock(BaseModule):
    """Base of both blocks: named norms, the shortcut and checkpointing.

    Args:
        downsample (nn.Module | None): projection of the shortcut if shapes differ.
        with_cp (bool): recompute the block in the backward pass to save memory.
        init_cfg (dict | None): initialization.
    """

    convs: int  # their number

    def __init__(self, downsample, with_cp, init_cfg):
        super().__init__(init_cfg)
        self.downsample = downsample
        self.with_cp = with_cp

    def _add_norm(self, norm_cfg, channels, number):
        name, layer = build_norm(norm_cfg, channels, number, type(self).__name__)
        self.add_module(name, layer)
        setattr(self, f'norm{number}_name', name)

    def _layers(self, number):
        return getattr(self, f'conv{number}'), getattr(self, getattr(self, f'norm{number}_name'))

    def _sum(self, x):
        shortcut = x if self.downsample is None else conv_act(self.downsample[0], x, self.downsample[1])
        for number in range(1, self.convs):
            conv, norm = self._layers(number)
            x = conv_act(conv, x, norm, relu=True)
        conv, norm = self._layers(self.convs)
        return conv_act(conv, x, norm, relu=True, add=shortcut)

    def forward(self, x):
        """(N, C_in, H, W) to (N, planes * expansion, H / stride, W / stride).

        In a model that is optimized for inference the input may be overwritten.
        """
        if self.with_cp and x.requires_grad:
            return torch.utils.checkpoint.checkpoint(self._sum, x, use_reentrant=False)
        return self._sum(x)


class BasicBlock(_ResidualBlock):
    """Two 3x3 convolutions (ResNet, figure 5 left).

    Args:
        inplanes, planes (int): input and output channels.
        stride, dilation (int): of the first convolution.
        downsample (nn.Module | None): the shortcut.
        style (str): unused, as there is only one place for the stride.
        norm_cfg (dict): normalization.
        with_cp (bool): recompute in the backward pass.
        zero_init (bool): start as the identity.
    """

    expansion = 1
    convs = 2

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        dilation=1,
        downsample=None,
        style='pytorch',
        norm_cfg=None,
        with_cp=False,
        zero_init=False,
    ):
        norm_cfg = norm_cfg or dict(type='BN')
        super().__init__(downsample, with_cp, None)
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, dilation, dilation, bias=False)
        self._add_norm(norm_cfg, planes, 1)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self._add_norm(norm_cfg, planes, 2)
        if zero_init:
            self.init_cfg = dict(type='Constant', val=0, override=dict(name=self.norm2_name))


class Bottleneck(_ResidualBlock):
    """1x1, 3x3, 1x1 convolutions (ResNet, figure 5 right), grouped and widened for ResNeXt.

    Args:
        inplanes (int): input channels.
        planes (int): a quarter of the output channels.
        stride, dilation (int): of the 3x3 convolution, or with style 'caffe' the stride of the first 1x1.
        downsample (nn.Module | None): the shortcut.
        style (str): ``'pytorch'`` or ``'caffe'``.
        norm_cfg (dict): normalization.
        with_cp (bool): recompute in the backward pass.
        zero_init (bool): start as the identity.
        width (int | None): channels of the 3x3 convolution; ``planes`` by default.
        groups (int): groups of the 3x3 convolution.
    """

    expansion = 4
    convs = 3

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        dilation=1,
        downsample=None,
        style='pytorch',
        norm_cfg=None,
        with_cp=False,
        zero_init=False,
        width=None,
        groups=1,
    ):
        norm_cfg = norm_cfg or dict(type='BN')
        super().__init__(downsample, with_cp, None)
        width = planes if width is None else width
        first, second = (1, stride) if style == 'pytorch' else (stride, 1)
        self.conv1 = nn.Conv2d(inplanes, width, 1, first, bias=False)
        self._add_norm(norm_cfg, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, second, dilation, dilation, groups, bias=False)
        self._add_norm(norm_cfg, width, 2)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self._add_norm(norm_cfg, planes * self.expansion, 3)
        if zero_init:
            self.init_cfg = dict(type='Constant', val=0, override=dict(name=self.norm3_name))
