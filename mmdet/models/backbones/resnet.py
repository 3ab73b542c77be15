"""ResNet (He et al., arXiv 1512.03385) as a detection backbone."""

from mmengine.model import BaseModule, Sequential
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdet.registry import MODELS

from ..fused import conv_act
from ..norm import build_norm, check_norm_cfg
from .blocks import BasicBlock, Bottleneck


@MODELS.register_module()
class ResNet(BaseModule):
    """ResNet 18, 34, 50, 101 or 152 (docs/conventions.md, "Batch normalization").

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        in_channels (int): channels of the image.
        base_channels (int): channels of the stem and of the first stage; 64 in the paper.
        num_stages (int): 1 to 4 stages.
        strides, dilations (Sequence[int]): of the stages.
        out_indices (Sequence[int]): stages whose output is returned.
        style (str): ``'pytorch'``: the stride of a bottleneck is in its 3x3 convolution; ``'caffe'``: in the
            first 1x1.
        frozen_stages (int): the stem and stages 1 to this one get no gradient, and their norms stay in eval
            mode; 0 freezes only the stem, -1 nothing.
        norm_cfg (dict): ``dict(type='BN', requires_grad=True)`` or ``dict(type='GN', num_groups=32)``.
        norm_eval (bool): batch norms stay in eval mode also in training.
        with_cp (bool): recompute blocks in the backward pass to save memory.
        zero_init_residual (bool): the last norm of every block starts at 0 when initialized from scratch.
        init_cfg (dict | None): ``dict(type='Pretrained', checkpoint=...)``, or None for Kaiming normal.

    Raises:
        ValueError: for an unknown depth, style or norm, or invalid stages.
    """

    settings = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
        152: (Bottleneck, (3, 8, 36, 3)),
    }

    def __init__(
        self,
        depth,
        in_channels=3,
        base_channels=64,
        num_stages=4,
        strides=(1, 2, 2, 2),
        dilations=(1, 1, 1, 1),
        out_indices=(0, 1, 2, 3),
        style='pytorch',
        frozen_stages=-1,
        norm_cfg=None,
        norm_eval=True,
        with_cp=False,
        zero_init_residual=True,
        init_cfg=None,
    ):
        norm_cfg = norm_cfg or dict(type='BN', requires_grad=True)
        self._check(depth, num_stages, strides, dilations, out_indices, style, frozen_stages, norm_cfg)
        scratch = [
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
        ]
        super().__init__(init_cfg or scratch)
        self.in_channels = in_channels
        self.base_channels = base_channels
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.block, counts = self.settings[depth]
        self._block_args = dict(style=style, norm_cfg=norm_cfg, with_cp=with_cp, zero_init=zero_init_residual)
        self.conv1 = nn.Conv2d(in_channels, base_channels, 7, 2, 3, bias=False)
        self.norm1_name, norm = build_norm(norm_cfg, base_channels, 1, type(self).__name__)
        self.add_module(self.norm1_name, norm)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inplanes = base_channels
        self.stages = []
        for stage in range(num_stages):
            planes = base_channels * 2**stage
            layers = self._stage(inplanes, planes, counts[stage], strides[stage], dilations[stage], norm_cfg)
            self.add_module(f'layer{stage + 1}', layers)
            self.stages.append(f'layer{stage + 1}')
            inplanes = planes * self.block.expansion
        self.out_channels = [base_channels * 2**stage * self.block.expansion for stage in self.out_indices]
        self._freeze()

    def _check(self, depth, num_stages, strides, dilations, out_indices, style, frozen_stages, norm_cfg):
        name = type(self).__name__
        if depth not in self.settings:
            raise ValueError(f'{name}: depth must be one of {sorted(self.settings)}, got {depth!r}')
        if not 1 <= num_stages <= 4:
            raise ValueError(f'{name}: num_stages must be 1 to 4, got {num_stages}')
        if len(strides) < num_stages or len(dilations) < num_stages:
            raise ValueError(
                f'{name}: strides and dilations for {num_stages} stages expected, got {strides}, {dilations}'
            )
        if not out_indices or not all(0 <= index < num_stages for index in out_indices):
            raise ValueError(f'{name}: out_indices must lie in [0, {num_stages}), got {tuple(out_indices)}')
        if style not in ('pytorch', 'caffe'):
            raise ValueError(f"{name}: style must be 'pytorch' or 'caffe', got {style!r}")
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(f'{name}: frozen_stages must lie in [-1, {num_stages}], got {frozen_stages}')
        check_norm_cfg(norm_cfg, name)

    def _extra_block_args(self, planes):
        """Arguments of a block that depend on its stage, for subclasses."""
        return {}

    def _stage(self, inplanes, planes, count, stride, dilation, norm_cfg):
        outplanes = planes * self.block.expansion
        downsample = None
        if stride != 1 or inplanes != outplanes:
            downsample = nn.Sequential(
                nn.Conv2d(inplanes, outplanes, 1, stride, bias=False),
                build_norm(norm_cfg, outplanes, '', type(self).__name__)[1],
            )
        args = dict(self._block_args, dilation=dilation, **self._extra_block_args(planes))
        blocks = [self.block(inplanes, planes, stride=stride, downsample=downsample, **args)]
        blocks += [self.block(outplanes, planes, **args) for _ in range(count - 1)]
        return Sequential(*blocks)

    def _freeze(self):
        """Disable gradients of the frozen stages and put them in eval mode."""
        if self.frozen_stages < 0:
            return
        frozen = [self.conv1, getattr(self, self.norm1_name)]
        frozen += [getattr(self, name) for name in self.stages[: self.frozen_stages]]
        for module in frozen:
            module.eval()
            module.requires_grad_(False)

    def forward(self, x):
        """Features of an image batch.

        Args:
            x (Tensor): (N, in_channels, H, W).

        Returns:
            tuple[Tensor]: (N, C_i, H / s_i, W / s_i) of each stage in ``out_indices``; s is 4, 8, 16, 32.
        """
        x = self.maxpool(conv_act(self.conv1, x, getattr(self, self.norm1_name), relu=True))
        outs = []
        for index, name in enumerate(self.stages):
            x = getattr(self, name)(x)
            if index in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def train(self, mode=True):
        """Set the mode; frozen stages and, with ``norm_eval``, batch norms stay in eval. Returns self."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
