"""Contact sheets: many frames on one image."""

from pathlib import Path

import cv2
import numpy as np

from mmdet.media import read_image
from mmdet.utils.errors import UserError

from .text import draw_label, plate_size

PAPER = (250, 250, 250)
INK = (40, 40, 40)
TITLE = (30, 30, 30)


def pick_frames(count, wanted):
    """Indices of ``wanted`` frames spread evenly over ``count``, first and last included."""
    if count <= 0 or wanted <= 0:
        return []
    return sorted({int(i) for i in np.linspace(0, count - 1, min(wanted, count)).round()})


def _fit(image, width, height):
    """Scale an image into (width, height), keeping its aspect ratio."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    cell = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def contact_sheet(rows, titles=None, cell_width=None, gap=6, title_size=14):
    """Arrange images in rows.

    Args:
        rows (Sequence[Sequence[np.ndarray]]): uint8 BGR images; rows may have different lengths.
        titles (Sequence[str] | None): text above each row.
        cell_width (int | None): width of an image in pixels; the first image of a row gives its height.
            None: images become about 180 pixels high, and 240 to 640 wide.
        gap (int): pixels between images.
        title_size (int): font size in pixels.

    Returns:
        np.ndarray: uint8 BGR.

    Raises:
        ValueError: if there is no image, or titles and rows differ in number.
    """
    rows = [list(row) for row in rows]
    if not any(rows):
        raise ValueError('a contact sheet needs at least one image')
    if titles is not None and len(titles) != len(rows):
        raise ValueError(f'expected a title for each of {len(rows)} rows, got {len(titles)}')
    columns = max(len(row) for row in rows)
    if cell_width is None:
        aspect = max(image.shape[1] / image.shape[0] for row in rows for image in row)
        cell_width = int(np.clip(round(180 * aspect), 240, 640))
    width = columns * cell_width + (columns + 1) * gap
    strips = []
    for number, row in enumerate(rows):
        if not row:
            continue
        strips.append(np.full((gap, width, 3), PAPER, np.uint8))
        if titles is not None:
            strip = np.full((plate_size('x', title_size)[1] + 2, width, 3), PAPER, np.uint8)
            draw_label(strip, titles[number], (gap - 2, 0), title_size, INK, PAPER, opacity=0.0)
            strips.append(strip)
        height = max(1, round(cell_width * row[0].shape[0] / row[0].shape[1]))
        strip = np.full((height, width, 3), PAPER, np.uint8)
        for column, image in enumerate(row):
            left = gap + column * (cell_width + gap)
            strip[:, left : left + cell_width] = _fit(image, cell_width, height)
        strips.append(strip)
    strips.append(np.full((gap, width, 3), PAPER, np.uint8))
    return np.concatenate(strips)


def side_by_side(images, titles=None, gap=4):
    """Put images of one size next to each other, each below its title.

    Args:
        images (Sequence[np.ndarray]): uint8 (H, W, 3) BGR of equal size.
        titles (Sequence[str] | None): one for each image.
        gap (int): pixels between them.

    Returns:
        np.ndarray: uint8 (H + strip, n * W + (n - 1) * gap, 3); without titles there is no strip.

    Raises:
        ValueError: if the sizes differ.
    """
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise ValueError(f'expected images of one size, got {sorted(shapes)}')
    parts, size = [], _title_size(images[0].shape, titles or ())
    for number, image in enumerate(images):
        if titles:
            # Above the image, not on it: labels of objects are at its upper edge.
            strip = np.full((plate_size(titles[number], size)[1], image.shape[1], 3), TITLE, np.uint8)
            draw_label(strip, titles[number], (0, 0), size, (255, 255, 255), TITLE)
            image = np.concatenate([strip, image])
        if parts:
            parts.append(np.full((image.shape[0], gap, 3), PAPER, np.uint8))
        parts.append(image)
    return np.concatenate(parts, axis=1)


def _title_size(shape, titles, least=8):
    """Largest font size in pixels, but at least ``least``, at which every title fits above its image."""
    size = int(np.clip(round(min(shape[:2]) / 24), 11, 40))
    while size > least and any(plate_size(title, size)[0] > shape[1] for title in titles):
        size -= 1
    return size


def sheet_of_folder(folder, rows=6, columns=None, **layout):
    """Contact sheet of rendered videos: a row for each video, its frames spread evenly over the video.

    Args:
        folder (str | Path): contains a folder of ``.jpg`` frames for each video, as ``--show-dir`` writes.
        rows (int): number of videos, spread evenly over all of them.
        columns (int | None): frames of each; None: 5, or 3 if images are wide, such as pairs.
        **layout: passed to :func:`contact_sheet`.

    Returns:
        np.ndarray: uint8 BGR.

    Raises:
        UserError: if there are no frames, or one cannot be read.
    """
    videos = {}
    for path in sorted(Path(folder).glob('*/*.jpg')):
        videos.setdefault(path.parent.name, []).append(path)
    if not videos:
        raise UserError(f'{folder}: no rendered videos (folders of .jpg frames) to make a contact sheet of')
    names = list(videos)
    names = [names[i] for i in pick_frames(len(names), rows)]
    if columns is None:
        height, width = read_image(videos[names[0]][0]).shape[:2]
        columns = 3 if width > 2.5 * height else 5
    images = [
        [read_image(videos[name][i]) for i in pick_frames(len(videos[name]), columns)] for name in names
    ]
    return contact_sheet(images, names, **layout)
