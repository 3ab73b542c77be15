"""tools/test_video.py as a user calls it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import pytest
import torch

from mmdet.formats.results import VideoResultWriter
from mmdet.media import VideoReader
from mmdet.utils import exclusive
from tools.test_video import main, parse_args

from .. import tiny as parts

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'test_video.py'


def run(*args):
    main([str(arg) for arg in args])


def fails(capsys, *args):
    """Run, expect exit status 2 and one line of error; returns that line."""
    with pytest.raises(SystemExit) as caught:
        run(*args)
    err = capsys.readouterr().err
    assert caught.value.code == 2
    lines = [line for line in err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1 and 'Traceback' not in err, err
    return lines[0]


@pytest.fixture(scope='session')
def results(tiny):
    """What a plain run gives."""
    run(tiny.config, tiny.checkpoint, '--out', tiny.root / 'plain')
    return json.loads((tiny.root / 'plain.json').read_text())


def same_tracks(got, expected):
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert {k: a[k] for k in ('video_id', 'category_id', 'segmentations')} == {
            k: b[k] for k in ('video_id', 'category_id', 'segmentations')
        }
        assert a['score'] == pytest.approx(b['score'], abs=1e-5)


def test_json_has_the_datasets_own_ids_at_the_original_resolution(tiny, results):
    assert {entry['video_id'] for entry in results} == set(parts.VIDEO_IDS)
    assert [v for v, _ in _runs(results)] == list(parts.VIDEO_IDS)  # in the order of the file
    assert {entry['category_id'] for entry in results} <= set(parts.CAT_IDS)
    for entry in results:
        assert set(entry) == {'video_id', 'score', 'category_id', 'segmentations'}
        assert len(entry['segmentations']) == 4
        masks = [mask for mask in entry['segmentations'] if mask is not None]
        assert masks and all(mask['size'] == [48, 72] for mask in masks)
        assert 0.05 <= entry['score'] <= 1
    assert any(None in entry['segmentations'] for entry in results)


def _runs(entries):
    """(video id, number of entries) of consecutive entries."""
    found = []
    for entry in entries:
        if not found or found[-1][0] != entry['video_id']:
            found.append([entry['video_id'], 0])
        found[-1][1] += 1
    return found


def test_out_names_json_and_zip(tiny, results, capsys):
    run(tiny.config, tiny.checkpoint, '--out', tiny.root / 'out_0.4')
    assert json.loads((tiny.root / 'out_0.4.json').read_text()) == results
    with zipfile.ZipFile(tiny.root / 'out_0.4.zip') as archive:
        assert json.loads(archive.read('results.json')) == results
    assert str(tiny.root / 'out_0.4.json') in capsys.readouterr().out
    assert not list(tiny.root.glob('*.partial*'))


def test_without_out_results_go_to_the_work_dir(tiny, results):
    run(tiny.config, tiny.checkpoint)
    assert json.loads((tiny.data / 'work' / 'tiny_results.json').read_text()) == results


def test_eval_prints_the_twelve_numbers_and_the_ap(tiny, results, capsys):
    args = (tiny.config, tiny.checkpoint, '--out', tiny.root / 'plain.pkl', '--load_result')
    run(*args, '--eval')
    out = capsys.readouterr().out
    for name in ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl']:
        assert f'| {name} ' in out
    assert len([line for line in out.splitlines() if line.startswith('video AP: 0.')]) == 1
    run(*args, '--eval', 'segm', 'bbox')
    out = capsys.readouterr().out
    assert 'video AP: 0.' in out and 'video box AP: 0.' in out


def test_perfect_results_score_one(tiny, capsys):
    truth = json.loads((tiny.data / 'ann.json').read_text())['annotations']
    perfect = [
        {**{k: t[k] for k in ('video_id', 'category_id', 'segmentations')}, 'score': 0.9} for t in truth
    ]
    (tiny.root / 'perfect.json').write_text(json.dumps(perfect))
    run(tiny.config, '--load-result', '--out', tiny.root / 'perfect', '--eval', 'segm', 'bbox')
    out = capsys.readouterr().out
    assert 'video AP: 1.000' in out and 'video box AP: 1.000' in out


def test_eval_without_ground_truth_says_so(tiny, results, capsys):
    config = parts.write_config(tiny.root / 'no_truth.py', tiny.data, ann='no_truth.json')
    run(config, tiny.checkpoint, '--out', tiny.root / 'no_truth', '--eval')
    captured = capsys.readouterr()
    assert 'there will be no score' in captured.err
    assert 'nothing can be scored' in captured.out and 'video AP' not in captured.out
    assert json.loads((tiny.root / 'no_truth.json').read_text()) == results


@pytest.mark.filterwarnings('ignore:TF32 acceleration')
def test_neither_batches_nor_workers_change_a_byte(tiny, results, tmp_path):
    """A batch of three has frames of two videos."""
    for name, batch_size, workers in (('one', 1, 0), ('three', 3, 2)):
        options = (f'test_dataloader.batch_size={batch_size}', f'test_dataloader.num_workers={workers}')
        with torch.backends.mkldnn.flags(enabled=False):  # PyTorch uses it for a small image only in a batch
            run(tiny.config, tiny.checkpoint, '--out', tmp_path / name, '--cfg-options', *options)
    one, three = ((tmp_path / f'{name}.json').read_bytes() for name in ('one', 'three'))
    assert one == three
    same_tracks(json.loads(one), results)


def test_run_that_is_cut_off_goes_on(tiny, results, tmp_path, monkeypatch, capsys):
    add = VideoResultWriter.add
    seen = []

    def cut(self, sample):
        if len(seen) == 9:
            raise KeyboardInterrupt
        seen.append((sample.video_id, sample.frame_id))
        return add(self, sample)

    monkeypatch.setattr(VideoResultWriter, 'add', cut)
    # The third batch has frames of the second video, which is finished, and of the third one.
    args = (tiny.config, tiny.checkpoint, '--out', tmp_path / 'x')
    options = ('--cfg-options', 'test_dataloader.batch_size=3')
    with pytest.raises(SystemExit) as caught:
        run(*args, *options)
    assert caught.value.code == 130
    assert 'x.json.partial: --resume continues from there' in capsys.readouterr().err
    assert not (tmp_path / 'x.json').exists() and (tmp_path / 'x.json.partial').exists()

    seen.clear()
    seen.extend([None] * 100)
    run(*args, *options, '--resume')
    again = [entry for entry in seen if entry is not None]
    assert again == [(parts.VIDEO_IDS[2], frame) for frame in range(4)]
    assert '2 of 3 videos are already done' in capsys.readouterr().err
    assert json.loads((tmp_path / 'x.json').read_text()) == results
    assert [p.name for p in sorted(tmp_path.iterdir())] == ['x.json', 'x.zip']


def test_resume_with_another_checkpoint_is_refused(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        VideoResultWriter, 'add', lambda self, sample: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(SystemExit):
        run(tiny.config, tiny.checkpoint, '--out', tmp_path / 'x')
    other = parts.write_checkpoint(tmp_path / 'other.pth', tiny.config, seed=1)
    line = fails(capsys, tiny.config, other, '--out', tmp_path / 'x', '--resume')
    assert 'belongs to another run: checkpoint was' in line


def test_two_tests_do_not_write_one_file(tiny, tmp_path, capsys):
    with exclusive(tmp_path / 'out.json.lock', ''):
        error = fails(capsys, tiny.config, tiny.checkpoint, '--out', tmp_path / 'out')
    assert 'out.json is being written by another test' in error
    assert not (tmp_path / 'out.json.partial').exists()


def test_results_do_not_replace_the_annotations(tiny, tmp_path, capsys):
    ann = tiny.root / 'data' / 'ann.json'
    before = ann.read_bytes()
    error = fails(capsys, tiny.config, tiny.checkpoint, '--out', tiny.root / 'data' / '..' / 'data' / 'ann')
    assert 'is an input of this command' in error and ann.read_bytes() == before


def test_show_dir_gets_every_frame_a_video_and_a_contact_sheet(tiny, results, tmp_path):
    show = tmp_path / 'show'
    run(
        *(tiny.config, tiny.checkpoint, '--out', tmp_path / 'x'),
        *('--show-dir', show, '--show-score-thr', 0, '--show-fps', 10, '--show-gt'),
    )
    for clip in ('clip0', 'clip1', 'clip2'):
        assert sorted(p.name for p in (show / clip).iterdir()) == [f'{i:05d}.jpg' for i in range(4)]
        reader = VideoReader(show / f'{clip}.webm')
        assert (len(list(reader)), reader.fps) == (4, 10)
    # Enlarged, beside the truth, under titles of 17 pixels.
    assert cv2.imread(str(show / 'clip0/00000.jpg')).shape == (336 + 17, 2 * 504 + 4, 3)
    assert cv2.imread(str(show / 'contact_sheet.jpg')) is not None


def test_spellings_of_2019(tiny, results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'r.json').write_text((tiny.root / 'plain.json').read_text())
    run(
        *(tiny.config, tiny.checkpoint, '--gpus', '1', '--proc_per_gpu', '1', '--out', 'r.pkl'),
        *('--load_result', '--eval', 'segm', '--show', '--save_path', 'images'),
    )
    assert 'video AP: ' in capsys.readouterr().out
    assert len(list((tmp_path / 'images').glob('*/*.jpg'))) == 12
    run(tiny.config, '--load_result', '--out', 'r', '--show')
    assert len(list((tmp_path / 'r_show').glob('*.webm'))) == 3


def test_command_line_mistakes(capsys):
    for args, message in (
        (['c.py'], 'CHECKPOINT is missing'),
        (['c.py', '--load-result'], 'needs --out'),
        (['c.py', 'x.pth', '--gpus', '0'], 'at least 1'),
        (['c.py', 'x.pth', '--eval', 'keypoints'], 'invalid choice'),
    ):
        with pytest.raises(SystemExit) as caught:
            parse_args(args)
        assert caught.value.code == 2 and message in capsys.readouterr().err


def test_bad_inputs_are_one_line_each(tiny, tmp_path, capsys):
    out = ('--out', tmp_path / 'x/y', '--show-dir', tmp_path / 'x-show')
    assert 'does not exist' in fails(capsys, tmp_path / 'none.py', tiny.checkpoint, *out)
    assert 'does not exist' in fails(capsys, tiny.config, tmp_path / 'none.pth', *out)
    (tmp_path / 'cut.pth').write_bytes(Path(tiny.checkpoint).read_bytes()[:5000])
    assert 'cut.pth cannot be read' in fails(capsys, tiny.config, tmp_path / 'cut.pth', *out)
    config = parts.write_config(tmp_path / 'no_ann.py', tiny.data, ann='none.json')
    assert 'none.json does not exist (data/README.md' in fails(capsys, config, tiny.checkpoint, *out)
    config = parts.write_config(tmp_path / 'classes.py', tiny.data, num_classes=4)
    other = parts.write_checkpoint(tmp_path / 'other.pth', config)
    assert 'num_classes is 4, but test_dataloader has 3 classes' in fails(capsys, config, other, *out)
    line = fails(capsys, tiny.config, other, *out)
    assert 'does not fit the config' in line
    assert '--load-result' in fails(capsys, tiny.config, '--load-result', '--out', tmp_path / 'nothing')
    plain = parts.write_config(tmp_path / 'plain.py', tiny.data, kind='MaskRCNN')
    weights = parts.write_checkpoint(tmp_path / 'plain.pth', plain)
    assert 'MaskRCNN does not track' in fails(capsys, plain, weights, *out)
    assert list(tmp_path.glob('x*')) == []


TRACKER = ('--cfg-options', 'model.tracker.type=IoUTracker')


def test_a_detector_of_images_tracks_with_a_tracker(tiny, tmp_path, monkeypatch, capsys):
    """The results json, scores, other clip lengths, and a run that is cut off and goes on."""
    config = parts.write_config(tmp_path / 'c.py', tiny.data, kind='MaskRCNN')
    weights = parts.write_checkpoint(tmp_path / 'c.pth', config)
    run(config, weights, '--out', tmp_path / 'x', '--eval', *TRACKER)
    assert 'video AP: 0.' in capsys.readouterr().out
    results = json.loads((tmp_path / 'x.json').read_text())
    assert [video for video, _ in _runs(results)] == list(parts.VIDEO_IDS)
    assert any(sum(mask is not None for mask in entry['segmentations']) > 1 for entry in results)
    run(config, weights, '--out', tmp_path / 'y', *TRACKER, 'test_dataloader.batch_size=3')
    same_tracks(json.loads((tmp_path / 'y.json').read_text()), results)

    add, seen = VideoResultWriter.add, []

    def cut(self, sample):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(sample)
        return add(self, sample)

    with monkeypatch.context() as patch:
        patch.setattr(VideoResultWriter, 'add', cut)
        with pytest.raises(SystemExit):
            run(config, weights, '--out', tmp_path / 'z', *TRACKER)
    other = [*TRACKER, 'model.tracker.iou_thr=0.5']
    assert 'another run: config' in fails(
        capsys, config, weights, '--out', tmp_path / 'z', '--resume', *other
    )
    run(config, weights, '--out', tmp_path / 'z', '--resume', *TRACKER)
    assert json.loads((tmp_path / 'z.json').read_text()) == results


def test_a_detector_without_masks_gives_tracks_of_boxes(tiny, tmp_path, capsys):
    config = parts.write_config(tmp_path / 'c.py', tiny.data, kind='FasterRCNN')
    weights = parts.write_checkpoint(tmp_path / 'c.pth', config)
    args = (config, weights, '--out', tmp_path / 'x')
    assert 'FasterRCNN gives boxes without masks: --eval bbox' in fails(capsys, *args, '--eval', *TRACKER)
    assert not list(tmp_path.glob('x*'))
    show = ('--show-dir', tmp_path / 'show', '--show-gt', '--show-score-thr', '0')
    run(*args, '--eval', 'bbox', *show, *TRACKER)
    assert 'video box AP: 0.' in capsys.readouterr().out
    results = json.loads((tmp_path / 'x.json').read_text())
    for entry in results:
        assert set(entry) == {'video_id', 'score', 'category_id', 'bboxes'} and len(entry['bboxes']) == 4
        boxes = [box for box in entry['bboxes'] if box]
        assert boxes and all(0 <= x < x + w <= 73 and 0 <= y < y + h <= 49 for x, y, w, h in boxes)
    assert any(sum(box is not None for box in entry['bboxes']) > 1 for entry in results)
    first = cv2.imread(str(tmp_path / 'show/clip0/00000.jpg'))
    run(*args, '--load-result', *show)  # drawn from the file, the same
    assert (cv2.imread(str(tmp_path / 'show/clip0/00000.jpg')) == first).all()


@pytest.mark.parametrize('workers', [0, 1])
def test_missing_frame_is_named_even_from_a_worker(tiny, tmp_path, capsys, workers):
    data = parts.make_videos(tmp_path / 'data')
    config = parts.write_config(tmp_path / 'c.py', data)
    (data / 'frames/clip1/00002.png').unlink()
    options = ('--cfg-options', f'test_dataloader.num_workers={workers}')
    line = fails(capsys, config, tiny.checkpoint, '--out', tmp_path / 'x', *options)
    assert line.endswith('clip1/00002.png does not exist')
    # The first video is done; when the frame is back the run continues from there.
    cv2.imwrite(str(data / 'frames/clip1/00002.png'), cv2.imread(str(data / 'frames/clip1/00001.png')))
    run(config, tiny.checkpoint, '--out', tmp_path / 'x', '--resume')
    assert '1 of 3 videos are already done' in capsys.readouterr().err


def test_two_processes_give_the_same_file(tiny, results, tmp_path):
    command = [sys.executable, str(TOOL), tiny.config, tiny.checkpoint, '--gpus', '2', '--eval']
    command += ['--out', str(tmp_path / 'x'), '--show-dir', str(tmp_path / 'show')]
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    same_tracks(json.loads((tmp_path / 'x.json').read_text()), results)
    assert done.stdout.count('video AP: 0.') == 1
    assert sorted(p.name for p in (tmp_path / 'show').glob('*.webm')) == [
        'clip0.webm',
        'clip1.webm',
        'clip2.webm',
    ]
    assert [p.name for p in tmp_path.glob('*.partial*')] == []
