"""Loading the tensors of a checkpoint into a model, with a report of those that do not fit."""

import dataclasses
import re
from collections import OrderedDict

import torch
from terminaltables import AsciiTable

from mmdet.utils import UserError

# Rows of these tensors belong to categories: row 0 is the background, then one (or 4, for boxes) a category.
_CATEGORY_TENSORS = {
    'bbox_head.fc_cls.weight': 1,
    'bbox_head.fc_cls.bias': 1,
    'bbox_head.fc_reg.weight': 4,
    'bbox_head.fc_reg.bias': 4,
    'mask_head.conv_logits.weight': 1,
    'mask_head.conv_logits.bias': 1,
}
# Names of one thing in COCO (values) and in the video datasets (keys).
_SAME_IN_COCO = {'motorbike': 'motorcycle', 'aeroplane': 'airplane', 'flying disc': 'frisbee'}
# The mouse of COCO is a pointing device, that of YouTube-VIS an animal.
_NOT_SHARED = {'mouse'}


@dataclasses.dataclass
class LoadReport:
    """What :func:`load_weights` did.

    Attributes:
        loaded (list[str]): tensors taken as they are.
        mismatched (list[tuple]): ``(name, shape in the checkpoint, shape in the model)``; not taken.
        missing (list[str]): tensors of the model that the checkpoint lacks.
        unexpected (list[str]): tensors of the checkpoint that the model lacks.
        mapped (list[str]): tensors whose rows of shared categories were taken (``class_map``).
        shared_classes (list[str]): the categories those rows belong to.
        non_finite (list[str]): tensors taken that hold NaN or infinite values.
    """

    loaded: list = dataclasses.field(default_factory=list)
    mismatched: list = dataclasses.field(default_factory=list)
    missing: list = dataclasses.field(default_factory=list)
    unexpected: list = dataclasses.field(default_factory=list)
    mapped: list = dataclasses.field(default_factory=list)
    shared_classes: list = dataclasses.field(default_factory=list)
    non_finite: list = dataclasses.field(default_factory=list)

    def complete(self):
        """Return whether every tensor of the model came from the checkpoint."""
        return not (self.mismatched or self.missing)

    def text(self, limit=8):
        """Return a few lines for the log; at most ``limit`` names of each kind are listed."""

        def some(names):
            shown = ', '.join(names[:limit])
            return shown + (f', and {len(names) - limit} more' if len(names) > limit else '')

        lines = [f'{len(self.loaded)} tensors loaded']
        if self.mismatched:
            rows = [['tensor', 'checkpoint', 'model', '']]
            for name, theirs, ours in self.mismatched[:limit]:
                note = 'rows of shared classes taken' if name in self.mapped else 'not taken'
                rows.append([name, str(tuple(theirs)), str(tuple(ours)), note])
            if len(self.mismatched) > limit:
                rows.append([f'and {len(self.mismatched) - limit} more', '', '', ''])
            lines += ['these differ in shape:', AsciiTable(rows).table]
        if self.shared_classes:
            lines.append(f'classes shared with the checkpoint: {", ".join(self.shared_classes)}')
        if self.missing:
            lines.append(f'new in the model, keeps its initial values: {some(self.missing)}')
        if self.non_finite:
            lines.append(f'hold NaN or infinite values, so results mean nothing: {some(self.non_finite)}')
        if self.unexpected:
            lines.append(f'in the checkpoint only, ignored: {some(self.unexpected)}')
        return '\n'.join(lines)


def unwrapped(checkpoint):
    """What a checkpoint (dict) has under ``state_dict`` or ``model``, else the checkpoint itself."""
    held = (checkpoint.get(key) for key in ('state_dict', 'model'))
    return next((state for state in held if isinstance(state, dict)), checkpoint)


def state_dict_of(checkpoint, source='checkpoint'):
    """Return the tensors of a checkpoint by name, without the ``module.`` that data parallel training adds.

    Args:
        checkpoint (dict): ``{'state_dict': ...}`` (mmcv 0.2 and later) or the bare state dict.
        source (str): how messages call the file.

    Raises:
        UserError: there are no tensors where they are expected.
    """
    state = unwrapped(checkpoint)
    if not isinstance(state, dict) or not any(isinstance(v, torch.Tensor) for v in state.values()):
        keys = ', '.join(str(k) for k in list(checkpoint)[:8])
        raise UserError(
            f"{source}: expected a dict of tensors or one under 'state_dict', got the keys: {keys or 'none'}"
        )
    return OrderedDict(
        (re.sub(r'^(module\.)+', '', name), value)
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    )


def load_weights(
    model, checkpoint, strict=False, class_map=None, classes=None, source='checkpoint', prefix=''
):
    """Copy into ``model`` every tensor of ``checkpoint`` whose name and shape fit.

    Args:
        model (nn.Module): receives the tensors.
        checkpoint (dict): a whole checkpoint or a state dict.
        strict (bool): nothing may be missing, unexpected or of another shape (resuming).
        class_map (str | None): ``'coco'`` takes, for the categories that ``classes`` shares with the
            checkpoint's, their rows of classifier, box regressor and mask predictor, and the background's.
        classes (Sequence[str] | None): category names of the model, label order; needed by ``class_map``.
        source (str): how messages call the file.
        prefix (str): take only tensors under this prefix, and take it off (``'backbone.'``).

    Returns:
        LoadReport: what was taken and what was not.

    Raises:
        UserError: nothing fits; or, if ``strict``, not everything fits. The model is not touched then.
    """
    state = state_dict_of(checkpoint, source)
    if prefix:
        state = OrderedDict((k[len(prefix) :], v) for k, v in state.items() if k.startswith(prefix))
    ours = model.state_dict()
    report = LoadReport(unexpected=[name for name in state if name not in ours])
    taken = OrderedDict()
    for name, target in ours.items():
        if name not in state:
            # BatchNorm counts its batches since torch 0.4.1 only, and nothing here uses the count.
            if not name.endswith('num_batches_tracked'):
                report.missing.append(name)
        elif tuple(state[name].shape) != tuple(target.shape):
            report.mismatched.append((name, tuple(state[name].shape), tuple(target.shape)))
        else:
            taken[name] = state[name]
            report.loaded.append(name)
    if not any(taken[name].dim() > 0 for name in taken):
        raise UserError(_nothing_fits(source, state, ours))
    if strict and (report.unexpected or not report.complete()):
        raise UserError(f'{source} does not fit the model:\n{report.text()}')
    refuse_quantized(taken, ours, source)
    if class_map is not None:
        taken.update(_map_categories(report, state, ours, checkpoint, class_map, classes, source))
    report.non_finite = non_finite(taken)
    model.load_state_dict(taken, strict=False)
    return report


def refuse_quantized(taken, ours, source):
    """Refuse integers for weights: those of a quantized model mean nothing without their scales.

    Args:
        taken (dict[str, Tensor]): tensors of a checkpoint; names that the model lacks are passed over.
        ours (dict[str, Tensor]): state dict of the model.
        source (str): how the message calls the file.
    """
    for name, value in taken.items():
        if name in ours and ours[name].is_floating_point() and not value.is_floating_point():
            raise UserError(
                f'{source}: {name} holds {str(value.dtype).removeprefix("torch.")}, expected floating-point '
                'numbers; weights of a quantized model cannot be used, take those from before'
            )


def non_finite(state):
    """Names of the tensors of a state dict that hold NaN or infinite values."""
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    if not floats:
        return []
    finite = torch.stack([value.isfinite().all().cpu() for value in floats.values()]).tolist()
    return [name for name, fine in zip(floats, finite) if not fine]


def _nothing_fits(source, state, ours):
    theirs, mine = ', '.join(list(state)[:3]), ', '.join(list(ours)[:3])
    hint = ''
    if 'conv1.weight' in state and 'backbone.conv1.weight' in ours:
        hint = (
            '. It looks like the weights of a backbone: use them as '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...)"
        )
    elif any(name.startswith('backbone.') for name in state) and 'conv1.weight' in ours:
        hint = ". It looks like a whole detector: add prefix='backbone.' to init_cfg"
    elif any(name.startswith(('roi_head.', 'detector.')) for name in state):
        hint = '. It looks like a newer format: tools/convert_checkpoint.py converts it'
    return f'{source}: not one tensor fits the model (it has {theirs}, ...; the model has {mine}, ...){hint}'


def skip_covered_pretraining(model, checkpoint, source='checkpoint'):
    """Take ``init_cfg=dict(type='Pretrained')`` off every part that a checkpoint will fill completely.

    Otherwise ImageNet weights would be fetched only to be overwritten, and a machine without a network could
    not start from a detector it has.

    Args:
        model (nn.Module): changed in place.
        checkpoint (dict): what will be loaded.
        source (str): how messages call the file.

    Returns:
        list[str]: names of those parts.
    """
    shapes = {name: value.shape for name, value in state_dict_of(checkpoint, source).items()}
    covered = []
    for name, module in model.named_modules():
        init = getattr(module, 'init_cfg', None)
        if not isinstance(init, dict) or init.get('type') != 'Pretrained':
            continue
        own = {f'{name}.{key}' if name else key: value.shape for key, value in module.state_dict().items()}
        if all(
            shapes.get(key) == shape for key, shape in own.items() if not key.endswith('num_batches_tracked')
        ):
            module.init_cfg = None
            covered.append(name)
    return covered


def shared_classes(ours, theirs):
    """Pair labels of categories that two class lists share.

    Args:
        ours (Sequence[str]): class names of the model.
        theirs (Sequence[str]): class names of the checkpoint.

    Returns:
        list[tuple[int, int]]: ``(our label, their label)``; case, ``_`` and spaces do not matter.
    """

    def plain(name):
        return re.sub(r'[\s_-]+', ' ', str(name)).strip().lower()

    index = {plain(name): label for label, name in enumerate(theirs)}
    pairs = []
    for label, name in enumerate(ours):
        name = plain(name)
        if name in _NOT_SHARED:
            continue
        other = index.get(name, index.get(_SAME_IN_COCO.get(name)))
        if other is not None:
            pairs.append((label, other))
    return pairs


def _map_categories(report, state, ours, checkpoint, class_map, classes, source):
    """Return the model's category tensors with the rows of shared categories from the checkpoint."""
    if class_map != 'coco':
        raise UserError(f"load_options.class_map: expected 'coco' or None, got {class_map!r}")
    if classes is None:
        raise UserError("load_options.class_map='coco' needs a dataset that knows its class names")
    from mmdet.structures.classes import COCO_CLASSES

    meta = checkpoint.get('meta') or {}
    if 'state_dict' in checkpoint and str(meta.get('mmdet_version', '0'))[0] in '23456789':
        raise UserError(
            f'{source} was written by mmdetection {meta["mmdet_version"]}, which puts the background last: '
            'run tools/convert_checkpoint.py on it first'
        )
    theirs = meta.get('CLASSES') or COCO_CLASSES
    pairs = shared_classes(classes, theirs)
    out = OrderedDict()
    for name, block in _CATEGORY_TENSORS.items():
        if name not in ours or name not in state or state[name].shape[1:] != ours[name].shape[1:]:
            continue
        if len(state[name]) != block * (len(theirs) + 1):
            raise UserError(
                f'{source}: {name} has {len(state[name])} rows, expected {block * (len(theirs) + 1)} '
                f'for background and {len(theirs)} classes'
            )
        value = ours[name].clone()
        for mine, other in [(0, 0), *((a + 1, b + 1) for a, b in pairs)]:
            value[mine * block : (mine + 1) * block] = state[name][other * block : (other + 1) * block]
        out[name] = value
        report.mapped.append(name)
    report.shared_classes = [classes[label] for label, _ in pairs]
    return out
