"""The one call that brings a recognized config of another schema to ours."""

from mmdet.utils import UserError

from .modern_engine import upgrade_modern
from .schema import MODERN, OLD, advice
from .upgrade import LEGACY_KEYS, upgrade_config

_JOBS = {'train': 'training', 'val': 'validation', 'test': 'testing'}


def known_keys(schema):
    """Return the top-level keys of a foreign schema where they are a closed list; None where they are not."""
    return LEGACY_KEYS if schema.kind == OLD else None


def to_native(config, schema, path):
    """Bring a config to the native schema.

    Args:
        config (Config): as read from the file.
        schema (Schema): what :func:`~.schema.recognize` said; not native.
        path (str): the file, for messages.

    Returns:
        tuple[Config, list[str]]: the native config, and lines that the user should read.

    Raises:
        UserError: names the key that is not supported and, where the model is not, the nearest config.
    """
    try:
        native, notes = upgrade_modern(config) if schema.kind == MODERN else (upgrade_config(config), [])
    except UserError as error:
        text = str(error)
        model = config.get('model')
        known = isinstance(model, dict) and ('.type=' in text or schema.kind == MODERN)
        hint = f'. {advice(model)}' if known else ''
        raise UserError(f'config {path}, of {schema.name}: {text}{hint}') from None
    for job, why in (native.get('_refused') or {}).items():
        notes.append(f'it cannot be used for {_JOBS[job]}: {why}')
    return native, notes
