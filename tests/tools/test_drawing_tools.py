"""demo/make_contact_sheet.py and tools/visualize.py as a user calls them."""

import json

import cv2
import pytest

from demo.make_contact_sheet import main as sheet
from mmdet.media import VideoReader
from tools.visualize import main as visualize


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
    assert abs(image - plain)[7 * 15, 7 * 15].max() > 10
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
    assert next(iter(reader)).shape == (336 + 17, 2 * 504 + 4, 3) and reader.fps == 3
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
    assert 'a list of predictions is expected' in fails(capsys, visualize, *args, '--out', tmp_path / 'v')
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
