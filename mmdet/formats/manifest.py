"""``objects.json``: what masks that ``mask_folders.write`` wrote show, so that they can be read back as they
were. Objects that overlap others lie in the folders ``_layer1``, ``_layer2``, ... beside the first layer.
"""

import json
import re
import zlib
from pathlib import Path

from mmdet.utils import Progress, UserError, atomic_open, reading_own_output

from .annotations import VideoAnnotations
from .builder import track_lists
from .files import checked_relative, folders_with, video_name
from .indexed_png import read_video_masks
from .reading import read_json
from .ytvis import parse_ytvis
from .ytvis_tables import sort_ids

FORMAT = 'masktrack masks 1'
MANIFEST = 'objects.json'


def layer_folder(root, layer):
    """Folder of a layer: ``root`` itself for layer 0."""
    return Path(root) / f'_layer{layer}' if layer else Path(root)


def is_layer(name):
    """Whether a folder, relative to the root, is in a layer."""
    return re.fullmatch(r'_layer[1-9][0-9]*', str(name).split('/')[0]) is not None


def has_manifest(folder):
    """Whether a folder of masks has an ``objects.json``."""
    return (Path(folder) / MANIFEST).is_file()


def checksum(path):
    """CRC-32 of a file, 0 for none."""
    return zlib.crc32(Path(path).read_bytes()) if Path(path).is_file() else 0


def check_replaced(folder, files, csv, overwrite):
    """Refuse to replace or remove masks that an earlier call did not write, or that were edited since.

    Args:
        folder (Path): root of the masks.
        files (Iterable[Path]): masks to be replaced or removed.
        csv (str | Path | None): table to be written.
        overwrite (bool): do not refuse.

    Raises:
        UserError: names the first such file.
    """
    with reading_own_output():
        written = read_json(folder / MANIFEST, 'object list') if has_manifest(folder) else {}
    known = written.get('checksums') if isinstance(written, dict) else None
    known = known if isinstance(known, dict) else {}
    targets = [(file, file.relative_to(folder).as_posix()) for file in files]
    for file, name in targets + ([(Path(csv), 'table')] if csv is not None else []):
        if not overwrite and (found := checksum(file)) and found != known.get(name):
            raise UserError(
                f'{file} was not written by this command, or edited since: choose another output, or pass '
                '--overwrite'
            )


def write_manifest(folder, categories, listed, files=(), csv=None):
    """Write ``objects.json``.

    Args:
        folder (Path): root of the masks.
        categories (list[dict]): of the annotations.
        listed (list[dict]): for each video ``video`` (its entry) and ``objects`` (number as text -> dict with
            ``layer``, ``category`` and ``entry``, the track without its masks).
        files (Iterable[Path]), csv (str | Path | None): what was written, for :func:`check_replaced`.
    """
    checksums = {file.relative_to(folder).as_posix(): checksum(file) for file in sorted(files)}
    if csv is not None:
        checksums['table'] = checksum(csv)
    content = {'format': FORMAT, 'categories': categories, 'videos': listed, 'checksums': checksums}
    with atomic_open(folder / MANIFEST) as file:
        json.dump(content, file, indent=1)


def read_manifest(folder):
    """Read the ``objects.json`` of a folder of masks.

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
        checked = parse_ytvis({'videos': videos, 'categories': categories}, path)
        listed = []
        for item in manifest['videos']:
            listed.append({})
            for number, found in item['objects'].items():
                layer, entry = found['layer'], found['entry']
                if type(layer) is not int or not 0 <= layer < 65535 or not isinstance(entry, dict):
                    raise ValueError(f'object {number}: {found!r:.80}')
                listed[-1][layer, int(number)] = entry
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f'object list {path} is damaged: {error!r}') from None
    return checked.videos, categories, listed


def read_listed_masks(folder: str | Path, stream=None) -> VideoAnnotations:
    """Read masks with ``objects.json``: videos, categories, ids and pixels are those that were written.

    Segmentations become compressed RLE; boxes and areas are computed from them.

    Raises:
        UserError: a file is missing or damaged, or a mask has a number that ``objects.json`` lacks.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    videos, categories, listed = read_manifest(folder)
    _refuse_new_videos(folder, videos, path)
    tracks = []
    with Progress(sum(len(v['file_names']) for v in videos), 'frames', stream=stream) as progress:
        for video, objects in zip(videos, listed):
            for layer in range(max((at for at, _ in objects), default=0) + 1):
                root = layer_folder(folder, layer)
                names = [checked_relative(name, path).with_suffix('.png') for name in video['file_names']]
                found, shape = read_video_masks(root / name for name in names)
                if found and shape != (video['height'], video['width']):
                    raise UserError(
                        f'masks of video {video["id"]!r} are {shape[0]}x{shape[1]}, but {path} lists '
                        f'{video["height"]}x{video["width"]} (height x width)'
                    )
                for number, masks in found.items():
                    if (layer, number) not in objects:
                        raise UserError(
                            f'{root / names[0]}, ...: object {number} is not listed in {path}; '
                            'if you changed the masks, give a table of objects or a category'
                        )
                    tracks.append({**objects[layer, number], **track_lists(masks, len(names))})
            progress.update(len(video['file_names']))
    annotations = parse_ytvis({'videos': videos, 'categories': categories, 'annotations': tracks}, path)
    tracks = sort_ids(annotations.tracks, lambda track: track['id'])
    return VideoAnnotations(path, annotations.categories, annotations.videos, tracks)


def _refuse_new_videos(folder, videos, path):
    known = {str(checked_relative(name, path).parent) for video in videos for name in video['file_names']}
    new = [name for name in folders_with(folder, ('.png',)) if name not in known and not is_layer(name)]
    if new:
        raise UserError(
            f'{folder}: the masks in {new[0]} are not listed in {path} ({len(new)} such folders); '
            'if you added masks, give a table of objects or a category'
        )


def contradictions(folder, table):
    """Note on objects whose category in a table differs from that in ``objects.json`` (list[str])."""
    path = Path(folder) / MANIFEST
    videos, categories, listed = read_manifest(folder)
    names = {category['id']: category['name'] for category in categories}
    found = []
    for video, objects in zip(videos, listed):
        for (_, number), entry in objects.items():
            here, there = table.get(video_name(video), number), names.get(entry.get('category_id'))
            if here is not None and here != there:
                found.append(f'{video_name(video)} {number} ({here}, not {there})')
    if not found:
        return []
    return [
        f'{len(found)} objects have another category in {table.path} than in {path} beside the masks: '
        + ', '.join(found[:5])
        + (', ...' if len(found) > 5 else '')
    ]
