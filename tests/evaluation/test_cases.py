"""The numbers of the official evaluator, to the last bit, on both paths."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet.evaluation import evaluate_tables, summarize
from mmdet.formats.defects import InputDefect

from .helpers import BACKENDS, CASES, ROOT

NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())
SHARED = Path(os.environ.get('MASKTRACK_YTVIS_EVAL', ROOT.parent / 'shared' / 'ytvis_eval'))
NOT_STRICT = {'empty_results', 'mismatch'}


def check(folder, ann, results, strict, backend):
    evaluation = evaluate_tables(ann, results, strict=strict, backend=backend)
    summary, expected = summarize(evaluation), json.loads((folder / 'expected.json').read_text())
    arrays = np.load(folder / 'arrays.npz')
    assert summary['stats'] == expected['stats']
    assert summary['per_category_AP'] == expected['per_category_AP']
    for name in ('precision', 'recall', 'scores'):
        assert np.array_equal(evaluation.result[name], arrays[name]), name
    where = {key: n for n, key in enumerate(evaluation.groups.keys)}
    begin = 0
    for video, category, n_dt, n_gt in arrays['iou_key'].tolist():
        values = arrays['iou_val'][begin : begin + n_dt * n_gt].reshape(n_dt, n_gt)
        begin += n_dt * n_gt
        assert np.array_equal(evaluation.groups.iou_of(where[video, category]), values)
    assert begin == len(arrays['iou_val'])
    warned = [f'Mask sizes in video {v} and category {c} may not match!' for v, c in evaluation.empty_unions]
    assert sorted(warned) == sorted(set(expected['iou_warnings']))


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('name', NAMES)
def test_case(name, backend):
    folder = CASES / name
    check(folder, folder / 'gt.json', folder / 'res.json', name not in NOT_STRICT, backend)


@pytest.mark.parametrize('backend', BACKENDS)
def test_content_instead_of_files_is_left_alone(backend):
    folder = CASES / 'formats'
    ann, results = (json.loads((folder / name).read_text()) for name in ('gt.json', 'res.json'))
    check(folder, ann, results, True, backend)
    assert ann == json.loads((folder / 'gt.json').read_text())
    assert results == json.loads((folder / 'res.json').read_text())


@pytest.fixture(scope='module')
def generated(tmp_path_factory):
    if not (SHARED / 'gen.py').is_file():
        pytest.skip('the generator of reference cases is not here (MASKTRACK_YTVIS_EVAL)')
    folder = tmp_path_factory.mktemp('generated')
    command = [sys.executable, str(SHARED / 'gen.py'), 'cases', str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize('backend', BACKENDS)
def test_generated_cases_equal_the_reference(generated, backend):
    import ytvis_reference as reference

    names = sorted(p.name for p in generated.iterdir())
    assert len(names) >= 16
    for name in names:
        ann, results = generated / name / 'gt.json', generated / name / 'res.json'
        videos, categories, annotations = reference.load_truth(ann)
        matched, ious = reference.evaluate(videos, categories, annotations, reference.load_results(results))
        precision, recall = reference.accumulate(matched, categories)
        if name in NOT_STRICT:
            with pytest.raises(InputDefect):
                evaluate_tables(ann, results, backend=backend)
        found = evaluate_tables(ann, results, strict=name not in NOT_STRICT, backend=backend)
        assert np.array_equal(found.result['precision'], precision), name
        assert np.array_equal(found.result['recall'], recall), name
        assert summarize(found)['stats'] == reference.summarize(precision, recall), name
        for n, key in enumerate(found.groups.keys):
            assert found.groups.iou_of(n).ravel().tolist() == [v for row in ious[key] for v in row], name


@pytest.mark.long
@pytest.mark.parametrize('backend', BACKENDS)
def test_set_of_the_size_of_youtube_vis(tmp_path, backend):
    if not (SHARED / 'gen.py').is_file():
        pytest.skip('the generator of reference cases is not here (MASKTRACK_YTVIS_EVAL)')
    command = [sys.executable, str(SHARED / 'gen.py'), 'perf', str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    check(SHARED / 'perf', tmp_path / 'gt.json', tmp_path / 'res.json', True, backend)
