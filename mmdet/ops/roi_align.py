"""RoIAlign (He et al., Mask R-CNN, section 3) on one feature map or on a whole pyramid in one call.

Three conventions exist, and published weights depend on which one they were trained with:

* ``'legacy'``: the 2019 release. A region extends from ``x1`` to ``x2 + 1``, its extent is clamped at 0,
  there is no half-pixel shift, and a region without extent gives NaN under adaptive sampling
  (docs/conventions.md, "RoIAlign").
* ``'aligned'``: shifted by half a pixel so that pixel centers are at integers; extents are not clamped.
* ``'unaligned'``: no shift, no ``+ 1``, extent at least one cell (torchvision's ``aligned=False``).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from . import _plain
from ._library import LOAD_ERROR, use_compiled
from .constants import MAX_LEVELS, ROI_MODES

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def roi_align(
    input: Tensor,
    rois: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    mode: str = 'legacy',
) -> Tensor:
    """Pool a fixed grid of features from each region of one feature map.

    Args:
        input (Tensor): (N, C, H, W), float32, float64, float16 or bfloat16; contiguous, channels-last or
            strided. Half types are summed in float32.
        rois (Tensor): (K, 5), each [index into the batch, x1, y1, x2, y2] in image pixels; gets no gradient.
            On a GPU the output of a region with a wrong index is NaN, as an error would need a wait.
        output_size (int | tuple[int, int]): h, w of the pooled grid.
        spatial_scale (float): cells of the feature map per image pixel.
        sampling_ratio (int): samples per bin and axis; 0 takes ceil(extent of the bin).
        mode (str): ``'legacy'``, ``'aligned'`` or ``'unaligned'``.

    Returns:
        Tensor: (K, C, h, w) of the type of ``input``, channels-last if ``input`` is.

    Raises:
        TypeError: an argument is not a tensor or has an unsupported dtype.
        ValueError: a shape, the mode, or a batch index is wrong.
    """
    if not isinstance(input, torch.Tensor):
        raise TypeError(f'roi_align: expected input to be a tensor, got {type(input).__name__}')
    return _pool([input], rois, None, output_size, [spatial_scale], sampling_ratio, mode, 'roi_align')


def multilevel_roi_align(
    feats: Sequence[Tensor],
    rois: Tensor,
    levels: Tensor,
    output_size: int | tuple[int, int],
    spatial_scales: Sequence[float],
    sampling_ratio: int = 0,
    mode: str = 'legacy',
) -> Tensor:
    """Pool each region from its level of a feature pyramid, in one kernel call.

    Args:
        feats (Sequence[Tensor]): L maps (N, C, H_l, W_l) of one dtype, at most 8.
        rois (Tensor): (K, 5) as in :func:`roi_align`.
        levels (Tensor): (K,) int64, index into ``feats`` for each region.
        output_size (int | tuple[int, int]): h, w of the pooled grid.
        spatial_scales (Sequence[float]): L scales, such as 1/4, 1/8, 1/16, 1/32.
        sampling_ratio (int): as in :func:`roi_align`.
        mode (str): as in :func:`roi_align`.

    Returns:
        Tensor: (K, C, h, w), in the order of ``rois``, channels-last if the first map is.

    Raises:
        TypeError, ValueError: as :func:`roi_align`; also for invalid levels.
    """
    if isinstance(feats, torch.Tensor):
        raise TypeError('multilevel_roi_align: expected a sequence of feature maps, got one tensor')
    if levels is None:
        raise TypeError('multilevel_roi_align: expected levels of shape (K,), got None')
    return _pool(
        list(feats),
        rois,
        levels,
        output_size,
        list(spatial_scales),
        sampling_ratio,
        mode,
        'multilevel_roi_align',
    )


def _pool(feats, rois, levels, output_size, scales, sampling_ratio, mode, name):
    """Check the arguments and call the compiled or the plain operator."""
    output_size = tuple(int(size) for size in _pair(output_size))
    _check_maps(feats, scales, name)
    _check_rois(feats, rois, levels, name)
    _check_mode(mode, name)
    if len(output_size) != 2 or min(output_size) < 1:
        raise ValueError(
            f'{name}: expected output_size to be one or two positive integers, got {output_size}'
        )
    if int(sampling_ratio) != sampling_ratio or sampling_ratio < 0:
        raise ValueError(f'{name}: expected sampling_ratio to be an integer >= 0, got {sampling_ratio!r}')
    if rois.shape[0] and any(0 in feat.shape[2:] for feat in feats):
        shapes = [tuple(feat.shape) for feat in feats]
        raise ValueError(
            f'{name}: expected feature maps with H, W > 0 for {rois.shape[0]} rois, got {shapes}'
        )
    # Half-precision coordinates would be off by whole pixels, so regions have the type of the sums.
    dtype = torch.float64 if feats[0].dtype == torch.float64 else torch.float32
    rois = rois.detach().to(dtype).contiguous()
    levels = levels if levels is None else levels.contiguous()
    scales = [float(scale) for scale in scales]
    if not torch.compiler.is_compiling():
        _check_indices(feats, rois, levels, name)
    sampling_ratio = int(sampling_ratio)
    if use_compiled(feats[0]):
        return torch.ops.masktrack.roi_align(
            feats, rois, levels, scales, *output_size, sampling_ratio, ROI_MODES[mode]
        )
    return _plain.roi_align(feats, rois, levels, scales, output_size, sampling_ratio, ROI_MODES[mode])


def _check_mode(mode, name):
    if mode not in ROI_MODES:
        raise ValueError(
            f'{name}: expected mode to be one of {", ".join(map(repr, ROI_MODES))}, got {mode!r}'
        )


def _check_maps(feats, scales, name):
    if not 1 <= len(feats) <= MAX_LEVELS:
        raise ValueError(f'{name}: expected 1 to {MAX_LEVELS} feature maps, got {len(feats)}')
    if len(scales) != len(feats):
        raise ValueError(f'{name}: expected one scale per feature map ({len(feats)}), got {len(scales)}')
    for feat in feats:
        if not isinstance(feat, torch.Tensor):
            raise TypeError(f'{name}: expected feature maps to be tensors, got {type(feat).__name__}')
        if feat.dtype not in _FLOATS:
            raise TypeError(f'{name}: expected floating-point feature maps, got {feat.dtype}')
        if feat.dtype != feats[0].dtype or feat.device != feats[0].device:
            raise TypeError(
                f'{name}: expected all feature maps to be {feats[0].dtype} on {feats[0].device}, '
                f'got {feat.dtype} on {feat.device}'
            )
        if feat.dim() != 4 or feat.shape[:2] != feats[0].shape[:2]:
            raise ValueError(
                f'{name}: expected feature maps of shape (N, C, H, W) with equal N and C, '
                f'got {[tuple(one.shape) for one in feats]}'
            )


def _check_rois(feats, rois, levels, name):
    if not isinstance(rois, torch.Tensor) or not rois.is_floating_point():
        got = rois.dtype if isinstance(rois, torch.Tensor) else type(rois).__name__
        raise TypeError(f'{name}: expected rois to be a floating-point tensor, got {got}')
    if rois.dim() != 2 or rois.shape[1] != 5:
        raise ValueError(f'{name}: expected rois of shape (K, 5), got {tuple(rois.shape)}')
    if rois.device != feats[0].device:
        raise ValueError(f'{name}: expected rois on {feats[0].device}, got {rois.device}')
    if levels is None:
        return
    if not isinstance(levels, torch.Tensor) or levels.dtype != torch.int64:
        got = levels.dtype if isinstance(levels, torch.Tensor) else type(levels).__name__
        raise TypeError(f'{name}: expected levels to be an int64 tensor, got {got}')
    if levels.shape != rois.shape[:1]:
        raise ValueError(f'{name}: expected levels of shape ({rois.shape[0]},), got {tuple(levels.shape)}')
    if levels.device != rois.device:
        raise ValueError(f'{name}: expected levels on {rois.device}, got {levels.device}')


def _check_indices(feats, rois, levels, name):
    """Check indices into batch and pyramid. A GPU would wait for that; there such a region gives NaN."""
    if (
        rois.device.type != 'cpu'
        or rois.shape[0] == 0
        or torch._C._functorch.peek_interpreter_stack() is not None
    ):
        return
    image = rois[:, 0]
    bad = ~((image >= 0) & (image < feats[0].shape[0]))
    if bad.any():
        k = int(bad.nonzero()[0])
        raise ValueError(
            f'{name}: expected batch indices in [0, {feats[0].shape[0]}), got {float(image[k])} for roi {k}'
        )
    if levels is not None:
        bad = (levels < 0) | (levels >= len(feats))
        if bad.any():
            k = int(bad.nonzero()[0])
            raise ValueError(
                f'{name}: expected levels in [0, {len(feats)}), got {int(levels[k])} for roi {k}'
            )


class RoIAlign(nn.Module):
    """:func:`roi_align` as a module.

    Args:
        output_size (int | tuple[int, int]): h, w of the pooled grid. ``out_size`` is the 2019 spelling.
        spatial_scale (float): cells of the feature map per image pixel.
        sampling_ratio (int): samples per bin and axis, 0 for adaptive. ``sample_num`` is the 2019 spelling.
        mode (str): ``'legacy'``, ``'aligned'`` or ``'unaligned'``.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] | None = None,
        spatial_scale: float = 1.0,
        sampling_ratio: int | None = None,
        mode: str = 'legacy',
        out_size: int | tuple[int, int] | None = None,
        sample_num: int | None = None,
    ):
        super().__init__()
        output_size = _one_of(output_size, out_size, 'output_size', 'out_size')
        if output_size is None:
            raise ValueError('RoIAlign: expected output_size, got neither it nor out_size')
        _check_mode(mode, 'RoIAlign')
        self.output_size = tuple(int(size) for size in _pair(output_size))
        self.spatial_scale = float(spatial_scale)
        self.sampling_ratio = int(_one_of(sampling_ratio, sample_num, 'sampling_ratio', 'sample_num') or 0)
        self.mode = mode

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        """Pool ``rois`` (K, 5) from ``input`` (N, C, H, W) to (K, C, h, w)."""
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.mode)

    def extra_repr(self):
        return (
            f'output_size={self.output_size}, spatial_scale={self.spatial_scale}, '
            f'sampling_ratio={self.sampling_ratio}, mode={self.mode!r}'
        )


def _one_of(value, old_value, name, old_name):
    if value is not None and old_value is not None:
        raise ValueError(f'RoIAlign: expected {name} or its 2019 spelling {old_name}, got both')
    return old_value if value is None else value


def _fake_forward(feats, rois, levels, scales, pooled_h, pooled_w, sampling_ratio, mode):
    shape = (rois.shape[0], pooled_h, pooled_w, feats[0].shape[1])
    if _plain.is_channels_last(feats[0]):
        return feats[0].new_empty(shape).permute(0, 3, 1, 2)
    return feats[0].new_empty(shape[0], shape[3], pooled_h, pooled_w)


def _fake_backward(grad, rois, levels, scales, sizes, channels_last, sampling_ratio, mode):
    batch, channels = sizes[0], grad.shape[1]
    maps = []
    for height, width in zip(sizes[1::2], sizes[2::2]):
        if channels_last:
            maps.append(grad.new_empty(batch, height, width, channels).permute(0, 3, 1, 2))
        else:
            maps.append(grad.new_empty(batch, channels, height, width))
    return maps


def _setup_forward(ctx, inputs, output):
    feats, rois, levels, scales, _, _, sampling_ratio, mode = inputs
    ctx.save_for_backward(rois, levels)
    sizes = [feats[0].shape[0], *(size for feat in feats for size in feat.shape[2:])]
    ctx.settings = (scales, sizes, _plain.is_channels_last(feats[0]), sampling_ratio, mode)


def _ordered_backward(grad, rois, levels, scales, sizes, channels_last, sampling_ratio, mode):
    """Gradients of the maps by plain PyTorch, whose sums have a fixed order in its deterministic mode.

    Arguments are those of the operator ``roi_align_backward``, which adds atomically on a GPU.
    """
    maps = _fake_backward(grad, rois, levels, scales, sizes, channels_last, sampling_ratio, mode)
    maps = [torch.zeros_like(one).requires_grad_() for one in maps]  # pooling is linear: values do not matter
    with torch.enable_grad():
        out = _plain.roi_align(maps, rois, levels, scales, grad.shape[2:], sampling_ratio, mode)
    grads = torch.autograd.grad(out, maps, grad, create_graph=torch.is_grad_enabled())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [one.contiguous(memory_format=layout) for one in grads]


def _backward(ctx, grad):
    rois, levels = ctx.saved_tensors
    if grad.is_cuda and torch.are_deterministic_algorithms_enabled() and not torch.compiler.is_compiling():
        return (_ordered_backward(grad, rois, levels, *ctx.settings), *[None] * 7)
    maps = torch.ops.masktrack.roi_align_backward(grad, rois, levels, *ctx.settings)
    return (maps, *[None] * 7)


def _setup_backward(ctx, inputs, output):
    grad, rois, levels, scales, _, _, sampling_ratio, mode = inputs
    ctx.save_for_backward(rois, levels)
    ctx.settings = (scales, *grad.shape[2:], sampling_ratio, mode)


def _double_backward(ctx, grads):
    # Pooling is linear in the features, so the gradient of its gradient is pooling.
    rois, levels = ctx.saved_tensors
    return (torch.ops.masktrack.roi_align(list(grads), rois, levels, *ctx.settings), *[None] * 7)


if LOAD_ERROR is None:
    torch.library.register_fake('masktrack::roi_align', _fake_forward)
    torch.library.register_fake('masktrack::roi_align_backward', _fake_backward)
    torch.library.register_autograd('masktrack::roi_align', _backward, setup_context=_setup_forward)
    torch.library.register_autograd(
        'masktrack::roi_align_backward', _double_backward, setup_context=_setup_backward
    )
