"""Reading and writing videos."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet.media import VideoReader, VideoWriter, write_image
from mmdet.media.video import _without_tag_warnings
from mmdet.utils import UserError


def frame(value, height=48, width=64):
    image = np.full((height, width, 3), value, np.uint8)
    image[:10, :10] = 255
    return image


def write(path, count=6, **kwargs):
    with VideoWriter(path, fps=5) as writer:
        for i in range(count):
            writer.write(frame(20 * i % 240, **kwargs))
    return writer.path


@pytest.mark.parametrize('name', ['a.webm', 'a.mp4', 'a.avi'])
def test_video_round_trip(tmp_path, name):
    path = write(tmp_path / 'new' / name)
    assert path == tmp_path / 'new' / name
    reader = VideoReader(path)
    frames = list(reader)
    assert (reader.fps, reader.count, reader.read, reader.missing()) == (5, 6, 6, 0)
    assert [round(float(f[20:, 20:].mean()), -1) for f in frames] == [0, 20, 40, 60, 80, 100]
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_webm_is_what_browsers_play_and_nothing_is_printed(tmp_path, capfd):
    path = write(tmp_path / 'a.webm')
    # The DocType of an EBML header must be webm: browsers refuse the same data under 'matroska'.
    assert b'\x42\x82\x84webm' in path.read_bytes()[:64]
    assert b'V_VP8' in path.read_bytes()[:1000]
    assert capfd.readouterr().err == ''


def test_other_messages_are_kept_while_a_webm_is_opened(capfd):
    with _without_tag_warnings():
        os.write(2, b"OpenCV: FFMPEG: tag 0x1/'VP80' is not supported with codec id 1 and format 'webm'\n")
        os.write(2, b'disk is full\n')
    os.write(2, b'after\n')
    assert capfd.readouterr().err == 'disk is full\nafter\n'


def test_odd_sides_are_extended(tmp_path):
    path = write(tmp_path / 'a.mp4', height=47, width=63)
    assert next(iter(VideoReader(path))).shape == (48, 64, 3)


def test_without_encoder_an_avi_is_written(tmp_path):
    with VideoWriter(tmp_path / 'a.mp4', codec='????') as writer:
        writer.write(frame(0))
    assert writer.path == tmp_path / 'a.avi'
    assert VideoReader(writer.path).count == 1


def test_without_vp8_an_mp4_is_written(tmp_path):
    with VideoWriter(tmp_path / 'a.webm', codec='????') as writer:
        writer.write(frame(0))
    assert writer.path == tmp_path / 'a.mp4'
    assert [p.name for p in tmp_path.iterdir()] == ['a.mp4']


def test_failed_writer_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match='stop'), VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(frame(0))
        raise RuntimeError('stop')
    assert list(tmp_path.iterdir()) == []
    with VideoWriter(tmp_path / 'a.mp4'):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match='the first was'), VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(frame(0))
        writer.write(frame(0, height=50))
    with pytest.raises(UserError, match='frames per second'):
        VideoWriter(tmp_path / 'a.mp4', fps=0)


def test_rotated_video_comes_upright(tmp_path):
    path = write(tmp_path / 'a.mp4')
    data = bytearray(path.read_bytes())
    # The display matrix of a track header (ISO 14496-12): 9 numbers before width and height; a quarter turn.
    start = data.index(b'tkhd') + 4 + 40
    data[start : start + 36] = struct.pack('>9i', 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data)
    turned = next(iter(VideoReader(path)))
    assert turned.shape == (64, 48, 3)
    assert turned[:8, -8:].min() > 200  # the upper left corner went to the upper right


def test_folder_is_read_in_natural_order(tmp_path):
    for i in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f'f{i}.png'), frame(10 * i))
    (tmp_path / 'notes.txt').write_text('x')
    reader = VideoReader(tmp_path, default_fps=12)
    assert [int(f[-1, -1, 0]) for f in reader] == [10, 20, 100]
    assert (reader.fps, reader.count) == (12, 3)


def test_invalid_inputs_are_named(tmp_path):
    cases = {
        'missing.mp4': (None, 'no such video'),
        'empty.mp4': (b'', 'is empty'),
        'text.mp4': (b'not a video at all' * 50, 'not a video that can be read'),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f'{name}: .*{message}'):
            VideoReader(tmp_path / name)
    (tmp_path / 'folder').mkdir()
    with pytest.raises(UserError, match='no images'):
        VideoReader(tmp_path / 'folder')
    (tmp_path / 'folder' / 'a.jpg').write_bytes(b'broken')
    with pytest.raises(UserError, match='a.jpg is not an image'):
        list(VideoReader(tmp_path / 'folder'))


def test_truncated_mp4_is_refused_and_short_avi_is_noticed(tmp_path):
    path = write(tmp_path / 'a.mp4')
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])  # the index stands at the end
    with pytest.raises(UserError, match='truncated'):
        VideoReader(path)
    path = write(tmp_path / 'b.avi', count=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    reader = VideoReader(path)
    frames = list(reader)
    if reader.count and reader.count > len(frames):
        assert reader.missing() == reader.count - len(frames)
    assert 0 < len(frames) < 40


def test_real_video_that_was_cut_off(tmp_path):
    root = Path(__file__).resolve().parents[2]
    video = Path(os.environ.get('MASKTRACK_CLIPS', root.parent / 'shared/clips')) / 'videos/juggle.mp4'
    if not video.is_file():
        pytest.skip(f'{video} is not here')
    (tmp_path / 'cut.mp4').write_bytes(video.read_bytes()[:900_000])
    reader = VideoReader(tmp_path / 'cut.mp4')
    read = sum(1 for _ in reader)
    assert 0 < read < 100 and reader.missing() == 247 - read
    whole = VideoReader(video)
    assert (whole.count, next(iter(whole)).shape) == (247, (720, 1280, 3))


def test_missing_frames_are_counted_beyond_the_tolerance(tmp_path):
    reader = VideoReader(write(tmp_path / 'a.mp4'))
    list(reader)
    reader.count = 100
    assert reader.missing() == 94
    reader.count = 8
    assert reader.missing() == 0
    reader.count = None
    assert reader.missing() == 0


def test_images_need_a_known_ending(tmp_path):
    with pytest.raises(UserError, match="ending '.nonsense'"):
        write_image(tmp_path / 'a.nonsense', frame(0))
    write_image(tmp_path / 'x' / 'a.png', frame(7))
    assert cv2.imread(str(tmp_path / 'x' / 'a.png'))[-1, -1, 0] == 7


def test_a_folder_that_is_not_writable(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda *args: False)
    with (
        pytest.raises(UserError, match='the folder is not writable'),
        VideoWriter(tmp_path / 'a.webm') as video,
    ):
        video.write(np.zeros((8, 8, 3), np.uint8))
