"""Where the files of YouTube-VIS lie: as the 2019 readme had them arranged, or as the official archives
unpack."""

import os
from pathlib import Path

_SPLITS = {'train': ('train',), 'val': ('valid', 'val'), 'valid': ('valid', 'val'), 'test': ('test',)}


def find_ann_file(path):
    """The annotation file itself or, if it is absent, the same split under one of its official names.

    ``annotations/instances_train_sub.json`` (2019) may also be ``annotations/instances_train.json``,
    ``annotations/train.json``, ``annotations/annotations_train.json``, ``train.json`` or
    ``train/instances.json``; the same for val (valid) and test.

    Args:
        path (str | Path): as configured.

    Returns:
        str: a path that exists, else ``path`` unchanged.
    """
    given = Path(path)
    name = given.name
    if given.exists() or not (name.startswith('instances_') and name.endswith('.json')):
        return str(path)
    split = name[len('instances_') : -len('.json')].removesuffix('_sub')
    folder, root = given.parent, given.parent.parent
    for word in _SPLITS.get(split, ()):
        for candidate in (
            folder / f'instances_{word}.json',
            folder / f'{word}.json',
            folder / f'annotations_{word}.json',
            folder / f'instances_{word}_sub.json',
            root / f'{word}.json',
            root / f'annotations_{word}.json',
            root / word / 'instances.json',
        ):
            if candidate.is_file():
                return str(candidate)
    return str(path)


def find_image_folder(prefix, file_name):
    """The folder of the images itself or, if they are not there, the same split under its other names.

    ``val`` may also be ``valid`` (and the other way round), and the images may lie in a ``JPEGImages``
    folder in it or, where one is configured, beside it.

    Args:
        prefix (str): as configured.
        file_name (str): any image, relative to the folder.

    Returns:
        str: a folder that has the image, else ``prefix`` unchanged.
    """
    if os.path.exists(os.path.join(prefix, file_name)):
        return prefix
    base = Path(prefix)
    if base.name == 'JPEGImages':
        base = base.parent
    folders = [base]
    if base.name in ('val', 'valid'):
        folders.append(base.with_name('valid' if base.name == 'val' else 'val'))
    for folder in folders:
        for candidate in (folder, folder / 'JPEGImages'):
            if (candidate / file_name).exists():
                return str(candidate)
    return prefix
