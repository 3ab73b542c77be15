"""docs/evaluation.md says what the code does."""

import json

from mmdet.evaluation.defects import KINDS
from mmdet.evaluation.oracles import ORACLES
from mmdet.evaluation.params import STATS

from .helpers import ROOT

TEXT = (ROOT / 'docs/evaluation.md').read_text()


def test_every_kind_of_defect_is_listed():
    for kind, (what, lenient) in KINDS.items():
        assert f'| `{kind}` | {what} | {lenient} |' in TEXT


def test_names_are_there():
    for name in (*STATS, *ORACLES):
        assert name in TEXT


def test_figures_are_those_that_were_measured():
    best = json.loads((ROOT / 'benchmarks/results/ytvis_eval.json').read_text())
    reference, ours = best['reference'], best['cython']
    assert f'take {reference["evaluate"] / ours["evaluate"]:.1f} times less' in TEXT
    assert f'{ours["evaluate"] / best["floor"]["evaluate"]:.2f} times that of' in TEXT
    assert f'with json, {reference["total"] / ours["total"]:.1f} times less' in TEXT
    assert f'peak memory {ours["peak_mb"]:.0f} MB against {reference["peak_mb"]:.0f} MB' in TEXT
