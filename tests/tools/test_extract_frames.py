"""tools/extract_frames.py: a video file to images that label tools number alike."""

import numpy as np
import pytest

from mmdet.media import VideoWriter, read_image

from ..formats.test_label_tools import run_tool


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / 'a.avi', fps=5) as writer:
        for number in range(6):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    return tmp_path / 'a.avi'


def test_frames_have_their_numbers(video, tmp_path):
    printed = run_tool('extract_frames.py', video, '--out', tmp_path / 'all')
    assert printed == f'wrote {tmp_path / "all"}: 6 frames\n'
    assert sorted(p.name for p in (tmp_path / 'all').iterdir()) == [f'{n:06d}.jpg' for n in range(6)]
    run_tool('extract_frames.py', video, '--out', tmp_path / 'some', '--every', '2', '--suffix', '.png')
    assert sorted(p.name for p in (tmp_path / 'some').iterdir()) == [f'{n:06d}.png' for n in (0, 2, 4)]
    assert read_image(tmp_path / 'some' / '000004.png').mean() == pytest.approx(160, abs=6)


def test_nothing_is_mixed_or_lost(video, tmp_path):
    (tmp_path / 'used').mkdir()
    (tmp_path / 'used' / 'x.jpg').touch()
    assert 'choose a new folder' in run_tool('extract_frames.py', video, '--out', tmp_path / 'used', code=2)
    assert 'at least 1' in run_tool(
        'extract_frames.py', video, '--out', tmp_path / 'b', '--every', '0', code=2
    )
    video.write_bytes(video.read_bytes()[: -video.stat().st_size // 3])
    message = run_tool('extract_frames.py', video, '--out', tmp_path / 'cut', code=2)
    assert 'the file is damaged or cut off; the 1 frames before it were read' in message.splitlines()[-1]
    assert (tmp_path / 'cut' / '000000.jpg').is_file(), 'frames before the damage are kept'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.avi', 'cut', 'used']
