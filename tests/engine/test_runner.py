"""The runner: what it prints, processes on CPUs, mixed precision, loading weights."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdet.engine import AutocastOptimWrapper, read_checkpoint
from mmdet.engine.environment import describe_machine, find_clashes
from mmdet.utils import UserError

from .toy import toy_config, toy_runner

ROOT = Path(__file__).resolve().parents[2]


def test_start_prints_what_a_person_reads_and_the_file_has_the_rest(tmp_path, capsys):
    runner = toy_runner(tmp_path, epochs=1)
    runner.train()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    first = next(i for i, line in enumerate(lines) if 'Epoch(train)' in line)
    assert first <= 5
    assert any('training samples' in line for line in lines[:first])
    assert 'eta' in lines[first]
    assert not any('Hooks will be' in line or 'FileClient' in line or 'Exp name' in line for line in lines)
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'environment:' in log and 'config:' in log and 'Hooks will be executed' in log


def test_config_in_use_is_written_beside_the_checkpoints(tmp_path):
    from mmengine.config import Config

    runner = toy_runner(tmp_path, epochs=1)
    runner.train()
    written = Config.fromfile(next(tmp_path.glob('*.py')))
    assert written.optim_wrapper.optimizer.lr == 0.05
    assert runner.cfg.model.type == written.model.type


def test_load_from_reports_shapes_and_trains_on(tmp_path, capsys):
    state = {'body.weight': torch.ones(4, 4), 'head.weight': torch.ones(9, 4), 'head.bias': torch.ones(9)}
    torch.save({'state_dict': state, 'meta': {}}, tmp_path / 'x.pth')
    runner = toy_runner(tmp_path / 'run', epochs=1, load_from=str(tmp_path / 'x.pth'))
    runner.train()
    printed = capsys.readouterr().out
    assert '(9, 4)' in printed and '(3, 4)' in printed and 'body.bias' in printed
    assert (runner.epoch, runner.iter) == (1, 6)


def test_a_run_that_may_resume_starts_from_load_from_and_then_goes_on(tmp_path, capsys):
    torch.save({'state_dict': {'body.weight': torch.ones(4, 4)}, 'meta': {}}, tmp_path / 'x.pth')
    options = dict(load_from=str(tmp_path / 'x.pth'), resume='auto')
    toy_runner(tmp_path / 'run', epochs=1, **options).train()
    assert 'training starts from the beginning' in (first := capsys.readouterr().out)
    runner = toy_runner(tmp_path / 'run', epochs=2, **options)
    runner.train()
    then = capsys.readouterr().out
    assert 'body.bias' in first and 'body.bias' not in then  # new in the model: said when weights are loaded
    assert (runner.epoch, runner.iter) == (2, 12) and 'Epoch(train) [1]' not in then


def test_load_from_that_fits_nothing_is_an_error(tmp_path):
    torch.save({'state_dict': {'other': torch.ones(3)}}, tmp_path / 'x.pth')
    runner = toy_runner(tmp_path / 'run', load_from=str(tmp_path / 'x.pth'))
    with pytest.raises(UserError, match='not one tensor fits'):
        runner.train()


def test_bfloat16_on_cpu_trains_and_keeps_float32_weights(tmp_path):
    wrapper = dict(type='AutocastOptimWrapper', optimizer=dict(type='SGD', lr=0.05))
    runner = toy_runner(tmp_path, epochs=1, optim_wrapper=wrapper)
    kinds = []
    runner.model.body.register_forward_hook(lambda module, args, out: kinds.append(out.dtype))
    runner.train()
    assert set(kinds) == {torch.bfloat16}
    assert isinstance(runner.optim_wrapper, AutocastOptimWrapper)
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())
    with pytest.raises(UserError, match='bfloat16'):
        AutocastOptimWrapper('float16', optimizer=torch.optim.SGD(runner.model.parameters(), 0.1))


def test_empty_epoch_is_named(tmp_path):
    loader = dict(
        batch_size=20,
        num_workers=0,
        drop_last=True,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='ToyDataset'),
    )
    with pytest.raises(UserError, match='yields no batch.*10 usable samples'):
        toy_runner(tmp_path, train_dataloader=loader).train()


TWO_PROCESSES = """
import sys
sys.path.insert(0, {root!r})
import torch
from tests.engine.toy import toy_runner
runner = toy_runner({work_dir!r}, epochs=2, launcher='pytorch', experiment_name='two', val=True,
                    default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False)),
                    resume={resume!r}, load_from={load_from!r})
runner.train()
total = torch.cat([p.detach().flatten() for p in runner.model.parameters()]).double()
torch.save([total, runner.model.module.seen, runner.world_size], {out!r} + str(runner.rank))
"""


def run_two(tmp_path, name, resume=False, load_from=None):
    script = tmp_path / f'{name}.py'
    out = str(tmp_path / f'{name}_rank')
    script.write_text(
        TWO_PROCESSES.format(
            root=str(ROOT), work_dir=str(tmp_path / name), resume=resume, load_from=load_from, out=out
        )
    )
    command = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--nproc_per_node=2',
        str(script),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(f'{out}{rank}', weights_only=True) for rank in (0, 1)], done.stdout


def test_two_processes_on_cpu_share_data_and_gradients_and_resume_exactly(tmp_path):
    ranks, _ = run_two(tmp_path, 'whole')
    assert ranks[0][2] == 2
    assert torch.equal(ranks[0][0], ranks[1][0])
    assert len(ranks[0][1]) == len(ranks[1][1]) == 6
    seen = [index for rank in ranks for batch in rank[1][:3] for index in batch]
    assert sorted(set(seen)) == list(range(10))
    assert len(read_checkpoint(tmp_path / 'whole' / 'iter_4.pth')['random_states']) == 2
    again, _ = run_two(tmp_path, 'again', resume=True, load_from=str(tmp_path / 'whole' / 'iter_4.pth'))
    assert torch.equal(again[0][0], ranks[0][0])


def test_clashing_distributions_are_named_with_the_way_out():
    versions = {'mmengine': '0.10.7', 'onedl-mmengine': '0.10.12', 'mmcv-lite': '2.2.0', 'mmdet': '3.3.0'}
    lines = find_clashes(versions.get)
    assert len(lines) == 3
    assert 'mmengine 0.10.7 and onedl-mmengine 0.10.12' in lines[0] and 'pip uninstall' in lines[0]
    assert 'mmcv-lite' in lines[1] and 'mmdet 3.3.0' in lines[2]
    assert find_clashes({'onedl-mmengine': '0.10.12'}.get) == []


def test_machine_in_one_line():
    assert torch.__version__ in describe_machine()
    assert '\n' not in describe_machine()


def test_group_sampler_takes_the_batch_size_of_the_loader(tmp_path):
    config = toy_config(tmp_path, batch_size=4)
    runner = toy_runner(tmp_path, batch_size=4)
    assert 'batch_size' not in config.train_dataloader.sampler
    assert runner.train_loop.dataloader.sampler.batch_size == 4


def test_class_map_reaches_the_loading(tmp_path):
    torch.save({'state_dict': {'body.weight': torch.ones(4, 4)}, 'meta': {}}, tmp_path / 'x.pth')
    options = dict(load_from=str(tmp_path / 'x.pth'), load_options=dict(class_map='voc'))
    with pytest.raises(UserError, match=r"class_map: expected 'coco' or None, got 'voc'"):
        toy_runner(tmp_path / 'run', epochs=1, **options).train()
    runner = toy_runner(tmp_path / 'run', epochs=1)
    assert runner.train_loop is not None
    assert runner._class_names() == ('a', 'b', 'c')


def test_moving_average_of_the_weights_resumes(tmp_path):
    hooks = [dict(type='EMAHook')]
    whole = toy_runner(tmp_path / 'a', epochs=2, custom_hooks=hooks)
    whole.train()
    rest = toy_runner(
        tmp_path / 'b',
        epochs=2,
        custom_hooks=hooks,
        resume=True,
        load_from=str(tmp_path / 'a' / 'epoch_1.pth'),
    )
    rest.train()
    ends = [read_checkpoint(tmp_path / name / 'epoch_2.pth') for name in 'ab']
    for part in ('state_dict', 'ema_state_dict'):
        assert ends[0][part].keys() == ends[1][part].keys()
        assert all(torch.equal(v, ends[1][part][k]) for k, v in ends[0][part].items()), part


def test_resuming_needs_no_pretrained_weights(tmp_path):
    toy_runner(tmp_path / 'a', epochs=1).train()
    runner = toy_runner(tmp_path / 'b', epochs=2, resume=True, load_from=str(tmp_path / 'a' / 'epoch_1.pth'))
    runner.model.init_cfg = dict(type='Pretrained', checkpoint='nothing.pth')
    runner.train()
    assert runner.epoch == 2


def test_starting_from_a_detector_fetches_no_pretrained_weights(tmp_path):
    first = toy_runner(tmp_path / 'a', epochs=1)
    first.train()
    runner = toy_runner(tmp_path / 'b', epochs=1, load_from=str(tmp_path / 'a' / 'epoch_1.pth'))
    runner.model.init_cfg = dict(type='Pretrained', checkpoint='nothing.pth')
    runner.train()
    assert runner.epoch == 1


@pytest.mark.parametrize('name, shown', [('ytvis/segm_AP', False), ('count/tracks', True)])
def test_numbers_of_own_metrics_reach_the_console(tmp_path, capsys, name, shown):
    both = [dict(type='ToyMetric', name=name), dict(type='ToyMetric', name='ytvis/segm_AP50')]
    toy_runner(tmp_path, epochs=1, val=True, val_evaluator=both).train()
    assert (f'{name}: 1.0' in capsys.readouterr().out) is shown
