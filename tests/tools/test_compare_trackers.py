"""benchmarks/compare_trackers.py: replayed detections give the numbers of a plain test."""

import json
import sys
from pathlib import Path

import pytest

from mmdet.evaluation import evaluate_ytvis
from tools import test_video as tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def compare(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    import compare_trackers

    yield compare_trackers.main
    sys.modules.pop('compare_trackers')


def test_replay_equals_a_test_with_the_tracker(tiny, tmp_path, compare, capsys):
    pytest.importorskip('trackeval')
    extra = ('--tracker', 'strict', '{"type": "IoUTracker", "iou_thr": 0.6}')
    out = tmp_path / 'numbers.json'
    compare([tiny.config, tiny.checkpoint, tiny.checkpoint, *extra, '--out', str(out)])
    assert '| HOTA ' in capsys.readouterr().out
    numbers = json.loads(out.read_text())
    first, second = (
        {name: {k: v for k, v in row.items() if 'ms' not in k} for name, row in run['trackers'].items()}
        for run in numbers['runs']
    )
    assert first == second and set(first) == set(numbers['trackers']) >= {'of the config', 'SORT', 'strict'}
    options = {
        'of the config': (),
        'strict': ('--cfg-options', 'model.tracker._delete_=True', 'model.tracker.type=IoUTracker'),
    }
    for name, changes in options.items():
        changes = [*changes, *(['model.tracker.iou_thr=0.6'] if changes else [])]
        tool.main([tiny.config, tiny.checkpoint, '--out', str(tmp_path / 'plain'), *changes])
        stats = evaluate_ytvis(str(tiny.data / 'ann.json'), str(tmp_path / 'plain.json'), strict=False)[
            'stats'
        ]
        assert {key: first[name][key] for key in ('AP', 'AP50', 'AR10')} == {
            key: stats[key] for key in ('AP', 'AP50', 'AR10')
        }
        assert first[name]['tracks'] == len(json.loads((tmp_path / 'plain.json').read_text()))
    assert numbers['summary']['SORT']['AP']['mean'] == first['SORT']['AP']


def test_a_config_that_is_no_json_is_named(tiny, compare, capsys):
    with pytest.raises(SystemExit):
        compare([tiny.config, tiny.checkpoint, '--tracker', 'mine', '{type'])
    assert '--tracker: the config is no json' in capsys.readouterr().err
