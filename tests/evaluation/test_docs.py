"""docs/evaluation.md says what the code does."""

import json

from mmdet.evaluation import STATS
from mmdet.evaluation.analysis import ORACLES
from mmdet.formats.defects import KINDS

from .helpers import ROOT

TEXT = (ROOT / 'docs/evaluation.md').read_text()


def test_every_kind_of_defect_is_listed():
    for kind, (what, lenient) in KINDS.items():
        assert f'| `{kind}` | {what} | {lenient} |' in TEXT


def test_names_are_there():
    for name in (*STATS, *ORACLES):
        assert name in TEXT


def test_figures_are_those_that_were_measured():
    record = json.loads((ROOT / 'benchmarks/results/ytvis_eval.json').read_text())
    ratio = {name: spread['median'] for name, spread in record['ratios'].items()}
    memory = {name: row['peak_mb']['median'] for name, row in record['figures'].items()}
    text = ' '.join(TEXT.split())
    assert f'curves take {ratio["evaluate: reference / cython"]:.1f} times less' in text
    assert f'{ratio["evaluate: cython / floor"]:.1f} times what reading' in text
    assert f'with json, {ratio["total: reference / cython"]:.1f} times less' in text
    assert f'is {memory["cython"]:.0f} MB against {memory["reference"]:.0f} MB' in text
