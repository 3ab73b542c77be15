"""Writing videos."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from mmdet.media import VideoReader, VideoWriter, write_image
from mmdet.media.opencv_video import _without_messages
from mmdet.utils import UserError

from .videos import frame, values, write


@pytest.mark.parametrize('name', ['a.webm', 'a.mp4', 'a.avi', 'a.mov', 'a.mkv', 'a.MP4', 'b'])
def test_video_round_trip(backend, tmp_path, name, capfd):
    path = write(tmp_path / 'new' / name)
    assert path == tmp_path / 'new' / (name if '.' in name else f'{name}.mp4')
    reader = VideoReader(path)
    frames = list(reader)
    assert (reader.fps, reader.read) == (5, 6) and reader.count in (6, None)
    assert values(frames) == [0, 20, 40, 60, 80, 100]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_gif_round_trip(backend, tmp_path):
    reader = VideoReader(write(tmp_path / 'a.gif'))
    assert values(reader) == [0, 20, 40, 60, 80, 100] and reader.fps == 5


@pytest.mark.parametrize('backend', ['av'], indirect=True)
@pytest.mark.parametrize('fps', [50, 60, 120, 240, 1000])
def test_gif_leaves_frames_out_that_come_too_fast(backend, fps, tmp_path):
    path = write(tmp_path / 'a.gif', count=24, fps=fps)
    reader = VideoReader(path)
    times = [round(100 * reader.time) for _ in reader]
    assert min(np.diff(times), default=2) >= 2 and times[-1] > 100 * 23 / fps - 3
    assert len(times) == 24 or fps > 50


def test_codecs_of_the_formats(backend, tmp_path):
    webm = write(tmp_path / 'a.webm').read_bytes()[:1000]
    # The DocType of an EBML header must be webm: browsers refuse the same data under 'matroska'.
    assert b'\x42\x82\x84webm' in webm[:64]
    assert (b'V_VP9' if backend == 'av' else b'V_VP8') in webm
    assert (b'avc1' if backend == 'av' else b'mp4v') in write(tmp_path / 'a.mp4').read_bytes()


@pytest.mark.parametrize('fps', [0.5, 12.5, 29.97, 30000 / 1001, 59.94])
def test_frame_rates_survive(backend, fps, tmp_path):
    assert VideoReader(write(tmp_path / 'a.mp4', fps=fps)).fps == pytest.approx(fps, rel=1e-4)


def test_a_single_frame_is_a_video(backend, tmp_path):
    for name in ('a.mp4', 'a.webm'):
        assert values(VideoReader(write(tmp_path / name, count=1))) == [0]


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.webm', 'a.avi', 'a.gif'])
def test_odd_sides_are_kept_or_extended_where_opencv_writes(backend, name, tmp_path):
    if backend == 'opencv' and name == 'a.gif':
        return
    path = write(tmp_path / name, height=47, width=63)
    shapes = {image.shape for image in VideoReader(path)}
    assert shapes == {(47, 63, 3) if backend == 'av' else (48, 64, 3)}
    if backend == 'av' or name != 'a.webm':
        path = write(tmp_path / f'tiny_{name}', height=1, width=1)
        assert next(iter(VideoReader(path))).shape == ((1, 1, 3) if backend == 'av' else (2, 2, 3))


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_colors_are_those_that_players_expect(backend, tmp_path):
    """BT.709 in the file, which players assume for large videos, and the colors come back."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:] = (30, 90, 200)
    with VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(image)
    read = next(iter(VideoReader(tmp_path / 'a.mp4')))
    assert np.abs(read[20, 20].astype(int) - image[0, 0]).max() <= 3
    assert b'colrnclx\x00\x01\x00\x01\x00\x01\x00' in (tmp_path / 'a.mp4').read_bytes()


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_the_bitrate_has_a_limit_that_fits_the_size(backend, tmp_path):
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / 'a.mp4', fps=24) as writer:
        for _ in range(120):
            writer.write(rng.integers(0, 255, (240, 320, 3)).astype(np.uint8))
    # 0.25 bits a pixel, and twice a second's worth in the buffer.
    assert (tmp_path / 'a.mp4').stat().st_size * 8 < 0.25 * 320 * 240 * 24 * (5 + 2) * 1.1


def test_without_an_encoder_the_next_format_is_written(backend, tmp_path, monkeypatch):
    from mmdet.media.backend import video_backend

    module = video_backend()
    real = module.Encoder

    def only_avi(path, suffix, *rest):
        if suffix != '.avi':
            raise UserError(f'{suffix}: no encoder')
        return real(path, suffix, *rest)

    monkeypatch.setattr(module, 'Encoder', only_avi)
    for name in ('a.webm', 'b.mp4', 'c.mkv'):
        assert write(tmp_path / name).suffix == '.avi'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.avi', 'b.avi', 'c.avi']
    monkeypatch.setattr(module, 'Encoder', lambda path, suffix, *rest: only_avi(path, '', *rest))
    with pytest.raises(UserError, match='no encoder'):
        write(tmp_path / 'd.mp4')
    assert len(list(tmp_path.iterdir())) == 3


def test_formats_that_cannot_be_written_are_refused_at_once(backend, tmp_path):
    for name in ('a.txt', 'a.json', 'a.jpg'):
        with pytest.raises(UserError, match=r'videos are written as \.'):
            VideoWriter(tmp_path / name)
    if backend == 'opencv':
        with pytest.raises(UserError, match='needs PyAV: pip install av'):
            VideoWriter(tmp_path / 'a.gif')


def test_failed_writer_leaves_nothing(backend, tmp_path):
    with pytest.raises(RuntimeError, match='stop'), VideoWriter(tmp_path / 'a.mp4') as writer:
        writer.write(frame(0))
        raise RuntimeError('stop')
    assert list(tmp_path.iterdir()) == []
    with VideoWriter(tmp_path / 'a.mp4'):
        pass
    assert list(tmp_path.iterdir()) == []
    with (
        pytest.raises(UserError, match='is 50x64, the first was 48x64'),
        VideoWriter(tmp_path / 'a.mp4') as writer,
    ):
        writer.write(frame(0))
        writer.write(frame(0, height=50))
    for fps in (0, -1, float('nan'), float('inf')):
        with pytest.raises(UserError, match='frames per second'):
            VideoWriter(tmp_path / 'a.mp4', fps=fps)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(backend, tmp_path):
    """A limit on the size of files acts like a full disk."""
    code = (
        'import sys, numpy as np, resource\n'
        f'if {backend == "opencv"}: sys.modules["av"] = None\n'
        'from mmdet.media import VideoWriter\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))\n'
        'rng = np.random.default_rng(0)\n'
        'try:\n'
        '    with VideoWriter("a.mp4") as writer:\n'
        '        for _ in range(40): writer.write(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))\n'
        'except (OSError, ValueError) as error: print("said", error)\n'
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    env = {**os.environ, 'PYTHONPATH': root}
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.startswith('said') and 'a.mp4' in done.stdout, done
    assert list(tmp_path.iterdir()) == []


def test_images_need_a_known_ending(tmp_path):
    with pytest.raises(UserError, match="ending '.nonsense'"):
        write_image(tmp_path / 'a.nonsense', frame(0))
    write_image(tmp_path / 'x' / 'a.png', frame(7))
    assert next(iter(VideoReader(tmp_path / 'x')))[-1, -1, 0] == 7


def test_a_folder_that_is_not_writable(backend, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied', '/tmp/x')

    monkeypatch.setattr('tempfile.mkstemp', refuse)
    with pytest.raises(PermissionError, match='a.webm'), VideoWriter(tmp_path / 'a.webm') as video:
        video.write(np.zeros((8, 8, 3), np.uint8))


def test_other_messages_are_kept_while_opencv_opens_a_file(capfd):
    with _without_messages():
        os.write(2, b"OpenCV: FFMPEG: tag 0x1/'VP80' is not supported with codec id 1 and format 'webm'\n")
        os.write(2, b'disk is full\n')
    os.write(2, b'after\n')
    assert capfd.readouterr().err == 'disk is full\nafter\n'
