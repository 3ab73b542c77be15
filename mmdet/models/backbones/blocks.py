"""Residual blocks, with parameter names of the published checkpoints (conv1, bn1, ..., downsample.0)."""

import torch.utils.checkpoint
from mmengine.model import BaseModule
from torch import nn

from ..norm import build_norm, conv_norm


class _ResidualBlock(BaseModule):
    """Base of both blocks: named norms, the shortcut and checkpointing.

    Args:
        downsample (nn.Module | None): projection of the shortcut if shapes differ.
        with_cp (bool): recompute the block in the backward pass to save memory.
        init_cfg (dict | None): initialization.
    """

    def __init__(self, downsample, with_cp, init_cfg):
        super().__init__(init_cfg)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.with_cp = with_cp

    def _add_norm(self, norm_cfg, channels, number):
        name, layer = build_norm(norm_cfg, channels, number, type(self).__name__)
        self.add_module(name, layer)
        setattr(self, f'norm{number}_name', name)

    def _conv_norm(self, x, number):
        norm = getattr(self, getattr(self, f'norm{number}_name'))
        return conv_norm(getattr(self, f'conv{number}'), norm, x)

    def residual(self, x):
        """Residual branch; subclasses define it."""
        raise NotImplementedError(f'{type(self).__name__} must define residual()')

    def _sum(self, x):
        shortcut = x if self.downsample is None else conv_norm(*self.downsample, x)
        return self.residual(x).add_(shortcut)  # no layer needs its output for its gradient

    def forward(self, x):
        """(N, C_in, H, W) to (N, planes * expansion, H / stride, W / stride)."""
        if self.with_cp and x.requires_grad:
            out = torch.utils.checkpoint.checkpoint(self._sum, x, use_reentrant=False)
        else:
            out = self._sum(x)
        return self.relu(out)


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

    def residual(self, x):
        """conv, norm, relu, conv, norm."""
        return self._conv_norm(self.relu(self._conv_norm(x, 1)), 2)


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

    def residual(self, x):
        """conv, norm, relu, conv, norm, relu, conv, norm."""
        out = self.relu(self._conv_norm(x, 1))
        out = self.relu(self._conv_norm(out, 2))
        return self._conv_norm(out, 3)
