"""Top-k accuracy, for the log."""

import torch


@torch.no_grad()
def accuracy(pred, target, topk=1):
    """Share of rows whose label is among the k best scores, in percent.

    Args:
        pred (Tensor): (n, C) scores.
        target (Tensor): (n,) int64 columns.
        topk (int | tuple[int]): k, or several.

    Returns:
        Tensor | tuple[Tensor]: shape (1,) each; 0 if there are no rows.
    """
    ks = (topk,) if isinstance(topk, int) else tuple(topk)
    best = pred.topk(min(max(ks), pred.size(1)), dim=1).indices
    correct = best == target[:, None]
    result = tuple(correct[:, :k].sum().float().mul(100.0 / max(len(pred), 1)).reshape(1) for k in ks)
    return result[0] if isinstance(topk, int) else result
