"""``objects.json`` beside exported masks, and the folders of what overlaps: ``_layer1``, ``_layer2``, ..."""

import re
from pathlib import Path

from mmdet.utils import UserError

from .ytvis import parse_ytvis, read_json

FORMAT = 'masktrack masks 1'
MANIFEST = 'objects.json'


def layer_folder(root, layer):
    """Folder of a layer: ``root`` itself for layer 0."""
    return Path(root) / f'_layer{layer}' if layer else Path(root)


def is_layer(name):
    """Whether a folder, named from the root, lies in a layer."""
    return re.fullmatch(r'_layer[1-9][0-9]*', str(name).split('/')[0]) is not None


def has_manifest(folder):
    """Whether masks were written by :func:`~mmdet.formats.export_masks.export_masks`."""
    return (Path(folder) / MANIFEST).is_file()


def read_manifest(folder):
    """Read ``objects.json`` of a folder of masks.

    Args:
        folder (str | Path): where it lies.

    Returns:
        tuple: videos (list[dict]), categories (list[dict]), and for each video a dict
        (layer, number) -> entry of its objects.

    Raises:
        UserError: it is missing or damaged.
    """
    path = Path(folder) / MANIFEST
    manifest = read_json(path, 'object list')
    if not isinstance(manifest, dict) or manifest.get('format') != FORMAT:
        raise UserError(f'object list {path}: expected the format {FORMAT!r}')
    try:
        videos, categories = [item['video'] for item in manifest['videos']], manifest['categories']
        parse_ytvis({'videos': videos, 'categories': categories}, path)
        known = {category['id'] for category in categories}
        listed = []
        for item in manifest['videos']:
            listed.append({})
            for number, found in item['objects'].items():
                layer, entry = found['layer'], found['entry']
                if type(layer) is not int or not 0 <= layer < 65535 or not isinstance(entry, dict):
                    raise ValueError(f'object {number}: {found!r:.80}')
                if entry.get('category_id') not in known or type(entry.get('id', 0)) is not int:
                    raise ValueError(f'object {number} has no usable id or category_id: {entry!r:.80}')
                listed[-1][layer, int(number)] = entry
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f'object list {path} is damaged: {error!r}') from None
    return videos, categories, listed
