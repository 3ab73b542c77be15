"""What scoring costs in memory, and that the benchmark runs and compares numbers."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from mmdet.evaluation.ap.backend import get_core
from mmdet.evaluation.ap.evaluate import evaluate_ytvis, load_tables, make_params
from mmdet.evaluation.ap.overlap import group_tracks, measure_masks
from mmdet.evaluation.checks import check_annotations, check_predictions

from .helpers import BACKENDS, BUILT, CASES, ROOT, annotation, dataset, prediction, rectangle


def peak(n_frames, backend):
    """Most bytes that Python holds while the masks of a video are measured."""
    rng = np.random.default_rng(1)
    masks = [rectangle(*rng.integers(0, 100, 2), 300, 300, 480, 640) for _ in range(4)]
    frames = [masks[t % 4] for t in range(n_frames)]
    truth = dataset([annotation(1, frames)], (n_frames,), size=(480, 640))
    tables = load_tables(truth, [prediction(frames)], backend=backend)
    params = make_params(tables[0])
    groups = group_tracks(*tables[1:3], params)
    tracemalloc.start()
    measure_masks(*tables[1:3], groups, params, get_core(backend))
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups.iou.tolist() == [1.0]
    return found


@pytest.mark.parametrize('backend', BACKENDS)
def test_decoded_masks_do_not_pile_up(backend):
    assert peak(400, backend) < 1.2 * peak(20, backend) + 10_000


def measure(ann, results, repeat, out):
    command = [sys.executable, str(ROOT / 'benchmarks/bench_ytvis_eval.py'), str(ann), str(results)]
    command += ['--repeat', str(repeat), '--out', str(out)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    assert 'evaluate: reference / cython: ' in made.stdout
    return json.loads(out.read_text())


@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_benchmark_runs_and_compares_numbers(tmp_path):
    record = measure(CASES / 'normal/gt.json', CASES / 'normal/res.json', 1, tmp_path / 'out.json')
    assert set(record['figures']) == {'reference', 'cython', 'python', 'classes', 'floor'}
    assert {'config', 'commit', 'seed', 'hardware', 'python', 'repeat', 'ratios'} < set(record)


def test_generated_set_is_sound_and_always_the_same(tmp_path):
    script = [sys.executable, str(ROOT / 'benchmarks/make_ytvis_set.py')]
    for name in ('a', 'b'):
        command = [*script, str(tmp_path / name), '--videos', '3']
        subprocess.run(command, check=True, capture_output=True)
    for name in ('gt.json', 'res.json'):
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()
    paths = (tmp_path / 'a' / 'gt.json', tmp_path / 'a' / 'res.json')
    assert not check_annotations(paths[0]).problems
    assert not check_predictions(*paths).problems
    assert evaluate_ytvis(*paths)['stats']['AP50'] > 0.3


@pytest.mark.long
@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_numbers_and_memory_on_a_set_of_the_size_of_youtube_vis(tmp_path):
    script = [sys.executable, str(ROOT / 'benchmarks/make_ytvis_set.py'), str(tmp_path)]
    subprocess.run(script, check=True, capture_output=True)
    figures = measure(tmp_path / 'gt.json', tmp_path / 'res.json', 1, tmp_path / 'out.json')['figures']
    # The official evaluator peaks at 388 MB on such a set.
    assert figures['cython']['peak_mb']['max'] < min(figures['reference']['peak_mb']['min'], 388)
