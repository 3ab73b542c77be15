"""Shapes as signed distance functions, which give smooth outlines at every size.

Each function takes coordinates ``u, v`` (float arrays of equal shape, in units of the object's radius, v
pointing down) and returns the distance to the outline in the same unit: negative inside, positive outside.
"""

import numpy as np


def _polygon(vertices):
    """Distance function of a closed polygon given as (x, y) pairs; even-odd rule inside."""
    vertices = np.asarray(vertices, np.float64)

    def distance(u, v):
        squared = np.full(u.shape, np.inf)
        inside = np.zeros(u.shape, bool)
        for (x0, y0), (x1, y1) in zip(vertices, np.roll(vertices, -1, axis=0)):
            ex, ey = x1 - x0, y1 - y0
            wx, wy = u - x0, v - y0
            along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0.0, 1.0)
            squared = np.minimum(squared, (wx - along * ex) ** 2 + (wy - along * ey) ** 2)
            if y0 != y1:
                crosses = (v >= min(y0, y1)) & (v < max(y0, y1))
                inside ^= crosses & (wx < wy * ex / ey)
        return np.where(inside, -1.0, 1.0) * np.sqrt(squared)

    return distance


def _regular(corners, phase=0.0, inner=None):
    """Vertices of a regular polygon, or of a star when ``inner`` gives the radius of the notches."""
    count = corners if inner is None else 2 * corners
    angles = 2 * np.pi * np.arange(count) / count - np.pi / 2 + phase
    radius = np.ones(count)
    if inner is not None:
        radius[1::2] = inner
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _heart_vertices(count=44):
    t = 2 * np.pi * np.arange(count) / count
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2.5], axis=1) / 15.5


def _circle(u, v):
    return np.sqrt(u * u + v * v) - 0.92


def _ring(u, v):
    return np.abs(np.sqrt(u * u + v * v) - 0.72) - 0.24


def _crescent(u, v):
    outer = np.sqrt((u + 0.1) ** 2 + v * v) - 0.95
    bite = np.sqrt((u - 0.42) ** 2 + v * v) - 0.72
    return np.maximum(outer, -bite)


_ARM = 0.34
_CROSS = [
    (-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM),
    (_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM),
]  # fmt: skip
_ARROW = [(0.0, -1.0), (0.9, 0.0), (0.4, 0.0), (0.4, 0.95), (-0.4, 0.95), (-0.4, 0.0), (-0.9, 0.0)]

SHAPES = {
    'circle': _circle,
    'square': _polygon([(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]),
    'triangle': _polygon(_regular(3) * 1.1),
    'star': _polygon(_regular(5, inner=0.45) * 1.08),
    'ring': _ring,
    'cross': _polygon(_CROSS),
    'heart': _polygon(_heart_vertices()),
    'crescent': _crescent,
    'hexagon': _polygon(_regular(6) * 0.98),
    'arrow': _polygon(_ARROW),
}
"""dict[str, Callable]: category name -> signed distance function, in the order categories are used."""
