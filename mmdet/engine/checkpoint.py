"""Reading and writing checkpoint files. Nothing here unpickles code unless the user says the file is trusted.

Formats read: ``torch.save`` files, new (zip) and old (before torch 1.6), and safetensors. ``load_from``,
``resume`` and ``init_cfg=dict(type='Pretrained')`` all come through :func:`read_checkpoint`: importing
this module replaces mmengine's loaders of every scheme.
"""

import contextlib
import contextvars
import json
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import PretrainedInit as _PretrainedInit
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader

from mmdet.utils import UserError, atomic_open, note_input, suggest

from .download import fetch
from .stand_ins import STAND_INS, resolved
from .weights import LoadReport, load_weights, state_dict_of

__all__ = ['LoadReport', 'load_weights', 'read_checkpoint', 'state_dict_of', 'trusting', 'write_checkpoint']

_TRUST = contextvars.ContextVar('trust_checkpoints', default=False)


@contextlib.contextmanager
def trusting(trust=True):
    """Within the block, checkpoint files may run code on loading (what ``--trust-checkpoint`` asks for)."""
    token = _TRUST.set(bool(trust))
    try:
        yield
    finally:
        _TRUST.reset(token)


def read_checkpoint(path, trust=None, map_location='cpu'):
    """Read a checkpoint file without running anything that may be in it.

    Args:
        path (str | Path): a file of ``torch.save`` or ``.safetensors``; or an address with a scheme
            (``torchvision://resnet50``, ``https://...``), see :func:`resolve`.
        trust (bool | None): unpickle without restriction. None: as the :func:`trusting` block around says.
        map_location (str | torch.device): where tensors go.

    Returns:
        dict: the content, such as ``{'meta': ..., 'state_dict': ...}``.

    Raises:
        UserError: the file is missing, truncated, no checkpoint, or would run code on loading.
    """
    trust = _TRUST.get() if trust is None else trust
    path = Path(resolve(str(path))).expanduser()
    if path.is_dir():
        raise UserError(f'checkpoint {path} is a folder; give the file in it')
    if not path.is_file():
        raise UserError(f'checkpoint {path} does not exist{_closest_file(path)}')
    note_input(path)
    if _check_start(path) == '.safetensors':
        return _read_safetensors(path, map_location)
    _check_sums(path)
    try:
        if trust:
            content = torch.load(path, map_location=map_location, weights_only=False)
        else:
            with torch.serialization.safe_globals(STAND_INS):
                content = resolved(torch.load(path, map_location=map_location, weights_only=True))
    except pickle.UnpicklingError as error:
        raise UserError(_refusal(path, error)) from None
    except Exception as error:  # damaged bytes can cause any error in the reader
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f'checkpoint {path} cannot be read; it is truncated or no checkpoint ({reason})'
        ) from None
    if not isinstance(content, dict):
        raise UserError(f'checkpoint {path} holds a {type(content).__name__}, expected a dict of tensors')
    return _tidy(content)


def _tidy(content):
    """Bring what comes from outside into one form, so that no reader has to ask again.

    Names are texts (others are left out), ``meta`` is a dict, its class names are a list of texts, and its
    versions and configs are texts.
    """
    content = {name: value for name, value in content.items() if isinstance(name, str)}
    for key in ('state_dict', 'ema_state_dict', 'model', 'meta'):
        if isinstance(content.get(key), dict):
            content[key] = {name: value for name, value in content[key].items() if isinstance(name, str)}
    if 'meta' in content:
        content['meta'] = _tidy_meta(content['meta'])
    return content


def _tidy_meta(meta):
    meta = dict(meta) if isinstance(meta, dict) else {}
    places = [meta]
    if 'dataset_meta' in meta:
        known = meta['dataset_meta'] if isinstance(meta['dataset_meta'], dict) else {}
        meta['dataset_meta'] = {key: value for key, value in known.items() if isinstance(key, str)}
        places.append(meta['dataset_meta'])
    for place in places:
        for key in [key for key in place if key.lower() in ('classes', 'cat_ids')]:
            kind = str if key.lower() == 'classes' else int
            values = place[key] if isinstance(place[key], (list, tuple)) else ()
            if not values or not all(isinstance(value, kind) for value in values):
                del place[key]
    texts = [key for key in meta if key.endswith('_version') or key in ('cfg', 'config')]
    return {key: value for key, value in meta.items() if key not in texts or isinstance(value, str)}


def _check_start(path):
    """The suffix that suits the content of a file, whatever its name is: ``'.safetensors'`` or ``'.pth'``.

    What is neither is refused; torch's error would advise to load it without protection.
    """
    with open(path, 'rb') as file:
        start = file.read(60)
    of_torch = start.startswith((b'PK', b'\x80'))
    if start[8:9] == b'{':  # the header of safetensors follows its length
        return '.safetensors'
    if start.startswith(b'version https://git-lfs'):
        reason = 'it is a pointer of Git LFS; git lfs pull fetches the file'
    elif of_torch and path.suffix == '.safetensors':  # torch would go by the name
        reason = 'it is a file of torch.save: rename it to .pth'
    elif of_torch or not start:
        return '.pth'
    else:
        reason = f'it begins with {start.splitlines()[0][:40]!r}'
    raise UserError(f'checkpoint {path} cannot be read; it is truncated or no checkpoint ({reason})')


def _check_sums(path):
    """Compare the checksums of a zip, which torch does not: altered weights would be taken in silence."""
    damaged = None
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:  # no zip: torch says what it is
        damaged = archive.testzip()
    if damaged is not None:
        raise UserError(f'checkpoint {path} is damaged: its part {damaged!r:.80} has a wrong checksum')


def _closest_file(path):
    folder = path.parent
    return suggest(path.name, [p.name for p in folder.iterdir()]) if folder.is_dir() else ''


def _refusal(path, error):
    """Say which names a pickle wants to import."""
    text = str(error)
    names = []
    with contextlib.suppress(Exception):
        names = sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)))
        harmless = {name for _, name in STAND_INS}
        names = [name for name in names if name not in harmless]
    found = re.findall(r'GLOBAL ([\w.]+)', text)
    names = names or sorted(set(found))
    what = f' ({", ".join(names[:5])})' if names else ''
    return (
        f'checkpoint {path} is refused: loading it could run code stored in it{what}. '
        'If you trust where it comes from, pass --trust-checkpoint'
    )


def _read_safetensors(path, map_location):
    """Read a safetensors file; its text metadata becomes ``meta`` (values that are JSON are decoded)."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise UserError(f'{path}: reading .safetensors needs the package safetensors') from None
    try:
        with safe_open(path, framework='pt', device=str(map_location or 'cpu')) as file:
            state = OrderedDict((key, file.get_tensor(key)) for key in file.keys())  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f'checkpoint {path} cannot be read as safetensors ({error})') from None
    meta = {}
    for key, value in metadata.items():
        try:
            meta[key] = json.loads(value)
        except ValueError:
            meta[key] = value
    return {'meta': meta, 'state_dict': state}


def write_checkpoint(checkpoint, path):
    """Write a checkpoint under a temporary name, then rename it: a crash leaves no half file at ``path``.

    Args:
        checkpoint (dict): content. A ``.safetensors`` path keeps ``state_dict`` and ``meta`` (as text) only.
        path (str | Path): final name.
    """
    path = Path(path)
    if path.suffix == '.safetensors':
        from safetensors.torch import save

        meta = {k: v if isinstance(v, str) else json.dumps(v) for k, v in checkpoint.get('meta', {}).items()}
        state = {k: v.detach().cpu().contiguous() for k, v in state_dict_of(checkpoint).items()}
        with atomic_open(path, 'wb') as file:
            file.write(save(state, metadata={'format': 'pt', **meta}))
        return
    with atomic_open(path, 'wb') as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:  # of torch's zip writer, which follows that of a full disk
            if not isinstance(error.__context__, OSError):
                raise
            raise error.__context__ from None


# --- addresses with a scheme ---


def resolve(address):
    """Turn an address into the path of a local file, downloading it to torch's cache where needed.

    ``torchvision://NAME`` and ``modelzoo://NAME`` are the ImageNet weights of torchvision,
    ``open-mmlab://NAME`` those of OpenMMLab, ``http(s)://`` any file. Everything else is a path already.
    """
    if '://' not in address:
        return address
    scheme, name = address.split('://', 1)
    if scheme in ('torchvision', 'modelzoo'):
        return fetch(_known(name, _torchvision_urls(), address), name=address)
    if scheme in ('open-mmlab', 'openmmlab'):
        return fetch(_known(name, _openmmlab_urls(), address), name=address)
    if scheme in ('http', 'https'):
        return fetch(address)
    raise UserError(
        f'checkpoint {address}: the scheme {scheme}:// is not supported; use a local path, https://, '
        'torchvision://NAME or open-mmlab://NAME'
    )


def _known(name, table, address):
    if name not in table:
        raise UserError(f'checkpoint {address}: no weights named {name!r}{suggest(name, table)}')
    return table[name]


def _hub_table(file):
    import mmengine

    return json.loads((Path(mmengine.__path__[0]) / 'hub' / file).read_text(encoding='utf-8'))


def _torchvision_urls():
    """Addresses of ImageNet weights by name: those of 2019, and torchvision's own where it is installed."""
    table = dict(_hub_table('torchvision_0.12.json'))
    try:
        from torchvision.models import get_model_weights, list_models
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision built for another torch
        return table
    import torchvision

    for model in list_models(torchvision.models):
        for entry in get_model_weights(model):
            table[f'{model}.{entry.name.lower()}'] = entry.url
    return table


def _openmmlab_urls():
    table = dict(_hub_table('openmmlab.json'))
    table.update({old: table[new] for old, new in _hub_table('deprecated.json').items() if new in table})
    return table


def _load_for_mmengine(filename, map_location=None, **kwargs):
    """Answer every request of mmengine's CheckpointLoader."""
    return read_checkpoint(filename, map_location=map_location or 'cpu')


@WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
class PretrainedInit(_PretrainedInit):
    """``init_cfg=dict(type='Pretrained')``: weights of which nothing fits are refused, others reported.

    Args:
        checkpoint (str): path or address.
        prefix (str | None): take only tensors under this name, such as ``'backbone'``.
        map_location (str): where tensors go while loading.
    """

    def __call__(self, module):
        """Load the weights into ``module``.

        Raises:
            UserError: the file cannot be read, or not one tensor fits.
        """
        content = read_checkpoint(self.checkpoint, map_location=self.map_location)
        prefix = f'{self.prefix.rstrip(".")}.' if self.prefix else ''
        report = load_weights(module, content, source=str(self.checkpoint), prefix=prefix)
        print_log(f'{self.checkpoint} for {type(module).__name__}: {report.text()}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())


def register_loaders():
    """Put :func:`read_checkpoint` in the place of all of mmengine's loaders, those we do not know too."""
    for prefix in ['', *CheckpointLoader._schemes]:
        CheckpointLoader.register_scheme(prefixes=prefix, loader=_load_for_mmengine, force=True)


register_loaders()
