"""Work dirs of runs that are refused before they begin."""

import pytest

from mmdet.engine.footprint import Footprint

from .toy import toy_runner


def test_folders_that_were_missing_go_and_others_stay(tmp_path):
    (tmp_path / 'there').mkdir()
    footprint = Footprint()
    footprint.expect(tmp_path / 'there/a/b')
    (tmp_path / 'there/a/b').mkdir(parents=True)
    footprint.expect_log_dir(tmp_path / 'there/a/b/log')
    (tmp_path / 'there/a/b/log/deep').mkdir(parents=True)
    (tmp_path / 'there/a/b/log/deep/x').write_text('')
    with pytest.raises(KeyError), footprint.removed_unless_begun():
        raise KeyError
    assert list(tmp_path.rglob('*')) == [tmp_path / 'there']


def test_what_others_put_there_stays(tmp_path):
    (tmp_path / 'work/log').mkdir(parents=True)
    (tmp_path / 'work/log/other.log').write_text('')
    footprint = Footprint()
    footprint.expect_log_dir(tmp_path / 'work/log')
    with pytest.raises(KeyError), footprint.removed_unless_begun():
        raise KeyError
    assert (tmp_path / 'work/log/other.log').exists()
    footprint.expect(tmp_path / 'new/sub')
    (tmp_path / 'new/sub').mkdir(parents=True)
    (tmp_path / 'new/other').write_text('')
    with pytest.raises(KeyError), footprint.removed_unless_begun():
        raise KeyError
    assert list((tmp_path / 'new').iterdir()) == [tmp_path / 'new/other']


def test_a_run_that_has_begun_keeps_its_log(tmp_path):
    runner = toy_runner(tmp_path / 'run', epochs=1)

    def fail(*args, **kwargs):
        raise RuntimeError('in the first iteration')

    runner.model.train_step = fail
    with pytest.raises(RuntimeError, match='first iteration'):
        runner.train()
    assert list((tmp_path / 'run').glob('*/*.log'))
    assert list((tmp_path / 'run').glob('*.py'))


def test_a_run_that_cannot_be_built_leaves_nothing(tmp_path):
    with pytest.raises(KeyError, match='NoModel'):
        toy_runner(tmp_path / 'run', model={'type': 'NoModel'})
    assert list(tmp_path.iterdir()) == []
