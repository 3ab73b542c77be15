"""Writing CVAT for video 1.1, for people who correct predictions in CVAT."""

import sys
from pathlib import Path
from xml.sax.saxutils import XMLGenerator

from mmdet.structures.rle import decode_rle, rle_area
from mmdet.utils import Progress, UserError, atomic_open, inside

from .annotations import VideoAnnotations
from .files import check_names, video_name
from .outlines import mask_outline
from .tracks import decode_tracks

_CROWD = {
    'name': 'iscrowd',
    'mutable': 'False',
    'input_type': 'checkbox',
    'default_value': 'false',
    'values': '',
}


def write(
    annotations: VideoAnnotations, out: str | Path, tolerance: float = 0.0, stream=None
) -> dict[str, int]:
    """Write one XML file per video, named like the folder of its frames.

    CVAT does not track masks: when it imports a track of them it keeps the first one only. So an object is a
    track of polygons, a key frame each, and ``outside`` where it is absent. A polygon runs along the
    edges of the pixels; parts and holes are joined by lines without width. Read again, with the same images,
    the file gives the same pixels, objects and names of categories; ids of categories become 1, 2, ... in
    their order.

    Args:
        annotations (VideoAnnotations): what to write.
        out (str | Path): folder to write to.
        tolerance (float): pixels by which polygons may lie off, for fewer points to edit; 0 is exact.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict[str, int]: what was written.

    Raises:
        UserError: a mask is damaged, two videos have the same name, or XML cannot hold that of a category.
    """
    check_names(annotations.categories, 'CVAT')
    counts, seen = {'videos': 0, 'tracks': 0, 'polygons': 0}, {}
    names = {category['id']: category['name'] for category in annotations.categories}
    with Progress(len(annotations.videos), 'videos', stream=stream) as progress:
        for video, tracks in decode_tracks(annotations):
            name = video_name(video)
            file = inside(out, f'{name.replace("/", "_")}.xml')
            if file in seen:
                raise UserError(
                    f'{annotations.path}: videos {seen[file]!r} and {video["id"]!r} would both be {file}'
                )
            seen[file] = video['id']
            if video['file_names'] != sorted(video['file_names']):
                note = (
                    f'note: {file}: make the task with the sorting method natural, or CVAT takes the images'
                )
                print(f'{note} in another order', file=stream or sys.stderr)
            tracks = [track for track in tracks if any(map(rle_area, track.masks.values()))]
            with atomic_open(file) as stream_out:
                xml = _Xml(stream_out)
                with_crowds = any(track.crowd for track in tracks)
                xml.begin('annotations')
                xml.text('version', '1.1')
                _write_meta(xml, video, name, names.values(), with_crowds)
                for number, track in enumerate(tracks):
                    counts['polygons'] += _write_track(
                        xml, video, number, track, names, with_crowds, tolerance
                    )
                xml.end('annotations')
            counts['videos'] += 1
            counts['tracks'] += len(tracks)
            progress.update()
    return counts


class _Xml:
    """Indents elements as CVAT does."""

    def __init__(self, file):
        self.generator, self.level = XMLGenerator(file, 'utf-8'), 0
        self.generator.startDocument()

    def _indent(self):
        self.generator.ignorableWhitespace('\n' * bool(self.level) + '  ' * self.level)

    def begin(self, tag, **attrib):
        self._indent()
        self.generator.startElement(tag, {key: str(value) for key, value in attrib.items()})
        self.level += 1

    def end(self, tag):
        self.level -= 1
        self.generator.ignorableWhitespace('\n' + '  ' * self.level)
        self.generator.endElement(tag)

    def text(self, tag, text, **attrib):
        self._indent()
        self.generator.startElement(tag, attrib)
        self.generator.characters(str(text))
        self.generator.endElement(tag)


def _write_meta(xml, video, name, labels, with_crowds):
    length = len(video['file_names'])
    # The task that the file is for is made of the images, whatever their numbers are.
    task = {'name': name, 'size': length, 'mode': 'annotation', 'start_frame': 0, 'stop_frame': length - 1}
    xml.begin('meta')
    xml.begin('task')
    for tag, value in {**task, 'frame_filter': ''}.items():
        xml.text(tag, value)
    xml.begin('labels')
    for label in labels:
        xml.begin('label')
        xml.text('name', label)
        xml.begin('attributes')
        if with_crowds:
            xml.begin('attribute')
            for tag, value in _CROWD.items():
                xml.text(tag, value)
            xml.end('attribute')
        xml.end('attributes')
        xml.end('label')
    xml.end('labels')
    xml.begin('original_size')
    xml.text('width', video['width'])
    xml.text('height', video['height'])
    xml.end('original_size')
    xml.end('task')
    xml.end('meta')


def _write_track(xml, video, number, track, names, with_crowds, tolerance):
    """Write a track; returns the number of its polygons."""
    xml.begin('track', id=number, label=names[track.category_id], source='auto')
    visible = {frame: rle for frame, rle in track.masks.items() if rle_area(rle)}
    for frame, rle in sorted(visible.items()):
        numbers = mask_outline(decode_rle(rle), tolerance)
        points = ';'.join(f'{x:.2f},{y:.2f}' for x, y in zip(numbers[::2], numbers[1::2]))
        after = frame + 1 < len(video['file_names']) and frame + 1 not in visible
        for place, outside in ((frame, 0), (frame + 1, 1))[: 1 + after]:
            shape = {'frame': place, 'keyframe': 1, 'outside': outside, 'occluded': 0}
            xml.begin('polygon', **shape, points=points, z_order=0)
            if with_crowds:
                xml.text('attribute', 'true' if track.crowd else 'false', name='iscrowd')
            xml.end('polygon')
    xml.end('track')
    return len(visible)
