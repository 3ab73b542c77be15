"""ResNeXt (Xie et al., arXiv 1611.05431): ResNet with grouped 3x3 convolutions."""

from mmdet.registry import MODELS

from .blocks import Bottleneck
from .resnet import ResNet


@MODELS.register_module()
class ResNeXt(ResNet):
    """ResNeXt 50, 101 or 152; ``groups=32, base_width=4`` is the 32x4d of the paper.

    Args:
        depth (int): 50, 101 or 152.
        groups (int): groups of the 3x3 convolutions.
        base_width (int): channels of each group in the first stage.
        **kwargs: see :class:`ResNet`.
    """

    settings = {depth: ResNet.settings[depth] for depth in (50, 101, 152)}
    block = Bottleneck

    def __init__(self, depth, groups=32, base_width=4, **kwargs):
        self.groups = groups
        self.base_width = base_width
        super().__init__(depth, **kwargs)

    def _extra_block_args(self, planes):
        return dict(width=planes * self.base_width // self.base_channels * self.groups, groups=self.groups)
