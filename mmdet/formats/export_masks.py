"""Annotations or results to PNG masks with a palette, one a frame."""

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from mmdet.structures.rle import decode_rle, rle_area
from mmdet.utils import Progress, UserError, atomic_open, atomic_write_text

from .files import checked_relative, video_name
from .indexed_png import write_indexed_png
from .manifest import FORMAT, MANIFEST, has_manifest, layer_folder, read_manifest
from .tracks import read_tracks


def export_masks(index, out, results=None, score_thr=0.0, flatten=False, csv=None, stream=None):
    """Write one PNG a frame, named as the frame is, and ``objects.json``, which says what the numbers mean.

    Objects of an annotation file that overlap go to separate images, in the folders ``_layer1``, ... beside
    the first, so that nothing is lost; with ``flatten``, and for results, a pixel goes to one object: the one
    of the higher score, of annotations the smaller one.

    Masks that an earlier export has left in the folder, and this one does not write, are removed.

    Args:
        index (VideoAnnotations): annotation file, or for results the file that names videos and categories.
        out (str | Path): folder to write to.
        results (str | Path | None): results json instead of the annotations.
        score_thr (float): results below it are left out.
        flatten (bool): one image a frame for annotations too.
        csv (str | Path | None): also write the table video,object,category,iscrowd here.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict: ``frames``, ``objects``, ``layers``, ``hidden`` (pixels that overlap took from an object) and
        ``empty`` (tracks without a pixel, which masks cannot show).
    """
    out = Path(out)
    paths = _mask_paths(index.videos)
    names = {category['id']: category['name'] for category in index.categories}
    flatten = flatten or results is not None
    count = {'frames': 0, 'objects': 0, 'layers': 1, 'hidden': 0, 'empty': 0}
    listed, rows = [], ['video,object,category,iscrowd']
    written, before = set(), exported_files(out)
    with Progress(sum(map(len, paths.values())), 'frames', stream=stream) as progress:
        for video, tracks in read_tracks(index, results, score_thr):
            seen = [track for track in tracks if any(map(rle_area, track.masks.values()))]
            numbers = object_numbers(seen, video)
            layers = [0] * len(seen) if flatten else assign_layers(seen)
            for layer in range(max(layers, default=0) + 1):
                chosen = [(t, n) for t, n, at in zip(seen, numbers, layers) if at == layer]
                files = [layer_folder(out, layer) / path for path in paths[video['id']]]
                count['hidden'] += _write_layer(files, chosen, video)
                written.update(files)
            count['layers'] = max([count['layers'], *(layer + 1 for layer in layers)])
            count['objects'] += len(seen)
            count['empty'] += len(tracks) - len(seen)
            count['frames'] += len(paths[video['id']])
            progress.update(len(paths[video['id']]))
            objects = {
                str(number): {'layer': layer, 'category': names[track.category_id], 'entry': track.entry}
                for track, number, layer in zip(seen, numbers, layers)
            }
            listed.append({'video': video, 'objects': objects})
            rows += [_row(video, number, names[t.category_id], t.crowd) for t, number in zip(seen, numbers)]
    for path in before - written:
        path.unlink(missing_ok=True)
    manifest = {'format': FORMAT, 'categories': index.categories, 'videos': listed}
    with atomic_open(out / MANIFEST) as file:
        json.dump(manifest, file, indent=1)
    if csv is not None:
        atomic_write_text(csv, '\n'.join(rows) + '\n')
    return count


def _write_layer(files, tracks, video):
    """Write the images of one layer of a video; returns how many pixels overlap took from an object."""
    total = 0
    for frame, path in enumerate(files):
        picture, hidden = paint(tracks, frame, video['height'], video['width'])
        write_indexed_png(path, picture)
        total += hidden
    return total


def _row(video, number, category, crowd):
    """Line of the table of objects."""
    return f'{_quoted(video_name(video))},{number},{_quoted(category)},{int(crowd)}'


def exported_files(out):
    """Masks that an earlier export has written into a folder, by its ``objects.json`` (set of Path)."""
    if not has_manifest(out):
        return set()
    try:
        videos, _, listed = read_manifest(out)
        return {
            layer_folder(out, layer) / checked_relative(name, out).with_suffix('.png')
            for video, objects in zip(videos, listed)
            for layer in {0, *(at for at, _ in objects)}
            for name in video['file_names']
        }
    except UserError:  # one that nobody can read: nothing is known to be ours
        return set()


def object_numbers(tracks, video):
    """Numbers of a video's objects: those they had, where these can serve in 8 bits, else 1, 2, ..."""
    had = [track.number for track in tracks]
    if all(type(number) is int and 0 < number < 255 for number in had) and len(set(had)) == len(had):
        return had
    if len(tracks) > 65534:
        raise UserError(f'video {video["id"]!r} has {len(tracks)} objects; a mask can number 65534')
    numbers = list(range(1, len(tracks) + 1))
    # 255 means void in masks of 8 bits; an image without a number above it would be one.
    return [number + (number >= 255) for number in numbers]


def assign_layers(tracks):
    """The first layer of each track in which no track before it shares a pixel with it (list of int)."""
    layers, members = [], []
    for track in tracks:
        layer = next(
            (at for at, others in enumerate(members) if not any(_overlap(track, o) for o in others)),
            len(members),
        )
        if layer == len(members):
            members.append([])
        members[layer].append(track)
        layers.append(layer)
    return layers


def _overlap(first, second):
    common = first.masks.keys() & second.masks.keys()
    return any(
        coco_mask.area(coco_mask.merge([first.masks[frame], second.masks[frame]], intersect=True)) > 0
        for frame in common
    )


def paint(tracks, frame, height, width):
    """Image of the objects of one frame.

    Args:
        tracks (list[tuple[Track, int]]): tracks and their numbers.
        frame (int): index of the frame.
        height, width (int): pixels.

    Returns:
        tuple[np.ndarray, int]: uint16 (height, width); pixels that another object took.
    """
    here = [(track, number, track.masks[frame]) for track, number in tracks if frame in track.masks]
    # The last one painted stays: results by score, annotations with crowd below and small ones on top.
    order = sorted(
        range(len(here)),
        key=lambda i: (
            not here[i][0].crowd,
            here[i][0].score if here[i][0].score is not None else -rle_area(here[i][2]),
            -i,
        ),
    )
    picture = np.zeros((height, width), np.uint16)
    total = 0
    for i in order:
        mask = decode_rle(here[i][2]).astype(bool)
        total += int(mask.sum())
        picture[mask] = here[i][1]
    return picture, total - int(np.count_nonzero(picture))


def _mask_paths(videos):
    """Video id -> path of each frame's mask; two frames must not share one."""
    taken, paths = {}, {}
    for video in videos:
        place = f'video {video["id"]!r}'
        paths[video['id']] = []
        for name in video['file_names']:
            path = checked_relative(name, place).with_suffix('.png')
            if path in taken:
                raise UserError(f'{place}: the mask of {name!r} would be that of {taken[path]!r}: {path}')
            taken[path] = name
            paths[video['id']].append(path)
    return paths


def _quoted(text):
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') or text != text.strip() else text
