"""Anchors of a feature pyramid, in three conventions."""

import math

import torch

from mmdet.registry import TASK_UTILS

# Number of grids kept for reuse. Multi-scale training exceeds it only slowly.
_CACHE_SIZE = 16


@TASK_UTILS.register_module()
class AnchorGenerator:
    """Anchors of mmdetection 2 and later: continuous boxes centered on ``(x, y) * stride``, not rounded.

    The anchors of a level are ordered by y, x, then ratio and scale (scale and ratio without
    ``scale_major``).

    With ``sizes=[[32], [64], [128], [256], [512]], rounded=True, image_strides=True`` these are the anchors
    of torchvision.

    Args:
        strides (Sequence[int]): pixels between neighbors, one per level.
        ratios (Sequence[float]): height / width.
        scales (Sequence[float]): side of the square anchor in base sizes; alternatively give ``sizes``.
        base_sizes (Sequence[float] | None): side of the base anchor of every level; the strides by default.
        sizes (Sequence[Sequence[float]] | None): sides in pixels of the square anchors of every level,
            instead of ``scales`` and ``base_sizes``.
        scale_major (bool): scales vary fastest within a position.
        center_offset (float): center of the first anchor, in base sizes.
        rounded (bool): round the corners of the base anchors to integers.
        image_strides (bool): the stride of a level is (image side // feature side), which is not 64 on a
            level whose size was rounded up; needs ``image_size`` in :meth:`grid_anchors`.

    Raises:
        ValueError: for lists of different lengths.
    """

    offset = 0

    def __init__(
        self,
        strides,
        ratios=(0.5, 1.0, 2.0),
        scales=None,
        base_sizes=None,
        sizes=None,
        scale_major=True,
        center_offset=0.0,
        rounded=False,
        image_strides=False,
    ):
        name = type(self).__name__
        if (scales is None) == (sizes is None):
            raise ValueError(f'{name}: give either scales or sizes, got scales={scales!r}, sizes={sizes!r}')
        self.strides = [int(stride) for stride in strides]
        if sizes is None:
            bases = self.strides if base_sizes is None else list(base_sizes)
            sides = [[base * scale for scale in scales] for base in bases]
        else:
            sides = [[side] if isinstance(side, int | float) else list(side) for side in sizes]
            bases = [0.0] * len(sides)
        if len(sides) != len(self.strides) or len({len(level) for level in sides}) != 1:
            raise ValueError(
                f'{name}: as many sizes for each of {len(self.strides)} levels expected, got {sides}'
            )
        self.ratios = list(ratios)
        self.scale_major = scale_major
        self.center_offset = center_offset
        self.rounded = rounded
        self.image_strides = image_strides
        self.base_anchors = [self._base_anchors(base, level) for base, level in zip(bases, sides)]
        self._cache = {}

    @property
    def num_levels(self):
        """Number of pyramid levels."""
        return len(self.strides)

    @property
    def num_base_anchors(self):
        """Anchors at each position."""
        return len(self.base_anchors[0])

    def _base_anchors(self, base, sides):
        """(A, 4) anchors of the position (0, 0)."""
        height_ratio = torch.tensor(self.ratios, dtype=torch.float32).sqrt()
        sides = torch.tensor(sides, dtype=torch.float32)
        pairs = [(1 / height_ratio)[:, None] * sides, height_ratio[:, None] * sides]
        width, height = (side.flatten() if self.scale_major else side.t().flatten() for side in pairs)
        center = self.center_offset * (base - self.offset)
        x, y = 0.5 * (width - self.offset), 0.5 * (height - self.offset)
        anchors = torch.stack([center - x, center - y, center + x, center + y], dim=-1)
        return anchors.round() if self.rounded else anchors

    def _strides(self, featmap_sizes, image_size):
        if not self.image_strides:
            return [(stride, stride) for stride in self.strides]
        if image_size is None:
            raise ValueError(f'{type(self).__name__}: image_strides=True needs image_size in grid_anchors')
        return [(image_size[0] // h, image_size[1] // w) for h, w in featmap_sizes]

    def grid_anchors(self, featmap_sizes, device='cpu', image_size=None):
        """Anchors of every level.

        Args:
            featmap_sizes (Sequence[tuple[int, int]]): (h, w) of every level.
            device (torch.device | str): device of the result.
            image_size (tuple[int, int] | None): (h, w) of the padded batch; only used with ``image_strides``.

        Returns:
            list[Tensor]: (h * w * A, 4) float32, xyxy. They are cached, so do not modify them in place.

        Raises:
            ValueError: for a wrong number of levels.
        """
        if len(featmap_sizes) != self.num_levels:
            raise ValueError(
                f'{type(self).__name__}: {self.num_levels} feature levels expected, got {len(featmap_sizes)}'
            )
        sizes = tuple((int(h), int(w)) for h, w in featmap_sizes)
        strides = tuple(self._strides(sizes, image_size))
        key = (sizes, strides, str(device))
        if key not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.pop(next(iter(self._cache)))
            levels = zip(self.base_anchors, sizes, strides)
            self._cache[key] = [self._level_anchors(*level, device) for level in levels]
        return self._cache[key]

    @staticmethod
    def _level_anchors(base, size, stride, device):
        shift_y = torch.arange(size[0], dtype=torch.float32, device=device) * stride[0]
        shift_x = torch.arange(size[1], dtype=torch.float32, device=device) * stride[1]
        y, x = torch.meshgrid(shift_y, shift_x, indexing='ij')
        shifts = torch.stack([x, y, x, y], dim=-1)
        return (shifts[:, :, None] + base.to(device, non_blocking=True)).reshape(-1, 4)

    def valid_flags(self, featmap_sizes, pad_shape, device='cpu'):
        """Which anchors are on the padded image, not on the padding that the batch adds to it.

        Args:
            featmap_sizes (Sequence[tuple[int, int]]): (h, w) of every level.
            pad_shape (tuple): (h, w, ...) of the padded image.
            device (torch.device | str): device of the result.

        Returns:
            list[Tensor]: (h * w * A,) bool.
        """
        flags = []
        for (height, width), stride in zip(featmap_sizes, self.strides):
            valid = torch.zeros((height, width, self.num_base_anchors), dtype=torch.bool, device=device)
            valid[: math.ceil(pad_shape[0] / stride), : math.ceil(pad_shape[1] / stride)] = True
            flags.append(valid.flatten())
        return flags


@TASK_UTILS.register_module()
class LegacyAnchorGenerator(AnchorGenerator):
    """Anchors of 2019: inclusive pixels, center ``0.5 * (stride - 1)``, rounded to integers.

    See docs/conventions.md, "Anchors".

    Args:
        strides, ratios, scales, base_sizes, scale_major: see :class:`AnchorGenerator`.
        center_offset (float): center of the first anchor, in ``base size - 1``.
    """

    offset = 1

    def __init__(
        self,
        strides,
        ratios=(0.5, 1.0, 2.0),
        scales=(8,),
        base_sizes=None,
        scale_major=True,
        center_offset=0.5,
    ):
        super().__init__(
            strides,
            ratios,
            scales,
            base_sizes,
            scale_major=scale_major,
            center_offset=center_offset,
            rounded=True,
        )
