"""CVAT for video 1.1 and CVAT for images 1.1, the XML files of the label tool CVAT.

A track of a video lists its shape in every frame from the first one to the last; ``outside`` marks frames
where the object is hidden. CVAT writes the frames between key frames, too, and a frame that a file does not
list has no object. Shapes with the same ``group_id`` are parts of one object, as CVAT takes them itself when
it exports masks (its documentation, "COCO export"). CVAT cannot track masks of its brush: there, an attribute
``track_id`` or the group tells which masks are the same object.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmdet.media import image_size
from mmdet.utils import UserError, is_text, natural_key

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .cvat_meta import Meta
from .cvat_shapes import SHAPES, add_shape, attributes_of, integer
from .cvat_writer import write
from .files import check_images, checked_relative, files_of_frames, frame_number
from .shapes import VideoShapes
from .xml_elements import read_elements

__all__ = ['read', 'write']


@dataclass
class _Video:
    """A task, or a folder of its images: names of its frames, and its shapes."""

    files: list
    shapes: VideoShapes


def read(
    sources: Sequence[str | Path],
    images: str | Path | None = None,
    boxes_as_masks: bool = False,
    image_suffix: str = '.jpg',
    stream=None,
) -> VideoAnnotations:
    """Read XML files, or the zip files that CVAT exports, of tasks, jobs or projects.

    An ellipse is a polygon of 72 points. Shapes without an area (points, lines, skeletons), cuboids and tags
    are left out, with a note. An attribute ``is_crowd`` or ``iscrowd`` marks crowd regions.

    Args:
        sources (Sequence[str | Path]): the files.
        images (str | Path | None): folder of the frames: of a single video, or with a folder for each, named
            like the task or its video file. None names the frames ``TASK/000000.jpg``, ...
        boxes_as_masks (bool): take boxes as the masks of their objects.
        image_suffix (str): suffix of these names.
        stream (IO | None): where notes are printed; stderr by default.

    Raises:
        UserError: a file is no export of CVAT, a shape is damaged, a track has an unknown label, or the size
            of the frames or the identity of an object is not in the file.
    """
    files = [_File(path, images, boxes_as_masks, image_suffix) for path in sources]
    builder = AnnotationsBuilder(list(dict.fromkeys(label for file in files for label in file.labels)))
    _check_frames(files)
    for file in files:
        for video in file.videos.values():
            video_id = builder.add_video(video.files, video.shapes.height, video.shapes.width)
            for (kind, number, label), masks, crowd in video.shapes.objects():
                extra = {f'{kind}_id': number}
                builder.add_track(video_id, builder.category_ids[label], masks, iscrowd=crowd, **extra)
        for note in file.notes():
            print(f'note: {file.path}: {note}', file=stream or sys.stderr)
    path = ', '.join(map(str, sources))
    if not builder.videos:
        raise UserError(f'{path}: no shape with an area in a track, and no image: nothing was labeled')
    if images is not None:
        check_images(images, builder.videos)
    return builder.build(path, stream)


def _check_frames(files):
    """Raise ``UserError`` if a frame is in two videos."""
    owners = {}
    for file in files:
        for video in file.videos.values():
            for name in video.files:
                if owners.setdefault(name, video) is not video:
                    raise UserError(
                        f'{file.path}: the frame {name} is in a task or job before it, too: name each task '
                        'like its folder of frames, and export tasks rather than jobs, which overlap'
                    )


class _File:
    """Reads one file: its labels, and its videos with their shapes."""

    def __init__(self, path, images, boxes_as_masks, image_suffix):
        self.path, self.images, self.boxes_as_masks, self.suffix = path, images, boxes_as_masks, image_suffix
        self.videos, self.left_out, self.seen = {}, Counter(), set()
        self.single, self.tracks, self.gaps, self.open, self.grouped = 0, 0, 0, 0, 0
        self.meta, listed = Meta(None, path), []
        self.labels, self.declared = [], False
        for element in read_elements(path, 'annotations', 'annotations.xml'):
            if element.tag == 'meta':
                self.meta = Meta(element, path)
                self.labels, self.declared = self.meta.labels, bool(self.meta.labels)
            elif element.tag == 'track':
                self._take_track(element)
            elif element.tag == 'image':
                listed.append(element)  # where a video ends is known when all images have been seen
        self._take_images(listed)

    def _take_track(self, track):
        place = f'{self.path}, line {track.line}: track {track.attrib.get("id")!r:.40}'
        shapes = [shape for shape in track.children if shape.tag in SHAPES]
        self.left_out.update(s.tag for s in track.children if s.tag not in (*SHAPES, 'attribute', 'track'))
        if not shapes:
            return
        key, task = self.meta.task(track, place)
        if key not in self.videos:
            self.videos[key] = self._video_of_task(task)
        video = self.videos[key]
        number = integer(track.attrib, 'id', place)
        identity = ('track', number, self._label(track, place))
        if (key, identity) in self.seen:
            raise UserError(
                f'{place}: a track before it has the same id and label: files of CVAT that were put together '
                'need ids of their own; give them to this tool one by one'
            )
        self.seen.add((key, identity))
        if group := _group(track, place):
            video.shapes.join(identity, ('group', group, identity[2]))
            self.grouped += 1
        listed = {}
        for shape in shapes:
            place = f'{self.path}, line {shape.line}: track {number}'
            frame = integer(shape.attrib, 'frame', place) - task.offset
            visible = shape.attrib.get('outside') != '1'
            if not visible and frame == task.numbers.stop:
                continue  # so CVAT ends a shape of the last frame
            frame = _index(task, frame, place)
            listed[frame] = visible or listed.get(frame, False)
            if visible:
                self._add(video, identity, frame, shape, f'{place}, frame {task.numbers[frame]}')
        order = sorted(listed)
        self.tracks += 1
        self.single += sum(listed.values()) == 1 < len(video.files) and not group
        self.gaps += sum(listed[a] and b - a > 1 for a, b in zip(order, order[1:]))
        self.open += len(order) > 1 and listed[order[-1]] and order[-1] + 1 < len(video.files)

    def _video_of_task(self, task):
        """The video of a task, whose frames are numbered."""
        files, size = self._files_of_task(task), task.size
        if size is None and self.images is not None:
            size = image_size(Path(self.images) / files[0])
        if size is None:
            raise UserError(
                f'{self.path}: the size of the frames is not in the file: CVAT writes it for video files, '
                'not for images. Give --images'
            )
        return _Video(files, VideoShapes(*size, self.boxes_as_masks, self.path))

    def _files_of_task(self, task):
        names = task.names or [Path(self.path).stem]
        if self.images is not None:
            place = f'{self.path}: {names[0]!r:.60}'
            return files_of_frames(self.images, names, task.numbers, place, not task.of_images)
        folder = checked_relative(names[0], f'{self.path}, name of the task').as_posix()
        return [f'{folder}/{number:06d}{self.suffix}' for number in task.numbers]

    def _take_images(self, elements):
        """The images of a file for images: each folder of a task is a video, frames are in natural order."""
        groups = {}
        for element in elements:
            place = f'{self.path}, line {element.line}: image'
            name = element.attrib.get('name')
            if not is_text(name):
                raise UserError(f'{place} has no name')
            path = checked_relative(name, place)
            size = tuple(integer(element.attrib, side, place) for side in ('height', 'width'))
            group = groups.setdefault((element.attrib.get('task_id', ''), path.parent.as_posix()), {})
            if path.name in group:
                raise UserError(f'{place} {name!r:.80} is in the file twice')
            group[path.name] = (element, path.as_posix(), size)
        for key, group in groups.items():
            ordered = [group[name] for name in sorted(group, key=natural_key)]
            sizes = sorted({size for _, _, size in ordered})
            if len(sizes) > 1:
                raise UserError(
                    f'{self.path}: the images of folder {key[1]!r:.60} differ in size (height, width): '
                    f'{sizes[:5]}'
                )
            shapes = VideoShapes(*sizes[0], self.boxes_as_masks, self.path)
            video = self.videos['images', key] = _Video(self._files_of_images(ordered), shapes)
            groups = {}
            for frame, (element, name, _) in enumerate(ordered):
                for shape in element.children:
                    self._take_shape(video, frame, shape, f'image {name!r:.80}', groups)
            _join_groups(video, groups)

    def _files_of_images(self, images):
        """Names of images; those of a video file are only numbered: ``frame_000012``."""
        if not all(re.fullmatch('frame_[0-9]{6,9}', name) for _, name, _ in images):
            return [name for _, name, _ in images]
        _, task = self.meta.task(images[0][0], f'{self.path}, line {images[0][0].line}: image')
        files = self._files_of_task(task)
        return [
            files[_index(task, frame_number(name) - task.offset, f'{self.path}, line {element.line}')]
            for element, name, _ in images
        ]

    def _take_shape(self, video, frame, shape, where, groups):
        if shape.tag not in SHAPES:
            self.left_out[shape.tag] += 1
            return
        place = f'{self.path}, line {shape.line}: {shape.tag} of {where}'
        track, group = attributes_of(shape).get('track_id'), _group(shape, place)
        if not track and not group:
            raise UserError(
                f'{place}: no identity: an attribute track_id, or a group, must say which shapes are one '
                'object. Export tracks as "CVAT for video 1.1", or give the label an attribute track_id'
            )
        number = int(track) if track and track.isascii() and track.isdigit() and len(track) < 12 else track
        identity = (*(('track', number) if track else ('group', group)), self._label(shape, place))
        if group:
            groups.setdefault(('group', group, identity[2]), {}).setdefault(identity, place)
        self._add(video, identity, frame, shape, place)

    def _add(self, video, identity, frame, shape, place):
        add_shape(video.shapes, identity, frame, shape, place)
        attributes = attributes_of(shape)
        if any(attributes.get(key, '').lower() in ('true', '1') for key in ('is_crowd', 'iscrowd')):
            video.shapes.mark_crowd(identity)

    def _label(self, element, place):
        label = element.attrib.get('label')
        if not is_text(label):
            raise UserError(f'{place} has no label')
        label = label.strip()
        if label not in self.labels:
            if self.declared:
                raise UserError(f'{place}: the label {label!r:.60} is not among those of <meta>')
            self.labels.append(label)
        return label

    def notes(self):
        """What a user should know about the file (list[str])."""
        found = []
        if self.left_out:
            shapes = ', '.join(f'{count} {tag}' for tag, count in sorted(self.left_out.items()))
            found.append(f'left out, as they have no mask: {shapes}')
        if self.gaps:
            found.append(
                f'gaps in tracks: {self.gaps}; a frame that the file does not list has no object there. '
                'Exports of CVAT list the frames between key frames, too, but none that was deleted in CVAT'
            )
        if self.open:
            found.append(
                f'tracks that end before their video without being outside: {self.open}; their objects count '
                'as absent after that. Old versions of CVAT cut tracks so at the last key frame'
            )
        if self.grouped:
            found.append(f'tracks in groups: {self.grouped}; those of a group with one label are one object')
        tasks = {key[1][0] if isinstance(key, tuple) else key for key in self.videos}
        if empty := self.videos and self.meta.names_without(tasks):
            found.append(f'tasks without a track or an image, which are left out: {", ".join(empty):.200}')
        if self.single:
            found.append(
                f'tracks with a single frame: {self.single} of {self.tracks}; so CVAT exports what was drawn '
                'as a Shape, without identity. Draw in the mode Track, or group the shapes of an object'
            )
        return found


def _index(task, number, place):
    """Index of the frame with this number (without the offset of the task) among those of a task."""
    if number not in task.numbers:
        first, last = task.numbers[0] + task.offset, task.numbers[-1] + task.offset
        raise UserError(
            f'{place}: there is no frame {number + task.offset}: the task has {len(task.numbers)}, '
            f'{first} to {last}'
        )
    return task.numbers.index(number)


def _join_groups(video, groups):
    """Make shapes of a group one object: a shape without a track_id is of the one that its group has.

    Args:
        video (_Video): with the shapes.
        groups (dict): identity of a group -> {identity of one of its shapes: place}.
    """
    for group, found in groups.items():
        if group in found and len(found) > 2:
            numbers = ', '.join(str(number) for kind, number, _ in found if kind == 'track')
            raise UserError(
                f'{found[group]}: no track_id, and its group {group[1]} has several ({numbers:.50}): '
                'give it one'
            )
        if group in found:
            for identity in found:
                video.shapes.join(identity, group)


def _group(element, place):
    """Number of the group that a track or a shape is in; 0 if it is in none."""
    return integer({'group_id': '0', **element.attrib}, 'group_id', place)
