"""Folders of PNG masks whose pixels are object numbers, one folder per video as in DAVIS and YouTube-VOS."""

import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet.structures.rle import rle_area
from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError, inside, natural_key, reading_own_output

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .files import (
    check_images,
    checked_relative,
    choose_videos,
    existing_folder,
    files_by_stem,
    folders_below,
    folders_with,
    video_name,
)
from .indexed_png import read_video_masks, write_indexed_png
from .manifest import (
    MANIFEST,
    check_replaced,
    contradictions,
    has_manifest,
    is_layer,
    layer_folder,
    read_listed_masks,
    read_manifest,
    write_manifest,
)
from .object_table import ObjectTable, write_table
from .painting import assign_layers, object_numbers, paint
from .tracks import decode_tracks


def read(
    source: str | Path,
    objects: ObjectTable | str | Path | None = None,
    category: str | None = None,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    videos: Sequence[str] | None = None,
    void: int | str | None = 'auto',
    image_suffix: str | None = None,
    stream=None,
) -> VideoAnnotations:
    """Read folders of masks. A pixel is the number of its object; 0 is background.

    A video is a folder with PNG files at any depth; its name is the path relative to ``source``. Frames are
    in natural order of their names. Images without a mask are skipped.

    Args:
        source (str | Path): the folder of these folders.
        objects (ObjectTable | str | Path | None): table of the objects' categories, see
            :meth:`ObjectTable.read`. Without it and ``category``, the masks must be those that :func:`write`
            wrote, with ``objects.json``.
        category (str | None): category of objects that are not in the table.
        images (str | Path | None): folder of the images, which must have the names and sizes of the masks.
        classes (Sequence[str] | None): categories in the order of their ids; None: those of the table, by
            name.
        videos (Sequence[str] | None): names of the videos to read; None: all.
        void (int | str | None): void label; ``'auto'`` is 255 in 8-bit masks, None is no label.
        image_suffix (str | None): suffix of the image names if ``images`` is None (``.jpg``).
        stream (IO | None): where progress and notes on skipped files are printed; stderr by default.

    Raises:
        UserError: a file or object is invalid; the message names it.
    """
    root = existing_folder(source, 'folder of masks')
    if objects is None and category is None:
        void = None if void in ('auto', 255) else void
        _refuse_options(root, classes=classes, videos=videos, void=void, image_suffix=image_suffix)
        annotations = read_listed_masks(root, stream)
        if images is not None:
            check_images(images, annotations.videos)
        return annotations
    if images is not None and image_suffix is not None:
        raise UserError('image_suffix is for masks without images; file names of images have a suffix')
    table = objects if isinstance(objects, ObjectTable) else ObjectTable.read(objects, category)
    builder, notes = _read_folders(root, table, images, classes, videos, void, image_suffix or '.jpg', stream)
    notes += _unused(table, builder, void)
    notes += contradictions(root, table) if has_manifest(root) else []
    for note in notes:
        print(f'note: {note}', file=stream or sys.stderr)
    return builder.build(root)


def _refuse_options(root, **options):
    """Options that need a table or a category."""
    if not has_manifest(root):
        raise UserError(f'give objects or a category: {root} has no {MANIFEST} that lists them')
    for name, value in options.items():
        if value is not None:
            raise UserError(f'{name} needs objects or a category; without them, {MANIFEST} has it')


def _read_folders(root, table, images, classes, videos, void, image_suffix, stream):
    """Read all videos; returns the builder and notes (list[str])."""
    if classes is not None and len(set(classes)) != len(classes):
        raise UserError(f'a name occurs twice in the classes {list(classes)}')
    builder, notes = AnnotationsBuilder(table.categories if classes is None else classes), []
    names = _video_folders(root)
    frames = {name: files_by_stem(root / name, ('.png',)) for name in choose_videos(names, videos, root)}
    with Progress(sum(map(len, frames.values())), 'masks', stream=stream) as progress:
        for name, files in frames.items():
            notes += _add_video(builder, name, files, table, images, void, image_suffix, progress)
    if not builder.tracks:
        hint = f'; if {_void_number(void)} is an object, use --void none' if void is not None else ''
        raise UserError(f'folder of masks {root}: found no object in {len(frames)} videos{hint}')
    return builder, notes + (_skipped(root, images, names) if videos is None else [])


def _void_number(void):
    return 255 if void == 'auto' else void


def _video_folders(root):
    """Names of the folders that hold masks."""
    names = [name for name in folders_with(root, ('.png',)) if name != '.']
    if not names:
        raise UserError(f'folder of masks {root}: found no folder with PNG files; expected one per video')
    if any(is_layer(name) for name in names):
        raise UserError(
            f'folder of masks {root} holds objects that overlap, in layers (_layer1, ...); their categories '
            f'are in its {MANIFEST}. Give no table and no category, or write the masks again, flattened'
        )
    return names


def _add_video(builder, name, files, table, images, void, image_suffix, progress):
    """Add a video with its tracks; returns notes (list[str])."""
    notes = []
    if images is None:
        file_names = [f'{name}/{stem}{image_suffix}' for stem in files]
    else:
        folder = existing_folder(existing_folder(images, 'folder of images') / name, f'images of {name}:')
        found = files_by_stem(folder, IMAGE_SUFFIXES)
        for stem, path in files.items():
            if stem not in found:
                raise UserError(f'mask {path} has no image {folder / stem}.*')
        file_names = [f'{name}/{found[stem].name}' for stem in files]
        if len(found) > len(files):
            skipped = [path.name for stem, path in found.items() if stem not in files]
            shown = ', '.join(skipped[:3]) + (', ...' if len(skipped) > 3 else '')
            notes.append(f'{name}: {len(skipped)} images without a mask are skipped: {shown}')
    tracks, shape = read_video_masks(files.values(), void, progress)
    video_id = builder.add_video(file_names, *shape)
    if images is not None:
        check_images(images, builder.videos[-1:])
    if not tracks:
        notes.append(f'{name}: no object in any frame')
    for number, masks in tracks.items():
        place = list(files.values())[next(iter(masks))]
        category, crowd = table.look_up(name, number, place)
        if category not in builder.category_ids:
            raise UserError(f'{name}, object {number}: {category!r} is not among the classes given')
        category_id = builder.category_ids[category]
        builder.add_track(video_id, category_id, masks, iscrowd=crowd, object_id=number)
    return notes


def _skipped(root, images, names):
    """Notes on folders without masks."""
    found = set(folders_with(images, IMAGE_SUFFIXES)) - {'.'} if images is not None else set()
    empty = {
        path.relative_to(root).as_posix()
        for path in folders_below(root)
        if path != root and not any(path.iterdir())
    }
    lacking = sorted((found | empty) - set(names), key=natural_key)
    return [f'{name}: skipped, it has no masks' for name in lacking]


def _unused(table, builder, void):
    """Notes on rows of the table that match no object, and on categories without objects."""
    notes = []
    rows = table.unused()
    if rows:
        shown = ', '.join(f'{video} {number}' for video, number in rows[:5])
        more = f' and {len(rows) - 5} more' if len(rows) > 5 else ''
        notes.append(f'{table.path}: {len(rows)} rows match no object in the masks: {shown}{more}')
    if any(number == _void_number(void) for _, number in rows):
        what = f'{table.path} lists object {_void_number(void)}, the void label'
        notes.append(f'{what}; if it is an object, use --void none')
    used = {track['category_id'] for track in builder.tracks}
    bare = [c['name'] for c in builder.categories if c['id'] not in used]
    if bare:
        notes.append(f'categories without an object: {", ".join(bare)}')
    return notes


def write(
    annotations: VideoAnnotations,
    out: str | Path,
    flatten: bool = False,
    csv: str | Path | None = None,
    overwrite: bool = False,
    stream=None,
) -> dict[str, int]:
    """Write one PNG with a palette per frame, named like the frame, and a list of objects, ``objects.json``.

    Objects that overlap go to further images, in the folders ``_layer1``, ... With ``flatten``, and for
    results, there is one image per frame: a pixel goes to the object with the higher score, in ground truth
    to the smaller one. Masks that an earlier call wrote to ``out``, and this one does not, are removed.

    Args:
        annotations (VideoAnnotations): what to write; tracks with a ``score`` are results.
        out (str | Path): folder to write to.
        flatten (bool): one image per frame for ground truth too.
        csv (str | Path | None): also write the table ``video,object,category,iscrowd`` to this file.
        overwrite (bool): replace masks and a table that are not from an earlier call, or were edited since.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict[str, int]: what was written; ``empty objects`` have no pixel, so masks cannot show them.

    Raises:
        UserError: a mask is damaged, two frames share a file, or a file of the user would be replaced.
    """
    out = Path(out)
    paths = _mask_paths(annotations.videos)
    names = {category['id']: category['name'] for category in annotations.categories}
    flatten = flatten or any(track.get('score') is not None for track in annotations.tracks)
    counts = {'frames': 0, 'objects': 0, 'further layers': 0, 'hidden pixels': 0, 'empty objects': 0}
    listed, written, before = [], set(), _files_of_manifest(out)
    targets = {out / path for each in paths.values() for path in each}
    check_replaced(out, before | targets, csv, overwrite)
    with Progress(sum(map(len, paths.values())), 'frames', stream=stream) as progress:
        for video, tracks in decode_tracks(annotations):
            seen = [track for track in tracks if any(map(rle_area, track.masks.values()))]
            numbers = object_numbers(seen, video)
            layers = [0] * len(seen) if flatten else assign_layers(seen)
            for layer in range(max(layers, default=0) + 1):
                chosen = [(t, n) for t, n, at in zip(seen, numbers, layers) if at == layer]
                files = [inside(out, layer_folder('', layer) / path) for path in paths[video['id']]]
                counts['hidden pixels'] += _write_layer(files, chosen, video)
                written.update(files)
            counts['further layers'] = max(counts['further layers'], *layers, 0)
            counts['objects'] += len(seen)
            counts['empty objects'] += len(tracks) - len(seen)
            counts['frames'] += len(files)
            progress.update(len(files))
            entries = zip(map(str, numbers), layers, seen)
            listed.append({'video': video, 'objects': {n: _entry(at, t, names) for n, at, t in entries}})
    for path in before - written:
        path.unlink(missing_ok=True)
    if csv is not None:
        write_table(csv, [row for item in listed for row in _rows(item)])
    write_manifest(out, annotations.categories, listed, written, csv)
    return counts


def _entry(layer, track, names):
    return {'layer': layer, 'category': names[track.category_id], 'entry': track.entry}


def _mask_paths(videos):
    """Video id -> path of each frame's mask; two frames must not share one."""
    taken, paths = {}, {}
    for video in videos:
        place = f'video {video["id"]!r}'
        paths[video['id']] = []
        for name in video['file_names']:
            path = checked_relative(name, place).with_suffix('.png')
            if is_layer(path):
                raise UserError(f'{place}: {name!r} is in a folder named like those of layers of masks')
            if path in taken:
                raise UserError(f'{place}: {name!r} and {taken[path]!r} would have the same mask, {path}')
            taken[path] = name
            paths[video['id']].append(path)
    return paths


def _files_of_manifest(out):
    """Masks that an earlier call wrote to a folder (set of Path), according to its ``objects.json``."""
    if not has_manifest(out):
        return set()
    try:
        with reading_own_output():
            videos, _, listed = read_manifest(out)
        return {
            layer_folder(out, layer) / checked_relative(name, out).with_suffix('.png')
            for video, objects in zip(videos, listed)
            for layer in {0, *(at for at, _ in objects)}
            for name in video['file_names']
        }
    except UserError:  # damaged: remove nothing
        return set()


def _write_layer(files, tracks, video):
    """Write the images of one layer of a video; returns the number of hidden pixels."""
    total = 0
    for frame, path in enumerate(files):
        image, hidden = paint(tracks, frame, video['height'], video['width'])
        write_indexed_png(path, image)
        total += hidden
    return total


def _rows(item):
    """Rows of the table for one video of the manifest."""
    for number, found in item['objects'].items():
        yield video_name(item['video']), number, found['category'], int(found['entry'].get('iscrowd', 0))
