"""AP by length of the video, and several runs in one table; values are computed by hand."""

import copy
import json

import eval_ytvis
import pytest

from mmdet.evaluation import evaluate_tables
from mmdet.evaluation.comparison import scores_by_length, summarize_runs
from mmdet.utils import UserError

from .helpers import BACKENDS, annotation, dataset, prediction, rectangle, write

A, B, C = rectangle(2, 2, 8, 8), rectangle(12, 4, 10, 9), rectangle(2, 14, 5, 5)


def two_lengths():
    """A video of two frames, whose object is found; one of four frames, with one of two found.

    All together: two of three objects at the top of the ranking, so that precision is 1 at the 67 recalls up
    to 2/3, of 101. The long video alone: 51 of 101 recalls, up to 1/2.
    """
    truth = dataset(
        [
            annotation(1, [A, A]),
            annotation(2, [A, A, None, None], video=2),
            annotation(3, [B] * 4, video=2),
        ],
        lengths=(2, 4),
        categories=(1,),
    )
    found = [
        prediction([A, A], 0.9),
        prediction([B] * 4, 0.8, video=2),
        prediction([C] * 4, 0.7, video=2),
    ]
    return truth, found


@pytest.mark.parametrize('backend', BACKENDS)
def test_each_length_is_scored_as_if_there_were_no_other_videos(backend):
    evaluation = evaluate_tables(*two_lengths(), backend=backend)
    before = evaluation.stats()
    short, long = scores_by_length(evaluation, [2], backend)  # a video of exactly two frames is short
    assert evaluation.stats() == before and before[0] == pytest.approx(67 / 101)
    assert (short['frames'], short['videos'], short['objects']) == ([1, 2], 1, 1)
    assert (long['frames'], long['videos'], long['objects']) == ([3, None], 1, 2)
    assert short['stats']['AP'] == pytest.approx(1) and short['stats']['AR1'] == 1.0
    assert long['stats']['AP'] == long['stats']['AP50'] == pytest.approx(51 / 101)
    assert long['stats']['AR1'] == long['stats']['AR10'] == 0.5


def test_groups_without_videos_are_undefined_and_all_videos_give_the_official_numbers():
    evaluation = evaluate_tables(*two_lengths())
    groups = scores_by_length(evaluation, [3, 1, 2])
    assert [g['frames'] for g in groups] == [[1, 1], [2, 2], [3, 3], [4, None]]
    assert [g['videos'] for g in groups] == [0, 1, 0, 1]
    assert set(groups[0]['stats'].values()) == {-1.0}
    whole, none = scores_by_length(evaluation)
    assert list(whole['stats'].values()) == evaluation.stats() and none['videos'] == 0


def test_what_has_no_length_is_refused():
    truth, found = two_lengths()
    del truth['videos'][1]['length'], truth['videos'][1]['file_names']
    with pytest.raises(UserError, match=r'does not say how many frames these videos have: \[2\]'):
        scores_by_length(evaluate_tables(truth, found))
    with pytest.raises(UserError, match='at least 1'):
        scores_by_length(evaluate_tables(*two_lengths()), [0])


def test_runs_have_mean_and_range():
    rows = [{'AP': 0.25, 'HOTA': None}, {'AP': 0.5, 'HOTA': None}, {'AP': 0.75, 'HOTA': None}]
    assert summarize_runs(rows) == {'AP': {'mean': 0.5, 'min': 0.25, 'max': 0.75}}


def test_one_command_makes_the_table_of_several_seeds(tmp_path, capsys):
    truth, found = two_lengths()
    ann, first = write(tmp_path, truth, found)
    better = copy.deepcopy(found)
    better[2]['segmentations'] = [A, A, None, None]
    (tmp_path / 'better.json').write_text(json.dumps(better))
    files = [str(first), str(tmp_path / 'better.json')]
    out = tmp_path / 'table.json'
    options = ['--by-length', '2', '--format', 'markdown', '--out', str(out)]
    eval_ytvis.main([str(ann), *files, *options])
    printed = capsys.readouterr().out
    assert '| run | AP | AP50 | AP75 | AR1 | AR10 | HOTA | AP 1-2 | AP 3+ |' in printed
    assert '| mean | 0.832 |' in printed and '| min | 0.663 |' in printed and '| max | 1.000 |' in printed
    made = json.loads(out.read_text())
    assert made['summary']['AP']['mean'] == pytest.approx((67 / 101 + 1) / 2)
    assert made['summary']['AP 3+'] == {
        'mean': pytest.approx(76 / 101),
        'min': pytest.approx(51 / 101),
        'max': 1.0,
    }
    assert [run['results'] for run in made['runs']] == files
    eval_ytvis.main([str(ann), files[0], '--by-length', '--format', 'markdown'])
    assert '| 37+ | 0 | 0 | - |' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        eval_ytvis.main([str(ann), *files, '--analyze'])
    assert 'are for one file of results' in capsys.readouterr().err
