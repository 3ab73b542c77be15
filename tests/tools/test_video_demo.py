"""demo/video_demo.py as a user calls it."""

import json
import os
import re
import signal

import cv2
import pytest

from demo.video_demo import default_out, parse_args
from demo.video_demo import main as demo
from mmdet.media import VideoReader, VideoWriter
from mmdet.visualization import draw_instances

from .. import tiny as parts
from .test_drawing_tools import call, fails


@pytest.fixture(scope='module')
def footage(tmp_path_factory):
    """A video file of twelve frames."""
    path = tmp_path_factory.mktemp('footage') / 'my clip.avi'
    data = parts.make_videos(path.parent / 'data', length=12)
    with VideoWriter(path, fps=12) as writer:
        for frame in VideoReader(data / 'frames/clip0'):
            writer.write(frame)
    return path


def test_video_in_video_and_tracks_out(tiny, footage, tmp_path, capsys):
    out, tracks = tmp_path / 'out.mp4', tmp_path / 'tracks.json'
    call(
        demo,
        *(footage, tiny.config, tiny.checkpoint, '--out', out, '--json', tracks, '--batch-size', 4),
        *('--frames', tmp_path / 'frames', '--score-thr', 0),
    )
    reader = VideoReader(out)
    assert (reader.fps, len(list(reader))) == (12, 12)
    assert len(list((tmp_path / 'frames').iterdir())) == 12
    captured = capsys.readouterr()
    assert re.match(rf'12 frames, \d+ tracks: {out}, ', captured.out) and '12/12 frames' in captured.err
    entries = json.loads(tracks.read_text())
    assert entries and all(len(entry['segmentations']) == 12 for entry in entries)
    assert {entry['video_id'] for entry in entries} == {1}
    # The checkpoint knows no category ids: they count from 1.
    assert {entry['category_id'] for entry in entries} <= {1, 2, 3}


def test_default_output_lies_beside_the_input(tiny, footage):
    call(demo, footage, tiny.config, tiny.checkpoint, '--max-frames', 3, '--fps', 5)
    reader = VideoReader(footage.parent / 'my clip_tracks.webm')
    assert (reader.fps, len(list(reader))) == (5, 3)


def test_folder_of_frames_is_a_video_too(tiny, tmp_path):
    call(
        demo, tiny.data / 'frames/clip1', tiny.config, tiny.checkpoint, '--out', tmp_path / 'o.mp4', '--boxes'
    )
    assert len(list(VideoReader(tmp_path / 'o.mp4'))) == 4


def test_bad_videos_are_one_line_each(tiny, footage, tmp_path, capsys):
    rest = (tiny.config, tiny.checkpoint, '--out', tmp_path / 'o.mp4')
    assert 'gone.mp4: no such video' in fails(capsys, demo, tmp_path / 'gone.mp4', *rest)
    (tmp_path / 'text.mp4').write_text('no video')
    assert 'text.mp4: not a video' in fails(capsys, demo, tmp_path / 'text.mp4', *rest)
    (tmp_path / 'empty').mkdir()
    assert 'no images' in fails(capsys, demo, tmp_path / 'empty', *rest)
    cv2.imwrite(str(tmp_path / 'empty/0.png'), cv2.imread(str(tiny.data / 'frames/clip0/00000.png')))
    cv2.imwrite(str(tmp_path / 'empty/1.png'), cv2.imread(str(tiny.data / 'frames/clip0/00000.png'))[:20])
    line = fails(capsys, demo, tmp_path / 'empty', *rest)
    assert '1.png is 20x72, the first image 0.png is 48x72' in line and 'without --out' in line
    assert not (tmp_path / 'o.mp4').exists()


def test_images_of_several_sizes_give_tracks_but_no_video(tiny, tmp_path, capsys):
    image = cv2.imread(str(tiny.data / 'frames/clip0/00000.png'))
    (tmp_path / 'mixed').mkdir()
    cv2.imwrite(str(tmp_path / 'mixed/0.png'), image)
    cv2.imwrite(str(tmp_path / 'mixed/1.png'), image[:40])
    args = (tmp_path / 'mixed', tiny.config, tiny.checkpoint)
    call(demo, *args, '--json', tmp_path / 't.json', '--frames', tmp_path / 'frames')
    captured = capsys.readouterr()
    assert 'no video is written: ' in captured.err and '2 frames, ' in captured.out
    assert isinstance(json.loads((tmp_path / 't.json').read_text()), list)
    assert len(list((tmp_path / 'frames').iterdir())) == 2
    assert 'or use --json' in fails(capsys, demo, *args)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['frames', 'mixed', 't.json']


def test_cut_off_video_keeps_what_there_was_and_says_so(tiny, footage, tmp_path, capsys):
    data = footage.read_bytes()
    (tmp_path / 'cut.avi').write_bytes(data[: len(data) * 2 // 3])
    out, tracks = tmp_path / 'o.mp4', tmp_path / 't.json'
    args = (tmp_path / 'cut.avi', tiny.config, tiny.checkpoint, '--out', out, '--json', tracks)
    line = fails(capsys, demo, *args, '--batch-size', 5, '--score-thr', 0)
    assert 'cut.avi: ' in line and 'damaged or cut off' in line
    count = len(list(VideoReader(out)))
    assert 4 < count < 12
    assert {len(track['segmentations']) for track in json.loads(tracks.read_text())} <= {count}


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_a_bad_image_is_named_and_the_frames_before_it_are_kept(tiny, tmp_path, capsys, batch_size):
    (tmp_path / 'in').mkdir()
    for i in range(4):
        image = cv2.imread(str(tiny.data / f'frames/clip0/0000{i}.png'))
        cv2.imwrite(str(tmp_path / f'in/{i}.jpg'), image)
    (tmp_path / 'in/3.jpg').write_bytes((tmp_path / 'in/3.jpg').read_bytes()[:-99])
    args = ('--out', tmp_path / 'o.webm', '--json', tmp_path / 't.json', '--batch-size', batch_size)
    line = fails(capsys, demo, tmp_path / 'in', tiny.config, tiny.checkpoint, *args)
    assert '3.jpg is truncated' in line
    assert len(list(VideoReader(tmp_path / 'o.webm'))) == 3
    assert isinstance(json.loads((tmp_path / 't.json').read_text()), list)


@pytest.mark.parametrize('where', ['draw_instances', 'VideoReader'])
def test_ctrl_c_finishes_what_was_done(tiny, footage, tmp_path, capsys, monkeypatch, where):
    """Also in the middle of a frame: the outputs hold the same frames."""
    read, calls = VideoReader.frames, []

    def draw(*args, **kwargs):
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return draw_instances(*args, **kwargs)

    def interrupted(self, *args):
        for index, frame in enumerate(read(self, *args)):
            if index == 5 and self.name == str(footage):
                os.kill(os.getpid(), signal.SIGINT)
            yield frame

    if where == 'draw_instances':
        monkeypatch.setattr('mmdet.apis.video_outputs.draw_instances', draw)
    else:
        monkeypatch.setattr(VideoReader, 'frames', interrupted)
    out = tmp_path / 'o.mp4'
    args = (footage, tiny.config, tiny.checkpoint, '--out', out, '--json', tmp_path / 't.json')
    with pytest.raises(SystemExit) as caught:
        call(demo, *args, '--frames', tmp_path / 'frames', '--score-thr', 0)
    assert caught.value.code == 130
    captured = capsys.readouterr()
    assert 'interrupted before frame 5 of ' in captured.err and captured.out.startswith('5 frames, ')
    assert len(list(VideoReader(out))) == len(list((tmp_path / 'frames').iterdir())) == 5
    assert {len(track['segmentations']) for track in json.loads((tmp_path / 't.json').read_text())} == {5}


def test_the_input_is_never_the_output(tiny, footage, tmp_path, capsys):
    mine = tmp_path / 'mine.avi'
    mine.write_bytes(footage.read_bytes())
    (tmp_path / 'link.avi').symlink_to(mine)
    for out in (mine, tmp_path / 'link.avi', f'{tmp_path}/../{tmp_path.name}/mine.avi'):
        assert 'is an input' in fails(capsys, demo, mine, tiny.config, tiny.checkpoint, '--out', out)
    assert mine.read_bytes() == footage.read_bytes()
    folder = tiny.data / 'frames/clip0'
    args = (folder, tiny.config, tiny.checkpoint, '--frames', f'{folder}/../clip0')
    assert 'is the folder to be read' in fails(capsys, demo, *args)


def test_default_names_of_addresses():
    assert str(default_out('rtsp://user:key@cam:554/live/main?x=1')) == 'main_tracks.webm'
    assert str(default_out('https://a.org/b/clip.mp4?token=%2F')) == 'clip_tracks.webm'
    assert str(default_out('rtsp://cam')) == 'stream_tracks.webm'


def test_demo_without_tracking_draws_but_writes_no_tracks(tiny, tmp_path, capsys):
    config = parts.write_config(tmp_path / 'c.py', tiny.data, kind='MaskRCNN')
    checkpoint = parts.write_checkpoint(tmp_path / 'c.pth', config)
    video = tiny.data / 'frames/clip0'
    call(demo, video, config, checkpoint, '--out', tmp_path / 'o.mp4')
    assert len(list(VideoReader(tmp_path / 'o.mp4'))) == 4
    line = fails(
        capsys, demo, video, config, checkpoint, '--out', tmp_path / 'p.mp4', '--json', tmp_path / 'x'
    )
    assert 'MaskRCNN does not track' in line


@pytest.mark.parametrize('option', ['--batch-size', '--max-frames', '--fps'])
def test_demo_options_must_be_positive(option, capsys):
    with pytest.raises(SystemExit):
        parse_args(['v', 'c', 'k', option, '0'])
    assert f'{option} must be above 0' in capsys.readouterr().err
