"""Videos that can be continued after a kill."""

from fractions import Fraction

import numpy as np
import pytest

from mmdet.media import VideoReader
from mmdet.media.resumable_video import ResumableVideo, can_resume_videos
from mmdet.utils import UserError

from .videos import av, frame, values

pytestmark = pytest.mark.skipif(av is None, reason='needs PyAV')
PART = 10


def noisy(index, size=(47, 63)):
    image = np.random.default_rng(index).integers(0, 255, (*size, 3)).astype(np.uint8)
    image[12:] = 7 * index % 240
    return image


def record(path, count=35, killed_at=None, times=None):
    """Write ``count`` frames with a checkpoint every ten; return the shown times."""
    video, state, at = ResumableVideo(path, 25), None, 0
    index = 0
    while index < count:
        if index % PART == 0:
            state, at = video.checkpoint(), index
        if index == killed_at:  # nothing is closed
            killed_at = None
            video._file.sync()
            video = ResumableVideo(path, 25, state)
            index = at
            continue
        video.write(noisy(index), times(index) if times else None)
        index += 1
    video.close()
    video.discard()
    return path


@pytest.mark.parametrize('suffix', ['.mp4', '.webm', '.mkv', '.avi', '.gif'])
@pytest.mark.parametrize('killed_at', [10, 27])
def test_a_continued_video_equals_one_that_ran_through(tmp_path, suffix, killed_at):
    whole = record(tmp_path / f'a{suffix}')
    continued = record(tmp_path / f'b{suffix}', killed_at=killed_at)
    assert whole.read_bytes() == continued.read_bytes()
    reader = VideoReader(whole)
    frames = list(reader)
    assert len(frames) == 35 and frames[0].shape == (47, 63, 3) and reader.fps == 25
    assert np.abs(frames[33][20:].astype(int) - 231).max() < 8
    assert sorted(p.name for p in tmp_path.iterdir()) == [f'a{suffix}', f'b{suffix}']


@pytest.mark.parametrize('suffix', ['.mp4', '.webm'])
def test_the_temporary_file_plays_while_it_is_written(tmp_path, suffix):
    video = ResumableVideo(tmp_path / f'a{suffix}', 25)
    for index in range(45):
        if index % PART == 0:
            video.checkpoint()
        video.write(frame(5 * index))
    frames = list(VideoReader(video.temporary))  # as after a kill: nothing was closed
    assert 40 <= len(frames) <= 45
    assert values(frames)[:40:4] == [20 * i for i in range(10)]
    video.close()
    assert len(list(VideoReader(tmp_path / f'a{suffix}'))) == 45
    video.discard()
    assert [p.name for p in tmp_path.iterdir()] == [f'a{suffix}']


def shown(path):
    with av.open(str(path)) as file:
        return [float(image.time) for image in file.decode(video=0)]


def test_times_of_a_variable_rate_are_kept(tmp_path):
    """Also those that are written after a kill; times that run backwards are not believed."""

    def times(index):
        return Fraction(index * index, 100) + 3 if index != 30 else Fraction(1)

    expected = [index * index / 100 for index in range(35)]
    expected[30] = expected[29] + 1 / 25
    for killed_at in (None, 15):
        path = record(tmp_path / 'a.mp4', killed_at=killed_at, times=times)
        assert np.abs(np.array(shown(path)) - expected).max() < 1 / 25 / 16
    path = record(tmp_path / 'a.mp4', times=lambda index: Fraction(round(1000 * index / 25), 1000))
    assert np.abs(np.array(shown(path)) - np.arange(35) / 25).max() < 1e-6  # rounded times: a constant rate


def test_a_changed_temporary_file_is_not_continued(tmp_path):
    video = ResumableVideo(tmp_path / 'a.mp4', 25)
    for index in range(20):
        video.write(noisy(index))
    state = video.checkpoint()
    data = video.temporary.read_bytes()
    for changed in (data[:-1], data[:50] + b'x' + data[51:], b''):
        video.temporary.write_bytes(changed)
        with pytest.raises(UserError, match='was changed since'):
            ResumableVideo(tmp_path / 'a.mp4', 25, state)
    video.temporary.write_bytes(data + b'a part that was not finished')
    again = ResumableVideo(tmp_path / 'a.mp4', 25, state)
    again.close()
    assert len(list(VideoReader(tmp_path / 'a.mp4'))) == 20


def test_frames_of_another_size_and_unknown_formats_are_refused(tmp_path):
    video = ResumableVideo(tmp_path / 'a.mp4', 25)
    video.write(noisy(0))
    with pytest.raises(UserError, match='a frame is 20x63, the first was 47x63'):
        video.write(noisy(0)[:20])
    with pytest.raises(UserError, match=r'videos are written as \.'):
        ResumableVideo(tmp_path / 'a.txt', 25)
    empty = ResumableVideo(tmp_path / 'b.mp4', 25)
    empty.close()
    empty.discard()
    assert not (tmp_path / 'b.mp4').exists() and can_resume_videos()
