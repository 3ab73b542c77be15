"""Shapes of the XML files of CVAT."""

import math

from mmdet.structures.rle import MAX_PIXELS
from mmdet.utils import UserError

from .shapes import VideoShapes, box_corners, ellipse_corners, runs_to_patch
from .xml_elements import Element

#: Tags of the shapes that have an area.
SHAPES = ('polygon', 'mask', 'box', 'ellipse')


def add_shape(shapes: VideoShapes, identity, frame: int, element: Element, place: str):
    """Add one of :data:`SHAPES` to an object in a frame; ``place`` is for messages.

    Raises:
        UserError: an attribute is missing or damaged, or a box does not count as a mask.
    """
    attrib = element.attrib
    if element.tag == 'polygon':
        shapes.add_polygon(identity, frame, _points(attrib, place), place)
    elif element.tag == 'mask':
        left, top, width, height = (integer(attrib, key, place) for key in ('left', 'top', 'width', 'height'))
        try:
            runs = [int(run) for run in attrib.get('rle', '').split(',')]
            patch = runs_to_patch(runs, height, width)
        except ValueError as error:
            raise UserError(f'{place}, rle of the mask: {error!s:.200}') from None
        shapes.add_patch(identity, frame, patch, left, top, place)
    elif element.tag == 'box':
        corners = (number(attrib, key, place) for key in ('xtl', 'ytl', 'xbr', 'ybr'))
        turn = number(attrib, 'rotation', place, 0.0)
        shapes.add_box(identity, frame, box_corners(*corners, turn), place)
    else:
        values = (number(attrib, key, place) for key in ('cx', 'cy', 'rx', 'ry'))
        turn = number(attrib, 'rotation', place, 0.0)
        shapes.add_polygon(identity, frame, ellipse_corners(*values, turn), place)


def attributes_of(element: Element) -> dict[str, str]:
    """The attributes that a user has defined: name -> value."""
    return {
        child.attrib.get('name', ''): child.text.strip()
        for child in element.children
        if child.tag == 'attribute'
    }


def integer(attrib: dict, key: str, place: str) -> int:
    """A whole number that is an attribute of an element, within the bounds of images."""
    text = attrib.get(key, '')
    try:
        value = int(text) if len(text) < 12 else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_PIXELS:
        raise UserError(f'{place}: {key} is missing or not a whole number: {text!r:.40}')
    return value


def number(attrib: dict, key: str, place: str, default: float | None = None) -> float:
    """A number that is an attribute of an element; ``default`` where it is missing."""
    if key not in attrib and default is not None:
        return default
    try:
        value = float(attrib[key])
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f'{place}: {key} is missing or not a number: {attrib.get(key)!r:.40}')
    return value


def _points(attrib, place):
    """Numbers [x0, y0, ...] of ``x0,y0;x1,y1;...``."""
    pairs = [pair.split(',') for pair in attrib.get('points', '').split(';')]
    try:
        return [float(value) for x, y in pairs for value in (x, y)]
    except ValueError:
        text = attrib.get('points', '')
        raise UserError(f'{place}: points are missing or not x,y;x,y;...: {text!r:.60}') from None
