"""Many frames on one image."""

from pathlib import Path

import cv2
import numpy as np

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
    """Scale an image into (width, height) keeping its shape, on paper."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    cell = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def contact_sheet(rows, titles=None, cell_width=None, gap=6, title_size=14):
    """Lay images out in rows.

    Args:
        rows (Sequence[Sequence[np.ndarray]]): uint8 BGR images; rows may have different lengths.
        titles (Sequence[str] | None): a line above each row.
        cell_width (int | None): width of an image in pixels; the height of a row follows its first image.
            None: so that images become about 180 pixels high, 240 to 640 wide.
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


def side_by_side(pictures, titles=None, gap=4):
    """Put images of one size next to each other, each with its title in a strip above it.

    Args:
        images (Sequence[np.ndarray]): uint8 (H, W, 3) BGR of equal size.
        titles (Sequence[str] | None): one an image.
        gap (int): pixels between them.

    Returns:
        np.ndarray: uint8 (H + strip, n * W + (n - 1) * gap, 3); without titles there is no strip.

    Raises:
        ValueError: if the sizes differ.
    """
    shapes = {picture.shape for picture in pictures}
    if len(shapes) != 1:
        raise ValueError(f'expected images of one size, got {sorted(shapes)}')
    parts, size = [], _title_size(pictures[0].shape, titles or ())
    for number, picture in enumerate(pictures):
        if titles:
            # Above the image, not on it: at its upper edge are labels of objects.
            strip = np.full((plate_size(titles[number], size)[1], picture.shape[1], 3), TITLE, np.uint8)
            draw_label(strip, titles[number], (0, 0), size, (255, 255, 255), TITLE)
            picture = np.concatenate([strip, picture])
        if parts:
            parts.append(np.full((picture.shape[0], gap, 3), PAPER, np.uint8))
        parts.append(picture)
    return np.concatenate(parts, axis=1)


def _title_size(shape, titles, least=8):
    """Font size in pixels at which every title fits above an image, if any size from ``least`` on does."""
    size = int(np.clip(round(min(shape[:2]) / 24), 11, 40))
    while size > least and any(plate_size(title, size)[0] > shape[1] for title in titles):
        size -= 1
    return size


def sheet_of_folder(folder, rows=6, columns=None, **layout):
    """Contact sheet of rendered videos: a row a video, frames spread evenly over it.

    Args:
        folder (str | Path): holds a folder of ``.jpg`` frames a video, as ``--show-dir`` leaves it.
        rows (int): number of videos, spread evenly over all of them.
        columns (int | None): frames of each; None: 5, or 3 of wide images such as pairs.
        **layout: passed to :func:`contact_sheet`.

    Returns:
        np.ndarray: uint8 BGR.

    Raises:
        UserError: if there are no frames.
    """
    videos = {}
    for path in sorted(Path(folder).glob('*/*.jpg')):
        videos.setdefault(path.parent.name, []).append(path)
    if not videos:
        raise UserError(f'{folder}: no rendered videos (folders of .jpg frames) to make a contact sheet of')
    names = list(videos)
    names = [names[i] for i in pick_frames(len(names), rows)]
    pictures = []
    if columns is None:
        first = cv2.imread(str(videos[names[0]][0]), cv2.IMREAD_COLOR)
        columns = 3 if first is not None and first.shape[1] > 2.5 * first.shape[0] else 5
    for name in names:
        chosen = [videos[name][i] for i in pick_frames(len(videos[name]), columns)]
        row = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in chosen]
        pictures.append([picture for picture in row if picture is not None])
    return contact_sheet(pictures, names, **layout)
