"""demo/video_demo.py as a user calls it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from demo.video_demo import default_out, parse_args
from demo.video_demo import main as demo
from mmdet.evaluation import evaluate_ytvis
from mmdet.formats.indexed_png import read_indexed_png
from mmdet.media import VideoReader, VideoWriter
from mmdet.structures.rle import decode_rle
from mmdet.visualization import draw_instances

from .. import tiny as parts
from ..media.videos import av, encode
from .test_drawing_tools import call, fails

needs_av = pytest.mark.skipif(av is None, reason='needs PyAV')


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
    line = fails(capsys, demo, tmp_path / 'gone.mp4', '--opacity', 0.5, *rest[:2])  # in any order
    assert 'gone.mp4: no such video' in line
    cv2.imwrite(str(tmp_path / 'empty/0.png'), cv2.imread(str(tiny.data / 'frames/clip0/00000.png')))
    cv2.imwrite(str(tmp_path / 'empty/1.png'), cv2.imread(str(tiny.data / 'frames/clip0/00000.png'))[:20])
    line = fails(capsys, demo, tmp_path / 'empty', *rest)
    assert '1.png is 20x72, the first image 0.png is 48x72' in line and 'without --out' in line
    (tmp_path / 'empty/1.png').write_text('no image')
    line = fails(capsys, demo, tmp_path / 'empty', *rest)
    assert '1.png is not an image' in line and 'without --out' not in line
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
    count = len(list(VideoReader(out)))  # frames are read ahead and written behind
    assert 0 < count <= 5 if where == 'VideoReader' else 5 <= count < 12
    assert f'interrupted before frame {count} of ' in captured.err
    assert (
        captured.out.startswith(f'{count} frames, ') and len(list((tmp_path / 'frames').iterdir())) == count
    )
    assert {len(track['segmentations']) for track in json.loads((tmp_path / 't.json').read_text())} == {count}


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


def files_of(folder):
    """Name -> content of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def everything(folder, suffix='.mp4'):
    """Options for all outputs in a folder."""
    names = ('--out', folder / f'o{suffix}', '--json', folder / 't.json', '--masks', folder / 'm')
    return (*names, '--frames', folder / 'f', '--score-thr', 0, '--trails', 5)


@pytest.fixture(scope='module')
def large(tiny):
    """A checkpoint whose boxes are larger and whose masks have some pixels; it knows its categories."""
    content = torch.load(tiny.checkpoint)
    content['meta'] = {'dataset_meta': {'classes': parts.CLASSES, 'cat_ids': parts.CAT_IDS}}
    weights = content['state_dict']
    weights['mask_head.conv_logits.bias'] += 2
    for side in (2, 3):
        weights['bbox_head.fc_reg.bias'][side::4] = 6
    torch.save(content, tiny.root / 'large.pth')
    return str(tiny.root / 'large.pth')


def test_json_masks_and_drawing_agree(tiny, large, footage, tmp_path, capsys):
    call(demo, footage, tiny.config, large, *everything(tmp_path), '--opacity', 1)
    entries = json.loads((tmp_path / 't.json').read_text())
    shown = [str(tmp_path / name) for name in ('o.mp4', 'f', 'm', 't.json')]
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f'12 frames, {len(entries)} tracks: ' + '{}, {}/, {}/, {}'.format(*shown)
    assert sorted(entry['id'] for entry in entries) == sorted({entry['id'] for entry in entries})
    frames = zip(VideoReader(footage), VideoReader(tmp_path / 'o.mp4'), strict=True)
    checked = 0
    for index, (image, drawn) in enumerate(frames):
        numbers = read_indexed_png(tmp_path / f'm/{index:05d}.png')
        masks = {
            entry['id']: decode_rle(entry['segmentations'][index])
            for entry in entries
            if entry['segmentations'][index]
        }
        for entry in entries:
            seen = entry['segmentations'][index] is not None
            assert (entry['bboxes'][index] is not None) == (entry['scores'][index] is not None) == seen
        painted = np.zeros_like(numbers)
        for identity in sorted(masks, key=lambda identity: -int(masks[identity].sum())):
            painted[masks[identity] > 0] = identity
        assert masks and np.array_equal(numbers, painted)
        assert drawn.shape == image.shape
        largest = max(masks, key=lambda identity: (numbers == identity).sum())
        pixels = numbers == largest
        if pixels.sum() > 150:
            checked += 1
            assert (drawn != image).any(2)[pixels].mean() > 0.95
    assert checked > 3


def test_ap_equals_that_of_the_test_program(tiny, large, tmp_path, capsys):
    from tools.test_video import main as test_video

    call(test_video, tiny.config, large, '--out', tmp_path / 'whole')
    merged = []
    for number, video_id in enumerate(parts.VIDEO_IDS):
        tracks = tmp_path / f'{number}.json'
        args = (tiny.data / f'frames/clip{number}', tiny.config, large, '--batch-size', 2)
        call(demo, *args, '--json', tracks, '--out', tmp_path / 'o.mp4')
        merged += [{**entry, 'video_id': video_id} for entry in json.loads(tracks.read_text())]
    (tmp_path / 'demo.json').write_text(json.dumps(merged))
    whole = json.loads((tmp_path / 'whole.json').read_text())
    keys = ('video_id', 'score', 'category_id', 'segmentations')
    assert [{key: entry[key] for key in keys} for entry in merged] == whole
    ann = str(tiny.data / 'ann.json')
    scores = [
        evaluate_ytvis(ann, str(tmp_path / name), strict=False)['stats']
        for name in ('demo.json', 'whole.json')
    ]
    assert scores[0] == scores[1] and scores[0]['AP'] >= 0


def test_some_frames_and_classes(tiny, footage, tmp_path):
    args = (footage, tiny.config, tiny.checkpoint)
    some = ('--start', 1, '--end', 9, '--stride', 3)
    call(demo, *args, *everything(tmp_path / 'a'), *some)
    reader = VideoReader(tmp_path / 'a/o.mp4')
    assert (len(list(reader)), reader.fps) == (3, 4)  # the same time as in the input
    entries = json.loads((tmp_path / 'a/t.json').read_text())
    assert {len(entry['segmentations']) for entry in entries} == {3}
    present = sorted({parts.CLASSES[entry['category_id'] - 1] for entry in entries})
    call(demo, *args, *everything(tmp_path / 'b'), *some, '--classes', present[0])
    chosen = json.loads((tmp_path / 'b/t.json').read_text())
    assert {parts.CLASSES[entry['category_id'] - 1] for entry in chosen} == {present[0]}
    call(demo, *args, '--json', tmp_path / 'c.json', '--out', tmp_path / 'c.mp4', '--score-thr', 0.999, *some)
    strong = json.loads((tmp_path / 'c.json').read_text())
    assert all(score >= 0.999 for entry in strong for score in entry['scores'] if score is not None)
    assert sum(len(entry['scores']) - entry['scores'].count(None) for entry in strong) < sum(
        len(entry['scores']) - entry['scores'].count(None) for entry in entries
    )


def test_wrong_choices_are_one_line_each(tiny, footage, tmp_path, capsys):
    args = (footage, tiny.config, tiny.checkpoint, '--out', tmp_path / 'o.mp4')
    line = fails(capsys, demo, *args, '--classes', 'disk')
    assert "no class 'disk' (did you mean 'disc'?); the model knows disc, box, bar" in line
    assert 'two outputs have the same name' in fails(capsys, demo, *args, '--json', tmp_path / 'o.mp4')
    assert 'videos are written as' in fails(capsys, demo, *args[:3], '--out', tmp_path / 'o.txt')
    assert 'no frame from number 99 on' in fails(capsys, demo, *args, '--start', 99)
    (tmp_path / 'file').write_text('')
    assert 'is a file; expected a folder' in fails(capsys, demo, *args, '--masks', tmp_path / 'file')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['file']
    for options in (('--end', 3, '--start', 3), ('--start', -1), ('--score-thr', 2), ('--opacity', -1)):
        with pytest.raises(SystemExit):
            parse_args([str(value) for value in ('v', 'c', 'k', *options)])


def test_models_are_chosen_by_name_too(capsys):
    for argv in (['v'], ['v', '--model', 'maskrcnn_r50_fpn_v2_coco']):
        args = parse_args(argv)
        assert args.config == args.checkpoint == 'maskrcnn_r50_fpn_v2_coco'
    assert parse_args(['v', 'c.py', 'k.pth']).config == 'c.py'
    with pytest.raises(SystemExit):
        parse_args(['v', 'c.py'])
    assert 'CHECKPOINT is missing' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_args(['--list-models'])
    assert 'maskrcnn_r50_fpn_v2_coco' in capsys.readouterr().out


class Killed(BaseException):
    """Ends a run without any chance to tidy up, as SIGKILL does."""


def kill_at(monkeypatch, count):
    """Let the run end before frame ``count`` as if it were killed."""
    from mmdet.apis import video

    add = video.VideoOutputs.add

    def adding(self, *args):
        if self.count == count:
            raise Killed
        add(self, *args)

    monkeypatch.setattr(video.VideoOutputs, 'add', adding)
    monkeypatch.setattr(video, '_finish', lambda *args: None)


@needs_av
@pytest.mark.parametrize('suffix, killed_at', [('.mp4', 11), ('.webm', 7), ('.gif', 4)])
def test_a_killed_run_goes_on_and_equals_one_that_ran_through(
    tiny, large, footage, tmp_path, monkeypatch, capsys, suffix, killed_at
):
    monkeypatch.setattr('mmdet.apis.video.PART', 4)
    args = (footage, tiny.config, large, '--batch-size', 2)
    call(demo, *args, *everything(tmp_path / 'whole', suffix))
    with monkeypatch.context() as patch:
        kill_at(patch, killed_at)
        with pytest.raises(Killed):
            call(demo, *args, *everything(tmp_path / 'parts', suffix))
    left = tmp_path / 'parts' / f'o{suffix}.partial.mp4'
    assert len(list(VideoReader(left))) >= killed_at // 4 * 4
    assert not (tmp_path / 'parts' / f'o{suffix}').exists()
    capsys.readouterr()
    call(demo, *args, *everything(tmp_path / 'parts', suffix), '--resume')
    expected = files_of(tmp_path / 'whole')
    assert files_of(tmp_path / 'parts') == expected and len(expected) == 2 + 2 * 12
    out, err = capsys.readouterr()
    assert out.startswith('12 frames, ') and '12/12 frames' in err


@needs_av
def test_after_ctrl_c_the_run_goes_on(tiny, large, footage, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('mmdet.apis.video.PART', 4)
    args = (footage, tiny.config, large)
    call(demo, *args, *everything(tmp_path / 'whole'))
    calls = []

    def draw(*args, **kwargs):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return draw_instances(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr('mmdet.apis.video_outputs.draw_instances', draw)
        with pytest.raises(SystemExit):
            call(demo, *args, *everything(tmp_path / 'parts'))
    assert '--resume continues from frame 4' in capsys.readouterr().err
    assert len(list(VideoReader(tmp_path / 'parts/o.mp4'))) == 7
    tracks = json.loads((tmp_path / 'parts/t.json').read_text())
    assert {len(track['segmentations']) for track in tracks} == {7}
    other = fails(capsys, demo, *args, *everything(tmp_path / 'parts'), '--resume', '--boxes')
    assert 'o.mp4.partial belongs to another run: other options' in other
    call(demo, *args, *everything(tmp_path / 'parts'), '--resume')
    assert files_of(tmp_path / 'parts') == files_of(tmp_path / 'whole')


@needs_av
def test_what_cannot_be_resumed_says_so(tiny, footage, tmp_path, monkeypatch, capsys):
    args = (tiny.config, tiny.checkpoint, '--out', tmp_path / 'o.mp4')
    call(demo, footage, *args, '--resume', '--max-frames', 2)
    assert 'o.mp4.partial: starting at the beginning' in capsys.readouterr().err
    (tmp_path / 'o.mp4.partial').write_text('something else')
    assert 'o.mp4.partial' in fails(capsys, demo, footage, *args, '--resume')
    call(demo, footage, *args, '--max-frames', 2)
    assert 'starting over; --resume would continue' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['o.mp4']
    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, 'VideoCapture', lambda source: capture(str(footage) if source == 7 else source))
    monkeypatch.chdir(tmp_path)
    assert 'cannot be read again' in fails(capsys, demo, '7', *args, '--resume')
    call(demo, '7', *args, '--max-frames', 2)
    assert len(list(VideoReader(tmp_path / 'o.mp4'))) == 2


def turned(path):
    """A video that is stored lying and shown standing."""
    encode(path, images=[np.full((48, 64, 3), 60, np.uint8)] * 4)
    data = bytearray(path.read_bytes())
    place = data.index(b'tkhd') + 4 + 40
    matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    data[place : place + 36] = b''.join(value.to_bytes(4, 'big', signed=True) for value in matrix)
    path.write_bytes(data)


def animation(path):
    images = [Image.new('RGBA', (63, 47), (60 * i, 90, 30, 255 - 60 * i)) for i in range(4)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=200)


MADE = {
    'portrait.mp4': (turned, (64, 48), 4),
    'one.mp4': (lambda path: encode(path, images=[np.full((48, 64, 3), 60, np.uint8)]), (48, 64), 1),
    'moving.gif': (animation, (47, 63), 4),
    'ten_bits.mp4': (lambda path: encode(path, pixels='yuv420p10le'), (48, 64), 6),
    'gray.mkv': (lambda path: encode(path, 'ffv1', 'gray'), (48, 64), 6),
    'rgba.mov': (lambda path: encode(path, 'qtrle', 'argb'), (48, 64), 6),
    'odd.mkv': (
        lambda path: encode(path, 'ffv1', 'bgr0', [np.full((47, 63, 3), 60, np.uint8)] * 3),
        (47, 63),
        3,
    ),
}


@needs_av
@pytest.mark.parametrize('name', MADE)
def test_videos_of_all_kinds(tiny, tmp_path, name):
    make, size, count = MADE[name]
    make(tmp_path / name)
    source = VideoReader(tmp_path / name)
    for suffix in ('.mp4', '.webm', '.gif'):
        folder = tmp_path / suffix[1:]
        call(demo, tmp_path / name, tiny.config, tiny.checkpoint, *everything(folder, suffix), '--opacity', 0)
        reader = VideoReader(folder / f'o{suffix}')
        frames = list(reader)
        assert {frame.shape[:2] for frame in frames} == {size} and len(frames) == count
        assert reader.fps == pytest.approx(source.fps, rel=0.02) or count == 1
        masks = sorted((folder / 'm').iterdir())
        assert {read_indexed_png(mask).shape for mask in masks} == {size} and len(masks) == count


@needs_av
def test_times_of_a_variable_rate_are_kept(tiny, tmp_path):
    times = [0, 10, 50, 60, 70, 200]
    encode(tmp_path / 'a.mp4', times=times)
    for name in ('b.mp4', 'b.webm', 'b.gif'):
        call(demo, tmp_path / 'a.mp4', tiny.config, tiny.checkpoint, '--out', tmp_path / name)
        reader = VideoReader(tmp_path / name)
        shown = [100 * float(reader.time) for _ in reader]
        assert np.abs(np.array(shown) - times).max() < 2.5, name
    call(demo, tmp_path / 'a.mp4', tiny.config, tiny.checkpoint, '--out', tmp_path / 'c.mp4', '--fps', 10)
    reader = VideoReader(tmp_path / 'c.mp4')
    assert [round(10 * float(reader.time)) for _ in reader] == [0, 1, 2, 3, 4, 5]


@pytest.mark.long
@needs_av
def test_a_real_kill_at_any_moment(tiny, large, tmp_path):
    """Three kills, by the system, of one run of 300 frames, which ends as one that ran through."""
    frames = [frame for number in range(3) for frame in VideoReader(tiny.data / f'frames/clip{number}')]
    with VideoWriter(tmp_path / 'in.mp4', 25) as writer:
        for index in range(300):
            writer.write(frames[index % len(frames)])
    script = Path(__file__).resolve().parents[2] / 'demo/video_demo.py'

    def command(folder, *more):
        args = (tmp_path / 'in.mp4', tiny.config, large, *everything(tmp_path / folder), *more)
        return [sys.executable, str(script), *map(str, args)]

    subprocess.run(command('whole'), check=True, capture_output=True)
    for count in (60, 130, 230):
        process = subprocess.Popen(command('parts', '--resume'), stderr=subprocess.DEVNULL)
        while not (tmp_path / f'parts/m/{count:05d}.png').exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        played = len(list(VideoReader(tmp_path / 'parts/o.mp4.partial.mp4')))
        assert played >= count // 50 * 50
    subprocess.run(command('parts', '--resume'), check=True, capture_output=True)
    left = {name: data for name, data in files_of(tmp_path / 'parts').items() if '.lock' not in name}
    assert left == files_of(tmp_path / 'whole')
