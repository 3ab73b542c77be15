"""What goes into a conversion and what comes out; finding the weights in a file."""

from dataclasses import dataclass, field

import torch

from mmdet.engine.weights import unwrapped
from mmdet.utils import UserError

from .stored_config import parse_config_text


class ConversionRefused(UserError):
    """The weights follow a rule that is not supported; the message names the rule and the key."""


@dataclass
class Source:
    """A foreign checkpoint, unpacked.

    Attributes:
        state_dict (dict[str, Tensor]): weights, without a ``module.`` prefix.
        meta (dict): what the file says of itself; empty for bare state dicts.
        config (dict): the literal parts of the config text stored in ``meta`` (never executed).
        name (str): file name, for messages and for telling official files apart.
    """

    state_dict: dict
    meta: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)
    name: str = ''


@dataclass
class Converted:
    """A checkpoint in this project's names and layout.

    Attributes:
        state_dict (dict[str, Tensor]): native names; background first everywhere.
        model (dict): native model config that goes with the weights.
        conventions (Conventions): what could not be folded into the weights.
        classes (tuple[str, ...] | None): class names without background, where the file has them.
        source_format (str): which table was used.
        notes (list[str]): assumptions that the user should check.
    """

    state_dict: dict
    model: dict
    conventions: object
    classes: tuple | None
    source_format: str
    notes: list


@dataclass
class Options:
    """Choices of the command line that the weights cannot tell.

    Attributes:
        style (str | None): ``'pytorch'`` or ``'caffe'``: where a bottleneck's stride is.
        image_norm (str | None): ``'pytorch'``, ``'caffe'`` (BGR means 103.53, ...) or ``'caffe1'`` (102.98,
            ...).
        bn_eps (float | None): epsilon the frozen batch norms were run with (torchvision).
        rpn_foreground (int | None): foreground column of a softmax RPN, 0 or 1.
        coco80 (bool): of torchvision's 90 COCO columns keep the 80 that COCO uses.
        classes (tuple[str, ...] | None): class names that replace those of the file.
    """

    style: str | None = None
    image_norm: str | None = None
    bn_eps: float | None = None
    rpn_foreground: int | None = None
    coco80: bool = False
    classes: tuple | None = None


def unwrap(checkpoint, name=''):
    """Find the weights in the content of a checkpoint file.

    Args:
        checkpoint (dict): a bare state dict, or a dict with ``state_dict`` or ``model``, and perhaps
            ``meta``.
        name (str): file name.

    Returns:
        Source: with ``module.`` prefixes taken off and the stored config text parsed.

    Raises:
        ConversionRefused: nothing in it looks like weights.
    """
    if not isinstance(checkpoint, dict):
        raise ConversionRefused(f'{name or "checkpoint"}: expected a dict, got {type(checkpoint).__name__}')
    state = unwrapped(checkpoint)
    meta = checkpoint.get('meta')
    meta = dict(meta) if isinstance(meta, dict) else {}
    state = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    if not state:
        keys = ', '.join(map(str, list(checkpoint)[:8])) or 'none'
        raise ConversionRefused(
            f'{name or "checkpoint"}: no tensors found under state_dict, model or the top level, '
            f'got the keys: {keys}'
        )
    if all(key.startswith('module.') for key in state):
        state = {key[len('module.') :]: value for key, value in state.items()}
    text = meta.get('config') or meta.get('cfg') or ''
    return Source(state, meta, parse_config_text(text) if isinstance(text, str) else {}, name)


def require(state, key, source_format):
    """Return ``state[key]`` or refuse, naming the missing key."""
    if key not in state:
        raise ConversionRefused(f'format {source_format!r} needs {key!r}, which is missing in the checkpoint')
    return state[key]
