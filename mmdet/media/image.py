"""Reading and writing image files."""

from pathlib import Path

import cv2
import numpy as np

from mmdet.utils import UserError, atomic_open

_JPEG_PARAMETERLESS = {0x01, *range(0xD0, 0xD8)}


def jpeg_is_complete(data):
    """Whether a JPEG file reaches its end marker.

    OpenCV fills what is missing of a truncated file with gray and says nothing. Inside the coded image the
    two bytes of the end marker cannot occur, so they are looked for behind the first start-of-scan header (a
    preview inside the metadata has markers of its own).
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


def read_image(path):
    """Read an image as OpenCV does (EXIF rotation applied).

    Returns:
        np.ndarray: uint8 (H, W, 3) BGR.

    Raises:
        UserError: the file is missing, not an image, or cut off.
    """
    try:
        with open(path, 'rb') as file:
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
        raise UserError(f'frame {path} is not an image OpenCV can read, or is damaged')
    return image


def write_image(path, image, quality=92):
    """Write an image by way of a temporary file; the suffix names the format.

    Raises:
        UserError: if OpenCV cannot write the format.
    """
    path = Path(path)
    try:
        done, data = cv2.imencode(path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        done = False
    if not done:
        raise UserError(f'{path}: OpenCV writes no images with the ending {path.suffix!r}')
    with atomic_open(path, 'wb') as file:
        file.write(data.tobytes())
