"""The loop of testing: one generator for the runner and the tools, sinks behind it."""

import json

import pytest
import torch
from mmengine.hooks import Hook

from mmdet.apis import (
    build_runner,
    build_test_dataset,
    init_detector,
    load_config,
    predict_dataset,
    test_videos,
)
from mmdet.engine import TestLoop as _TestLoop
from mmdet.engine import ValLoop, predict
from mmdet.formats.results import results_by_video
from mmdet.formats.video_tracks import TrackCollector
from mmdet.models.fused import optimize_for_inference
from mmdet.registry import LOOPS

from .. import tiny as parts


class Calls(Hook):
    """Notes the names of the calls for each batch."""

    def __init__(self):
        self.calls = []

    def before_test_iter(self, runner, batch_idx, data_batch=None):
        self.calls.append(('before', batch_idx, len(data_batch['inputs'])))

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        assert all('pred_instances' in sample for sample in outputs)
        self.calls.append(('after', batch_idx, len(outputs)))


def config_of(tiny, out=None):
    config = load_config(tiny.config)
    config.test_dataloader.sampler = dict(type='VideoSampler')
    config.test_dataloader.batch_sampler = dict(type='VideoBatchSampler')
    config.test_evaluator = dict(type='YTVISMetric', ann_file=f'{tiny.data}/ann.json', outfile_prefix=out)
    config.load_from = tiny.checkpoint
    config.default_hooks = dict(checkpoint=None)
    return config


def test_the_runner_and_the_tool_write_the_same_tracks(tiny, tmp_path):
    config = config_of(tiny, str(tmp_path / 'runner'))
    config.work_dir = str(tmp_path / 'work')
    runner = build_runner(config, train=False)
    hook = Calls()
    runner.register_hook(hook)
    metrics = runner.test()
    assert type(runner.test_loop) is _TestLoop and 'ytvis/segm_AP' in metrics
    assert hook.calls == [(when, batch, 2) for batch in range(6) for when in ('before', 'after')]

    # The runner predicts layer by layer, as it trains.
    model = optimize_for_inference(init_detector(config, tiny.checkpoint), False)
    dataset = build_test_dataset(config)
    test_videos(model, dataset, config, tiny.checkpoint, tmp_path / 'tool.json')
    assert results_by_video(tmp_path / 'runner.json') == results_by_video(tmp_path / 'tool.json')


def test_every_sink_gets_every_frame_in_order(tiny):
    class Frames:
        def __init__(self):
            self.seen = []

        def add(self, sample):
            self.seen.append((sample.video_id, sample.frame_id))

    config = config_of(tiny)
    model, dataset = init_detector(config, tiny.checkpoint), build_test_dataset(config)
    frames, videos = Frames(), {}
    predict_dataset(model, dataset, config, [frames, TrackCollector(parts.CAT_IDS, videos.__setitem__)])
    assert frames.seen == [(video, frame) for video in parts.VIDEO_IDS for frame in range(4)]
    assert list(videos) == list(parts.VIDEO_IDS)
    assert all(json.dumps(tracks) and len(tracks[0]['segmentations']) == 4 for tracks in videos.values())
    predict_dataset(model, dataset, config, [frames], done={31, 7})
    assert frames.seen[12:] == [(12, frame) for frame in range(4)]


def test_predict_needs_no_gradient_and_allows_training_afterwards():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)
            self.cache = None

        def test_step(self, batch):
            self.cache = torch.ones(1, 2) * 2
            return [self.layer(batch)]

    model = Model()
    batches = [torch.ones(1, 2), torch.zeros(1, 2)]
    found = list(predict(model, iter(batches)))
    assert [batch for batch, _ in found] == batches
    assert not found[0][1][0].requires_grad
    model.layer(model.cache).sum().backward()  # tensors cached while predicting take part in training
    assert next(predict(model, batches, fp16=True))[1][0].dtype in (torch.bfloat16, torch.float16)


def test_loops_of_configs_are_ours(tiny, tmp_path):
    config = config_of(tiny)
    config.work_dir = str(tmp_path)
    config.test_cfg = dict(type='TestLoop', fp16=True)
    runner = build_runner(config, train=False)
    assert type(runner.test_loop) is _TestLoop and runner.test_loop.fp16
    assert LOOPS.get('ValLoop') is ValLoop


@pytest.mark.parametrize(
    'name',
    ['load_config', 'build_runner', 'init_detector', 'inference_detector', 'inference_video', 'test_videos'],
)
def test_users_find_what_they_call_in_apis(name):
    import mmdet.apis

    assert name in mmdet.apis.__all__ and callable(getattr(mmdet.apis, name))
