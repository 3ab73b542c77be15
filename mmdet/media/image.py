"""Reading and writing image files."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmdet.utils import UserError, atomic_open, note_input

_JPEG_PARAMETERLESS = {0x01, *range(0xD0, 0xD8)}
_EXIF_ORIENTATION = 0x0112


def jpeg_is_complete(data: bytes) -> bool:
    """Whether a JPEG file reaches its end marker.

    OpenCV fills the missing part of a truncated file with gray, without an error. The two bytes of the end
    marker cannot occur inside the coded image, so the search starts at the first start-of-scan header. It
    skips the metadata, where a preview may have an end marker too.
    """
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return False
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _JPEG_PARAMETERLESS:
            position += 2
        elif marker == 0xDA:
            return data.find(b'\xff\xd9', position) != -1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
    return False


def read_image(path: str | Path) -> np.ndarray:
    """Read an image with OpenCV; an EXIF rotation is applied.

    Returns:
        np.ndarray: uint8 (H, W, 3) BGR.

    Raises:
        UserError: the file is missing, truncated, or not an image.
    """
    try:
        with open(path, 'rb') as file:
            note_input(path)
            data = file.read()
    except FileNotFoundError:
        raise UserError(f'frame {path} does not exist') from None
    except OSError as error:
        raise UserError(f'frame {path} cannot be read: {error.strerror or error}') from None
    if not data:
        raise UserError(f'frame {path} is empty')
    if data[:2] == b'\xff\xd8':
        complete = jpeg_is_complete(data)
    elif data[:8] == b'\x89PNG\r\n\x1a\n':
        complete = b'IEND\xaeB`\x82' in data[-64:]
    else:
        complete = True
    if not complete:
        raise UserError(f'frame {path} is truncated: its {len(data)} bytes stop before the end of the image')
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f'frame {path} is not an image that OpenCV can read, or is damaged')
    return image


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image as :func:`read_image` returns it; only its header is read.

    Raises:
        UserError: the file is missing or not an image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            rotated = image.getexif().get(_EXIF_ORIENTATION) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f'image {path} cannot be read: {error}') from None
    return (width, height) if rotated else (height, width)


def write_image(path: str | Path, image: np.ndarray, quality: int = 92) -> None:
    """Write an image atomically; missing folders are created.

    Args:
        path (str | Path): file; its suffix selects the format.
        image (np.ndarray): uint8 (H, W, 3) BGR.
        quality (int): of JPEG, from 1 to 100.

    Raises:
        UserError: OpenCV does not support the format.
    """
    path = Path(path)
    try:
        done, data = cv2.imencode(path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        done = False
    if not done:
        raise UserError(f'{path}: OpenCV cannot write images with the ending {path.suffix!r}')
    with atomic_open(path, 'wb') as file:
        file.write(data.tobytes())
