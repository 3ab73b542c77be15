"""Images whose file says that the camera was turned."""

import struct

import cv2
import numpy as np

from mmdet.media import read_image


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
    assert turned.shape == (40, 24, 3)
    assert turned[32:].min() > 200 and turned[:28].max() < 60  # bright at the bottom
