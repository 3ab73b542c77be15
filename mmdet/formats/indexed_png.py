"""PNG images whose pixels are object numbers: with a palette (DAVIS), gray, or 16-bit gray (MOTS).

OpenCV reads the colors of a palette, not the numbers, and cannot write palettes, so this uses Pillow.
"""

import struct
from pathlib import Path

import numpy as np

from mmdet.structures.rle import encode_mask
from mmdet.utils import LazyModule, UserError, atomic_open, note_input

Image = LazyModule('PIL.Image', 'pillow', 'reading and writing mask images')


def palette(count: int = 256) -> np.ndarray:
    """Colors of the numbers 0, 1, 2, ... as in PASCAL VOC and DAVIS: bit 3k + c of a number is bit 7 - k of
    channel c, so that close numbers get distinct colors.

    Returns:
        np.ndarray: uint8 (count, 3) RGB.
    """
    numbers = np.arange(count)
    channels = [sum(((numbers >> (3 * k + c)) & 1) << (7 - k) for k in range(8)) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def read_indexed_png(path: str | Path) -> np.ndarray:
    """Read an image of object numbers.

    Args:
        path (str | Path): PNG with a palette, or gray with 1 to 16 bits, or RGB with three equal channels.

    Returns:
        np.ndarray: (H, W), uint8, or uint16 for a 16-bit image.

    Raises:
        UserError: the file is missing, damaged, or a color image.
    """
    try:
        with open(path, 'rb') as file:
            note_input(path)
            head = file.read(26)
            file.seek(0)
            with Image.open(file, formats=['PNG']) as image:
                image.load()
                mode, array = image.mode, np.array(image)
    except FileNotFoundError:
        raise UserError(f'mask {path} does not exist') from None
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f'mask {path} is not a readable PNG: {error}') from None
    if mode == 'RGB' and (array == array[..., :1]).all():  # saved as color by mistake
        return array[..., 0].copy()
    if mode not in ('1', 'P', 'L', 'I', 'I;16', 'I;16B') or array.ndim != 2:
        raise UserError(
            f'mask {path} is an image of mode {mode}: expected a palette or gray, whose values are '
            'object numbers'
        )
    depth, color_type = head[24], head[25]
    if mode == 'L' and color_type == 0 and depth in (2, 4):
        array = array // (255 // (2**depth - 1))  # Pillow scales few bits to 0..255
    return array.astype(np.uint8 if array.dtype == bool or depth <= 8 else np.uint16)


def write_indexed_png(path: str | Path, numbers: np.ndarray) -> None:
    """Write an image of object numbers: with a palette up to 255, else 16-bit gray.

    Args:
        path (str | Path): file to write; missing folders are created.
        numbers (np.ndarray): (H, W) integers from 0 to 65535.

    Raises:
        ValueError: the shape, type or range is different.
    """
    numbers = np.asarray(numbers)
    if numbers.ndim != 2 or not numbers.size or numbers.dtype.kind not in 'iub':
        raise ValueError(f'expected integers of shape (H, W), got {numbers.dtype} {numbers.shape}')
    if numbers.min() < 0 or numbers.max() > 65535:
        raise ValueError(f'expected numbers from 0 to 65535, got {numbers.min()} to {numbers.max()}')
    if numbers.max() <= 255:
        image = Image.fromarray(np.ascontiguousarray(numbers.astype(np.uint8)))
        image.putpalette(palette().tobytes())
    else:
        image = Image.fromarray(np.ascontiguousarray(numbers.astype(np.uint16)))
    with atomic_open(path, 'wb') as file:
        image.save(file, format='PNG')


def split_objects(numbers: np.ndarray, skip=()) -> dict[int, dict]:
    """RLEs of the objects of an image.

    Args:
        numbers (np.ndarray): (H, W) object numbers, 0 is background.
        skip (Container[int]): further numbers that are not objects.

    Returns:
        dict[int, dict]: object number -> RLE, ascending.
    """
    found = [int(number) for number in np.unique(numbers) if number and number not in skip]
    return {number: encode_mask(numbers == number) for number in found}


def read_video_masks(paths, void: int | str | None = None, progress=None):
    """Read the masks of a video.

    Args:
        paths (Iterable[Path]): the mask of each frame, in order.
        void (int | str | None): void label; ``'auto'`` is 255 in 8-bit images, None is no label.
        progress (Progress | None): counts the frames.

    Returns:
        tuple: object number -> {index of the frame: RLE}, ascending; (height, width).

    Raises:
        UserError: a file is missing or damaged, or the sizes differ.
    """
    tracks, shape = {}, None
    for index, path in enumerate(paths):
        numbers = read_indexed_png(path)
        if shape is not None and numbers.shape != shape:
            raise UserError(
                f'mask {path} is {numbers.shape[0]}x{numbers.shape[1]}, '
                f'the frames before it are {shape[0]}x{shape[1]} (height x width)'
            )
        shape = numbers.shape
        skip = (255 if numbers.dtype == np.uint8 else None) if void == 'auto' else void
        for number, rle in split_objects(numbers, (skip,)).items():
            tracks.setdefault(number, {})[index] = rle
        if progress is not None:
            progress.update()
    return dict(sorted(tracks.items())), shape
