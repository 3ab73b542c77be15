"""Training computes the pyramid of a reference frame around its objects only, with equal results."""

import pytest
import torch

from mmdet.models.necks import FPN
from mmdet.models.roi_extractors import SingleRoIExtractor

from ..tiny import tiny_model, training_batch

STRIDES = (4, 8, 16, 32)


def pyramid(neck, sides=(40, 52)):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, c, -(-sides[0] >> i), -(-sides[1] >> i), generator=generator, requires_grad=True)
        for i, c in enumerate(neck.in_channels)
    ]


def boxes_of(seed, number=6):
    """RoIs of all sizes: some cross the border, one is inverted, one has no extent."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand(number, 2, generator=generator) * torch.tensor([260.0, 200.0]) - 30
    size = torch.rand(number, 2, generator=generator) ** 2 * 170
    size[0], size[1] = -8, 0
    images = torch.arange(number)[:, None] % 2
    return torch.cat([images, start, start + size], dim=1)


@pytest.mark.parametrize('mode', ['legacy', 'aligned', 'unaligned'])
@pytest.mark.parametrize('seed', range(6))
def test_windows_hold_all_that_is_read(mode, seed):
    torch.manual_seed(seed)
    neck = FPN([3, 4, 5, 6], 8, num_outs=5)
    extractor = SingleRoIExtractor(
        dict(type='RoIAlign', output_size=3, sampling_ratio=2, mode=mode), 8, STRIDES, finest_scale=10
    )
    rois = boxes_of(seed, number=seed + 2)
    assert (extractor.map_roi_levels(rois) == 0).any()
    found = []
    for windows in (None, extractor.windows(rois)):
        maps = pyramid(neck)
        out = extractor(neck(maps, windows), rois)
        weights = torch.arange(out.numel()).view_as(out).cos()
        inputs = [*maps, *neck.parameters()]
        found.append([out, *torch.autograd.grad((out * weights).sum(), inputs, materialize_grads=True)])
    for want, got in zip(*found):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_windows_save_what_lies_outside():
    neck = FPN([3, 4, 5, 6], 8, num_outs=4)
    whole = neck(pyramid(neck))
    parts = neck(pyramid(neck), [(5, 6, 20, 9), (0, 0, 0, 0), (-4, -4, 99, 99), (90, 90, 99, 99)])
    inside = torch.zeros_like(whole[0], dtype=torch.bool)
    inside[:, :, 6:9, 5:20] = True
    torch.testing.assert_close(parts[0], torch.where(inside, whole[0], 0))
    assert parts[1].count_nonzero() == parts[1][:, :, 0, 0].count_nonzero()
    torch.testing.assert_close(parts[2], whole[2])
    assert [part.shape for part in parts] == [level.shape for level in whole]


@pytest.mark.parametrize(
    'options', [dict(norm_cfg=dict(type='GN', num_groups=2)), dict(add_extra_convs=True)]
)
def test_a_pyramid_that_needs_whole_maps_takes_no_windows(options):
    neck = FPN([3, 4], 8, num_outs=3, **options)
    with pytest.raises(ValueError, match='windows need a pyramid without norm_cfg'):
        neck(pyramid(neck), [(0, 0, 1, 1)] * 2)


def test_a_detector_learns_the_same_from_windows(monkeypatch):
    pair = (([[5, 5, 40, 40], [50, 20, 85, 55]], [1, 2]), ([[55, 25, 90, 60], [8, 6, 40, 43]], [2, 3]))
    model, found = tiny_model().train(), []
    for windowed in (True, False):
        read = []
        monkeypatch.setattr(model, '_reads_windows', lambda images: windowed)  # noqa: B023
        handle = model.neck.register_forward_pre_hook(lambda module, args: read.append(len(args)))  # noqa: B023
        model.zero_grad()
        losses, _ = model.parse_losses(
            model(**model.data_preprocessor(training_batch(pair, pair), True), mode='loss')
        )
        losses.backward()
        handle.remove()
        assert read == ([1, 2] if windowed else [1])
        found.append([losses, *(value.grad for value in model.parameters() if value.requires_grad)])
    monkeypatch.undo()
    assert model._reads_windows(torch.zeros(1))  # the usual detector does
    for got, want in zip(*found):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)
