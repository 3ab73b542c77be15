"""demo/make_animation.py as a user calls it."""

import numpy as np
import pytest
from PIL import Image

from demo.make_animation import main
from mmdet.media import write_image


def test_animation_of_rendered_frames(tmp_path, capsys):
    frames = tmp_path / 'frames'
    for index in range(3):
        write_image(frames / f'{index:05d}.jpg', np.full((60, 80, 3), 80 * index, np.uint8), quality=100)
    for name in ('a.webp', 'a.gif'):
        main([str(frames), '--out', str(tmp_path / name), '--width', '40', '--height', '30', '--fps', '5'])
        with Image.open(tmp_path / name) as image:
            assert (image.n_frames, image.size) == (3, (40, 15))
            image.seek(2)
            image.load()
            assert image.info['duration'] == 200
            assert abs(np.asarray(image.convert('RGB')).mean() - 160) < 4
    assert '3 frames, 40x15' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('out', 'message'), [('a.png', 'ends in .webp or .gif'), ('b.gif', 'no .jpg frames')]
)
def test_what_cannot_be_done_is_said(tmp_path, capsys, out, message):
    if out == 'a.png':
        write_image(tmp_path / '00000.jpg', np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), '--out', str(tmp_path / out)])
    assert caught.value.code == 2 and message in capsys.readouterr().err
