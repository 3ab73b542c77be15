"""Reading and writing image files."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmdet.utils import LazyModule, UserError, atomic_open, note_input

cv2 = LazyModule('cv2', 'opencv-python', 'reading and writing images')
Image = LazyModule('PIL.Image', 'pillow', 'reading images')

_JPEG_PARAMETERLESS = {0x01, *range(0xD0, 0xD8)}
_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_PART = 16  # pages decoded at once


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
    """Read an image with OpenCV. An EXIF rotation is applied, alpha is dropped, gray becomes three channels.

    Of a 16-bit image the high byte counts, as OpenCV does it. Cameras that write 10 or 12 bits into 16 would
    give nearly black images: if the high bits are unused, the image is scaled by the bits that it uses, with
    one warning in each process.

    Returns:
        np.ndarray: uint8 (H, W, 3) BGR; of a file with several pages the first.

    Raises:
        UserError: the file is missing, truncated, not an image, or has neither 8 nor 16 bits in a channel.
    """
    data = _read_whole(path)
    image = _decode(data, _any_depth())
    if image is None:
        raise UserError(f'frame {path} is not an image that OpenCV can read, or is damaged')
    return _eight_bits(image, path, lambda: _decode(data, cv2.IMREAD_COLOR))


def read_images(path: str | Path) -> Iterator[np.ndarray]:
    """Read all pages of a TIFF file, all images of an animated WebP or PNG file, the one of any other image.

    Pages of another size than the first are left out: they are previews.

    Yields:
        np.ndarray: uint8 (H, W, 3) BGR, by the rules of :func:`read_image`.

    Raises:
        UserError: as :func:`read_image`.
    """
    data = _read_whole(path)
    try:
        header = Image.open(io.BytesIO(data))
        count = header.n_frames if header.format in ('TIFF', 'WEBP', 'PNG') else 1
        count -= bool(getattr(header, 'default_image', False))
    except Exception:  # a damaged file can cause any; decoding tells what is wrong
        count = 1
    if count == 1:  # also a JPEG file that holds a second image, as phones write it
        yield read_image(path)
        return
    pages = _pages(data, count) if header.format == 'TIFF' else _animation(header)
    read, shape = 0, None
    try:
        for image in pages:
            shape = shape or image.shape
            if image.shape == shape:
                yield _eight_bits(image, path, lambda image=image: (image >> 8).astype(np.uint8))
            read += 1
    except (OSError, SyntaxError):
        pass
    if read < count:
        raise UserError(f'{path}: image {read} of {count} cannot be read; the {read} before it were read')


def _pages(data, count):
    """Pages of a TIFF file, decoded by parts: a microscope may write thousands."""
    for start in range(0, count, _PART):
        done, images = cv2.imdecodemulti(
            np.frombuffer(data, np.uint8), _any_depth(), range=(start, min(start + _PART, count))
        )
        if not done:
            return
        yield from images


def _animation(header):
    # An image before the animation is for programs that cannot play it.
    for index in range(bool(getattr(header, 'default_image', False)), header.n_frames):
        header.seek(index)
        yield np.ascontiguousarray(np.asarray(header.convert('RGB'))[..., ::-1])


def _read_whole(path):
    """Bytes of an image file that is complete."""
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
        complete = True  # OpenCV refuses other formats that are cut off
    if not complete:
        raise UserError(f'frame {path} is truncated: its {len(data)} bytes stop before the end of the image')
    return data


def _any_depth():
    """Flags of OpenCV: three channels, 16 bits kept."""
    return cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH


def _decode(data, flags):
    """Image, or None; what OpenCV would print about a damaged file is left to the error message."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def bits_in_use(largest: int) -> int:
    """Bits of the camera whose largest value is given: 8, 10, 12, 14 or 16."""
    return next(bits for bits in (8, 10, 12, 14, 16) if largest < 1 << bits)


def _eight_bits(image, path, full_range):
    """``image`` as uint8; ``full_range`` gives it if all 16 bits are in use."""
    if image.dtype == np.uint8:
        return image
    if image.dtype != np.uint16:
        raise UserError(
            f'frame {path} holds {image.dtype} values, whose range is not known: convert it to 8 or 16 bits'
        )
    largest = int(image.max())
    bits = bits_in_use(largest)
    if bits == 16:
        return full_range()
    if largest:
        warn_of_bits(bits, largest, str(path))
    return (image >> (bits - 8)).astype(np.uint8)


_warned = set()


def warn_of_bits(bits: int, largest: int, path: str) -> None:
    """Say once in a process that 16-bit values are scaled as ``bits`` bits."""
    if bits not in _warned:
        _warned.add(bits)
        print(
            f'warning: {path} has 16 bits but no value above {largest}: read as {bits} bits, like all such '
            'frames; convert them to 8 bits to choose the brightness yourself',
            file=sys.stderr,
        )


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image as :func:`read_image` returns it; only its header is read.

    Raises:
        UserError: the file is missing or not an image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if image.format == 'TIFF':  # some versions of Pillow give the size after the rotation
                width, height = image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
            rotated = image.getexif().get(_EXIF_ORIENTATION) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError) as error:
        raise UserError(f'image {path} cannot be read: {error}') from None
    return (width, height) if rotated else (height, width)


def write_image(path: str | Path, image: np.ndarray, quality: int = 92) -> None:
    """Write an image atomically; missing folders are created.

    Args:
        path (str | Path): file; its suffix selects the format.
        image (np.ndarray): uint8 (H, W, 3) BGR.
        quality (int): of JPEG and WebP, from 1 to 100.

    Raises:
        UserError: OpenCV does not support the format.
    """
    path = Path(path)
    keys = {
        '.jpg': cv2.IMWRITE_JPEG_QUALITY,
        '.jpeg': cv2.IMWRITE_JPEG_QUALITY,
        '.webp': cv2.IMWRITE_WEBP_QUALITY,
    }
    key = keys.get(path.suffix.lower())  # OpenCV warns of an option that the format does not have
    try:
        done, data = cv2.imencode(path.suffix, image, [] if key is None else [key, quality])
    except cv2.error:
        done = False
    if not done:
        raise UserError(f'{path}: OpenCV cannot write images with the ending {path.suffix!r}')
    with atomic_open(path, 'wb') as file:
        file.write(data.tobytes())
