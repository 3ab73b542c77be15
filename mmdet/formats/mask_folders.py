"""Folders of PNG masks, one folder a video as in DAVIS, to YouTube-VIS."""

from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError, natural_key

from .builder import DatasetBuilder
from .files import check_images, choose_videos, existing_folder, files_by_stem, folders_with
from .indexed_png import read_indexed_png, split_objects
from .manifest import is_layer


def mask_folders_to_ytvis(
    masks, table, images=None, classes=None, videos=None, void=255, image_suffix='.jpg', stream=None
):
    """Convert folders of masks whose pixels are object numbers (0 is background).

    A video is a folder with PNG files, at any depth; its name is the path from ``masks``. Frames are ordered
    by name (``9`` before ``10``). Only frames that have a mask become frames of the video.

    Args:
        masks (str | Path): the folder of these folders.
        table (ObjectTable): categories of the objects.
        images (str | Path | None): images under the same names; None: not looked at, and taken to end in
            ``image_suffix``.
        classes (Sequence[str] | None): categories in the order of their ids; None: those of the table,
            by name.
        videos (Sequence[str] | None): names of the videos to take; None: all.
        void (int | None): number of pixels that belong to nobody, in images of 8 bits.
        image_suffix (str): ending of the images where ``images`` is None.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        tuple[dict, list[str]]: content of the annotation file; notes on what was left out.

    Raises:
        UserError: naming the file or object at fault.
    """
    root = existing_folder(masks, 'folder of masks')
    names = _video_folders(root)
    builder = DatasetBuilder(_class_list(table, classes))
    notes = []
    frames = {name: files_by_stem(root / name, ('.png',)) for name in choose_videos(names, videos, root)}
    with Progress(sum(map(len, frames.values())), 'masks', stream=stream) as progress:
        for name, files in frames.items():
            file_names, extra = _pictures(name, files, images, image_suffix)
            if extra:
                notes.append(f'{name}: {extra} images without a mask are left out')
            tracks, shape = read_video(files, void, progress)
            identity = builder.add_video(file_names, *shape)
            if images is not None:
                check_images(images, builder.videos[-1:])
            if not tracks:
                notes.append(f'{name}: no object in any frame')
            for number, found in tracks.items():
                place = files[list(files)[next(iter(found))]]
                category, crowd = table.look_up(name, number, place)
                if category not in builder.category_ids:
                    raise UserError(f'{name}, object {number}: {category!r} is not among the classes given')
                category_id = builder.category_ids[category]
                builder.add_track(identity, category_id, found, iscrowd=crowd, object_id=number)
    notes += _left_out(root, images, names, videos)
    notes += _unused(table, builder, void)
    content = builder.content()
    if not content['annotations']:
        hint = f'; if {void} is an object, say so by --void none' if void is not None else ''
        raise UserError(f'folder of masks {root}: not one object in {len(frames)} videos{hint}')
    return content, notes


def _video_folders(root):
    """Names of the folders that hold masks."""
    names = [name for name in folders_with(root, ('.png',)) if name != '.']
    if not names:
        raise UserError(f'folder of masks {root}: found no folder with PNG files, one for each video')
    if any(is_layer(name) for name in names):
        raise UserError(
            f'folder of masks {root} holds objects that overlap, in layers (_layer1, ...): their '
            'categories are in its objects.json (give no table and no category), or export them flattened'
        )
    return names


def _left_out(root, images, names, videos):
    """Notes on folders that became no video although all were wanted."""
    if videos is not None:
        return []
    found = set(folders_with(images, IMAGE_SUFFIXES)) - {'.'} if images is not None else set()
    empty = {
        path.relative_to(root).as_posix()
        for path in root.rglob('*')
        if path.is_dir() and not any(path.iterdir())
    }
    lacking = sorted((found | empty) - set(names), key=natural_key)
    return [f'{name}: no masks, so it is left out' for name in lacking]


def _unused(table, builder, void):
    """Notes on rows of the table that no object used, and categories that are left without objects."""
    notes = []
    rows = table.unused()
    if rows:
        shown = ', '.join(f'{video} {number}' for video, number in rows[:5])
        more = f' and {len(rows) - 5} more' if len(rows) > 5 else ''
        notes.append(f'{table.path}: {len(rows)} rows fit no object in the masks: {shown}{more}')
    if void is not None and any(number == void for _, number in rows):
        notes.append(f'{table.path} lists object {void}, which belongs to nobody; if it is one: --void none')
    used = {track['category_id'] for track in builder.annotations}
    bare = [c['name'] for c in builder.categories if c['id'] not in used]
    if bare:
        notes.append(f'categories without an object: {", ".join(bare)}')
    return notes


def read_video(files, void=None, progress=None):
    """Read the masks of a video.

    Args:
        files (dict[str, Path]): the frames in order.
        void (int | None): number that is no object, in images of 8 bits.
        progress (Progress | None): counts the frames.

    Returns:
        tuple: object number -> {index of the frame: RLE}, ascending; (height, width).
    """
    tracks, shape = {}, None
    for index, path in enumerate(files.values()):
        numbers = read_indexed_png(path)
        if shape is not None and numbers.shape != shape:
            raise UserError(
                f'mask {path} is {numbers.shape[0]}x{numbers.shape[1]}, '
                f'the frames before it are {shape[0]}x{shape[1]} (height x width)'
            )
        shape = numbers.shape
        skip = () if void is None or numbers.dtype != 'uint8' else (void,)
        for number, rle in split_objects(numbers, skip).items():
            tracks.setdefault(number, {})[index] = rle
        if progress is not None:
            progress.update()
    return dict(sorted(tracks.items())), shape


def _class_list(table, classes):
    if classes is None:
        return table.categories
    if len(set(classes)) != len(classes):
        raise UserError(f'the classes {list(classes)} name one twice')
    return list(classes)


def _pictures(name, files, images, image_suffix):
    """Names of a video's frames relative to the folder of images; number of images without a mask."""
    if images is None:
        return [f'{name}/{stem}{image_suffix}' for stem in files], 0
    folder = existing_folder(existing_folder(images, 'folder of images') / name, f'images of {name}:')
    pictures = files_by_stem(folder, IMAGE_SUFFIXES)
    for stem, path in files.items():
        if stem not in pictures:
            raise UserError(f'mask {path} has no image {folder / stem}.* beside it')
    return [f'{name}/{pictures[stem].name}' for stem in files], len(pictures) - len(files)
