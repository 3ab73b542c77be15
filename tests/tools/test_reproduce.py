"""tools/reproduce.py: from data to one file that says how the score came to be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import reproduce

from mmdet.apis import load_config

from .test_train import DEMO, SMALL

ROOT = Path(__file__).resolve().parents[2]


def small(out, synthetic):
    """The demo config with few weights and one epoch, as a file; paths are absolute."""
    config = load_config(DEMO)
    options = dict(option.split('=', 1) for option in SMALL)
    config.merge_from_dict({k: json.loads(v) if v[0] in '[0123456789' else v for k, v in options.items()})
    for kind in ('train', 'val', 'test'):
        config[f'{kind}_dataloader'].dataset.data_root = str(synthetic) + '/'
    config.train_cfg.max_epochs = 1
    config.model.test_cfg.rcnn.score_thr = 0.0
    config.test_evaluator.ann_file = str(synthetic / 'annotations/instances_val_sub.json')
    path = out / 'small.py'
    path.write_text(config.pretty_text)
    return path


@pytest.fixture
def arguments(tmp_path, synthetic):
    """What a user types: one file of training videos, and the list of those to hold out."""
    ann = synthetic / 'annotations/instances_train_sub.json'
    videos = json.loads(ann.read_text())['videos']
    (tmp_path / 'held_out.txt').write_text(videos[1]['file_names'][0].split('/')[0] + '\n')
    line = [small(tmp_path, synthetic), '--ann', ann, '--hold-out', tmp_path / 'held_out.txt']
    return [str(part) for part in (*line, '--seeds', 3, 4, '--work-dir', tmp_path / 'work')]


def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(arguments, tmp_path, capsys):
    before = sorted(tmp_path.rglob('*'))
    reproduce.main([*arguments, '--weights', 'maskrcnn_r50_fpn_coco', '--dry-run'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(' ')[2].split(' ')[0] for line in lines] == [
        *('split', 'check', 'get', 'train', 'test', 'score', 'train', 'test', 'score', 'write')
    ]
    assert 'get the weights maskrcnn_r50_fpn_coco: to do' in lines[2]
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(
    'options, message',
    [
        (['--checkpoint', 'x.pth', '--seeds', '1'], '--seeds are for training'),
        (['--hold-out', 'x.txt'], 'need --ann'),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        reproduce.main(['config.py', *options])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_another_question_in_the_same_folder_is_refused(tmp_path):
    reproduce.write(tmp_path / 'settings.json', {'config': 'a', 'weights': None})
    reproduce.refuse_other(tmp_path, {'config': 'a', 'weights': None})
    with pytest.raises(ValueError, match='with another weights'):
        reproduce.refuse_other(tmp_path, {'config': 'a', 'weights': 'x.pth'})


@pytest.mark.long
def test_from_data_to_a_file_that_says_how(arguments, tmp_path, synthetic):
    def run(*args, ok=True):
        command = [sys.executable, str(ROOT / 'tools/reproduce.py'), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert (done.returncode == 0) == ok, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    assert 'step 1 of 8: split' in run(*arguments)
    work = tmp_path / 'work'
    made = json.loads((work / 'reproduction.json').read_text())
    assert made['data']['test']['counts']['videos'] == 1 and made['data']['train']['counts']['videos'] == 3
    assert made['data']['test']['videos'] == (tmp_path / 'held_out.txt').read_text().split()
    assert 'instances_val_sub.json' in made['config_text'] and made['torch'] and made['hardware']
    assert [run['seed'] for run in made['runs']] == [3, 4] and made['weights'] is None
    for result in made['runs']:
        folder = work / f'seed_{result["seed"]}'
        assert result['checkpoint']['sha256'] == reproduce.file_facts(folder / 'epoch_1.pth')['sha256']
        assert result['train']['wall minutes'] > 0 and 0 <= result['scores']['AP'] <= 1
        assert result['by_length'][0]['stats']['AP'] == result['scores']['AP']
    first, second = (result['checkpoint']['sha256'] for result in made['runs'])
    assert first != second and set(made['summary']) >= {'AP', 'AR10'}
    # Again: nothing is done twice, and what is lost is done again with the same outcome.
    before = {path: path.stat().st_mtime_ns for path in work.rglob('*.pth')}
    (work / 'seed_4/results.json').unlink()
    (work / 'seed_4/scores.json').unlink()
    printed = run(*arguments)
    assert [line for line in printed.splitlines() if line.startswith('step')] == [
        'step 7 of 8: test seed_4',
        'step 8 of 8: score seed_4',
    ]
    assert {path: path.stat().st_mtime_ns for path in work.rglob('*.pth')} == before
    again = json.loads((work / 'reproduction.json').read_text())
    assert [r['scores'] for r in again['runs']] == [r['scores'] for r in made['runs']]
    assert again['runs'][1]['results'] == made['runs'][1]['results']
    assert 'another hold_out' in run(*arguments[:3], '--work-dir', work, ok=False)
    # A checkpoint is tested on the same videos, and scores the same.
    options = ['--checkpoint', work / 'seed_3/epoch_1.pth', '--work-dir', tmp_path / 'test']
    run(*arguments[:5], *options)
    tested = json.loads((tmp_path / 'test/reproduction.json').read_text())
    assert tested['runs'][0]['scores'] == made['runs'][0]['scores'] and tested['runs'][0]['seed'] is None
    assert tested['data']['test']['videos_sha256'] == made['data']['test']['videos_sha256']
    # Training starts from given weights.
    options = ['--weights', work / 'seed_3/epoch_1.pth', '--seeds', 5, '--work-dir', tmp_path / 'tuned']
    assert 'epoch_1.pth' in run(*arguments[:5], *options)
    tuned = json.loads((tmp_path / 'tuned/reproduction.json').read_text())
    assert tuned['weights']['sha256'] == first and tuned['runs'][0]['checkpoint']['sha256'] != first
