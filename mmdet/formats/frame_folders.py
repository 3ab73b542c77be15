"""Folders of frames that nobody has labeled yet: the videos to which results belong."""

from collections.abc import Sequence
from pathlib import Path

from mmdet.media import image_size
from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .files import check_images, existing_folder, files_by_stem, folders_with


def read(source: str | Path, classes: Sequence[str], stream=None) -> VideoAnnotations:
    """Read folders of images as videos without objects, in natural order of their names.

    Args:
        source (str | Path): folder of the videos, each a folder of frames; or the frames of one video.
        classes (Sequence[str]): categories in the order of their ids, as the model has them.
        stream (IO | None): where progress is printed; stderr by default.

    Raises:
        UserError: there are no images, or those of a video differ in size.
    """
    root = existing_folder(source, 'folder of frames')
    folders = folders_with(root, IMAGE_SUFFIXES)
    if not folders:
        raise UserError(f'{root}: no images in this folder')
    builder = AnnotationsBuilder(list(dict.fromkeys(classes)))
    with Progress(len(folders), 'videos', stream=stream) as progress:
        for name in folders:
            files = list(files_by_stem(root / name, IMAGE_SUFFIXES).values())
            names = [path.relative_to(root).as_posix() for path in files]
            builder.add_video(names, *image_size(files[0]))
            check_images(root, builder.videos[-1:])
            progress.update()
    return builder.build(root, stream)
