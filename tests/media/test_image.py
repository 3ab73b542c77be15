"""Reading images."""

import struct

import cv2
import numpy as np
import pytest

from mmdet.media import image_size, jpeg_is_complete, read_image
from mmdet.utils import UserError


@pytest.fixture
def image():
    yy, xx = np.mgrid[:64, :80]
    return np.stack([xx * 3, yy * 4, xx + yy], axis=-1).astype(np.uint8)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp'])
def test_reading_equals_opencv(image, suffix, tmp_path):
    path = str(tmp_path / f'a{suffix}')
    cv2.imwrite(path, image)
    assert (read_image(path) == cv2.imread(path)).all()


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('part', [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_image_is_named(image, suffix, part, tmp_path):
    path = tmp_path / f'a{suffix}'
    cv2.imwrite(str(path), image)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(UserError, match=rf'a\{suffix} is (truncated|not an image)'):
        read_image(path)


def test_jpeg_with_a_preview_and_with_bytes_behind_its_end(image):
    """The end marker of a preview in the metadata does not count, nor does what follows the image."""
    data = cv2.imencode('.jpg', image)[1].tobytes()
    preview = b'Exif\x00\x00' + data
    segment = b'\xff\xe1' + (len(preview) + 2).to_bytes(2, 'big') + preview
    whole = data[:2] + segment + data[2:]
    assert jpeg_is_complete(whole)
    assert jpeg_is_complete(whole + b'\x00' * 99 + b'trailer')
    assert not jpeg_is_complete(whole[:-2])
    assert not jpeg_is_complete(data[:20])
    assert not jpeg_is_complete(b'\xff\xd8')


def test_progressive_jpeg(image):
    data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert jpeg_is_complete(data)
    assert not jpeg_is_complete(data[: len(data) * 2 // 3])


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(UserError, match=r'gone\.jpg does not exist'):
        read_image(tmp_path / 'gone.jpg')
    with pytest.raises(UserError, match='cannot be read'):
        read_image(tmp_path)
    (tmp_path / 'empty.jpg').write_bytes(b'')
    with pytest.raises(UserError, match=r'empty\.jpg is empty'):
        read_image(tmp_path / 'empty.jpg')
    (tmp_path / 'text.jpg').write_text('hello')
    with pytest.raises(UserError, match=r'text\.jpg is not an image'):
        read_image(tmp_path / 'text.jpg')


def test_a_turned_camera_turns_the_image(tmp_path):
    image = np.zeros((24, 40, 3), np.uint8)
    image[:, 30:] = 255  # bright on the right
    data = cv2.imencode('.jpg', image)[1].tobytes()
    # One entry of EXIF: tag 0x0112 (orientation), type short, value 6 (turn a quarter clockwise to view).
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b'Exif\0\0' + tiff
    path = tmp_path / 'a.jpg'
    path.write_bytes(data[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + data[2:])
    turned = read_image(str(path))
    assert turned.shape == (40, 24, 3) and image_size(path) == (40, 24)
    assert turned[32:].min() > 200 and turned[:28].max() < 60  # bright at the bottom
