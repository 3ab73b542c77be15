"""Polygons of COCO segmentations: one check, one rasterizer. Needs pycocotools only."""

from numbers import Real

#: The rasterizer of pycocotools walks every pixel of an edge, five times enlarged: a far point would cost
#: time and memory without end.
MAX_COORDINATE = 1e5

NOT_NUMBERS = 'must be a list of numbers'
TOO_FAR = 'has points that are not finite or far outside the image'
TOO_FEW = 'needs at least 3 points (x, y)'


def polygon_fault(polygon) -> str | None:
    """What is wrong with a polygon [x0, y0, x1, y1, ...].

    Returns:
        str | None: :data:`NOT_NUMBERS`, :data:`TOO_FAR` or :data:`TOO_FEW`; None for a good polygon.
    """
    if not isinstance(polygon, list | tuple):
        return NOT_NUMBERS
    # The usual types first: looking at each value takes ten times as long.
    if not set(map(type, polygon)) <= {int, float} and not all(
        isinstance(value, Real) and not isinstance(value, bool) for value in polygon
    ):
        return NOT_NUMBERS
    if not all(-MAX_COORDINATE <= value <= MAX_COORDINATE for value in polygon):  # false for NaN
        return TOO_FAR
    return TOO_FEW if len(polygon) < 6 or len(polygon) % 2 else None


def rasterize(polygons, height: int, width: int) -> str:
    """Union of polygons as pycocotools draws it.

    Args:
        polygons (list[list]): of at least five numbers each, in pixels.
        height, width (int): size of the image.

    Returns:
        str: compressed COCO counts.
    """
    from pycocotools import mask as coco_mask

    polygons = [[float(value) for value in polygon] for polygon in polygons]
    return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))['counts'].decode('ascii')
