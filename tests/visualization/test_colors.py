"""Colors follow the identity, differ, and never run out."""

import numpy as np
import pytest

from mmdet.visualization.colors import readable_on, track_color


def _lab(color):
    """BGR 0..255 to CIE L*a*b* (independent of the Oklab code under test)."""
    rgb = np.array(color[::-1]) / 255
    rgb = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = matrix @ rgb / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_colors_are_stable_values():
    assert track_color(3) == track_color(3) == track_color(np.int64(3))
    assert all(0 <= channel <= 255 for i in range(3000) for channel in track_color(i))


def test_identities_beyond_the_palette_of_2019_have_colors():
    # The color map of 2019 ended at 253.
    colors = [track_color(i) for i in range(250, 1250)]
    assert len(set(colors)) > 800  # 8-bit neighbors may coincide
    assert len(track_color(-7)) == 3


@pytest.mark.parametrize('count, distance', [(5, 30), (10, 20), (20, 11)])
def test_first_identities_are_far_apart(count, distance):
    lab = [_lab(track_color(i)) for i in range(count)]
    nearest = min(np.linalg.norm(lab[i] - lab[j]) for i in range(count) for j in range(i))
    assert nearest >= distance


# Linear RGB as eyes without one kind of cones see it (Machado, Oliveira and Fernandes 2009, severity 1).
BLINDNESS = {
    'normal': np.eye(3),
    'protanopia': [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    'deuteranopia': [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    'tritanopia': [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def _seen(color, eyes):
    """CIE L*a*b* of a color as these eyes see it."""
    rgb = np.array(color[::-1]) / 255
    rgb = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    rgb = np.clip(np.asarray(BLINDNESS[eyes]) @ rgb, 0, 1)
    rgb = np.where(rgb > 0.0031308, 1.055 * rgb ** (1 / 2.4) - 0.055, 12.92 * rgb)
    return _lab((255 * rgb)[::-1])


@pytest.mark.parametrize('eyes', BLINDNESS)
@pytest.mark.parametrize('count, distance', [(4, 25), (8, 12), (24, 5)])
def test_first_identities_differ_for_color_blind_eyes(eyes, count, distance):
    lab = [_seen(track_color(i), eyes) for i in range(count)]
    assert min(np.linalg.norm(lab[i] - lab[j]) for i in range(count) for j in range(i)) >= distance


def test_neighbors_in_number_are_far_apart_everywhere():
    lab = [_lab(track_color(i)) for i in range(300)]
    assert min(np.linalg.norm(a - b) for a, b in zip(lab, lab[1:])) > 25


def test_text_color_contrasts():
    assert readable_on((255, 255, 255)) == (20, 20, 20)
    assert readable_on((0, 255, 255)) == (20, 20, 20)
    assert readable_on((120, 0, 0)) == (255, 255, 255)
