"""What scoring costs: memory that does not grow with the frames, and CPU time against the reference."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mmdet.evaluation.backend import get_core
from mmdet.evaluation.evaluate import load_tables, make_params
from mmdet.evaluation.overlap import group_tracks, measure_masks

from .helpers import BACKENDS, BUILT, CASES, ROOT, annotation, dataset, prediction, rectangle

SHARED = Path(os.environ.get('MASKTRACK_YTVIS_EVAL', ROOT.parent / 'shared' / 'ytvis_eval'))


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
    assert 'times the floor' in made.stdout
    return json.loads(out.read_text())


@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_benchmark_runs_and_compares_numbers(tmp_path):
    figures = measure(CASES / 'normal/gt.json', CASES / 'normal/res.json', 1, tmp_path / 'out.json')
    assert set(figures) == {'reference', 'cython', 'python', 'classes', 'floor', 'machine'}


@pytest.mark.long
@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_ratios_on_a_set_of_the_size_of_youtube_vis(tmp_path):
    if not (SHARED / 'gen.py').is_file():
        pytest.skip('the generator of reference cases is not here (MASKTRACK_YTVIS_EVAL)')
    command = [sys.executable, str(SHARED / 'gen.py'), 'perf', str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    figures = measure(tmp_path / 'gt.json', tmp_path / 'res.json', 3, tmp_path / 'out.json')
    reference, ours = figures['reference'], figures['cython']
    assert reference['evaluate'] >= 10 * ours['evaluate']
    assert reference['total'] >= 5 * ours['total']
    assert ours['peak_mb'] < reference['peak_mb'] < 500
