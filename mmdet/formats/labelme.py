"""LabelMe and X-AnyLabeling: one JSON file for each frame, one folder for each video.

``group_id`` is the identity of an object; LabelMe itself takes the shapes of an image with the same label and
group for one instance. So an object is a pair of label and group of a video.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from mmdet.media import image_size
from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError, file_name_fault, is_text

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .files import (
    check_images,
    existing_folder,
    files_by_stem,
    folders_with,
    read_labels,
)
from .labelme_writer import LABELS, write
from .reading import read_json
from .recognize import name_kind
from .shapes import VideoShapes, box_corners, ellipse_corners, png_to_patch

__all__ = ['read', 'write']

_NO_CATEGORIES = ('__ignore__', '_background_')
_NO_AREA = ('point', 'points', 'line', 'linestrip', 'cuboid')


def read(
    source: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    boxes_as_masks: bool = False,
    stream=None,
) -> VideoAnnotations:
    """Read the folders with JSON files below ``source``; each is a video, its frames in natural order.

    An image without a JSON file is skipped: it may be one that nobody has looked at. Shapes without an area
    (points, lines) are left out, with a note. The flag ``iscrowd`` of a shape marks a crowd region.

    Args:
        source (str | Path): the folder of a video, or of such folders.
        images (str | Path | None): folder of the images, arranged like ``source``; they may lie beside the
            JSON files. None takes the names and sizes that the JSON files have.
        classes (Sequence[str] | None): categories in the order of their ids; None: those of ``labels.txt`` in
            ``source``, then others by name.
        boxes_as_masks (bool): take rectangles as the masks of their objects.
        stream (IO | None): where progress and notes are printed; stderr by default.

    Raises:
        UserError: a file is none of LabelMe, or a shape has no ``group_id`` or is damaged; the message names
            the file and the shape.
    """
    if Path(source).is_file():
        raise UserError(
            f'{source} is a file; give the folder of the json files, or the folder of such folders'
        )
    root = existing_folder(source, 'folder of LabelMe files')
    folders = {name: files_by_stem(root / name, ('.json',)) for name in folders_with(root, ('.json',))}
    if not folders:
        raise UserError(
            f'{root}: no JSON files in this folder; LabelMe writes one for each frame that is saved'
        )
    videos, notes = [], []
    with Progress(sum(map(len, folders.values())), 'files', stream=stream) as progress:
        for name, files in folders.items():
            videos.append(_Video(root, name, files, images, boxes_as_masks, progress))
            notes += videos[-1].notes
    builder = AnnotationsBuilder(_categories(root, classes, videos))
    for video in videos:
        video_id = builder.add_video(video.names, video.shapes.height, video.shapes.width)
        for (group, label), masks, crowd in video.shapes.objects():
            category = builder.category_ids[label]
            builder.add_track(video_id, category, masks, iscrowd=crowd, group_id=group)
    for note in notes:
        print(f'note: {note}', file=stream or sys.stderr)
    if images is not None:
        check_images(images, builder.videos)
    return builder.build(root, stream)


def _categories(root, classes, videos):
    found = {label for video in videos for _, label in video.identities}
    if classes is not None:
        for label in sorted(found - set(classes)):
            raise UserError(f'{root}: the label {label!r:.60} is not among the classes given')
        return list(dict.fromkeys(classes))
    listed = read_labels(root / LABELS) if (root / LABELS).is_file() else []
    listed = [name for name in listed if name not in _NO_CATEGORIES]
    return listed + sorted(found - set(listed))


class _Video:
    """The frames of one folder and their shapes."""

    def __init__(self, root, name, files, images, boxes_as_masks, progress):
        self.names, self.identities, self.notes, self.shapes = [], {}, [], None
        self.left_out, size = 0, None
        place, folder = root / name, None
        if images is not None:
            folder = _image_folder(existing_folder(images, 'folder of images'), root, name)
            found = files_by_stem(folder, IMAGE_SUFFIXES)
        prefix = (
            (root.resolve().name if name == '.' else name) if folder is None else folder.relative_to(images)
        )
        for frame, (stem, path) in enumerate(files.items()):
            content = _read_frame(path)
            image = PureWindowsPath(content['imagePath']).name
            if folder is not None:
                image = found[stem].name if stem in found else image
                if not (folder / image).is_file():
                    raise UserError(f'{path} has no image {folder / stem}.*')
            here = _size(content) or (image_size(folder / image) if folder is not None else None)
            if here is None:
                raise UserError(f'{path}: imageHeight and imageWidth are missing: give --images')
            if size not in (None, here):
                raise UserError(
                    f'{path}: the image is {here[1]}x{here[0]}, those before it {size[1]}x{size[0]} '
                    '(width x height): a folder must be one video'
                )
            if size is None:
                size, self.shapes = here, VideoShapes(*here, boxes_as_masks, str(path))
            self.names.append((PurePosixPath(prefix) / image).as_posix())
            for number, shape in enumerate(content['shapes']):
                self._take(shape, frame, f'{path}: shapes[{number}]')
            progress.update()
        if len(set(self.names)) < len(self.names):
            raise UserError(f'{place}: two JSON files have the same imagePath')
        if folder is not None and len(found) > len(files):
            skipped = [path.name for stem, path in found.items() if stem not in files]
            shown = ', '.join(skipped[:3]) + (', ...' if len(skipped) > 3 else '')
            self.notes.append(f'{place}: {len(skipped)} images without a JSON file are skipped: {shown}')
        if self.left_out:
            self.notes.append(f'{place}: left out, as they have no area: {self.left_out} points and lines')
        groups = {}
        for group, label in self.identities:
            groups.setdefault(group, []).append(label)
        for group, labels in groups.items():
            if len(labels) > 1:
                self.notes.append(
                    f'{place}: group {group} has the labels {", ".join(labels)}: they are two objects'
                )

    def _take(self, shape, frame, place):
        if not isinstance(shape, dict) or not is_text(shape.get('label')):
            raise UserError(f'{place} has no label')
        label, kind, group = shape['label'], shape.get('shape_type') or 'polygon', shape.get('group_id')
        if kind in _NO_AREA:
            self.left_out += 1
            return
        if isinstance(group, float) and group.is_integer():
            group = int(group)
        if isinstance(group, str) and group.strip().isascii() and group.strip().isdigit():
            group = int(group[:20])
        if group in (None, '') or isinstance(group, (bool, float, list, dict)):
            raise UserError(
                f'{place} ({label!r:.40}) has no group_id, which says which object of the video it is: '
                'give each object a number there, the same one in all frames'
            )
        _add_shape(self.shapes, (group, label), frame, shape, kind, place)
        flags = shape.get('flags')
        if isinstance(flags, dict) and flags.get('iscrowd') is True:
            self.shapes.mark_crowd((group, label))
        self.identities[group, label] = True


def _image_folder(images, root, name):
    """Folder of the images of a video: arranged like the JSON files, or the images themselves."""
    candidates = [name] if name != '.' else [root.resolve().name, '.']
    for candidate in candidates:
        if (images / candidate).is_dir():
            return images / candidate
    raise UserError(f'folder of images {images}: no folder {name!r} in it, as {root} has')


def _read_frame(path):
    content = read_json(path, 'LabelMe file')
    shapes = content.get('shapes') if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not is_text(content.get('imagePath')):
        known = name_kind(content, path)
        raise UserError(
            f'{path} is not a file of LabelMe'
            + (f', but {known}' if known else ': no shapes, or no imagePath')
        )
    if expected := file_name_fault(PureWindowsPath(content['imagePath']).name):
        raise UserError(f'{path}: imagePath: expected {expected}, got {content["imagePath"]!r:.60}')
    return content


def _size(content):
    size = content.get('imageHeight'), content.get('imageWidth')
    return size if all(type(side) is int and side > 0 for side in size) else None


def _add_shape(shapes, identity, frame, shape, kind, place):
    points = shape.get('points')
    if not isinstance(points, list) or not all(
        isinstance(point, list)
        and len(point) == 2
        and all(type(value) in (int, float) and abs(value) < 1e9 for value in point)
        for point in points
    ):
        raise UserError(f'{place}: points are not a list of [x, y]')
    flat = [value for point in points for value in point]
    if len(points) != 2 and kind in ('mask', 'circle') or (kind == 'rectangle' and len(points) not in (2, 4)):
        raise UserError(f'{place}: {kind} with {len(points)} points')
    if kind == 'mask':
        try:
            patch = png_to_patch(shape.get('mask'))
        except ValueError as error:
            raise UserError(f'{place}: {error}') from None
        left, top, right, bottom = map(round, flat)
        height, width = patch.shape
        # Some programs count the last pixel, others do not.
        if abs(right - left + 1 - width) > 1 or abs(bottom - top + 1 - height) > 1:
            raise UserError(
                f'{place}: the mask is {width}x{height} pixels, but its points are those of a mask of '
                f'{right - left + 1}x{bottom - top + 1} (width x height)'
            )
        shapes.add_patch(identity, frame, patch, left, top, place)
    elif kind == 'circle':
        radius = math.hypot(flat[2] - flat[0], flat[3] - flat[1])
        shapes.add_polygon(identity, frame, ellipse_corners(*flat[:2], radius, radius), place)
    elif kind in ('rectangle', 'rotation', 'oriented_rectangle'):
        shapes.add_box(identity, frame, box_corners(*flat) if len(points) == 2 else flat, place)
    elif kind in ('polygon', 'quadrilateral'):
        shapes.add_polygon(identity, frame, flat, place)
    else:
        raise UserError(f'{place}: unknown shape_type {kind!r:.40}')
