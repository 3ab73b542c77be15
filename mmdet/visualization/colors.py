"""A color for every identity: the same in every frame and every run, and there is no last one."""

import functools
import math

# Red, green, blue of the first identities. Each was chosen, from a grid of colors that are neither dark nor
# gray, as far as possible from all before it for the least favorable of four eyes: normal, and without one of
# the three cones (Machado, Oliveira and Fernandes 2009, at full severity). Distances are those of Oklab.
FIRST = (
    (255, 160, 0),
    (80, 40, 255),
    (160, 80, 80),
    (0, 200, 255),
    (160, 255, 200),
    (120, 80, 160),
    (200, 120, 0),
    (40, 160, 160),
    (255, 230, 0),
    (160, 120, 255),
    (255, 80, 120),
    (80, 230, 255),
    (160, 200, 120),
    (120, 120, 200),
    (230, 160, 200),
    (200, 40, 0),
    (160, 0, 200),
    (120, 160, 230),
    (160, 230, 160),
    (255, 200, 80),
    (160, 80, 255),
    (230, 120, 200),
    (255, 120, 80),
    (200, 80, 120),
)
GOLDEN_TURN = (math.sqrt(5) - 1) / 2
# Of the others consecutive ones differ in hue by the golden section of the circle. After each round of hues
# the lightness changes, so that similar hues still look different.
ROUND = 9
LIGHTNESS = (0.74, 0.62, 0.86)
CHROMA = 0.19


def _to_srgb(lightness, chroma, hue):
    """Oklch to linear sRGB. The matrices are those of Ottosson, "A perceptual color space" (2020)."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )


def _gamma(value):
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


@functools.lru_cache(maxsize=4096)
def track_color(identity):
    """Color of an identity (or of a label, if there is no identity).

    Args:
        identity (int): any integer, also negative.

    Returns:
        tuple[int, int, int]: blue, green, red in 0..255.
    """
    identity = int(identity)
    if 0 <= identity < len(FIRST):
        return FIRST[identity][::-1]
    hue = 2 * math.pi * ((0.08 + identity * GOLDEN_TURN) % 1.0)
    lightness = LIGHTNESS[identity // ROUND % len(LIGHTNESS)]
    low, high = 0.0, CHROMA
    for _ in range(20):  # bisection for the strongest chroma up to CHROMA inside sRGB
        middle = (low + high) / 2
        inside = all(0 <= channel <= 1 for channel in _to_srgb(lightness, middle, hue))
        low, high = (middle, high) if inside else (low, middle)
    red, green, blue = (round(255 * _gamma(max(channel, 0.0))) for channel in _to_srgb(lightness, low, hue))
    return blue, green, red


def readable_on(color):
    """Black or white, whichever is easier to read on a color (relative luminance of WCAG).

    Args:
        color (tuple[int, int, int]): blue, green, red.

    Returns:
        tuple[int, int, int]: text color.
    """

    def linear(value):
        value /= 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    blue, green, red = (linear(value) for value in color)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Contrast with black is (luminance + .05) / .05, with white 1.05 / (luminance + .05).
    return (20, 20, 20) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)
