"""Box heads with convolutions and fully connected layers, shared or separate for the two outputs."""

from mmcv.cnn import ConvModule
from torch import nn
from torch.nn import functional as F

from mmdet.registry import MODELS

from ..fused import conv_module, flat_linear
from ..norm import check_norm_cfg
from .bbox_head import BBoxHead


@MODELS.register_module()
class ConvFCBBoxHead(BBoxHead):
    """Shared convolutions and fully connected layers, then a branch for each output.

    ::

        x -> shared convs -> shared fcs -+-> cls convs -> cls fcs -> fc_cls
                                         +-> reg convs -> reg fcs -> fc_reg

    Args:
        num_shared_convs, num_shared_fcs (int): layers before the branches.
        num_cls_convs, num_cls_fcs, num_reg_convs, num_reg_fcs (int): layers of each branch; a branch can
            have convolutions only without shared fully connected layers.
        conv_out_channels, fc_out_channels (int): widths.
        norm_cfg (dict | None): norm of the convolutions.
        init_cfg (dict | list | None): Xavier uniform for hidden layers, by default.
        **kwargs: see :class:`BBoxHead`.

    Raises:
        ValueError: for convolutions after fully connected layers, or a branch without its output.
    """

    def __init__(
        self,
        num_shared_convs=0,
        num_shared_fcs=0,
        num_cls_convs=0,
        num_cls_fcs=0,
        num_reg_convs=0,
        num_reg_fcs=0,
        conv_out_channels=256,
        fc_out_channels=1024,
        norm_cfg=None,
        init_cfg=None,
        **kwargs,
    ):
        name = type(self).__name__
        if num_shared_fcs and (num_cls_convs or num_reg_convs):
            raise ValueError(f'{name}: num_cls_convs and num_reg_convs must be 0 where num_shared_fcs is not')
        for output, convs, fcs in (('cls', num_cls_convs, num_cls_fcs), ('reg', num_reg_convs, num_reg_fcs)):
            if not kwargs.get(f'with_{output}', True) and (convs or fcs):
                raise ValueError(f'{name}: layers for {output}, but with_{output} is false')
        check_norm_cfg(norm_cfg, name)
        self._conv_args = dict(kernel_size=3, padding=1, norm_cfg=norm_cfg)
        self._branches = dict(
            shared=(num_shared_convs, num_shared_fcs),
            cls=(num_cls_convs, num_cls_fcs),
            reg=(num_reg_convs, num_reg_fcs),
        )
        self._widths = (conv_out_channels, fc_out_channels)
        super().__init__(init_cfg=init_cfg, **kwargs)
        if init_cfg is None:
            hidden = [dict(name=f'{branch}_fcs') for branch, (_, fcs) in self._branches.items() if fcs]
            if hidden:
                xavier = dict(type='Xavier', distribution='uniform', override=hidden)
                self.init_cfg = [xavier, *self.init_cfg]

    def _add_outputs(self, cls_features, reg_features):
        channels, flat = self._add_branch('shared', self.in_channels, False)
        _, cls_features = self._flat_size(*self._add_branch('cls', channels, flat))
        _, reg_features = self._flat_size(*self._add_branch('reg', channels, flat))
        super()._add_outputs(cls_features, reg_features)

    def _flat_size(self, channels, flat):
        """(True, length of the flattened features of a RoI)."""
        return True, channels if flat or self.with_avg_pool else channels * self.roi_feat_size**2

    def _add_branch(self, branch, channels, flat):
        """Add ``<branch>_convs`` and ``<branch>_fcs``; returns output channels and whether they are flat."""
        num_convs, num_fcs = self._branches[branch]
        conv_channels, fc_channels = self._widths
        convs, fcs = nn.ModuleList(), nn.ModuleList()
        for _ in range(num_convs):
            convs.append(ConvModule(channels, conv_channels, **self._conv_args))
            channels = conv_channels
        for _ in range(num_fcs):
            flat, channels = self._flat_size(channels, flat)
            fcs.append(nn.Linear(channels, fc_channels))
            channels = fc_channels
        self.add_module(f'{branch}_convs', convs)
        self.add_module(f'{branch}_fcs', fcs)
        return channels, flat

    def _pooled(self, x):
        return self.avg_pool(x) if x.dim() == 4 and self.with_avg_pool else x

    def _run_branch(self, branch, x):
        for conv in getattr(self, f'{branch}_convs'):
            x = conv_module(conv, x)
        for fc in getattr(self, f'{branch}_fcs'):
            x = F.relu(flat_linear(fc, self._pooled(x)), inplace=True)
        return x

    def forward(self, x):
        """Classify and refine RoIs; see :meth:`BBoxHead.forward`."""
        x = self._run_branch('shared', x)
        return self.outputs(
            *(self._pooled(self._run_branch(branch, x)).flatten(1) for branch in ('cls', 'reg'))
        )


@MODELS.register_module()
class SharedFCBBoxHead(ConvFCBBoxHead):
    """Fully connected layers shared by both outputs: the box head of the 2019 configs.

    Args:
        num_shared_fcs (int): their number; ``num_fcs`` is the spelling of 2019.
        **kwargs: see :class:`ConvFCBBoxHead`.
    """

    def __init__(self, num_shared_fcs=2, num_fcs=None, **kwargs):
        num_shared_fcs = num_shared_fcs if num_fcs is None else num_fcs
        if num_shared_fcs < 1:
            raise ValueError(
                f'{type(self).__name__}: at least one shared layer expected, got {num_shared_fcs}'
            )
        super().__init__(num_shared_fcs=num_shared_fcs, **kwargs)


@MODELS.register_module()
class Shared2FCBBoxHead(SharedFCBBoxHead):
    """Two shared layers, by the name of mmdetection 1 and later."""


@MODELS.register_module()
class Shared4Conv1FCBBoxHead(ConvFCBBoxHead):
    """Four shared convolutions and one shared layer (the head used with group normalization)."""

    def __init__(self, **kwargs):
        super().__init__(num_shared_convs=4, num_shared_fcs=1, **kwargs)
