"""Normalization layers from configs, with errors that name the part."""

import torch
from mmcv.cnn import build_norm_layer as _build
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmdet.registry import MODELS
from mmdet.utils import suggest

KNOWN_NORMS = (
    'BN',
    'BN1d',
    'BN2d',
    'BN3d',
    'SyncBN',
    'MMSyncBN',
    'GN',
    'LN',
    'LN2d',
    'IN',
    'IN1d',
    'IN2d',
    'IN3d',
)


def check_norm_cfg(norm_cfg, where):
    """Raise a ValueError that names the caller if ``norm_cfg`` cannot be built; None means no normalization.

    Args:
        norm_cfg (dict | None): such as ``dict(type='BN', requires_grad=True)`` or
            ``dict(type='GN', num_groups=32)``.
        where (str): the class that it was given to.
    """
    if norm_cfg is None:
        return
    if not isinstance(norm_cfg, dict) or 'type' not in norm_cfg:
        raise ValueError(f"{where}: norm_cfg must be a dict with a 'type', got {norm_cfg!r}")
    kind = norm_cfg['type']
    if isinstance(kind, str) and MODELS.get(kind) is None:
        raise ValueError(
            f'{where}: unknown norm {kind!r}{suggest(kind, KNOWN_NORMS)}; known are {", ".join(KNOWN_NORMS)}'
        )
    if kind == 'GN' and 'num_groups' not in norm_cfg:
        raise ValueError(f"{where}: norm_cfg of type 'GN' needs num_groups, got {norm_cfg!r}")


def build_norm(norm_cfg, channels, postfix, where):
    """Build a normalization layer.

    Args:
        norm_cfg (dict): see :func:`check_norm_cfg`.
        channels (int): channels of the input.
        postfix (int): number in its name.
        where (str): the class that it is for, used in messages.

    Returns:
        tuple[str, nn.Module]: the name in checkpoints (``bn1``, ``gn1``, ...) and the layer.

    Raises:
        ValueError: if ``num_groups`` does not divide the channels.
    """
    groups = norm_cfg.get('num_groups')
    if groups and channels % groups:
        raise ValueError(f'{where}: {channels} channels cannot be split into num_groups={groups}')
    return _build(norm_cfg, channels, postfix=postfix)


def conv_norm(conv, norm, x):
    """Apply a convolution and its norm.

    With gradients, a batch norm in eval mode is folded into the weights of the convolution: the same but for
    rounding, and the output of the convolution is neither kept nor read again.

    Args:
        conv, norm (nn.Module): the layers.
        x (Tensor): (N, C_in, H, W).

    Returns:
        Tensor: (N, C_out, H', W').
    """
    if not (torch.is_grad_enabled() and _foldable(conv, norm)):
        return norm(conv(x))
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    weight = conv.weight * scale[:, None, None, None]
    if conv.kernel_size == (1, 1) and conv.padding == (0, 0) and _chooses_slow_kernels(x):
        return F.conv2d(x, weight, shift, conv.stride, 0, 2, conv.groups)
    return conv._conv_forward(x, weight, shift)


def _chooses_slow_kernels(x):
    """Whether PyTorch computes a 1x1 convolution of float32 by MKL, which takes up to twice as long on AMD.

    It does with one thread. If dilated, which a 1x1 kernel does not notice, it goes to oneDNN instead.
    """
    return (
        x.device.type == 'cpu'
        and x.dtype == torch.float32
        and x.is_contiguous()  # channels-last, gradients of narrow strided kernels are written out of bounds
        and not torch.compiler.is_compiling()
        and torch.get_num_threads() == 1
        and torch.backends.cpu.get_cpu_capability().startswith('AVX512')
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled('cpu')
    )


def _foldable(conv, norm):
    """Whether both are plain, statistics are fixed, and no hook wants to see what is between them."""
    hooks = [hooks for layer in (conv, norm) for hooks in (layer._forward_hooks, layer._forward_pre_hooks)]
    plain = type(conv) is nn.Conv2d and conv.bias is None and isinstance(norm, _BatchNorm) and norm.affine
    return plain and not norm.training and norm.running_var is not None and not any(hooks)
