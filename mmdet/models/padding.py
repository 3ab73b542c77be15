"""Padding: boxes of several images in one tensor.

Of proposals and detections only the device knows how many there are. On the CPU they are not padded.
Elsewhere the instances of every image of a batch have one length and a field ``valid`` (D,) bool, so that the
host need not wait for their number, until :func:`to_host` brings them all to the CPU in one copy.
"""

import torch
from mmengine.structures import InstanceData


def stack_padded(rows):
    """Rows of all images in one tensor, those of each image filled up with zeros.

    Args:
        rows (Sequence[Tensor]): (n_i, ...) of each image, n_i known to the host.

    Returns:
        tuple[Tensor, Tensor | None]: (N, D, ...), D the largest n_i; (N, D) bool, False for padding, or None
        if there is none.
    """
    lengths = [len(one) for one in rows]
    if min(lengths) == max(lengths):
        return torch.stack(tuple(rows)), None
    real = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    # All rows in order, and behind them the one that padding takes.
    index = torch.full(real.shape, sum(lengths)).masked_scatter(real, torch.arange(sum(lengths)))
    joined = torch.cat([*rows, rows[0].new_zeros((1, *rows[0].shape[1:]))])
    index, real = (made.to(joined.device, non_blocking=True) for made in (index, real))
    return joined[index], real


def as_instances(counts, **fields):
    """Instances of each image from the padded ones of a batch.

    Args:
        counts (Tensor): (N,) int64; the first ones of each image count, the others are padding.
        **fields (Tensor): (N, D, ...).

    Returns:
        list[InstanceData]: on the CPU without padding, elsewhere with ``valid``.
    """
    size = next(iter(fields.values())).size(1)
    if counts.device.type == 'cpu':
        lengths = counts.tolist()
    else:
        lengths = [size] * len(counts)
        fields['valid'] = torch.arange(size, device=counts.device) < counts[:, None]
    return [
        InstanceData(**{name: values[i, :length] for name, values in fields.items()})
        for i, length in enumerate(lengths)
    ]


def joined_valid(instances):
    """``valid`` of all images in one tensor, or None if nothing is padded."""
    return torch.cat([found.valid for found in instances]) if 'valid' in instances[0] else None


def to_host(instances):
    """Instances on the CPU, without padding. A GPU waits once.

    Args:
        instances (list[InstanceData]): of each image, with equal fields of tensors.

    Returns:
        list[InstanceData]: the given ones if they were there and nothing is padded.
    """
    if 'valid' not in instances[0]:
        return instances
    lengths = [len(found) for found in instances]
    # Bytes keep every type; the widest come first, so that each field is aligned.
    names = sorted(instances[0].keys(), key=lambda name: -instances[0][name].element_size())
    parts = [torch.cat([found[name] for found in instances]) for name in names]
    packed = torch.cat([part.reshape(-1).view(torch.uint8) for part in parts]).cpu()
    sizes = [part.numel() * part.element_size() for part in parts]
    fields = {
        name: data.view(part.dtype).view(part.shape).split(lengths)
        for name, part, data in zip(names, parts, packed.split(sizes))
    }
    kept = fields.pop('valid')
    # Indexing copies: what is kept does not hold the memory of the whole batch.
    return [
        InstanceData(**{name: values[i][rows] for name, values in fields.items()})
        for i, rows in enumerate(kept)
    ]
