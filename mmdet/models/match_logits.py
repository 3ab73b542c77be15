"""Match logits of embeddings: the default similarity, and the precision of any similarity."""

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def dot_product_logits(embeddings: Tensor, ref_embeddings: Tensor) -> Tensor:
    """Dot products with every reference object (Video Instance Segmentation, section 4.1).

    Args:
        embeddings (Tensor): (n, E).
        ref_embeddings (Tensor): (m, E).

    Returns:
        Tensor: (n, m + 1); column 0, all zeros, stands for a new object.
    """
    return F.pad(embeddings @ ref_embeddings.t(), (1, 0))


def without_autocast(kind: str) -> contextlib.AbstractContextManager:
    """Switch autocast off where a kind of device has it; "meta", which counts FLOPs, has not."""
    available = torch.amp.is_autocast_available(kind)
    return torch.autocast(kind, enabled=False) if available else contextlib.nullcontext()


def in_float32(
    similarity: Callable[[Tensor, Tensor], Tensor], embeddings: Tensor, ref_embeddings: Tensor
) -> Tensor:
    """Call a similarity in float32 with autocast off, and check the shape of what it returns.

    Embeddings are not normalized: 1024 numbers of rms 9 give logits around 83,000, which float16 (at most
    65,504) cannot hold.
    """
    with without_autocast(embeddings.device.type):
        logits = similarity(embeddings.float(), ref_embeddings.float())
    expected = (len(embeddings), len(ref_embeddings) + 1)
    if tuple(logits.shape) != expected:
        raise ValueError(
            f'similarity must return (n, m + 1) = {expected} logits with column 0 for a new object, '
            f'got {tuple(logits.shape)}'
        )
    return logits
