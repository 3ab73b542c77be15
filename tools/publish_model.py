"""Make a checkpoint fit to be handed on: weights, class names, config and conventions, and nothing else.

    python tools/publish_model.py work_dirs/X/epoch_12.pth published/masktrack_r50 --config CONFIG

writes published/masktrack_r50-1a2b3c4d.safetensors; the eight digits are the beginning of the file's SHA-256.
"""

import argparse
import hashlib
import io
import json
import struct
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, add_options, atomic_open, blaming, cli_main


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', help='training checkpoint')
    parser.add_argument('out', help='name to write; the hash and the suffix are added')
    parser.add_argument('--config', help='config of the weights (default: the text stored in the checkpoint)')
    parser.add_argument(
        '--format', choices=['safetensors', 'pth'], help='default: by the suffix of OUT, safetensors'
    )
    parser.add_argument(
        '--weights',
        choices=['auto', 'ema', 'raw'],
        default='auto',
        help='averaged or raw weights of a run with EMA (auto: averaged where there are any)',
    )
    parser.add_argument('--half', action='store_true', help='store floating-point tensors as float16')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='class names, in label order')
    add_options(parser, 'trust-checkpoint')
    return parser.parse_args(argv)


def choose_weights(checkpoint, which, source):
    """Return ``(state dict, 'ema' or 'raw')``.

    mmengine's EMA hook saves the averaged weights as ``state_dict`` and the raw ones, each name behind
    ``module.``, as ``ema_state_dict``.
    """
    from mmdet.engine.checkpoint import state_dict_of

    has_ema = isinstance(checkpoint.get('ema_state_dict'), dict)
    if which == 'ema' and not has_ema:
        raise UserError(f'{source}: --weights ema, but the checkpoint has no averaged weights')
    if which == 'raw' and has_ema:
        raw = {k: v for k, v in checkpoint['ema_state_dict'].items() if k.startswith('module.')}
        return state_dict_of(dict(state_dict=raw), source), 'raw'
    return state_dict_of(checkpoint, source), 'ema' if has_ema else 'raw'


def describe(args, checkpoint, state):
    """Collect the meta: class names, config text, conventions and how far training came."""
    from mmdet.apis import load_config
    from mmdet.apis.config_text import config_text
    from mmdet.compat.checkpoints import parse_config_text
    from mmdet.compat.checkpoints.describe import describe_model
    from mmdet.compat.checkpoints.openmmlab import class_names
    from mmdet.version import __version__

    old = checkpoint.get('meta')
    old = old if isinstance(old, dict) else {}
    if args.config:
        text = config_text(load_config(args.config, quiet=True))
    else:
        text = old.get('config') or old.get('cfg') or ''
        text = text if isinstance(text, str) else ''
    model = parse_config_text(text).get('model')
    meta = dict(masktrack_version=__version__, config=text)
    if isinstance(model, dict):
        meta['conventions'] = describe_model(model)
    classes = tuple(args.classes) if args.classes else class_names(old)
    rows = state.get('bbox_head.fc_cls.weight')
    if classes and rows is not None and len(classes) != len(rows) - 1:
        raise UserError(f'{len(classes)} class names for a classifier of {len(rows) - 1} classes')
    if classes:
        meta['CLASSES'] = list(classes)
        meta['dataset_meta'] = dict(classes=list(classes))
    if isinstance(old.get('converted_from'), dict):
        meta['converted_from'] = old['converted_from']
    for key in ('epoch', 'iter'):
        if isinstance(old.get(key), int):
            meta[key] = old[key]
    return meta


def check_config(args, state):
    """With --config: the published weights must fill the model it describes."""
    from mmdet.apis import load_config, register_all_modules
    from mmdet.engine.weights import load_weights
    from mmdet.registry import MODELS

    register_all_modules()
    model = MODELS.build(load_config(args.config, quiet=True).model)
    report = load_weights(model, state, source=args.src)
    if not report.complete() or report.unexpected:
        raise UserError(f'{args.src} does not fit {args.config}:\n{report.text()}')


def safetensors_bytes(state, meta):
    """Serialize by the published layout, keys in order: the same content always gives the same bytes.

    The library's own writer orders the metadata by chance, which would make the hash in the name one of many.
    """
    import torch

    names = {
        torch.float64: 'F64', torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16',
        torch.int64: 'I64', torch.int32: 'I32', torch.int16: 'I16', torch.int8: 'I8', torch.uint8: 'U8',
        torch.bool: 'BOOL',
    }  # fmt: skip
    header = {
        '__metadata__': {
            'format': 'pt',
            **{k: json.dumps(v, sort_keys=True) for k, v in sorted(meta.items())},
        }
    }
    blobs, offset = [], 0
    # Wide types first: every tensor then lies on a multiple of its size, as readers that map the file like.
    for key in sorted(state, key=lambda name: (-state[name].element_size(), name)):
        tensor = state[key].detach().cpu().contiguous()
        if tensor.dtype not in names:
            raise UserError(f'{key}: safetensors has no type {tensor.dtype}')
        blob = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b''
        header[key] = dict(
            dtype=names[tensor.dtype], shape=list(tensor.shape), data_offsets=[offset, offset + len(blob)]
        )
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + b''.join(blobs)


def pth_bytes(state, meta):
    """Serialize as ``{'meta', 'state_dict'}``, each tensor with separate storage."""
    import torch

    buffer = io.BytesIO()
    content = dict(meta=meta, state_dict={key: state[key].detach().cpu().clone() for key in sorted(state)})
    torch.save(content, buffer)
    return buffer.getvalue()


@cli_main
def main(argv=None):
    """Strip, describe, write under the name with the hash."""
    args = parse_args(argv)
    from mmdet.engine import read_checkpoint

    out = Path(args.out)
    suffix = out.suffix if out.suffix in ('.pth', '.safetensors') else ''
    kind = args.format or suffix[1:] or 'safetensors'
    stem = out.name[: len(out.name) - len(suffix)] if suffix else out.name
    checkpoint = read_checkpoint(args.src, trust=args.trust_checkpoint or None)
    state, which = choose_weights(checkpoint, args.weights, args.src)
    if args.half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    with blaming(f'{args.src} cannot be published'):
        meta = describe(args, checkpoint, state)
        if args.config:
            check_config(args, state)
    dropped = (
        sorted(set(checkpoint) - {'meta', 'state_dict'} - set(state)) if 'state_dict' in checkpoint else []
    )
    data = safetensors_bytes(state, meta) if kind == 'safetensors' else pth_bytes(state, meta)
    path = out.with_name(f'{stem}-{hashlib.sha256(data).hexdigest()[:8]}.{kind}')
    with atomic_open(path, 'wb') as file:
        file.write(data)
    averaged = ' (averaged weights)' if which == 'ema' else ''
    print(f'wrote {path}: {len(state)} tensors{averaged}, {len(data) / 2**20:.1f} MiB')
    if dropped:
        print(f'left out: {", ".join(dropped)}')
    if 'CLASSES' not in meta:
        print('note: the checkpoint names no classes; --classes adds them')
    if not meta['config']:
        print('note: the checkpoint holds no config; --config adds it')


if __name__ == '__main__':
    main()
