"""Regions of an annotation of Label Studio, each put together from the results that share its id."""

from dataclasses import dataclass

from mmdet.utils import UserError, is_text

from .label_studio_values import BOX, boxes_of_sequence, brush_to_patch
from .shapes import VideoShapes, box_corners, ellipse_corners

#: Names of the control that says which object of the video a region is.
IDENTITY = ('track_id', 'instance_id')
#: Keys of a value that tell its kind, in the order in which they are looked for.
_KINDS = (
    ('video', {'sequence'}),
    ('brush', {'rle'}),
    ('polygon', {'points'}),
    ('ellipse', {'x', 'y', 'radiusX', 'radiusY'}),
    ('box', {'x', 'y', 'width', 'height'}),
)


@dataclass
class Region:
    """A shape on an image, or a box that moves through a video.

    Attributes:
        kind (str): 'brush', 'polygon', 'ellipse', 'box' or 'video'.
        label (str): category.
        track (int | str | None): identity, if a control gave one.
        value (dict): the shape; lengths in percent of the image.
        size (tuple | None): (height, width) of the image in pixels.
        region_id (str): its id in the file.
        place (str): for messages.
    """

    kind: str
    label: str
    track: int | str | None
    value: dict
    size: tuple | None
    region_id: str
    place: str

    def draw(self, shapes: VideoShapes, frame: int, identity):
        """Add the shape to an object in a frame; ``UserError`` if it is damaged."""
        width, height = shapes.width / 100, shapes.height / 100
        if self.kind == 'brush':
            try:
                patch = brush_to_patch(self.value['rle'], shapes.height, shapes.width)
            except ValueError as error:
                raise UserError(f'{self.place}: {error}') from None
            shapes.add_patch(identity, frame, patch, 0, 0, self.place)
        elif self.kind == 'polygon':
            points = self.value['points']
            if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
                raise UserError(f'{self.place}: points are not a list of [x, y]')
            numbers = _numbers([value for point in points for value in point], self.place)
            sides = (width, height) * len(points)
            shapes.add_polygon(identity, frame, [n * side for n, side in zip(numbers, sides)], self.place)
        elif self.kind == 'ellipse':
            keys = ('x', 'y', 'radiusX', 'radiusY')
            *numbers, turn = _numbers([*(self.value[key] for key in keys), self._turn()], self.place)
            scaled = [n * side for n, side in zip(numbers, (width, height) * 2)]
            shapes.add_polygon(identity, frame, ellipse_corners(*scaled, turn), self.place)
        else:
            self._draw_box(shapes, frame, identity, [self.value.get(key, 0) for key in BOX])

    def draw_sequence(self, shapes: VideoShapes, length: int, identity):
        """Add the box of each of the ``length`` frames of a video; ``UserError`` if something is damaged."""
        sequence = self.value['sequence']
        if not isinstance(sequence, list) or not all(isinstance(key, dict) for key in sequence):
            raise UserError(f'{self.place}: the sequence is not a list of key frames')
        for number, key in enumerate(sequence):
            frame = key.get('frame')
            if type(frame) is not int or not 0 < frame <= length:
                raise UserError(
                    f'{self.place}.sequence[{number}]: frame {frame!r:.40} is not among the images of the '
                    f'video, 1 to {length}: extract every frame, and check the frame rate of <Video>'
                )
            _numbers([key.get(name, 0) for name in BOX], f'{self.place}.sequence[{number}]')
        for frame, box in boxes_of_sequence(sequence, length).items():
            self._draw_box(shapes, frame, identity, box)

    def _draw_box(self, shapes, frame, identity, box):
        x, y, w, h, turn = _numbers(box, self.place)
        x, w = (value * shapes.width / 100 for value in (x, w))
        y, h = (value * shapes.height / 100 for value in (y, h))
        shapes.add_box(identity, frame, box_corners(x, y, x + w, y + h, turn, (x, y)), self.place)

    def _turn(self):
        return self.value.get('rotation', 0)


def _numbers(values, place):
    """The values, if they are numbers that can be places on an image."""
    for value in values:
        if type(value) not in (int, float) or not abs(value) < 1e6:
            raise UserError(f'{place}: expected a number, got {value!r:.40}')
    return values


def regions_of(results, place: str) -> tuple[list[Region], int]:
    """Put the results of an annotation together to regions.

    Args:
        results (list): its ``result``.
        place (str): for messages.

    Returns:
        tuple: regions in the order of the file; number of shapes without an area, which are left out.

    Raises:
        UserError: a result has no id, or a region no label, or several.
    """
    if not isinstance(results, list):
        raise UserError(f'{place}.result: expected a list')
    groups = {}
    for number, entry in enumerate(results):
        value = entry.get('value') if isinstance(entry, dict) else None
        if not isinstance(value, dict) or not is_text(entry.get('id')):
            if isinstance(entry, dict) and entry.get('type') == 'relation':
                continue
            raise UserError(f'{place}.result[{number}]: expected an object with id and value')
        groups.setdefault(entry['id'], []).append((entry, f'{place}.result[{number}]'))
    regions = [_region(name, entries) for name, entries in groups.items()]
    return [region for region in regions if isinstance(region, Region)], regions.count('no area')


def _region(region_id, entries):
    """The region, 'no area' for a key point or the like, or None for what belongs to no shape."""
    for entry, place in entries:
        value = entry['value']
        kind = next((kind for kind, keys in _KINDS if keys <= value.keys()), None)
        if kind is None:
            if str(entry.get('type')).startswith('bitmask'):
                raise UserError(f'{place}: masks of the Bitmask tools are not read: use the Brush tools')
            continue
        if entry.get('image_rotation') not in (None, 0):
            raise UserError(
                f'{place}: the image was turned in Label Studio: turn the file before you label it'
            )
        size = tuple(entry.get(key) for key in ('original_height', 'original_width'))
        if not all(type(side) is int and side > 0 for side in size):
            size = None
        label, track = _label(entries, place), _track(entries)
        return Region(kind, label, track, value, size, region_id, place)
    return (
        'no area'
        if any('x' in entry['value'] or 'vertices' in entry['value'] for entry, _ in entries)
        else None
    )


def _label(entries, place):
    for entry, _ in entries:
        kind = entry.get('type')  # choices, numbers and texts of a region are no labels
        labels = entry['value'].get(kind) if is_text(kind) and kind.endswith('labels') else None
        labels = labels if labels is not None else entry['value'].get('labels')
        if labels is not None:
            if not isinstance(labels, list) or len(labels) != 1 or not is_text(labels[0]):
                raise UserError(f'{place}: expected one label, got {labels!r:.60}')
            return labels[0]
    raise UserError(f'{place}: the region has no label')


def _track(entries):
    for entry, place in entries:
        if entry.get('from_name') in IDENTITY:
            value = entry['value']
            found = next((value[key] for key in ('number', 'text', 'choices') if key in value), None)
            found = found[0] if isinstance(found, list) and len(found) == 1 else found
            if isinstance(found, float) and found.is_integer():
                found = int(found)
            if is_text(found):
                found = int(found) if found.strip().isascii() and found.strip().isdigit() else found.strip()
            if isinstance(found, (bool, float, list, dict)) or found is None:
                raise UserError(f'{place}: {entry["from_name"]} is not a number or a text: {found!r:.40}')
            return found
    return None
