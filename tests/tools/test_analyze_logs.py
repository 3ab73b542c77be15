"""The tool that shows what trainings logged."""

import json

import pytest

from tests.evaluation.test_logs import score, train, write
from tools import analyze_logs


def test_two_runs_give_a_table_an_image_and_files(tmp_path, capsys):
    for name in ('a', 'b'):
        write(tmp_path / name, train(10), train(20), score(20), '{"lr"', end='')
    outputs = [f'--{kind}={tmp_path}/made/x.{kind}' for kind in ('csv', 'json')]
    analyze_logs.main([*(f'{tmp_path}/{name}' for name in 'ab'), f'--out={tmp_path}/made/x.svg', *outputs])
    out, err = capsys.readouterr()
    assert '| a   | ytvis/segm_AP |' in out and 'b: 20 iterations' in out
    assert err.count('the last line is not complete') == 2
    assert (tmp_path / 'made/x.svg').read_text().startswith('<?xml')
    assert len((tmp_path / 'made/x.csv').read_text().splitlines()) == 1 + 2 * 5
    assert [run['run'] for run in json.loads((tmp_path / 'made/x.json').read_text())] == ['a', 'b']


@pytest.mark.parametrize(
    'options, message',
    [
        (['--keys', 'ytvis/segm_mAP'], "no log has 'ytvis/segm_mAP' (did you mean 'ytvis/segm_AP'?)"),
        (['--smooth', '1'], 'expected less than 1'),
        (['--names', 'a', 'b'], '--names: expected 1'),
        (['--out', 'x.jpeg'], 'x.jpeg: expected a name that ends in .png'),
        (['--csv', '20260101_000000/vis_data/scalars.json'], 'is an input of this command'),
    ],
)
def test_wrong_options_are_one_line_and_the_log_stays(tmp_path, capsys, monkeypatch, options, message):
    path = write(tmp_path, train(10), score(10))
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        analyze_logs.main(['.', *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert path.read_bytes() == before
