"""Writing files of LabelMe, for people who correct predictions in LabelMe or X-AnyLabeling."""

import json
import os
from pathlib import Path, PurePosixPath

from mmdet.structures.rle import decode_rle, rle_area
from mmdet.utils import Progress, UserError, atomic_write_text, inside, natural_key

from .annotations import VideoAnnotations
from .files import check_names, checked_relative
from .outlines import mask_outlines
from .tracks import decode_tracks

#: Order of the categories, one name on each line; LabelMe takes this file with --labels.
LABELS = 'labels.txt'


def write(
    annotations: VideoAnnotations,
    out: str | Path,
    images: str | Path | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
    stream=None,
) -> dict[str, int]:
    """Write a JSON file for each frame, named like the frame, for people who correct predictions.

    The parts of an object are polygons along the edges of the pixels, with one ``group_id``. Read again, they
    give the same pixels, objects and names of categories; ``labels.txt`` keeps their order.

    Args:
        annotations (VideoAnnotations): what to write; a ``score`` is kept for the eyes of the people.
        out (str | Path): folder to write to; it may be the folder of the images.
        images (str | Path | None): folder of the images, for the path from a JSON file to its image; None if
            the JSON files will lie beside the images.
        tolerance (float): pixels by which polygons may lie off, for fewer points to edit; 0 is exact.
        overwrite (bool): replace JSON files that are there already.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict[str, int]: what was written.

    Raises:
        UserError: a mask is damaged, a video is not a folder of frames in natural order of their names,
            ``labels.txt`` cannot hold the name of a category, or a JSON file is there already.
    """
    check_names(annotations.categories, 'LabelMe')
    counts, taken = {'frames': 0, 'objects': 0, 'polygons': 0}, {}
    names = {category['id']: category['name'] for category in annotations.categories}
    for video in annotations.videos:
        _check_folder(video, taken)
        if not overwrite:
            _check_new(out, video)
    with Progress(sum(len(v['file_names']) for v in annotations.videos), 'frames', stream=stream) as progress:
        for video, tracks in decode_tracks(annotations):
            groups = _groups(tracks)
            for frame, name in enumerate(video['file_names']):
                path = inside(out, checked_relative(name, f'video {video["id"]!r}').with_suffix('.json'))
                image = PurePosixPath(name).name
                if images is not None:
                    image = Path(os.path.relpath(Path(images) / name, path.parent)).as_posix()
                shapes = [
                    shape
                    for track, group in zip(tracks, groups)
                    if frame in track.masks and rle_area(track.masks[frame])
                    for shape in _shapes(track, group, names[track.category_id], frame, tolerance)
                ]
                content = {'version': '5.5.0', 'flags': {}, 'shapes': shapes, 'imagePath': image}
                content |= {'imageData': None, 'imageHeight': video['height'], 'imageWidth': video['width']}
                atomic_write_text(path, json.dumps(content, ensure_ascii=False, indent=1))
                counts['frames'] += 1
                counts['polygons'] += len(shapes)
                progress.update()
            counts['objects'] += len(tracks)
    atomic_write_text(Path(out) / LABELS, ''.join(f'{name}\n' for name in names.values()))
    return counts


def _check_folder(video, taken):
    names, place = video['file_names'], f'video {video["id"]!r}'
    folders = {PurePosixPath(name).parent.as_posix() for name in names}
    stems = [PurePosixPath(name).stem for name in names]
    if len(folders) > 1 or len(set(stems)) < len(stems) or sorted(stems, key=natural_key) != stems:
        raise UserError(
            f'{place}: LabelMe needs the frames of a video in one folder, in natural order of their names'
        )
    folder = folders.pop()
    if folder in taken:
        raise UserError(
            f'{place} and video {taken[folder]!r} have their frames in the same folder {folder!r}'
        )
    taken[folder] = video['id']


def _check_new(out, video):
    for path in map(Path(out).joinpath, video['file_names']):
        if path.with_suffix('.json').exists():
            raise UserError(
                f'{path.with_suffix(".json")} exists and may have been edited by hand: choose another '
                'folder, or --overwrite'
            )


def _groups(tracks):
    """Groups of the objects: those they had, if these tell them apart, else 1, 2, ..."""
    had = [(track.entry.get('group_id'), track.category_id) for track in tracks]
    if all(type(group) is int for group, _ in had) and len(set(had)) == len(had):
        return [group for group, _ in had]
    return list(range(1, len(tracks) + 1))


def _shapes(track, group, label, frame, tolerance):
    common = {'label': label, 'group_id': group, 'description': '', 'shape_type': 'polygon'}
    common['flags'] = {'iscrowd': True} if track.crowd else {}
    if track.score is not None:
        common['score'] = round(track.score, 4)
    for outline in mask_outlines(decode_rle(track.masks[frame]), tolerance):
        yield {**common, 'points': [list(point) for point in zip(outline[::2], outline[1::2])]}
