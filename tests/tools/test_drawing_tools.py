"""demo/video_demo.py, demo/make_contact_sheet.py and tools/visualize.py as a user calls them."""

import json

import cv2
import pytest

from demo.make_contact_sheet import main as sheet
from demo.video_demo import main as demo
from demo.video_demo import parse_args
from mmdet.media import VideoReader, VideoWriter
from tools.visualize import main as visualize

from .. import tiny as parts


def call(main, *args):
    main([str(arg) for arg in args])


def fails(capsys, main, *args):
    with pytest.raises(SystemExit) as caught:
        call(main, *args)
    err = capsys.readouterr().err
    assert caught.value.code == 2 and 'Traceback' not in err
    lines = [line for line in err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1, err
    return lines[0]


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
    assert f'12 frames: {out}' in captured.out and '12/12 frames' in captured.err
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
    assert 'frame 1 is 20 x 72' in fails(capsys, demo, tmp_path / 'empty', *rest)
    assert not (tmp_path / 'o.mp4').exists()


def test_cut_off_video_keeps_what_there_was_and_says_so(tiny, footage, tmp_path, capsys, monkeypatch):
    read = VideoReader.__iter__

    def half(self):
        for index, frame in enumerate(read(self)):
            if index == 6:
                break
            yield frame

    monkeypatch.setattr(VideoReader, '__iter__', half)
    monkeypatch.setattr(VideoReader, 'missing', lambda self: 6)
    line = fails(capsys, demo, footage, tiny.config, tiny.checkpoint, '--out', tmp_path / 'o.mp4')
    assert 'of 12 frames could be read' in line
    assert VideoReader(tmp_path / 'o.mp4').count == 6


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


def test_annotations_are_drawn(tiny, tmp_path, capsys):
    call(
        visualize,
        *(tiny.data / 'ann.json', '--images', tiny.data / 'frames', '--out', tmp_path / 'gt', '--boxes'),
    )
    assert len(list((tmp_path / 'gt').glob('clip*/*.jpg'))) == 12
    image = cv2.imread(str(tmp_path / 'gt/clip0/00000.jpg')).astype(int)
    plain = cv2.imread(str(tiny.data / 'frames/clip0/00000.png'))
    plain = cv2.resize(plain, None, fx=7, fy=7, interpolation=cv2.INTER_CUBIC).astype(int)
    # Objects stand at (5..22, 6..19) and (30..47, 21..34): tinted there, the image itself elsewhere.
    assert abs(image - plain)[7 * 15, 7 * 15].max() > 20
    assert abs(image - plain)[7 * 40 : 7 * 46, 7 * 60 : 7 * 70].max() < 40
    assert (tmp_path / 'gt/contact_sheet.jpg').exists()
    assert '3 videos' in capsys.readouterr().out


def test_results_are_drawn_beside_annotations(tiny, tmp_path, capsys):
    truth = json.loads((tiny.data / 'ann.json').read_text())['annotations']
    results = [{**track, 'score': 0.9} for track in truth]
    (tmp_path / 'r.json').write_text(json.dumps(results))
    args = (tiny.data / 'ann.json', tmp_path / 'r.json', '--images', tiny.data / 'frames')
    call(visualize, *args, '--out', tmp_path / 'v', '--gt', '--videos', 7, '--no-frames', '--fps', 3)
    assert [p.name for p in (tmp_path / 'v').iterdir()] == ['clip1.webm']
    reader = VideoReader(tmp_path / 'v/clip1.webm')
    assert next(iter(reader)).shape == (336 + 18, 2 * 504 + 4, 3) and reader.fps == 3
    options = ('--videos', 7, '--no-frames', '--format', 'mp4')
    call(visualize, *args, '--out', tmp_path / 'mp4', *options)
    assert [p.name for p in (tmp_path / 'mp4').iterdir()] == ['clip1.mp4']
    assert "has no video '8'" in fails(capsys, visualize, *args, '--out', tmp_path / 'v', '--videos', 8)
    call(visualize, *args, '--out', tmp_path / 'named', '--videos', 'clip1', '--no-frames')
    assert [p.name for p in (tmp_path / 'named').iterdir()] == ['clip1.webm']
    (tmp_path / 'r.json').write_text(json.dumps([{**results[0], 'video_id': 500}]))
    assert 'none of 1 predictions is of a video' in fails(capsys, visualize, *args, '--out', tmp_path / 'w')
    bad = {**results[0], 'category_id': 77}
    (tmp_path / 'r.json').write_text(json.dumps([bad]))
    assert 'category 77 of a track' in fails(capsys, visualize, *args, '--out', tmp_path / 'w')
    bad = {**results[0], 'segmentations': [{'size': [4, 4], 'counts': '0:0'}] * 4}
    (tmp_path / 'r.json').write_text(json.dumps([bad]))
    assert 'video 31 cannot be drawn' in fails(capsys, visualize, *args, '--out', tmp_path / 'w')
    (tmp_path / 'r.json').write_text('{"a": 1}')
    assert 'expected a list' in fails(capsys, visualize, *args, '--out', tmp_path / 'v')
    args = (tiny.data / 'ann.json', '--images', tmp_path / 'gone', '--out', tmp_path / 'v')
    assert 'gone: no such folder' in fails(capsys, visualize, *args)


def test_contact_sheet_of_a_folder(tiny, tmp_path, capsys):
    call(visualize, tiny.data / 'ann.json', '--images', tiny.data / 'frames', '--out', tmp_path / 'gt')
    call(
        sheet, tmp_path / 'gt', '--rows', 2, '--columns', 3, '--cell-width', 100, '--out', tmp_path / 's.png'
    )
    assert cv2.imread(str(tmp_path / 's.png')).shape[1] == 3 * 100 + 4 * 6
    (tmp_path / 'none').mkdir()
    assert 'no rendered videos' in fails(capsys, sheet, tmp_path / 'none')
