"""Procedural colors and textures."""

import numpy as np


def hsv_to_bgr(hue, saturation, value):
    """One color from HSV (each in [0, 1], hue wraps) to float64 BGR in [0, 255]."""
    sector = (np.array([1 / 3, 2 / 3, 0.0]) + hue + 1 / 3) % 1.0  # offsets of blue, green and red
    ramp = np.clip(np.abs(sector * 6 - 3) - 1, 0, 1)
    return 255.0 * value * (1 - saturation * (1 - ramp))


def value_noise(rng, height, width, cells, octaves=4):
    """Smooth random field (height, width) in [0, 1]: bilinear value noise, each octave twice as fine.

    Args:
        rng (np.random.Generator): source of the grid values.
        height, width (int): size in pixels.
        cells (float): number of grid cells along the longer edge in the first octave.
        octaves (int): number of octaves.
    """
    total = np.zeros((height, width))
    weight_sum = 0.0
    for octave in range(octaves):
        step = max(height, width) / (cells * 2**octave)
        weight = 0.55**octave
        ys, xs = np.arange(height) / step, np.arange(width) / step
        grid = rng.random((int(ys[-1]) + 2, int(xs[-1]) + 2))
        y0, x0 = ys.astype(int), xs.astype(int)
        fy, fx = _smooth(ys - y0)[:, None], _smooth(xs - x0)[None]
        top = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x0 + 1] * fx
        bottom = grid[y0 + 1][:, x0] * (1 - fx) + grid[y0 + 1][:, x0 + 1] * fx
        total += weight * (top * (1 - fy) + bottom * fy)
        weight_sum += weight
    return total / weight_sum


def _smooth(t):
    return t * t * (3 - 2 * t)


def background(rng, height, width, difficulty):
    """A textured backdrop, float64 (height, width, 3) BGR: two muted colors mixed by noise, with fine grain.

    A higher difficulty gives more saturated colors, more contrast and finer structure.
    """
    hue = rng.random()
    saturation = 0.12 + 0.33 * difficulty * rng.random()
    low = hsv_to_bgr(hue, saturation, 0.22 + 0.2 * rng.random())
    high = hsv_to_bgr(hue + 0.08 + 0.25 * rng.random(), saturation, 0.62 + 0.2 * rng.random())
    cells = 2.0 + 2.0 * rng.random() + 5.0 * difficulty * rng.random()
    field = value_noise(rng, height, width, cells, octaves=5)
    contrast = 1.4 + 1.2 * difficulty
    field = np.clip(0.5 + (field - 0.5) * contrast, 0, 1)
    canvas = low + (high - low) * field[..., None]
    if rng.random() < 0.5:  # a floor or a wall: broad bands, tilted
        angle = np.pi * rng.random()
        period = max(height, width) / (3 + 9 * rng.random())
        y, x = np.mgrid[:height, :width]
        bands = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
        canvas += (7 + 10 * difficulty) * _smooth(0.5 + 0.5 * bands)[..., None]
    grain = 3 + 8 * difficulty
    return np.clip(canvas + grain * (rng.random((height, width, 1)) - 0.5), 0, 255)


PATTERNS = ('plain', 'stripes', 'checks', 'dots', 'rings')


def pattern_field(name, u, v, frequency, phase):
    """Share of the second color, from 0 to 1, at object coordinates ``u, v``.

    Args:
        name (str): one of ``PATTERNS``.
        u, v (np.ndarray): coordinates in units of the object's radius.
        frequency (float): periods per radius.
        phase (float): shift in periods.
    """
    if name == 'plain':
        return np.clip(0.5 + 0.4 * v, 0, 1)
    if name == 'stripes':
        wave = np.sin(2 * np.pi * (frequency * u + phase))
    elif name == 'checks':
        wave = np.sin(2 * np.pi * (frequency * u + phase)) * np.sin(2 * np.pi * (frequency * v + phase))
        wave = wave * 2
    elif name == 'dots':
        wave = np.cos(2 * np.pi * (frequency * u + phase)) + np.cos(2 * np.pi * (frequency * v + phase)) - 0.7
    elif name == 'rings':
        wave = np.sin(2 * np.pi * (frequency * np.sqrt(u * u + v * v) + phase))
    else:
        raise ValueError(f'pattern must be one of {PATTERNS}, got {name!r}')
    return _smooth(np.clip(0.5 + 1.5 * wave, 0, 1))
