"""docs/finetune.md: the schedule fits small datasets, and the way from a COCO model to a score works."""

import json
import re
from pathlib import Path

import pytest
import torch

from mmdet.apis import load_config
from mmdet.evaluation.logs import read_run
from mmdet.registry import MODELS
from tests.engine.toy import toy_config
from tests.engine.toy import toy_runner as run_toy
from tools import analyze_logs, test_video, train

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs/masktrack_rcnn_r50_fpn_finetune.py'
PAGE = (ROOT / 'docs/finetune.md').read_text()
FRAMES = 110


def on_frames(work_dir, config, frames=FRAMES):
    """Train a toy on as many samples with the schedule of a config; returns its log and what it printed."""
    loader = toy_config(work_dir).train_dataloader
    loader.update(
        batch_size=config.train_dataloader.batch_size, dataset=dict(type='ToyDataset', length=frames)
    )
    run_toy(
        work_dir,
        train_dataloader=loader,
        train_cfg=config.train_cfg,
        optim_wrapper=dict(type='OptimWrapper', optimizer=config.optim_wrapper.optimizer),
        param_scheduler=config.param_scheduler,
        default_hooks=dict(logger=config.default_hooks.logger, checkpoint=None),
    ).train()
    return read_run(work_dir).points, next(work_dir.glob('*/*.log')).read_text()


def test_the_warm_up_ends_in_a_tenth_of_the_training_whatever_the_number_of_frames(tmp_path):
    config = load_config(CONFIG)
    lr, iterations = config.optim_wrapper.optimizer.lr, config.train_cfg.max_iters
    points, text = on_frames(tmp_path, config)
    rates = points['lr']
    full = [i for i, rate in rates.items() if rate > 0.95 * lr]
    assert min(full) <= iterations / 10
    assert max(rates.values()) <= lr * (1 + 1e-6)
    assert list(rates)[-1] == iterations and rates[iterations] < 0.03 * lr
    assert 'the warm-up of the learning rate' not in text


def test_the_schedule_of_2019_does_not_fit_as_few_frames_and_the_log_says_so(tmp_path):
    config = load_config(ROOT / 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py')
    config.default_hooks.logger.interval = 7
    points, text = on_frames(tmp_path, config)
    assert max(points['lr']) <= 15 * 12  # iterations of all epochs
    assert max(points['lr'].values()) < 0.8 * config.optim_wrapper.optimizer.lr
    assert re.search(r'the warm-up .* ends after 501 iterations, and this training has \d+: ', text)


def test_the_model_has_the_conventions_of_the_weights_it_starts_from():
    config = load_config(CONFIG)
    theirs = load_config(ROOT / f'configs/{config.load_from}.py')
    for part in ('data_preprocessor', 'backbone', 'neck', 'bbox_roi_extractor', 'mask_roi_extractor'):
        assert config.model[part] == theirs.model[part], part
    for part in ('anchor_generator', 'bbox_coder'):
        assert config.model.rpn_head[part] == theirs.model.rpn_head[part]
    assert config.model.bbox_head.bbox_coder == theirs.model.bbox_head.bbox_coder
    assert config.model.mask_head.mask_convention == theirs.model.mask_head.mask_convention
    for loader in ('train_dataloader', 'test_dataloader'):
        mine, other = config[loader].dataset, theirs[loader].dataset
        assert mine.box_offset == other.box_offset
        steps = [{step.type: step for step in dataset.pipeline} for dataset in (mine, other)]
        assert steps[0]['Resize'].rounding == steps[1]['Resize'].rounding


def small(config):
    """Make the model of the config fit for a test; what the recipe is about stays."""
    config.model.backbone.update(depth=18, base_channels=16, init_cfg=None)
    config.model.neck.update(in_channels=[16, 32, 64, 128], out_channels=32)
    for name in ('rpn_head', 'bbox_head', 'mask_head', 'track_head'):
        config.model[name].in_channels = 32
    config.model.rpn_head.feat_channels = 32
    config.model.mask_head.conv_out_channels = 32
    config.model.bbox_head.fc_out_channels = config.model.track_head.fc_out_channels = 64
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        config.model[name].out_channels = 32
    return config


@pytest.fixture(scope='module')
def coco_model(tmp_path_factory):
    """A Mask R-CNN with random weights and the 80 categories of COCO."""
    config = small(load_config(CONFIG)).model.to_dict()
    config['type'] = 'MaskRCNN'
    for name in ('track_head', 'tracker'):
        config.pop(name)
    for name in ('bbox_head', 'mask_head'):
        config[name]['num_classes'] = 80
    torch.manual_seed(1)
    model = MODELS.build(config)
    model.init_weights()
    path = tmp_path_factory.mktemp('coco') / 'coco.pth'
    torch.save({'meta': {}, 'state_dict': model.state_dict()}, path)
    return path


@pytest.mark.long
def test_the_recipe_leads_from_a_coco_model_to_a_score(tmp_path, monkeypatch, capsys, synthetic, coco_model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/mine').symlink_to(synthetic)
    content = json.loads((synthetic / 'annotations/instances_train_sub.json').read_text())
    content['categories'][0]['name'] = 'dog'  # COCO has it, too
    for part in ('train', 'val'):
        (synthetic / f'annotations/{part}.json').write_text(json.dumps(content))
    (block,) = re.findall(r'```python\n# mine\.py\n(.*?)```', PAGE, re.DOTALL)
    assert 'num_classes = 3' in block
    block = block.replace('num_classes = 3', f'num_classes = {len(content["categories"])}')
    block = block.replace('data/mine/frames/', 'data/mine/train/JPEGImages/').replace(
        "'frames/'", "'train/JPEGImages/'"
    )
    (tmp_path / 'mine.py').write_text(block)
    config = small(load_config('mine.py'))
    config.train_dataloader.update(num_workers=0)
    config.val_dataloader.update(num_workers=0)
    config.test_dataloader.update(num_workers=0)
    config.train_cfg.update(max_iters=4, val_interval=2)
    config.param_scheduler[0].end, config.param_scheduler[1].begin = 1, 1
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 2
    config.model.test_cfg.rcnn.score_thr = 0.0
    config.dump('small.py')

    train.main(['small.py', '--validate', '--seed', '0', '--load-from', str(coco_model)])
    out = capsys.readouterr().out
    assert re.search(r'bbox_head.fc_cls.weight .*\(81, 64\) .*rows of shared classes taken', out)
    assert re.search(r'new in the model, keeps its initial values: track_head\.', out)
    assert 'classes shared with the checkpoint: dog' in out
    run = read_run(config.work_dir)
    assert list(run.points['loss']) == [1, 2, 3, 4] and list(run.points['ytvis/segm_AP']) == [2, 4]
    (best,) = Path(config.work_dir).glob('best_ytvis_segm_AP_iter_*.pth')

    analyze_logs.main([config.work_dir, '--out', 'plot.png'])
    assert Path('plot.png').is_file()
    test_video.main(['small.py', str(best), '--out', 'results', '--eval', 'segm'])
    assert Path('results.json').is_file() and 'AP' in capsys.readouterr().out
