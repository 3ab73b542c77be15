"""Precisions: TF32 only where it is asked for, half types by autocast, one line for what a device lacks."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmdet.apis.speed import speed_up
from mmdet.engine import TrackRunner
from mmdet.engine.precision import allow_tf32, check_precision, running_in
from mmdet.engine.prediction import predict
from mmdet.utils import UserError


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def allowed():
    before = flags()
    allow_tf32(True)
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


class Recorder(nn.Module):
    """Notes in what it runs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def test_step(self, batch):
        return self.layer(batch).dtype, flags()


@pytest.mark.parametrize(
    'name, dtype, tf32',
    [('fp32', torch.float32, False), ('tf32', torch.float32, True), ('bf16', torch.bfloat16, False)],
)
def test_models_run_in_their_precision(name, dtype, tf32):
    model = speed_up(Recorder().eval(), name)
    assert flags() == (tf32, tf32)
    allow_tf32(True)
    ((_, found),) = predict(model, [torch.ones(1, 2)])
    assert found == (dtype, (tf32, tf32))
    assert flags() == (True, True)


@pytest.mark.parametrize('settings, expected', [({}, False), ({'tf32': True}, True)])
def test_training_switches_tf32_off_unless_the_config_asks(settings, expected):
    runner = object.__new__(TrackRunner)
    runner._launcher, runner._distributed, runner.cfg = 'none', False, Config({})
    runner.setup_env(settings)
    assert flags() == (expected, expected)


def test_what_a_device_lacks_is_told_in_one_line(monkeypatch):
    with pytest.raises(UserError, match='tf32 is not available on this CPU: use fp32'):
        check_precision('tf32', 'cpu')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: 'Tesla T4')
    check_precision('fp16', 'cuda:0')
    with pytest.raises(UserError, match='bf16 is not available on Tesla T4: use fp32, fp16'):
        check_precision('bf16', 'cuda:0')
    with pytest.raises(UserError, match="unknown precision 'int8'"):
        check_precision('int8', 'cpu')
    with running_in(None, 'cpu'):
        assert flags() == (True, True)
