"""Reading images."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet.media import image_size, jpeg_is_complete, read_image, read_images, write_image
from mmdet.utils import IMAGE_SUFFIXES, UserError


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


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.pgm', '.jp2'])
@pytest.mark.parametrize('bits', [8, 10, 12, 14])
def test_cameras_that_use_a_part_of_16_bits_are_not_black(suffix, bits, tmp_path, capsys):
    ramp = np.tile(np.linspace(0, (1 << bits) - 1, 64).astype(np.uint16), (48, 1))
    path = tmp_path / f'a{suffix}'
    cv2.imwrite(str(path), ramp)
    image = read_image(path)
    assert image.dtype == np.uint8 and image.shape == (48, 64, 3)
    assert (image[..., 0] == ramp >> (bits - 8)).all() and image.max() == 255


def test_scaled_images_are_announced_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('mmdet.media.image._warned', set())
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((4, 4), 4080, np.uint16))
    cv2.imwrite(str(tmp_path / 'black.png'), np.zeros((4, 4), np.uint16))
    assert read_image(tmp_path / 'black.png').max() == 0
    assert capsys.readouterr().err == ''
    assert [int(read_image(tmp_path / 'a.png').max()) for _ in range(3)] == [255] * 3
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and 'a.png has 16 bits but no value above 4080: read as 12 bits' in err


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jp2'])
@pytest.mark.parametrize('channels', [1, 3])
def test_full_range_16_bits_are_read_as_opencv_reads_them(suffix, channels, tmp_path):
    image = np.random.default_rng(0).integers(0, 65536, (48, 64, channels)).astype(np.uint16)
    path = str(tmp_path / f'a{suffix}')
    cv2.imwrite(path, image)
    assert (read_image(path) == cv2.imread(path)).all()


def test_floating_point_images_are_refused_in_one_line(tmp_path, capfd):
    cv2.imwrite(str(tmp_path / 'a.tif'), np.random.default_rng(0).random((8, 8, 3)).astype(np.float32))
    Image.fromarray(np.zeros((8, 8), np.int32)).save(tmp_path / 'b.tif')
    with pytest.raises(UserError, match=r'a\.tif holds float32 values'):
        read_image(tmp_path / 'a.tif')
    with pytest.raises(UserError, match=r'b\.tif is not an image that OpenCV can read'):
        read_image(tmp_path / 'b.tif')
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'CMYK'])
def test_all_modes_become_three_channels_as_opencv_reads_them(mode, image, tmp_path):
    suffix = {'CMYK': '.jpg'}.get(mode, '.png')
    path = tmp_path / f'a{suffix}'
    Image.fromarray(image[..., ::-1]).convert(mode).save(path)
    assert (read_image(path) == cv2.imread(str(path))).all()
    assert read_image(path).shape == (*image_size(path), 3)


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tif'])
def test_header_and_pixels_agree_on_the_size_of_turned_images(suffix, orientation, image, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'a{suffix}'
    Image.fromarray(image).save(path, exif=exif)
    assert read_image(path).shape[:2] == image_size(path)


@pytest.mark.parametrize('suffix', ['.webp', '.png', '.tif'])
def test_animations_and_pages(suffix, tmp_path):
    path = tmp_path / f'a{suffix}'
    pages = [Image.fromarray(np.full((20, 30, 3), value, np.uint8)) for value in (10, 100, 200)]
    pages[0].save(
        path, save_all=True, append_images=pages[1:], **({} if suffix == '.tif' else {'duration': 40})
    )
    assert [int(page.mean()) for page in read_images(path)] == [10, 100, 200]
    assert int(read_image(path).mean()) == 10
    many = [Image.fromarray(np.full((20, 30, 3), 6 * value, np.uint8)) for value in range(40)]
    many[0].save(
        path, save_all=True, append_images=many[1:], **({'duration': 40} if suffix != '.tif' else {})
    )
    assert np.allclose([page.mean() for page in read_images(path)], range(0, 240, 6), atol=3)
    pages[0].save(path)
    assert [int(page.mean()) for page in read_images(path)] == [10]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=rf'a\{suffix} is '):
        list(read_images(path))


def test_previews_inside_image_files_are_left_out(tmp_path):
    pages = [Image.fromarray(np.full((side, 30, 3), 100, np.uint8)) for side in (20, 20, 10)]
    pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:])
    assert [page.shape for page in read_images(tmp_path / 'a.tif')] == [(20, 30, 3)] * 2
    pages[0].save(tmp_path / 'a.jpg', format='MPO', save_all=True, append_images=pages[2:])
    assert [page.shape for page in read_images(tmp_path / 'a.jpg')] == [(20, 30, 3)]


@pytest.mark.parametrize('suffix', IMAGE_SUFFIXES)
def test_images_are_written_without_a_word(tmp_path, capfd, suffix):
    image = np.full((8, 8, 3), 90, np.uint8)
    write_image(tmp_path / f'a{suffix}', image)
    assert np.abs(read_image(tmp_path / f'a{suffix}').astype(int) - 90).max() <= 2
    assert capfd.readouterr().err == ''
