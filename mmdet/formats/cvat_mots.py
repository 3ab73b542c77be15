"""MOTS PNG 1.0 as CVAT exports it: ``SUBSET/instances`` with masks and ``labels.txt``, and ``SUBSET/images``.

A pixel is ``class * 1000 + track``, and class 1 is the first line of ``labels.txt``. A frame without objects
has no mask. CVAT exports tracks only; shapes that belong to no track are not in these files.
"""

from pathlib import Path

from mmdet.media import image_size
from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .files import existing_folder, files_by_stem, folders_below, folders_with, read_labels
from .indexed_png import read_indexed_png, split_objects
from .mots import INSTANCES

LABELS = 'labels.txt'


def read(source: str | Path, images: str | Path | None = None, stream=None) -> VideoAnnotations:
    """Read an export that was unpacked.

    Args:
        source (str | Path): its folder, or that of a subset. Each folder of masks is a video.
        images (str | Path | None): folder of the images, if the export has none: those of a single video, or
            arranged like the masks. File names are relative to it, else to ``source``.
        stream (IO | None): where progress is printed; stderr by default.

    Raises:
        UserError: something is missing, a class has no label, or a mask has no image; the message names it.
    """
    if Path(source).is_file():
        raise UserError(f'{source} is a file: unpack the zip that CVAT exports, and give its folder')
    root = existing_folder(source, 'export of CVAT')
    folders = sorted(f for f in folders_below(root) if f.name == 'instances' and (f / LABELS).is_file())
    if not folders:
        raise UserError(
            f'{root}: no folder "instances" with {LABELS}: give the folder of an unpacked MOTS export'
        )
    labels = {folder: read_labels(folder / LABELS) for folder in folders}
    builder = AnnotationsBuilder(list(dict.fromkeys(name for names in labels.values() for name in names)))
    videos = []
    for folder in folders:
        for name in folders_with(folder, ('.png',)):
            place, prefix = _images_of(folder, name, root, images)
            videos.append((folder, name, files_by_stem(place, IMAGE_SUFFIXES), prefix))
    if not videos:
        raise UserError(f'{root}: no masks in {folders[0]}: CVAT exports tracks only, and there were none')
    with Progress(sum(len(files) for _, _, files, _ in videos), 'frames', stream=stream) as progress:
        for folder, name, files, prefix in videos:
            shape = image_size(next(iter(files.values())))
            names = [prefix + path.name for path in files.values()]
            video = builder.add_video(names, *shape)
            tracks = _tracks(folder / name, files, shape, labels[folder], progress)
            for (label, number), masks in tracks.items():
                builder.add_track(video, builder.category_ids[label], masks, track_id=number)
    return builder.build(root, stream)


def _images_of(folder, name, root, images):
    """Folder of the images of a video, and what file names begin with."""
    if images is None:
        base, candidates = root, [folder.parent / 'images' / name]
    else:
        base = existing_folder(images, 'folder of images')
        candidates = [base / folder.relative_to(root).parent / name, base / name]
    for candidate in candidates:
        if candidate.is_dir() and files_by_stem(candidate, IMAGE_SUFFIXES):
            prefix = candidate.relative_to(base).as_posix()
            return candidate, '' if prefix == '.' else f'{prefix}/'
    hint = ': export with "Save images", or give --images' if images is None else ''
    raise UserError(f'{folder / name}: no images in {candidates[0]}{hint}')


def _tracks(folder, files, shape, labels, progress):
    """(label, track) -> {index of a frame: RLE}."""
    masks, tracks = files_by_stem(folder, ('.png',)), {}
    for stem in masks:
        if stem not in files:
            raise UserError(f'mask {masks[stem]} has no image of this name')
    for frame, stem in enumerate(files):
        progress.update()
        if stem not in masks:
            continue
        numbers = read_indexed_png(masks[stem])
        if numbers.shape != shape:
            sizes = [f'{width}x{height}' for height, width in (numbers.shape, shape)]
            raise UserError(f'mask {masks[stem]} is {sizes[0]}, its image {sizes[1]} (width x height)')
        for number, rle in split_objects(numbers).items():
            label, track = divmod(number, INSTANCES)
            if not 0 < label <= len(labels):
                raise UserError(
                    f'mask {masks[stem]}: the number {number} is of class {label}, but {LABELS} has '
                    f'{len(labels)} (numbers are class * 1000 + track)'
                )
            tracks.setdefault((labels[label - 1], track), {})[frame] = rle
    return dict(sorted(tracks.items()))
