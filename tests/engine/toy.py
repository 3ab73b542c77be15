"""A model and a dataset of a few numbers, for tests of the engine alone."""

import itertools
import random

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn

from mmdet.datasets.samplers import SampleIndex
from mmdet.engine import TrackRunner
from mmdet.registry import DATASETS, METRICS, MODELS

_names = itertools.count()


class Sample:
    """Stands for a data sample: only the path is asked for."""

    def __init__(self, path):
        self.metainfo = {'img_path': path}


@DATASETS.register_module()
class ToyDataset:
    """Items are vectors drawn from (seed, epoch, index), as those of the real datasets are."""

    def __init__(self, length=10, classes=('a', 'b', 'c'), bad=(), size=4):
        self.metainfo = dict(classes=tuple(classes), cat_ids=tuple(range(1, len(classes) + 1)))
        self.length, self.bad, self.size = length, tuple(bad), size
        self.group_flags = np.arange(length) % 2

    def __len__(self):
        return self.length

    def __getitem__(self, item):
        index, epoch, seed = item if isinstance(item, SampleIndex) else (item, 0, 0)
        rng = np.random.default_rng([seed, epoch, index])
        value = rng.normal(size=self.size).astype(np.float32)
        if index in self.bad:
            value[:] = np.nan
        return dict(inputs=torch.from_numpy(value), data_samples=Sample(f'image_{index}.jpg'), index=index)


class ToyHead(nn.Linear):
    """A head that knows its number of classes."""

    def __init__(self, num_classes):
        super().__init__(4, num_classes)
        self.num_classes = num_classes


@MODELS.register_module()
class ToyModel(BaseModel):
    """Draws from Python's, numpy's and torch's generators in every step, so that a lost state shows."""

    def __init__(self, num_classes=3):
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.head = ToyHead(num_classes)
        self.seen = []

    def forward(self, inputs, data_samples=None, index=None, mode='loss'):
        x = torch.stack(list(inputs)) if isinstance(inputs, (list, tuple)) else inputs
        if mode != 'loss':
            torch.rand(3)
            return [dict(score=float(row.sum())) for row in self.head(self.body(x)).detach()]
        self.seen.append([int(i) for i in index])
        noise = random.random() + float(np.random.rand())
        out = self.head(nn.functional.dropout(self.body(x), 0.3))
        return dict(loss_toy=(out**2).mean() * (1 + noise), accuracy=out.detach().mean())


@METRICS.register_module()
class ToyMetric:
    """Gives a score that grows with every validation."""

    def __init__(self, name='score'):
        self.name, self.count = name, 0

    dataset_meta = None
    collect_device = 'cpu'
    default_prefix = prefix = None

    def process(self, data_batch, data_samples):
        torch.rand(2)

    def evaluate(self, size):
        self.count += 1
        return {self.name: float(self.count)}


def toy_config(work_dir, epochs=3, batch_size=2, workers=0, interval=1, by_epoch=True, val=False, **changes):
    """Config of a run on the toys."""
    loader = dict(
        batch_size=batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        sampler=dict(type='GroupSampler'),
        dataset=dict(type='ToyDataset'),
    )
    config = dict(
        default_scope='mmdet',
        model=dict(type='ToyModel'),
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.3, by_epoch=False, begin=0, end=5),
            dict(type='MultiStepLR', milestones=[1], by_epoch=True),
        ],
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=by_epoch),
            logger=dict(type='LoggerHook', interval=1),
        ),
        custom_hooks=[dict(type='NonFiniteLossHook'), dict(type='ClassCountHook')],
        randomness=dict(seed=7),
        experiment_name=f'toy{next(_names)}',
    )
    if val:
        sampler = dict(type='DefaultSampler', shuffle=False)
        config.update(
            val_dataloader=dict(
                batch_size=2, num_workers=0, sampler=sampler, dataset=dict(type='ToyDataset', length=4)
            ),
            val_evaluator=dict(type='ToyMetric'),
            val_cfg={},
        )
    config.update(changes)
    return Config(config)


def toy_runner(work_dir, **kwargs):
    """Runner of a toy config."""
    return TrackRunner.from_cfg(toy_config(work_dir, **kwargs))
