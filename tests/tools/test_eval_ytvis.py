"""tools/eval_ytvis.py as a user runs it."""

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import eval_ytvis
import pytest

from mmdet.structures.rle import segm_to_rle
from mmdet.synthetic import generate_dataset

from ..evaluation.helpers import CASES, ROOT, prediction, rectangle, simple, write


def run(*args):
    """What the tool prints, and its exit status."""
    status, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            eval_ytvis.main([str(arg) for arg in args])
        except SystemExit as error:
            status = error.code
    return SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.mark.parametrize('name', ['normal', 'ties', 'no_gt'])
def test_numbers_at_full_precision(name, tmp_path):
    folder, out = CASES / name, tmp_path / 'deep' / 'stats.json'
    made = run(folder / 'gt.json', folder / 'res.json', '--out', out)
    assert made.returncode == 0, made.stderr
    stats, expected = json.loads(out.read_text()), json.loads((folder / 'expected.json').read_text())
    assert stats['stats'] == expected['stats'] and stats['per_category_AP'] == expected['per_category_AP']
    assert stats['has_ground_truth'] == (name != 'no_gt')
    assert ('No ground truth' in made.stdout) == (name == 'no_gt')


def test_zip_boxes_thresholds_and_formats(tmp_path):
    folder = CASES / 'normal'
    archive = tmp_path / 'submission.zip'
    with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as file:
        file.write(folder / 'res.json', 'results.json')
    made = run(folder / 'gt.json', archive, '--format', 'json')
    expected = json.loads((folder / 'expected.json').read_text())
    assert json.loads(made.stdout)['stats'] == expected['stats']
    made = run(folder / 'gt.json', archive, '--iou-type', 'bbox', '--iou-thrs', 0.5, '--format', 'markdown')
    assert made.returncode == 0 and '| AP50 | 0.50 | all | 100 |' in made.stdout and '| bbox |' in made.stdout
    made = run(folder / 'gt.json', archive, '--per-category', '--backend', 'python')
    assert 'AP by category' in made.stdout and 'cat6' in made.stdout


def test_analysis_and_plots(tmp_path):
    folder = CASES / 'ties'
    made = run(folder / 'gt.json', folder / 'res.json', '--analyze', '--plot', tmp_path / 'plots')
    assert made.returncode == 0, made.stderr
    assert 'identities' in made.stdout and len(list((tmp_path / 'plots').glob('*.png'))) == 6
    made = run(folder / 'gt.json', folder / 'res.json', '--iou-type', 'bbox', '--plot', tmp_path / 'boxes')
    assert made.returncode == 0 and (tmp_path / 'boxes/pr_curves.png').is_file()


def test_worst_videos_are_drawn_worst_first(tmp_path):
    root = generate_dataset(tmp_path / 'data', train_videos=1, val_videos=3, frames=2, size=(64, 48), seed=1)
    ann = root / 'annotations/instances_val_sub.json'
    truth = json.loads(ann.read_text())
    videos = [video['id'] for video in truth['videos']]
    # The middle video is found, of the last nothing but one frame.
    kept = [{**track, 'score': 0.9} for track in truth['annotations'] if track['video_id'] != videos[0]]
    for track in kept:
        masks = [mask and segm_to_rle(mask, 48, 64) for mask in track['segmentations']]
        track['segmentations'] = [masks[0], None] if track['video_id'] == videos[2] else masks
    (tmp_path / 'results.json').write_text(json.dumps(kept))
    args = (ann, tmp_path / 'results.json', '--plot', tmp_path / 'plots')
    made = run(*args, '--images', root / 'valid/JPEGImages')
    assert made.returncode == 0, made.stderr
    assert '| 1     | val_0000 | ' in made.stdout
    drawn = [Path(line).stem for line in made.stderr.splitlines() if 'worst_videos/' in line]
    assert drawn == ['worst_videos', 'val_0000', 'val_0002', 'val_0001']
    assert len(list((tmp_path / 'plots/worst_videos').glob('val_000?/*.jpg'))) == 6
    for wrong, message in (
        ((*args, '--images', tmp_path / 'nowhere'), 'no such folder'),
        ((*args[:2], '--images', tmp_path), '--images needs --plot'),
    ):
        made = run(*wrong)
        assert made.returncode == 2 and message in made.stderr


def test_without_ground_truth_nothing_is_analyzed_or_drawn(tmp_path):
    folder = CASES / 'no_gt'
    args = (folder / 'gt.json', folder / 'res.json', '--analyze', '--plot', tmp_path / 'plots')
    made = run(*args, '--out', tmp_path / 'stats.json')
    assert made.returncode == 0 and 'no ground truth: there is nothing to analyze' in made.stderr
    assert 'HOTA' not in made.stdout and 'No ground truth' in made.stdout
    assert not (tmp_path / 'plots').exists()
    assert 'analysis' not in json.loads((tmp_path / 'stats.json').read_text())


def test_numbers_are_printed_though_a_frame_is_missing(tmp_path):
    truth, found = simple()
    paths = write(tmp_path, truth, found)
    made = run(*paths, '--plot', tmp_path / 'plots', '--images', tmp_path)
    assert made.returncode == 2 and 'does not exist' in made.stderr
    assert 'Video AP and AR' in made.stdout and '| AP50 ' in made.stdout


def test_strict_and_lenient(tmp_path):
    truth, found = simple()
    found[1]['segmentations'] = found[1]['segmentations'][:2]
    found[2]['segmentations'] = found[2]['segmentations'][:1]
    paths = write(tmp_path, truth, found)
    out = tmp_path / 'stats.json'
    for flags in ([], ['--strict']):
        made = run(*paths, '--out', out, *flags)
        assert made.returncode == 2 and not out.exists()
        assert made.stderr.startswith('error: ') and made.stderr.count('\n') == 1
        assert 'results[1] (video 1)' in made.stderr and 'results[2] (video 2)' in made.stderr
    made = run(*paths, '--out', out, '--lenient')
    assert made.returncode == 0 and 'warning: ' in made.stderr and 'length' in made.stderr
    assert json.loads(out.read_text())['warnings'][0] in made.stderr


def test_bad_arguments(tmp_path):
    folder = CASES / 'normal'
    good = (folder / 'gt.json', folder / 'res.json')
    for args, message in (
        ((folder / 'none.json', good[1]), 'does not exist'),
        ((good[0], good[0]), 'a list of predictions is expected'),
        ((good[1], good[1]), 'YouTube-VIS'),
        ((*good, '--out', tmp_path), 'is a folder'),
        ((*good, '--iou-thrs', 1.5), 'iou_thrs'),
        ((*good, '--analyze', '--iou-type', 'bbox'), 'masks'),
    ):
        made = run(*args)
        assert made.returncode == 2 and made.stderr.startswith('error: ') and message in made.stderr
    assert run(*good, '--strict', '--lenient').returncode == 2


def test_start_is_light():
    code = (
        'import sys, time, runpy; start = time.process_time(); sys.argv = ["eval_ytvis.py", *sys.argv[1:]]\n'
        f'sys.path[0] = {str(ROOT / "tools")!r}\n'  # as Python does for a script
        f'runpy.run_path({str(ROOT / "tools/eval_ytvis.py")!r}, run_name="__main__")\n'
        'heavy = {"torch", "mmengine", "mmcv", "cv2", "matplotlib", "scipy"} & set(sys.modules)\n'
        'assert not heavy, heavy\n'
        'assert time.process_time() - start < 1'
    )
    folder = CASES / 'ties'
    args = [sys.executable, '-c', code, str(folder / 'gt.json'), str(folder / 'res.json')]
    made = subprocess.run(args, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_results_with_a_defect_of_each_official_crash(tmp_path):
    mask = rectangle(2, 2, 8, 8)
    bad = {
        'empty_counts': {'size': [20, 30], 'counts': ''},
        'rle_sum': {'size': [20, 30], 'counts': mask['counts'][:-2]},
        'polygon_in_results': [[1, 1, 9, 1, 9, 9]],
        'uncompressed_in_results': {'size': [20, 30], 'counts': [42, 8, 550]},
    }
    for kind, wrong in bad.items():
        truth, found = simple()
        paths = write(tmp_path, truth, [*found, prediction([mask, wrong, None], 0.1)])
        made = run(*paths)
        assert (
            made.returncode == 2
            and f'[{kind}, 1]' in made.stderr
            and 'results[4] (video 1) frame 1' in made.stderr
        )
        made = run(*paths, '--lenient', '--format', 'json')
        assert made.returncode == 0 and json.loads(made.stdout)['stats']['AP'] >= 0
