"""Shapes as people draw them in label tools - polygons, patches of pixels, boxes, ellipses - as masks."""

import base64
import binascii
import io
import math
from collections.abc import Hashable, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from mmdet.structures.polygons import polygon_fault, rasterize
from mmdet.structures.rle import MAX_PIXELS, encode_mask
from mmdet.utils import LazyModule, UserError

Image = LazyModule('PIL.Image', 'pillow', 'reading shapes of pixels')

#: Corners of the polygon that stands for an ellipse.
ELLIPSE_CORNERS = 72


class VideoShapes:
    """The shapes of one video by object and frame. Shapes of an object in the same frame are its parts.

    Args:
        height, width (int): of the frames in pixels.
        boxes_as_masks (bool): take a box as the mask of its object; without it a box is an error.
        place (str): the video, for messages.

    Raises:
        UserError: no image has this size.
    """

    def __init__(self, height: int, width: int, boxes_as_masks: bool = False, place: str = 'video'):
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise UserError(f'{place}: images of {width}x{height} pixels (width x height) cannot be')
        self.height, self.width, self.boxes_as_masks = height, width, boxes_as_masks
        self._parts, self._crowds = {}, set()
        self._same, self._order = {}, {}  # identity -> an earlier one of its object; identity -> place

    def add_polygon(self, identity: Hashable, frame: int, points: Sequence[float], place: str):
        """Add a polygon [x0, y0, x1, y1, ...] in pixels; ``place`` is for messages.

        Raises:
            UserError: it has fewer than three points, or they are no numbers or far outside.
        """
        if fault := polygon_fault(points):
            raise UserError(f'{place}: the polygon {fault}')
        self._part(identity, frame)[0].append(points)

    def add_patch(self, identity: Hashable, frame: int, patch: np.ndarray, left: int, top: int, place: str):
        """Add a mask (h, w) whose first pixel is at (left, top); what lies outside the frame is cut off."""
        mask = np.zeros((self.height, self.width), np.uint8)
        x, y = max(left, 0), max(top, 0)
        inside = patch[y - top : self.height - top, x - left : self.width - left]
        if patch.any() and not (inside.size and inside.any()):
            raise UserError(f'{place}: the mask lies outside the image of {self.width}x{self.height}')
        mask[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
        self._part(identity, frame)[1].append(encode_mask(mask))

    def add_box(self, identity: Hashable, frame: int, corners: Sequence[float], place: str):
        """Add a box, given as its four corners [x0, y0, ..., x3, y3] because label tools can turn it.

        Raises:
            UserError: boxes do not count as masks.
        """
        if not self.boxes_as_masks:
            raise UserError(
                f'{place} is a box, but a mask is needed: draw polygons or masks, or give --boxes-as-masks '
                'to take all that lies in a box for its object'
            )
        self.add_polygon(identity, frame, corners, place)

    def _part(self, identity, frame):
        return self._parts.setdefault(identity, {}).setdefault(frame, ([], []))

    def join(self, first: Hashable, second: Hashable):
        """Say that two identities are one object."""
        for identity in (first, second):
            self._order.setdefault(identity, len(self._order))
        first, second = sorted((self._root(first), self._root(second)), key=self._order.__getitem__)
        if first != second:
            self._same[second] = first

    def mark_crowd(self, identity: Hashable):
        """Say that an object is a crowd region."""
        self._crowds.add(identity)

    def _root(self, identity):
        while identity in self._same:
            identity = self._same[identity]
        return identity

    def objects(self) -> list[tuple[Hashable, dict[int, dict], bool]]:
        """Identity, {index of a frame: RLE} and whether it is a crowd region, of each object.

        Objects are in the order in which they were added; of identities that were joined, the first counts.
        """
        joined = {}
        for identity, frames in self._parts.items():
            into = joined.setdefault(self._root(identity), {})
            for frame, (polygons, patches) in frames.items():
                for parts, more in zip(into.setdefault(frame, ([], [])), (polygons, patches)):
                    parts.extend(more)
        crowds = {self._root(identity) for identity in self._crowds}
        return [
            (identity, {frame: self._mask(*frames[frame]) for frame in sorted(frames)}, identity in crowds)
            for identity, frames in joined.items()
        ]

    def _mask(self, polygons, patches):
        size = [self.height, self.width]
        if polygons:
            patches = [*patches, {'size': size, 'counts': rasterize(polygons, *size)}]
        if len(patches) == 1:
            return patches[0]
        return {'size': size, 'counts': coco_mask.merge(patches)['counts'].decode('ascii')}


def box_corners(x: float, y: float, x2: float, y2: float, degrees: float = 0.0, pivot=None) -> list[float]:
    """Corners [x0, y0, ..., x3, y3] of a box that is turned clockwise around ``pivot`` (its center)."""
    corners = [(x, y), (x2, y), (x2, y2), (x, y2)]
    return _turned(corners, degrees, ((x + x2) / 2, (y + y2) / 2) if pivot is None else pivot)


def ellipse_corners(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> list[float]:
    """Points [x0, y0, ...] on an ellipse that is turned clockwise around its center."""
    angles = [2 * math.pi * step / ELLIPSE_CORNERS for step in range(ELLIPSE_CORNERS)]
    points = [(cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles]
    return _turned(points, degrees, (cx, cy))


def _turned(points, degrees, pivot):
    if degrees:
        (px, py), sine, cosine = pivot, math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        points = [
            (px + (x - px) * cosine - (y - py) * sine, py + (x - px) * sine + (y - py) * cosine)
            for x, y in points
        ]
    return [float(value) for point in points for value in point]


def runs_to_patch(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """A mask from the lengths of alternating runs of 0 and 1, beginning with 0, row by row.

    Returns:
        np.ndarray: bool (height, width).

    Raises:
        ValueError: a run is negative, or they do not add up to ``height * width``.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f'expected a mask of 1 to {MAX_PIXELS} pixels, got {width}x{height}')
    if any(run < 0 or run > height * width for run in runs) or sum(runs) != height * width:
        raise ValueError(f'the run lengths do not add up to the {width}x{height} pixels of the mask')
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, np.asarray(runs, np.int64)).reshape(height, width)


def png_to_patch(text: str) -> np.ndarray:
    """A mask from a PNG in base64; every value but 0 is foreground.

    Returns:
        np.ndarray: bool (h, w).

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str):
        raise ValueError('the mask is missing: expected a PNG in base64')
    try:
        data = base64.b64decode(''.join(text.split()), validate=True)
        with Image.open(io.BytesIO(data), formats=['PNG']) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f'it has {image.width}x{image.height} pixels')
            array = np.array(image)
    except (
        binascii.Error,
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(f'the mask is not a readable PNG in base64: {error}') from None
    if array.ndim != 2:
        raise ValueError(f'the mask is a PNG in color: expected one channel, got {array.shape[2]}')
    return array != 0


def patch_to_png(patch: np.ndarray) -> str:
    """A mask (h, w) as PNG of 0 and 1 in base64."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(patch, np.uint8)).save(stream, format='PNG')
    return base64.b64encode(stream.getvalue()).decode('ascii')
