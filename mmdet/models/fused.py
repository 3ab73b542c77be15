"""Convolutions with their norm, sum and ReLU in one step, and layers with weights laid out for inference.

The modules of a network call :func:`conv_act`, :func:`conv_module` and :func:`flat_linear`. Those run the
given layers one after the other, as in training, unless :func:`optimize_for_inference` has switched the model
over. Parameters and buffers stay as they are, and so do checkpoints; derived weights are kept beside them.
"""

import torch
from mmcv.cnn import ConvModule
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .norm import conv_norm

_ATTRIBUTE = 'derived'  # of a layer: its :class:`Derived`
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


class Derived(dict):
    """Weights made from those of a layer, by what for. A copy of the layer makes its own."""

    def __deepcopy__(self, memo):
        return None

    def __reduce__(self):
        return type(None), ()

    def get_or_make(self, key, make, *args):
        """The value of a key; ``make(*args)`` the first time."""
        if key not in self:
            self[key] = make(*args)
        return self[key]


def optimize_for_inference(model: nn.Module, enabled: bool = True) -> nn.Module:
    """Let a detector predict with fewer steps; results are equal up to rounding.

    Batch norms are folded into convolutions, images and features are channels-last, and on a CPU oneDNN adds
    and rectifies inside the convolution. This holds for ``model.eval()`` without gradients: training and any
    pass with gradients run layer by layer. Weights may change afterwards.

    Args:
        model (nn.Module): a detector; it is changed.
        enabled (bool): False switches back.

    Returns:
        nn.Module: the model.
    """
    model.optimized = enabled
    forget_derived(model)
    if enabled and not model.training:
        use_derived(model)
    return model


def forget_derived(model: nn.Module) -> None:
    """Remove all derived weights; the layers run one by one."""
    model.__dict__.pop('_derived_from', None)
    for module in model.modules():
        module.__dict__.pop(_ATTRIBUTE, None)


def use_derived(model: nn.Module) -> None:
    """Let the layers of a model use derived weights, and make those anew if parameters or buffers changed."""
    now = [
        (id(value), value.data_ptr(), value._version)
        for module in model.modules()
        for value in (*module._parameters.values(), *module._buffers.values())
        if value is not None
    ]
    if model.__dict__.get('_derived_from') == now:
        return
    for module in model.modules():
        if type(module) in _LAYERS:
            setattr(module, _ATTRIBUTE, Derived())
    model._derived_from = now


def derived_of(layer: nn.Module) -> Derived | None:
    """Derived weights of a layer, if they are to be used here."""
    derived = layer.__dict__.get(_ATTRIBUTE)
    if derived is None or torch.compiler.is_compiling() or torch.is_grad_enabled():
        return None
    return derived


def compute_type(x: torch.Tensor) -> torch.dtype:
    """Type in which autocast would run a convolution of ``x``, otherwise the type of ``x``."""
    kind = x.device.type
    if x.is_floating_point() and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype


def conv_act(conv, x, norm=None, relu=False, add=None):
    """Convolution, norm, sum and ReLU.

    Args:
        conv (nn.Conv2d | nn.ConvTranspose2d): the convolution.
        x (Tensor): (N, C, H, W).
        norm (nn.Module | None): follows it.
        relu (bool): whether a ReLU comes last.
        add (Tensor | None): added before the ReLU, of the shape of the result; may be overwritten.

    Returns:
        Tensor: (N, C', H', W').
    """
    derived = derived_of(conv)
    if derived is not None:
        folded = _foldable(norm)
        whole = folded or norm is None
        key = compute_type(x), folded
        layer = derived.get_or_make(key, _FoldedConv, conv, norm if folded else None, key[0])
        x = layer(x, relu and whole, add if whole else None)
        if whole:
            return x
        x = norm(x)
    else:
        x = conv(x) if norm is None else conv_norm(conv, norm, x)
    if add is not None:
        x = x.add_(add)  # no layer needs its output for its gradient
    return F.relu(x, inplace=True) if relu else x


def conv_module(module, x, add=None):
    """A ConvModule of mmcv, or a Conv2d, and a sum.

    Args:
        module (nn.Module): the layers.
        x (Tensor): (N, C, H, W).
        add (Tensor | None): added to the result; may be overwritten.

    Returns:
        Tensor: (N, C', H', W').
    """
    if type(module) is ConvModule and derived_of(module.conv) is not None and _usual(module):
        norm, relu = module.norm if module.with_norm else None, module.with_activation
        x = conv_act(module.conv, x, norm, relu, None if relu else add)
        return x if add is None or not relu else x + add
    x = module(x)
    return x if add is None else x + add


def flat_linear(layer, x):
    """A linear layer on flattened RoI features.

    Args:
        layer (nn.Linear): C * s * s inputs.
        x (Tensor): (K, C, s, s) in any memory layout, or (K, D).

    Returns:
        Tensor: (K, F).
    """
    derived = derived_of(layer)
    if derived is None or x.is_contiguous() or x.stride(1) != 1:
        return layer(x.flatten(1))
    # The weight is turned once instead of the features of each frame.
    dtype = compute_type(x)
    weight = derived.get_or_make(dtype, _channels_last_rows, layer.weight, x.size(1), dtype)
    return F.linear(x.permute(0, 2, 3, 1).flatten(1).to(dtype), weight, layer.bias.to(dtype))


def labeled_channels(conv, x, channels):
    """One output channel of a 1x1 convolution for each sample; the others are not computed.

    Args:
        conv (nn.Conv2d): 1x1.
        x (Tensor): (n, C, h, w).
        channels (Tensor): (n,) int64.

    Returns:
        Tensor: (n, h, w).
    """
    weight = conv.weight[channels].flatten(1).to(x.dtype)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)
    out = torch.baddbmm(conv.bias[channels].to(x.dtype)[:, None, None], rows, weight[:, :, None])
    return out.view(len(x), *x.shape[2:])


def _channels_last_rows(weight, channels, dtype):
    """Weight (F, C * s * s) for features flattened as (s, s, C)."""
    weight = weight.detach().unflatten(1, (channels, -1)).transpose(1, 2)
    return weight.flatten(1).to(dtype).contiguous()


def _usual(module):
    """Whether a ConvModule is convolution, norm, ReLU, in this order."""
    return (
        tuple(module.order) == ('conv', 'norm', 'act')
        and not module.with_explicit_padding
        and not module.with_spectral_norm
        and (not module.with_activation or type(module.activate) is nn.ReLU)
    )


def _foldable(norm):
    return isinstance(norm, _BatchNorm) and not norm.training and norm.running_mean is not None


def _folded(conv, norm):
    """Weight and bias of a convolution with a batch norm in it."""
    weight, bias = conv.weight.detach(), conv.bias
    bias = None if bias is None else bias.detach()
    if norm is None:
        return weight, bias
    # In float64, so that folding itself rounds once.
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() if bias is None else bias.double() - norm.running_mean.double()
    shift = shift * scale
    if norm.affine:
        shift = shift + norm.bias.detach().double()
    turned = isinstance(conv, nn.ConvTranspose2d)
    scale = scale[None, :, None, None] if turned else scale[:, None, None, None]
    return (weight.double() * scale).to(weight.dtype), shift.to(weight.dtype)


def _fuses(conv, weight):
    """Whether oneDNN may add and rectify in the convolution: on a CPU, in a type that it knows."""
    half = weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return (
        weight.device.type == 'cpu'
        and (half or weight.dtype == torch.float32)
        and type(conv) is nn.Conv2d
        and conv.padding_mode == 'zeros'
        and not isinstance(conv.padding, str)
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, '_convolution_pointwise_')
    )


class _FoldedConv:
    """A convolution with its norm folded in, and the sum and ReLU after it."""

    def __init__(self, conv, norm, dtype):
        self.conv, self.dtype = conv, dtype
        # Not packed: packed weights fit one size of input, and are slow for others.
        weight, self.bias = (None if value is None else value.to(dtype) for value in _folded(conv, norm))
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.fuses = _fuses(conv, weight)

    def __call__(self, x, relu, add):
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        if self.fuses and x.numel():
            return self._fused(x, relu, add)
        x = self._convolve(x)
        x = x if add is None else x.add_(add)
        return x.relu_() if relu else x

    def _fused(self, x, relu, add):
        conv, ops = self.conv, torch.ops.mkldnn
        geometry = conv.padding, conv.stride, conv.dilation, conv.groups
        if add is None:
            act = 'relu' if relu else 'none'
            return ops._convolution_pointwise(x, self.weight, self.bias, *geometry, act, [], '')
        act = 'relu' if relu else None
        add = add.to(self.dtype).contiguous(memory_format=torch.channels_last)
        # The sum takes the place of ``add``.
        return ops._convolution_pointwise_.binary(
            add, x, self.weight, self.bias, *geometry, 'add', 1.0, act, [], None
        )

    def _convolve(self, x):
        conv = self.conv
        if isinstance(conv, nn.ConvTranspose2d):
            sizes = conv.stride, conv.padding, conv.output_padding, conv.groups, conv.dilation
            return F.conv_transpose2d(x, self.weight, self.bias, *sizes)
        return conv._conv_forward(x, self.weight, self.bias)
