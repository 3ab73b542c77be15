"""Reading weights that are asked for by name: fetch, check, convert."""

from pathlib import Path

from mmdet.compat.checkpoints import Options, convert_checkpoint, is_native, unwrap
from mmdet.engine import read_checkpoint
from mmdet.engine.download import fetch, sha256
from mmdet.utils import UserError

from .model_zoo import Weights, find_weights, named


def fetch_weights(name: str) -> Path:
    """Return the file of named weights in torch's cache; it is fetched if it is not there.

    Raises:
        UserError: no model has this name, or the file cannot be fetched or is damaged.
    """
    entry = find_weights(name)
    path = fetch(entry.url, entry.mirrors, entry.sha256, entry.name)
    if not sha256(path).startswith(entry.sha256):
        raise UserError(
            f'model {name}: {path} is damaged, its SHA-256 does not begin with {entry.sha256}: '
            'remove it, and it is fetched again'
        )
    return path


def read_weights(checkpoint: str | Path, trust: bool | None = None, model: Weights | None = None) -> dict:
    """Read a checkpoint by its name or path; named weights come in the names and order of this project.

    Args:
        checkpoint: a name of the model zoo, a path or an address.
        trust: see :func:`~mmdet.engine.read_checkpoint`.
        model: the entry whose config will run a checkpoint given by path; the file may be as published.

    Returns:
        dict: ``state_dict`` and ``meta``.

    Raises:
        UserError: it cannot be fetched, read or converted.
    """
    entry = named(checkpoint, 'checkpoint')
    if entry is not None:
        return _converted(entry, read_checkpoint(fetch_weights(entry.name), trust=trust), entry.file)
    content = read_checkpoint(checkpoint, trust=trust)
    if model is None:
        return content
    path = Path(checkpoint)
    same = path.is_file() and sha256(path).startswith(model.sha256)  # perhaps under another name
    return _converted(model, content, model.file if same else path.name)


def _converted(entry, content, name):
    """Content in this project's names, rows and order, with class names where the file has them."""
    if is_native(unwrap(content, name)):
        return content
    options = Options(coco80='download.pytorch.org' in entry.url)
    converted = convert_checkpoint(content, options=options, name=name)
    meta = dict(converted_from=dict(file=name, format=converted.source_format))
    if converted.classes:
        meta['CLASSES'] = list(converted.classes)
        meta['dataset_meta'] = dict(classes=list(converted.classes))
    return dict(meta=meta, state_dict=converted.state_dict)
