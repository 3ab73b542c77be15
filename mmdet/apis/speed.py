"""How fast a detector predicts: its precision, steps in one, and the compiler."""

import torch

from mmdet.engine.precision import allow_tf32
from mmdet.models.fused import optimize_for_inference

# Parts whose inputs keep their shape from image to image; of the others each number of objects is new.
_COMPILED = ('backbone', 'neck', 'rpn_head')


def speed_up(model: torch.nn.Module, precision: str = 'fp32', compile: bool = False) -> torch.nn.Module:
    """Make a detector fast.

    Args:
        model (nn.Module): in evaluation mode, on its device; it is changed.
        precision (str): of ``mmdet.utils.PRECISIONS``; :func:`~mmdet.engine.prediction.predict` runs in it.
        compile (bool): compile backbone, neck and proposal head. Their weights must not change any more.

    Returns:
        nn.Module: the model.
    """
    allow_tf32(precision == 'tf32')
    model.precision = precision
    optimize_for_inference(model)
    if compile:
        # Frozen: batch norms and the layout of weights are settled when it compiles.
        compile_parts(model, dynamic=False, options={'freezing': True})
    return model


def compile_parts(model: torch.nn.Module, **options) -> None:
    """Let backbone, neck and proposal head of a detector be compiled when they run first.

    Args:
        model (nn.Module): it is changed; its state dict is not.
        **options: of ``torch.compile``.
    """
    model.compiled = True
    for name in _COMPILED:
        part = getattr(model, name, None)
        if part is not None:
            part.compile(**options)
