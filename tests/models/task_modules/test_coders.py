"""Box coders of the two conventions."""

import pytest
import torch

from mmdet.registry import TASK_UTILS

ROIS = torch.tensor([[10.0, 10.0, 29.0, 49.0], [0.0, 0.0, 9.0, 9.0]])


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('LegacyDeltaXYWHBBoxCoder', [20.0, 30.0, 59.0, 109.0]),
        ('DeltaXYWHBBoxCoder', [19.5, 29.5, 57.5, 107.5]),
    ],
)
def test_doubling_a_box(kind, expected):
    coder = TASK_UTILS.build(dict(type=kind))
    deltas = torch.tensor([[1.0, 1.0, 0.6931472, 0.6931472]])
    # Both widen about the shifted center; the +1 of 2019 counts in size and shift.
    assert coder.decode(ROIS[:1], deltas)[0].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize('kind', ['LegacyDeltaXYWHBBoxCoder', 'DeltaXYWHBBoxCoder'])
def test_round_trip_and_border(kind):
    coder = TASK_UTILS.build(dict(type=kind, target_stds=[0.1, 0.1, 0.2, 0.2]))
    deltas = coder.encode(ROIS, ROIS.flip(0))
    torch.testing.assert_close(coder.decode(ROIS, deltas), ROIS.flip(0), rtol=1e-5, atol=1e-4)
    clipped = coder.decode(ROIS, torch.zeros(2, 4), max_shape=(20, 20))
    assert clipped[0, 3] == 20 - coder.offset
    free = TASK_UTILS.build(dict(type=kind, clip_border=False))
    assert free.decode(ROIS, torch.zeros(2, 4), max_shape=(20, 20))[0, 3] == 49


def test_four_numbers_each():
    with pytest.raises(ValueError, match='four means and four stds'):
        TASK_UTILS.build(dict(type='DeltaXYWHBBoxCoder', target_stds=[1.0]))
