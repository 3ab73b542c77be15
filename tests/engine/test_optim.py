"""SGD takes its step in one kernel on a CPU, unless the config says how."""

import pytest
import torch

from mmdet.engine.optim import OptimWrapper


def weights_after(steps, wrapped=True, **options):
    torch.manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(shape)) for shape in ((3,), (17, 5), (8, 4, 3, 3))]
    optimizer = torch.optim.SGD(params, lr=0.01, momentum=0.9, weight_decay=1e-4, **options)
    if wrapped:
        OptimWrapper(optimizer)
    for _ in range(steps):
        for value in params:
            value.grad = torch.randn_like(value)
        optimizer.step()
    return optimizer, torch.cat([value.detach().flatten() for value in params])


def test_sgd_takes_one_kernel_and_learns_the_same():
    optimizer, got = weights_after(5)
    plain, want = weights_after(5, wrapped=False)
    assert optimizer.param_groups[0]['fused'] and not plain.param_groups[0]['fused']
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('options', [dict(fused=False), dict(foreach=True), dict(foreach=False)])
def test_a_config_that_says_how_is_followed(options):
    optimizer, _ = weights_after(1, **options)
    assert not optimizer.param_groups[0]['fused']


def test_other_optimizers_are_left_alone():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])
    OptimWrapper(optimizer)
    assert optimizer.param_groups[0]['fused'] is None


def test_a_checkpoint_of_the_loop_goes_on_as_a_loop():
    optimizer, _ = weights_after(1)
    optimizer.load_state_dict(weights_after(1, wrapped=False)[0].state_dict())
    assert optimizer.param_groups[0]['fused'] is None
