"""Folders that hold what overlaps: ``_layer1``, ``_layer2``, ... beside the masks of layer 0."""

import re
from pathlib import Path


def layer_folder(root, layer):
    """Folder of a layer: ``root`` itself for layer 0."""
    return Path(root) / f'_layer{layer}' if layer else Path(root)


def is_layer(name):
    """Whether a folder, named from the root, lies in a layer."""
    return re.fullmatch(r'_layer[1-9][0-9]*', str(name).split('/')[0]) is not None
