"""Features of a RoI from the pyramid level that fits its size."""

import torch
from torch import nn

from mmdet.ops import RoIAlign, multilevel_roi_align
from mmdet.registry import MODELS


@MODELS.register_module()
class SingleRoIExtractor(nn.Module):
    """RoIAlign on the level ``clamp(floor(log2(sqrt(w * h) / finest_scale + 1e-6)), 0, levels - 1)``.

    The defaults are those of 2019 (docs/conventions.md, "RoI levels"). ``finest_scale=56, offset=0`` is the
    rule of mmdetection 2 and later. It is also that of torchvision (canonical scale 224 on level 4 of a
    pyramid that starts at level 2), as 56 is 224 / 4.

    Args:
        roi_layer (dict): ``type='RoIAlign'``, ``output_size``, ``sampling_ratio``, ``mode``: see
            ``mmdet.ops``.
        out_channels (int): channels of every level.
        featmap_strides (Sequence[int]): strides of the levels used, finest first; other levels are ignored.
        finest_scale (float): RoIs smaller than twice this size, in pixels, use the first level.
        offset (int): 1 for boxes in inclusive pixels, 0 for continuous ones.

    Raises:
        ValueError: for another ``roi_layer``.
    """

    def __init__(self, roi_layer, out_channels, featmap_strides, finest_scale=56, offset=1):
        super().__init__()
        layer = dict(roi_layer)
        kind = layer.pop('type', 'RoIAlign')
        if kind not in ('RoIAlign', RoIAlign):
            raise ValueError(f"SingleRoIExtractor: roi_layer of type 'RoIAlign' expected, got {kind!r}")
        layer = RoIAlign(**layer)
        self.output_size = layer.output_size
        self.sampling_ratio = layer.sampling_ratio
        self.mode = layer.mode
        self.out_channels = out_channels
        self.featmap_strides = list(featmap_strides)
        self.finest_scale = finest_scale
        self.offset = offset

    @property
    def num_inputs(self):
        """Number of pyramid levels used."""
        return len(self.featmap_strides)

    def map_roi_levels(self, rois):
        """Pyramid level of every RoI.

        Args:
            rois (Tensor): (K, 5) rows of ``[image index, x1, y1, x2, y2]``.

        Returns:
            Tensor: (K,) int64. A RoI with one negative side uses the first level.
        """
        sides = rois[:, 3:5].float() - rois[:, 1:3].float() + self.offset
        area = sides[:, 0] * sides[:, 1]
        level = torch.zeros_like(area, dtype=torch.int64)
        for number in range(1, self.num_inputs):  # the rule solved for the area: no root, no logarithm
            level += area >= (self.finest_scale * (2.0**number - 1e-6)) ** 2
        return level

    def windows(self, rois):
        """The part of each level that :meth:`forward` reads. On a GPU this waits for the RoIs.

        Args:
            rois (Tensor): (K, 5).

        Returns:
            list[tuple[int, int, int, int]]: left, top, right, bottom in cells, the last two exclusive; they
            may lie outside the map, and are 0 for a level without RoIs.
        """
        levels, found = self.map_roi_levels(rois), []
        for level, stride in enumerate(self.featmap_strides):
            corners = rois[levels == level, 1:].float().view(-1, 2) / stride
            if len(corners):
                # A RoI is at least one cell wide, or ends a pixel later; interpolation reads the next cell.
                low, high = corners.amin(dim=0).floor() - 1, corners.amax(dim=0).floor() + 3
                found.append(tuple(map(int, (*low.tolist(), *high.tolist()))))
            else:
                found.append((0, 0, 0, 0))
        return found

    def forward(self, feats, rois):
        """Extract features.

        Args:
            feats (Sequence[Tensor]): (N, C, H_l, W_l); the first ``num_inputs`` levels are used.
            rois (Tensor): (K, 5); K may be 0.

        Returns:
            Tensor: (K, C, s, s) attached to every level used.
        """
        return multilevel_roi_align(
            feats[: self.num_inputs],
            rois,
            self.map_roi_levels(rois),
            self.output_size,
            [1.0 / stride for stride in self.featmap_strides],
            self.sampling_ratio,
            self.mode,
        )
