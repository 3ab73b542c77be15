"""Masks that ``export_masks`` wrote, with ``objects.json``, back to the annotation file they came from."""

from pathlib import Path

from mmdet.utils import Progress, UserError

from .builder import track_lists
from .files import checked_relative, folders_with, video_name
from .manifest import MANIFEST, is_layer, layer_folder, read_manifest
from .mask_folders import read_video


def restore_dataset(folder, stream=None):
    """Read the masks of a folder with ``objects.json``.

    Videos, categories, ids, crowd flags and other keys are those of the annotation file (objects of results
    get new ids); segmentations become compressed RLE, boxes and areas those of the masks.

    Args:
        folder (str | Path): what :func:`export_masks` wrote.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict: content of the annotation file.

    Raises:
        UserError: a file is missing or damaged, or a mask holds a number that ``objects.json`` lacks.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    videos, categories, listed = read_manifest(folder)
    frames = sum(len(video['file_names']) for video in videos)
    _refuse_new_videos(folder, videos, path)
    annotations = []
    with Progress(frames, 'frames', stream=stream) as progress:
        for video, objects in zip(videos, listed):
            for layer in range(max((at for at, _ in objects), default=0) + 1):
                root = layer_folder(folder, layer)
                names = [checked_relative(name, path).with_suffix('.png') for name in video['file_names']]
                files = {str(name): root / name for name in names}
                found, shape = read_video(files)
                if found and shape != (video['height'], video['width']):
                    raise UserError(f'masks of video {video["id"]!r} are {shape}, not as {path} says')
                for number, masks in found.items():
                    if (layer, number) not in objects:
                        raise UserError(
                            f'{root / names[0]}, ...: object {number} is not listed in {path}; '
                            'give a table of objects or a category if masks were changed'
                        )
                    entry = objects[layer, number]
                    annotations.append({**entry, **track_lists(masks, len(names))})
            progress.update(len(video['file_names']))
    if all('id' in entry for entry in annotations):
        annotations.sort(key=lambda entry: entry['id'])
    else:  # masks of results: what they show becomes ground truth
        annotations = [{'iscrowd': 0, **entry, 'id': number} for number, entry in enumerate(annotations, 1)]
    return {'categories': categories, 'videos': videos, 'annotations': annotations}


def _refuse_new_videos(folder, videos, path):
    known = {str(checked_relative(name, path).parent) for video in videos for name in video['file_names']}
    new = [name for name in folders_with(folder, ('.png',)) if name not in known and not is_layer(name)]
    if new:
        raise UserError(
            f'{folder}: the masks in {new[0]} are not listed in {path} ({len(new)} such folders); '
            'give a table of objects or a category if masks were added'
        )


def contradictions(folder, table):
    """Notes (list of str) on objects to which a table gives another category than ``objects.json`` does."""
    path = Path(folder) / MANIFEST
    videos, categories, listed = read_manifest(folder)
    names = {category['id']: category['name'] for category in categories}
    found = []
    for video, objects in zip(videos, listed):
        for (_, number), entry in objects.items():
            here, there = table.get(video_name(video), number), names[entry['category_id']]
            if here is not None and here != there:
                found.append(f'{video_name(video)} {number} ({here}, not {there})')
    if not found:
        return []
    return [
        f'{len(found)} objects have another category in {table.path} than in {path} beside the masks: '
        + ', '.join(found[:5])
        + (', ...' if len(found) > 5 else '')
    ]
