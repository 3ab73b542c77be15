"""Reading videos: what the world's files hold."""

import functools
import http.server
import os
import struct
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet.media import ResumableVideo, VideoReader, is_address
from mmdet.media.containers import codec_name, is_cut_off
from mmdet.utils import UserError

from .videos import av, encode, frame, values, write

needs_av = pytest.mark.skipif(av is None, reason='PyAV is not installed')


def turned_by(path, *matrix):
    """Write the display matrix of a track header (ISO 14496-12): 9 numbers before width and height."""
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 40
    a, b, c, d = (part << 16 for part in matrix)
    data[start : start + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def test_rotated_video_comes_upright(backend, tmp_path):
    path = write(tmp_path / 'a.mp4')
    turned_by(path, 0, 1, -1, 0)  # a quarter turn
    turned = next(iter(VideoReader(path)))
    assert turned.shape == (64, 48, 3)
    assert turned[:8, -8:].min() > 200  # the upper left corner went to the upper right
    turned_by(path, 0, -1, 1, 0)
    assert next(iter(VideoReader(path)))[-8:, :8].min() > 200
    turned_by(path, -1, 0, 0, -1)
    assert next(iter(VideoReader(path)))[-8:, -8:].min() > 200


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_mirrored_video_comes_upright(backend, tmp_path):
    """OpenCV leaves mirroring out."""
    path = write(tmp_path / 'a.mp4')
    turned_by(path, -1, 0, 0, 1)
    assert next(iter(VideoReader(path)))[:8, -8:].min() > 200


def test_folder_is_read_in_natural_order_without_hidden_files(backend, tmp_path):
    for i in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f'f{i}.png'), frame(10 * i))
    (tmp_path / 'notes.txt').write_text('x')
    (tmp_path / '._f1.png').write_bytes(b'resource fork of a Mac')
    (tmp_path / 'sub.png').mkdir()
    reader = VideoReader(tmp_path, default_fps=12)
    assert [int(f[-1, -1, 0]) for f in reader] == [10, 20, 100]
    assert (reader.fps, reader.count, reader.read) == (12, 3, 3)
    reader.check_size()


def test_folder_follows_the_rules_of_images(tmp_path):
    cv2.imwrite(str(tmp_path / '0.jpg'), frame(50))
    cv2.imwrite(str(tmp_path / '1.jpg'), frame(50))
    (tmp_path / '1.jpg').write_bytes((tmp_path / '1.jpg').read_bytes()[:-300])
    frames = iter(VideoReader(tmp_path))
    assert next(frames).shape == (48, 64, 3)
    with pytest.raises(UserError, match=r'1\.jpg is truncated'):
        next(frames)
    cv2.imwrite(str(tmp_path / '1.jpg'), frame(50, width=60))
    with pytest.raises(UserError, match=r'1\.jpg is 48x60, the first image 0\.jpg is 48x64'):
        VideoReader(tmp_path).check_size()
    (tmp_path / '1.jpg').unlink()
    cv2.imwrite(str(tmp_path / '1.png'), np.full((48, 64), 4080, np.uint16))
    assert [int(image.max()) for image in VideoReader(tmp_path)][1] == 255


def test_one_image_is_a_video_of_one_frame(backend, tmp_path):
    # A decoder would take the number in the name for a sequence.
    for i in (1, 2):
        cv2.imwrite(str(tmp_path / f'img_{i:03d}.jpg'), frame(50 * i))
    assert values(VideoReader(tmp_path / 'img_001.jpg')) == [50]
    pages = [Image.fromarray(frame(value)) for value in (10, 100, 200)]
    pages[0].save(tmp_path / 'a.webp', save_all=True, append_images=pages[1:], duration=40, lossless=True)
    assert values(VideoReader(tmp_path / 'a.webp')) == [10, 100, 200]


@pytest.mark.parametrize('name', ['a.webp', 'a.png'])
def test_animated_images_keep_their_times(name, tmp_path):
    pages = [Image.fromarray(frame(value)) for value in (10, 100, 200, 50)]
    shown = [100, 300, 0, 400]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], duration=shown, lossless=True)
    reader = VideoReader(tmp_path / name)
    assert (reader.count, reader.fps) == (4, pytest.approx(4 / 0.9))
    assert [round(10 * reader.time) for _ in reader] == [0, 1, 4, 5]
    assert [round(10 * reader.time) for _ in reader.frames(1, None, 2)] == [1, 5]
    pages[0].save(tmp_path / name)
    reader = VideoReader(tmp_path / name)
    assert reader.fps == 6 and [reader.time for _ in reader] == [None]


def test_the_image_for_programs_without_animation_is_no_frame(tmp_path):
    pages = [Image.fromarray(frame(value)) for value in (10, 100, 200)]
    options = {'append_images': pages[1:], 'duration': 50, 'default_image': True}
    pages[0].save(tmp_path / 'a.png', save_all=True, **options)
    assert values(VideoReader(tmp_path / 'a.png')) == [100, 200]


def test_a_link_to_nowhere_is_a_missing_frame(tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), frame(10))
    (tmp_path / '1.png').symlink_to('gone.png')
    for source in (tmp_path, tmp_path / '*.png'):
        reader = VideoReader(str(source))
        with pytest.raises(UserError, match=r'1\.png does not exist'):
            reader.check_size()
        with pytest.raises(UserError, match=r'1\.png does not exist'):
            list(reader)


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_shape_of_pixels_is_that_of_the_upright_frame(backend, tmp_path):
    path = write(tmp_path / 'a.mp4')
    reader = VideoReader(path)
    assert [reader.aspect for _ in reader] == [None] * 6
    video = ResumableVideo(tmp_path / 'b.mp4', 5)
    for image in reader:
        video.write(image, None, Fraction(16, 11))
    video.close()
    turned_by(tmp_path / 'b.mp4', 0, 1, -1, 0)
    reader = VideoReader(tmp_path / 'b.mp4')
    assert [reader.aspect for _ in reader] == [Fraction(11, 16)] * 6


def test_gif(backend, tmp_path):
    pages = [Image.fromarray(frame(value)) for value in (10, 100, 200)]
    pages[0].save(tmp_path / 'a.gif', save_all=True, append_images=pages[1:], duration=[100, 300, 200])
    reader = VideoReader(tmp_path / 'a.gif')
    assert values(reader) == [10, 100, 200] and 0 < reader.fps < 20
    (tmp_path / 'cut.gif').write_bytes((tmp_path / 'a.gif').read_bytes()[:-200])
    with pytest.raises(UserError, match='cut off'):
        list(VideoReader(tmp_path / 'cut.gif'))


NAMES = [
    'with space.mp4',
    '100%.mp4',
    'clip_%04d.mp4',
    '-dash.mp4',
    '[a]{b}*?.mp4',
    'pipe:1.mp4',
    'concat:a|b.mp4',
    'größe 動画 🎬.mp4',
    'new\nline.mp4',
    'quo\'te".mp4',
    'no_ending',
    os.fsdecode(b'latin\xe9.mp4'),
]


@pytest.mark.parametrize('name', NAMES)
def test_names_with_any_characters(backend, name, tmp_path, monkeypatch):
    source = write(tmp_path / 'plain.mp4')
    monkeypatch.chdir(tmp_path)
    os.rename(source, name)
    if backend == 'opencv' and name == os.fsdecode(b'latin\xe9.mp4'):
        with pytest.raises(UserError, match='OpenCV takes only names in UTF-8: rename it, or install PyAV'):
            VideoReader(name)
        return
    for path in (name, Path(name), tmp_path / name):
        assert values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]
    os.unlink(name)
    if name.endswith('.mp4'):
        assert write(name).name == name
        assert VideoReader(name).fps == 5


def test_invalid_inputs_are_named(backend, tmp_path, capfd):
    cases = {
        'missing.mp4': (None, 'no such video'),
        'empty.mp4': (b'', 'is empty'),
        'text.mp4': (b'not a video at all' * 50, 'not a video that can be read'),
        'zeros.mp4': (b'\0' * 5000, 'not a video that can be read'),
        'text_001.avi': (b'x', 'not a video that can be read'),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f'{name}: .*{message}'):
            VideoReader(tmp_path / name)
    (tmp_path / 'folder').mkdir()
    with pytest.raises(UserError, match='no images'):
        VideoReader(tmp_path / 'folder')
    (tmp_path / 'folder' / 'clip.mp4').write_bytes(b'x')
    with pytest.raises(UserError, match=r'no images .* the first of its 1 files is clip\.mp4'):
        VideoReader(tmp_path / 'folder')
    with pytest.raises(UserError, match='no images .*; give a folder in it, such as .*folder'):
        VideoReader(tmp_path)
    (tmp_path / 'folder' / 'a.jpg').write_bytes(b'broken')
    with pytest.raises(UserError, match='a.jpg is not an image'):
        list(VideoReader(tmp_path / 'folder'))
    with pytest.raises(UserError, match='for a sequence of images give their folder'):
        VideoReader(tmp_path / 'folder' / '%05d.jpg')
    assert capfd.readouterr().err == ''


@needs_av
def test_files_without_video_are_named(backend, tmp_path, capfd):
    path = tmp_path / 'sound.m4a'
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('aac', rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format='fltp', layout='mono')
        sound.sample_rate = 44100
        for part in (sound, None):
            for packet in stream.encode(part):
                file.mux(packet)
    message = 'holds no video, only audio' if backend == 'av' else 'not a video that can be read'
    with pytest.raises(UserError, match=message):
        VideoReader(path)
    (tmp_path / 'list.txt').write_text('clip1.mp4\nclip2.mp4\n')
    with pytest.raises(UserError, match=r'list\.txt: (a text file, )?not a video'):
        list(VideoReader(tmp_path / 'list.txt'))
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('backend', ['av'], indirect=True)
@pytest.mark.parametrize(
    'name,codec,pixels', [('a.mp4', 'libx264', 'yuv420p'), ('a.avi', 'mjpeg', 'yuvj420p')]
)
def test_recordings_without_frames_are_said_to_be_empty(backend, tmp_path, name, codec, pixels):
    with av.open(str(tmp_path / name), 'w') as file:
        stream = file.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        file.start_encoding()
    with pytest.raises(UserError, match=r'holds (no video|no frames, the recording is empty)$'):
        list(VideoReader(tmp_path / name))


@needs_av
def test_codecs_that_cannot_be_decoded_are_named_with_a_remedy(backend, tmp_path, capfd):
    path = encode(tmp_path / 'a.mp4')
    path.write_bytes(path.read_bytes().replace(b'avc1', b'zzz1'))
    with pytest.raises(
        UserError, match=r'codec zzz1 cannot be decoded here; .*ffmpeg -i .*a\.mp4 -c:v libx264'
    ):
        VideoReader(path)
    path = encode(tmp_path / 'a.mkv')
    path.write_bytes(path.read_bytes().replace(b'V_MPEG4/ISO/AVC', b'V_MPEG4/ISO/XYZ'))
    with pytest.raises(UserError, match='cannot be decoded here'):
        VideoReader(path)
    assert capfd.readouterr().err == ''


@needs_av
def test_av1_is_read_or_named(backend, tmp_path, capfd):
    if 'libsvtav1' not in av.codecs_available:
        pytest.skip('no AV1 encoder')
    path = encode(tmp_path / 'a.mp4', 'libsvtav1')
    capfd.readouterr()
    assert codec_name(path) == 'av01'
    if backend == 'av':
        assert values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]
        return
    try:
        assert values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]
    except UserError as error:
        assert 'the codec av01 cannot be decoded here; install PyAV (pip install av), or' in str(error)
        assert 'ffmpeg -i ' in str(error)
    assert capfd.readouterr().err == ''


@needs_av
@pytest.mark.parametrize(
    'name,codec,pixels',
    [
        ('a.webm', 'libvpx-vp9', 'yuv420p'),
        ('a.webm', 'libvpx', 'yuv420p'),
        ('a.mkv', 'libx265', 'yuv420p10le'),
        ('a.mp4', 'libx264', 'yuv444p'),
        ('a.mov', 'prores_ks', 'yuv422p10le'),
        ('a.mov', 'qtrle', 'rgb24'),
        ('a.mkv', 'ffv1', 'yuv420p'),
        ('a.ts', 'libx264', 'yuv420p'),
        ('a.mpg', 'mpeg2video', 'yuv420p'),
        ('a.wmv', 'wmv2', 'yuv420p'),
        ('a.flv', 'flv1', 'yuv420p'),
    ],
)
def test_codecs_and_containers(backend, name, codec, pixels, tmp_path, capfd):
    path = encode(tmp_path / name, codec, pixels, options={'x265-params': 'log-level=none'})
    assert values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]


@needs_av
def test_variable_frame_rate_gives_every_frame_once_at_the_mean_rate(backend, tmp_path):
    times = [0, 10, 20, 120, 130, 300]
    path = encode(tmp_path / 'a.mkv', times=times)
    reader = VideoReader(path)
    assert values(reader) == [0, 20, 40, 60, 80, 100] and 0 < reader.fps < 1000


@needs_av
def test_hidden_frames_of_an_edit_list_are_not_missed(backend, tmp_path):
    """What ``ffmpeg -ss 1 -c copy`` writes: frames that lead in to the cut are in the file, but not shown."""
    path = encode(tmp_path / 'a.mp4', images=[frame(20 * (i % 10)) for i in range(20)], options={'bf': '0'})
    data = path.read_bytes()
    start = data.index(b'elst') + 12
    duration, time = struct.unpack('>Ii', data[start : start + 8])
    scale = struct.unpack('>I', data[data.index(b'mdhd') + 16 : data.index(b'mdhd') + 20])[0]
    cut = struct.pack('>Ii', duration * 12 // 20, time + scale * 8 // 5)
    path.write_bytes(data[:start] + cut + data[start + 8 :])
    reader = VideoReader(path)
    assert len(list(reader)) in (12, 13)
    assert reader.count is None or reader.count <= 20


@needs_av
def test_sixteen_bit_video_is_never_black(backend, tmp_path):
    for value, expected in ((4000, 250), (60000, 234)):
        path = encode(tmp_path / 'a.mkv', 'ffv1', 'gray16le', [np.full((48, 64), value, np.uint16)] * 3)
        if backend == 'av':
            assert {int(image.max()) for image in VideoReader(path)} <= {expected - 1, expected}
        else:
            with pytest.raises(UserError, match='16 bits'):
                VideoReader(path)
    path = encode(tmp_path / 'b.mkv', 'ffv1', 'gray10le', [np.full((48, 64), 65000, np.uint16)] * 3)
    assert {int(image.max()) for image in VideoReader(path)} <= {253, 254, 255}


@needs_av
def test_metadata_in_another_encoding(backend, tmp_path):
    path = tmp_path / 'a.mp4'
    with av.open(str(path), 'w') as file:
        file.metadata['title'] = 'XXXXXX'
        stream = file.add_stream('libx264', rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for coded in (av.VideoFrame.from_ndarray(frame(60), format='bgr24'), None):
            for packet in stream.encode(coded):
                file.mux(packet)
    path.write_bytes(path.read_bytes().replace(b'XXXXXX', b'\xe9\xff\xfeabc'))
    assert values(VideoReader(path)) == [60]


@needs_av
@pytest.mark.parametrize(
    'name,codec,pixels,container',
    [
        ('a.mp4', 'libx264', 'yuv420p', {'movflags': 'faststart'}),
        ('a.mp4', 'libx264', 'yuv420p', {'movflags': 'frag_keyframe+empty_moov'}),
        ('a.mov', 'mjpeg', 'yuvj420p', {'movflags': 'faststart'}),
        ('a.webm', 'libvpx-vp9', 'yuv420p', {}),
        ('a.mkv', 'libx264', 'yuv420p', {}),
        ('a.avi', 'mjpeg', 'yuvj420p', {}),
    ],
)
@pytest.mark.parametrize('part', [0.95, 0.5])
def test_videos_that_are_cut_off_give_their_frames_then_an_error(
    backend, name, codec, pixels, container, part, tmp_path, capfd
):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in range(40)]
    path = encode(tmp_path / name, codec, pixels, images, **container)
    assert not is_cut_off(path)
    assert len(list(VideoReader(path))) == 40
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert is_cut_off(path)
    reader, got = VideoReader(path), []
    with pytest.raises(UserError, match='the file is damaged or cut off'):
        for image in reader:
            got.append(image)
    assert 40 * part - 6 < len(got) < 40 and reader.read == len(got)
    message = str(pytest.raises(UserError, list, reader).value)
    assert f'frame {len(got)}' in message or f'after frame {len(got) - 1};' in message


def test_mp4_without_its_index_is_refused(backend, tmp_path, capfd):
    path = encode(tmp_path / 'a.mp4')
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])  # the index stands at the end
    with pytest.raises(UserError, match='truncated'):
        VideoReader(path)
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_a_damaged_frame_in_the_middle_is_left_out_with_a_warning(backend, tmp_path, capsys):
    path = write(tmp_path / 'a.avi', count=20)
    data = bytearray(path.read_bytes())
    place = data.index(b'movi')
    for _ in range(10):  # the chunk of the tenth frame
        place = data.index(b'00dc', place + 4)
    size = struct.unpack('<I', data[place + 4 : place + 8])[0]
    data[place + 8 : place + 8 + size] = bytes(size)
    path.write_bytes(data)
    reader = VideoReader(path)
    assert len(list(reader)) == 19
    assert 'damaged frames: 1, the first at frame 9; those of' in capsys.readouterr().err


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_a_frame_that_is_partly_damaged_is_counted(backend, tmp_path, capsys):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in range(30)]
    # Without arithmetic coding (CABAC), of which a decoder takes some damage for other images.
    path = encode(tmp_path / 'a.mp4', images=images, options={'g': '10', 'coder': '0'})
    data = bytearray(path.read_bytes())
    start = data.index(b'mdat') + len(data) // 3
    data[start : start + 600] = bytes(600)
    path.write_bytes(data)
    assert len(list(VideoReader(path))) in (29, 30)
    assert 'a.mp4: damaged frames: ' in capsys.readouterr().err


@needs_av
def test_interlaced_video(backend, tmp_path):
    path = encode(tmp_path / 'a.mpg', 'mpeg2video', rate=25, options={'flags': '+ilme+ildct'})
    try:
        assert values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]
    except UserError as error:  # some versions of OpenCV give the same frame again and again
        assert backend == 'opencv' and 'cannot read interlaced video: install PyAV' in str(error)


@needs_av
@pytest.mark.parametrize(
    'name,codec,pixels,form',
    [
        ('a.y4m', 'wrapped_avframe', 'yuv420p', 'yuv4mpegpipe'),
        ('a.h264', 'libx264', 'yuv420p', 'h264'),
        ('a.mjpeg', 'mjpeg', 'yuvj420p', 'mjpeg'),
        ('a.avi', 'rawvideo', 'bgr24', 'avi'),
        ('a.m3u8', 'libx264', 'yuv420p', 'hls'),
        ('live.webm', 'libvpx-vp9', 'yuv420p', 'webm'),
    ],
)
def test_streams_without_a_container_or_a_length(backend, name, codec, pixels, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = encode(Path(name), codec, pixels, form=form, **({'live': '1'} if form == 'webm' else {}))
    assert not is_cut_off(path)
    assert values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]


@needs_av
def test_bytes_behind_the_end_and_odd_sizes_of_boxes(backend, tmp_path):
    path = encode(tmp_path / 'a.mp4')
    path.write_bytes(path.read_bytes() + bytes(999) + b'trailing')
    assert not is_cut_off(path) and values(VideoReader(path)) == [0, 20, 40, 60, 80, 100]
    path = encode(tmp_path / 'a.avi', 'mjpeg', 'yuvj420p')
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(4) + data[8:])  # a camera that lost power before it wrote the size
    assert not is_cut_off(path) and len(list(VideoReader(path))) == 6


@pytest.mark.parametrize(
    'content', [b'', b'RIFF', b'\x1aE\xdf\xa3', b'\x1aE\xdf\xa3\x9f', b'GIF89a', b'\0\0\0\1ftyp']
)
def test_headers_of_a_few_bytes(content, tmp_path):
    (tmp_path / 'a').write_bytes(content)
    is_cut_off(tmp_path / 'a')
    assert codec_name(tmp_path / 'a') is None


@needs_av
def test_recording_that_starts_between_key_frames(backend, tmp_path, capfd):
    path = encode(tmp_path / 'a.ts', images=[frame(10 * i) for i in range(20)], options={'g': '8', 'bf': '0'})
    data = path.read_bytes()
    half = len(data) // 188 // 3 * 188
    (tmp_path / 'b.ts').write_bytes(data[:376] + data[half:])  # tables, then the rest
    assert 0 < len(list(VideoReader(tmp_path / 'b.ts'))) < 20


@needs_av
def test_size_that_changes_is_fitted_to_the_first(backend, tmp_path):
    big = encode(tmp_path / 'big.ts', images=[frame(50, 96, 128)] * 4, options={'bf': '0'})
    small = encode(tmp_path / 'small.ts', images=[frame(50)] * 4, options={'bf': '0'})
    path = tmp_path / 'both.ts'
    path.write_bytes(small.read_bytes() + big.read_bytes())
    shapes = [image.shape for image in VideoReader(path)]
    assert len(shapes) >= 4 and len(set(shapes)) == 1


def test_reading_twice_and_stopping_early(backend, tmp_path):
    reader = VideoReader(write(tmp_path / 'a.mp4'))
    assert next(iter(reader)).shape == (48, 64, 3)
    assert values(reader) == values(reader) == [0, 20, 40, 60, 80, 100]


def test_an_address_reaches_the_decoder_as_typed(backend, tmp_path):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

        def translate_path(self, path):
            return str(tmp_path / 'a.avi') if path.startswith('/live//') else '/nowhere'

    write(tmp_path / 'a.avi')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f'http://127.0.0.1:{server.server_port}/live//clip.avi?token=a%2Fb&x=1'
        assert values(VideoReader(address)) == [0, 20, 40, 60, 80, 100]
        assert set(asked) == {'/live//clip.avi?token=a%2Fb&x=1'}
        with pytest.raises(UserError, match=r'gone\.mp4.* cannot be opened'):
            VideoReader(f'http://127.0.0.1:{server.server_port}/gone.mp4')
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_an_address():
    assert all(map(is_address, ('rtsp://u:p@cam/1?x', 'http://a', 'file:///a.mp4', 'srt://h:1')))
    assert not any(map(is_address, ('a.mp4', 'C://x.mp4', 'a:b.mp4', '/a://b', Path('rtsp://x'))))


def test_real_video_that_was_cut_off(backend, tmp_path):
    root = Path(__file__).resolve().parents[2]
    video = Path(os.environ.get('MASKTRACK_CLIPS', root.parent / 'shared/clips')) / 'videos/juggle.mp4'
    if not video.is_file():
        pytest.skip(f'{video} is not here')
    (tmp_path / 'cut.mp4').write_bytes(video.read_bytes()[:900_000])
    reader = VideoReader(tmp_path / 'cut.mp4')
    with pytest.raises(UserError, match=r'of about 247 cannot be read'):
        list(reader)
    assert 0 < reader.read < 100
    whole = VideoReader(video)
    assert (whole.count, next(iter(whole)).shape) == (247, (720, 1280, 3))


def test_some_of_the_frames(backend, tmp_path):
    path = write(tmp_path / 'a.avi', count=10)
    (tmp_path / 'images').mkdir()
    for index, image in enumerate(VideoReader(path)):
        cv2.imwrite(str(tmp_path / f'images/{index}.png'), image)
    for source in (path, tmp_path / 'images', tmp_path / 'images/*.png'):
        reader = VideoReader(str(source))
        assert values(reader.frames(2, 9, 3)) == [40, 100, 160] and reader.read == 3
        assert values(reader.frames(8)) == [160, 180]
        assert values(reader.frames(0, 0)) == values(reader.frames(20)) == []


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_frames_do_not_depend_on_where_reading_begins(backend, tmp_path):
    """The brightness of 16-bit video depends on the frames before."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 1000 if i != 2 else 4000, (48, 64)).astype(np.uint16) for i in range(6)]
    path = encode(tmp_path / 'a.mkv', 'ffv1', 'gray16le', images)
    whole = list(VideoReader(path))
    assert all(np.array_equal(a, b) for a, b in zip(whole[4:], VideoReader(path).frames(4), strict=True))


@pytest.mark.parametrize('backend', ['av'], indirect=True)
def test_times_of_frames(backend, tmp_path):
    path = encode(tmp_path / 'a.mkv', times=[0, 10, 50, 60, 70, 200])
    reader = VideoReader(path)
    assert [round(100 * reader.time) for _ in reader.frames(1, None, 2)] == [10, 60, 200]


def test_patterns(tmp_path):
    for name in ('f10.png', 'f9.png', 'g1.png', 'f[1].png'):
        cv2.imwrite(str(tmp_path / name), frame(10))
    reader = VideoReader(f'{tmp_path}/f[0-9]*.png')
    assert [file.name for file in reader.files] == ['f9.png', 'f10.png'] and reader.count == 2
    assert len(list(VideoReader(tmp_path / 'f[1].png'))) == 1  # a name, not a pattern
    with pytest.raises(UserError, match=r'h\*.png: no images'):
        VideoReader(f'{tmp_path}/h*.png')
    (tmp_path / 'v1.mp4').write_text('')
    with pytest.raises(UserError, match='but 1 other files: give one video at a time'):
        VideoReader(f'{tmp_path}/v*')


def test_a_camera_is_a_number(tmp_path, monkeypatch, capfd):
    path = str(write(tmp_path / 'a.avi'))
    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, 'VideoCapture', lambda source: capture(path if source == 3 else source))
    reader = VideoReader('3')
    assert reader.live and values(reader) == [0, 20, 40, 60, 80, 100]
    with pytest.raises(UserError, match='camera 77 cannot be opened'):
        VideoReader('77')
    assert [VideoReader(p).live for p in (path, tmp_path / 'a.avi')] == [False, False]
    monkeypatch.chdir(tmp_path)
    os.rename('a.avi', '5')
    assert not VideoReader('5').live  # a file of this name
    assert capfd.readouterr().err == ''
