"""Feature pyramid network (Lin et al., arXiv 1612.03144)."""

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import nn

from mmdet.registry import MODELS

from ..fused import conv_module
from ..norm import check_norm_cfg

_EXTRA_SOURCES = ('on_input', 'on_lateral', 'on_output')


@MODELS.register_module()
class FPN(BaseModule):
    """Feature pyramid; the defaults are those of 2019.

    Args:
        in_channels (Sequence[int]): channels of every backbone level.
        out_channels (int): channels of every pyramid level.
        num_outs (int): pyramid levels. Extra ones are strided max poolings of the last level, or the
            convolutions of ``add_extra_convs``.
        start_level (int): first backbone level used.
        end_level (int): last backbone level used, inclusive; -1 is the last one.
        add_extra_convs (bool | str): make the extra levels by strided 3x3 convolutions ``'on_input'`` (the
            last backbone level; also True), ``'on_lateral'`` or ``'on_output'``.
        relu_before_extra_convs (bool): a ReLU before every extra convolution but the first.
        no_norm_on_lateral (bool): ``norm_cfg`` is for the 3x3 convolutions only.
        norm_cfg, act_cfg (dict | None): normalization and activation; none by default.
        init_cfg (dict | list | None): Xavier uniform by default.

    Raises:
        ValueError: for invalid levels or options.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        num_outs,
        start_level=0,
        end_level=-1,
        add_extra_convs=False,
        relu_before_extra_convs=False,
        no_norm_on_lateral=False,
        norm_cfg=None,
        act_cfg=None,
        init_cfg=None,
    ):
        super().__init__(init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform'))
        last = len(in_channels) - 1 if end_level == -1 else end_level
        if not 0 <= start_level <= last < len(in_channels):
            raise ValueError(
                f'FPN: levels {start_level} to {end_level} of {len(in_channels)} input levels do not exist'
            )
        used = last + 1 - start_level
        if num_outs < used or (last < len(in_channels) - 1 and num_outs != used):
            raise ValueError(f'FPN: num_outs for {used} input levels used does not fit, got {num_outs}')
        self.extra_source = 'on_input' if add_extra_convs is True else add_extra_convs
        if self.extra_source and self.extra_source not in _EXTRA_SOURCES:
            raise ValueError(
                f'FPN: add_extra_convs must be a bool or one of {_EXTRA_SOURCES}, got {add_extra_convs!r}'
            )
        check_norm_cfg(norm_cfg, 'FPN')
        self.in_channels = list(in_channels)
        self.out_channels = out_channels
        self.num_outs = num_outs
        self.levels = range(start_level, last + 1)
        # Norms look at whole maps, and so do the convolutions of extra levels.
        self.windowed = norm_cfg is None and not self.extra_source
        self.relu_before_extra_convs = relu_before_extra_convs
        lateral_norm = None if no_norm_on_lateral else norm_cfg
        self.lateral_convs = nn.ModuleList(
            ConvModule(
                in_channels[level], out_channels, 1, norm_cfg=lateral_norm, act_cfg=act_cfg, inplace=False
            )
            for level in self.levels
        )
        conv = dict(norm_cfg=norm_cfg, act_cfg=act_cfg, inplace=False, padding=1)
        self.fpn_convs = nn.ModuleList(ConvModule(out_channels, out_channels, 3, **conv) for _ in self.levels)
        if self.extra_source:
            for extra in range(num_outs - used):
                first = extra == 0 and self.extra_source == 'on_input'
                channels = in_channels[last] if first else out_channels
                self.fpn_convs.append(ConvModule(channels, out_channels, 3, stride=2, **conv))

    def forward(self, inputs, windows=None):
        """Build the pyramid.

        Args:
            inputs (Sequence[Tensor]): (N, C_i, H_i, W_i), one per backbone level, sides halving.
            windows (Sequence[tuple[int, int, int, int]] | None): for each of ``levels`` the part that is read
                afterwards: left, top, right, bottom in cells, the last two exclusive; the rest becomes 0.
                For a ``windowed`` pyramid only.

        Returns:
            tuple[Tensor]: ``num_outs`` maps (N, out_channels, H_i, W_i), sides halving.

        Raises:
            ValueError: windows for a pyramid with norms or convolutions of extra levels.
        """
        if windows is not None and not self.windowed:
            raise ValueError('FPN: windows need a pyramid without norm_cfg and add_extra_convs')
        laterals, above = [], None
        for conv, level in reversed(list(zip(self.lateral_convs, self.levels))):
            if above is not None:
                above = F.interpolate(above, size=inputs[level].shape[-2:], mode='nearest')
            above = conv_module(conv, inputs[level], add=above)
            laterals.insert(0, above)
        if windows is None:
            outs = [conv_module(conv, lateral) for conv, lateral in zip(self.fpn_convs, laterals)]
        else:
            outs = [_within(*parts) for parts in zip(self.fpn_convs, laterals, windows, strict=True)]
        source = None
        if self.extra_source:
            source = dict(on_input=inputs[self.levels[-1]], on_lateral=laterals[-1], on_output=outs[-1])[
                self.extra_source
            ]
        for i in range(len(outs), self.num_outs):
            if source is None:
                # Pooling with a window of one only takes every second pixel.
                outs.append(F.max_pool2d(outs[-1], 1, stride=2))
                continue
            outs.append(conv_module(self.fpn_convs[i], source))
            source = F.relu(outs[-1]) if self.relu_before_extra_convs else outs[-1]
        return tuple(outs)


def _within(conv, x, window):
    """A 3x3 convolution in a window of at least one cell, and 0 around it."""
    height, width = x.shape[2:]
    left, top = (min(max(low, 0), side - 1) for low, side in zip(window[:2], (width, height)))
    right, bottom = (
        max(min(high, side), low + 1) for high, side, low in zip(window[2:], (width, height), (left, top))
    )
    # One cell more on each side, where there is one: what the convolution makes of its edge is cut off.
    x0, y0 = max(left - 1, 0), max(top - 1, 0)
    out = conv_module(conv, x[:, :, y0 : bottom + 1, x0 : right + 1])
    out = out[:, :, top - y0 : bottom - y0, left - x0 : right - x0]
    return F.pad(out, (left, width - right, top, height - bottom))
