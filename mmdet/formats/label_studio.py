"""Label Studio: its JSON export of images (brush, polygons, ellipses, boxes) and of videos (moving boxes).

An image does not say which object of a video a region is. So a control with ``perRegion="true"`` must be
named ``track_id``, such as ``<Number name="track_id" toName="image" perRegion="true"/>``. A region of a
video is an object itself, unless such a control says otherwise.
"""

import base64
import re
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from mmdet.media import image_size
from mmdet.utils import IMAGE_SUFFIXES, UserError, file_name_fault, is_text, natural_key

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .files import check_images, existing_folder, folder_of_video, folders_with
from .label_studio_regions import regions_of
from .reading import read_json
from .recognize import name_kind
from .shapes import VideoShapes

_VIDEO_SUFFIXES = ('.mp4', '.webm', '.mov', '.avi', '.mkv', '.m4v', '.ogv', '.ogg')


def read(
    source: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    boxes_as_masks: bool = False,
    stream=None,
) -> VideoAnnotations:
    """Read a JSON export (not JSON-MIN). Images of one folder are a video, in natural order of their names.

    A task without an annotation is skipped, with a note; one that was submitted empty is a frame without
    objects. Predictions are not read.

    Args:
        source (str | Path): the file.
        images (str | Path | None): folder of the images. They are found by their names, without the code that
            Label Studio puts before names of uploads, and by as much of their path as fits. The images of a
            video lie there, or in a folder named like the video file.
        classes (Sequence[str] | None): categories in the order of their ids; None: by name.
        boxes_as_masks (bool): take boxes as the masks of their objects; the boxes of videos are such.
        stream (IO | None): where notes are printed; stderr by default.

    Raises:
        UserError: the file is no such export, an image region has no identity, or something is damaged or
            missing; the message names the place.
    """
    reader = _Reader(source, images, boxes_as_masks)
    content = read_json(source, 'Label Studio file')
    tasks = content if isinstance(content, list) else [content]
    for number, task in enumerate(tasks):
        reader.take(task, f'{source}: [{number}]')
    reader.finish_images()
    if not reader.videos:
        raise UserError(f'{source}: none of the {len(tasks)} tasks has an annotation that was submitted')
    labels = sorted({label for video in reader.videos.values() for label in video.labels})
    for label in labels:
        if classes is not None and label not in classes:
            raise UserError(f'{source}: the label {label!r:.60} is not among the classes given')
    builder = AnnotationsBuilder(labels if classes is None else list(dict.fromkeys(classes)))
    for video in reader.videos.values():
        video_id = builder.add_video(video.files, video.shapes.height, video.shapes.width)
        for (track, label), masks, _ in video.shapes.objects():
            builder.add_track(video_id, builder.category_ids[label], masks, track_id=track)
    for note in reader.notes():
        print(f'note: {source}: {note}', file=stream or sys.stderr)
    if images is not None:
        check_images(images, builder.videos)
    return builder.build(source, stream)


class _Video:
    def __init__(self, files, shapes):
        self.files, self.shapes, self.labels = files, shapes, set()


class _Reader:
    """Takes tasks one by one: those of videos as they are, those of images until all are known."""

    def __init__(self, source, images, boxes_as_masks):
        self.source, self.images, self.boxes_as_masks = source, images, boxes_as_masks
        self.videos, self.folders, self.skipped, self.left_out, self.counts = {}, {}, 0, 0, []
        self.index = None if images is None else _index(existing_folder(images, 'folder of images'))

    def take(self, task, place):
        """Take a task."""
        if not isinstance(task, dict) or not isinstance(task.get('data'), dict):
            known = name_kind(task, self.source)
            if isinstance(task, dict) and {'annotator', 'lead_time'} & task.keys():
                raise UserError(f'{self.source} is the short form JSON-MIN: export the form JSON')
            what = f', but {known}' if known and 'Label Studio' not in known else ': a task has no data'
            raise UserError(f'{place} is not a task of Label Studio{what}')
        annotation = _annotation(task, place)
        if annotation is None:
            self.skipped += 1
            return
        regions, left_out = regions_of(annotation.get('result'), place)
        self.left_out += left_out
        of_video = any(region.kind == 'video' for region in regions)
        path = _media(task['data'], of_video, place)
        if of_video or path.suffix.lower() in _VIDEO_SUFFIXES:
            self._take_video(path, [region for region in regions if region.kind == 'video'], place)
        else:
            self._take_image(path, regions, place)

    def _take_video(self, path, regions, place):
        if self.images is None:
            raise UserError(
                f'{place}: Label Studio does not write the size of the video {path.name}: give --images '
                f'(python tools/extract_frames.py {path.name} --out DIR)'
            )
        names = [PurePosixPath(name).stem for name in _names(path)]
        _, prefix, found = folder_of_video(self.images, names, f'{place}: {path.name}')
        files = [prefix + file.name for file in found.values()]
        shapes = VideoShapes(*image_size(Path(self.images) / files[0]), self.boxes_as_masks, place)
        if ('video', prefix) in self.videos:
            raise UserError(
                f'{place}: a task before it is about the same frames, those in {prefix or "--images"}'
            )
        video = self.videos['video', prefix] = _Video(files, shapes)
        for region in regions:
            count = region.value.get('framesCount')
            if count != len(files):
                self.counts.append(f'{path.name} has {count} frames in Label Studio, {len(files)} images')
            identity = region.region_id if region.track is None else region.track
            region.draw_sequence(shapes, len(files), (identity, region.label))
            video.labels.add(region.label)

    def _take_image(self, path, regions, place):
        if self.index is not None:
            file = _find(self.index, path, place, self.images)
        else:
            file = f'{path.parent.name}/{path.name}'.lstrip('/')
        folder = self.folders.setdefault(PurePosixPath(file).parent.as_posix(), {})
        if file in folder:
            raise UserError(f'{place}: a task before it is about the same image {file}')
        size = next((region.size for region in regions if region.size), None)
        if size is None and self.images is not None:
            size = image_size(Path(self.images) / file)
        folder[file] = (regions, size)

    def finish_images(self):
        """Make videos of the folders of images."""
        for folder, frames in self.folders.items():
            files = sorted(frames, key=natural_key)
            sizes = sorted({size for _, size in frames.values() if size})
            if len(sizes) != 1:
                what = (
                    f'differ in size (height, width): {sizes[:5]}' if sizes else 'have no size: give --images'
                )
                raise UserError(f'{self.source}: the images of {folder!r:.60} {what}')
            video = _Video(files, VideoShapes(*sizes[0], self.boxes_as_masks, self.source))
            self.videos['images', folder] = video
            for frame, file in enumerate(files):
                for region in frames[file][0]:
                    if region.track is None:
                        raise UserError(
                            f'{region.place} ({region.label!r:.40}): no identity, which says which object '
                            'of the video it is: add <Number name="track_id" toName="image" '
                            'perRegion="true"/> to the labeling interface'
                        )
                    region.draw(video.shapes, frame, (region.track, region.label))
                    video.labels.add(region.label)

    def notes(self):
        """What a user should know (list[str])."""
        notes = [f'tasks without an annotation are skipped: {self.skipped}'] if self.skipped else []
        notes += [f'left out, as they have no area: {self.left_out} regions'] if self.left_out else []
        notes += [f'{text}: is the frame rate of <Video> right?' for text in dict.fromkeys(self.counts)]
        return notes


def _annotation(task, place):
    """The annotation of a task; None if there is none."""
    listed = task.get('annotations', task.get('completions'))
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise UserError(f'{place}: the task has no list of annotations: export the form JSON')
    done = [entry for entry in listed if entry.get('was_cancelled') is not True]
    chosen = [entry for entry in done if entry.get('ground_truth') is True] or done
    if len(chosen) > 1:
        raise UserError(
            f'{place}: the task has {len(chosen)} annotations; mark one as ground truth, or delete the others'
        )
    return chosen[0] if chosen else None


def _media(data, of_video, place):
    """Path of the image or video of a task, as far as the reference to it says.

    Args:
        data (dict): of the task.
        of_video (bool): whether it has regions of a video.
        place (str): for messages.

    Raises:
        UserError: there is none, or several and none is named 'image' or 'video'.
    """
    paths = {key: _path_of_reference(text) for key, text in data.items() if is_text(text)}
    videos, images = (
        {key: path for key, path in paths.items() if path and path.suffix.lower() in suffixes}
        for suffixes in (_VIDEO_SUFFIXES, IMAGE_SUFFIXES)
    )
    found = videos if of_video and videos else {**images, **videos}
    chosen = [found[key] for key in ('image', 'video') if key in found] or list(dict.fromkeys(found.values()))
    if not chosen:
        raise UserError(
            f'{place}: no image or video in the data of the task: {next(iter(data.values()), None)!r:.80}; '
            'a task must have one, by its path or address'
        )
    if len(chosen) > 1 and not {'image', 'video'} & found.keys():
        raise UserError(
            f'{place}: several images in the data of the task, {", ".join(found):.60}: '
            'name the one that was labeled "image"'
        )
    return chosen[0]


def _path_of_reference(text):
    """Path of a file that a task refers to: by a path, an address, or a link of local or cloud storage."""
    try:
        parts = urlsplit(text)
        query = parse_qs(parts.query)
        path = unquote(parts.path)
        if 'd' in query and 'local-files' in parts.path:
            path = query['d'][0]
        elif 'fileuri' in query:
            coded = query['fileuri'][0]
            path = unquote(urlsplit(base64.urlsafe_b64decode(coded + '=' * (-len(coded) % 4)).decode()).path)
    except ValueError:
        return None
    return None if file_name_fault(path) else PurePosixPath(path.replace('\\', '/'))


def _names(path):
    """Names that the file may have: with and without the code that Label Studio puts before uploads."""
    return [path.name, re.sub('^[0-9a-f]{8}-', '', path.name)]


def _index(root):
    """Name of a file -> its paths relative to the folder of images."""
    index = {}
    for folder in folders_with(root, IMAGE_SUFFIXES):
        for path in (root / folder).iterdir():
            if path.suffix.lower() in IMAGE_SUFFIXES:
                index.setdefault(path.name, []).append(path.relative_to(root))
    return index


def _find(index, path, place, images):
    """The image whose path agrees with that of the task in as many parts from the end as possible."""

    def agreement(found):
        parts = list(zip(reversed(found.parent.parts), reversed(path.parent.parts)))
        return next((n for n, (a, b) in enumerate(parts) if a != b), len(parts))

    for name in _names(path):
        if name in index:
            best = sorted(index[name], key=agreement, reverse=True)
            if len(best) > 1 and agreement(best[0]) == agreement(best[1]):
                raise UserError(f'{place}: {images} has several images {name}: {best[0]}, {best[1]}')
            return best[0].as_posix()
    raise UserError(f'{place}: no image {_names(path)[-1]} in {images}')
