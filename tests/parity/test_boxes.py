"""Box arithmetic against the numbers of the 2019 release."""

import pytest
import torch

from mmdet.structures.bbox import bbox2delta, bbox_flip, bbox_overlaps, delta2bbox, scale_bboxes

from .rules import load_npz

STDS = (0.1, 0.1, 0.2, 0.2)


@pytest.fixture(scope='module')
def golden():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_boxes.npz').items()}


@pytest.mark.parametrize(('name', 'stds'), [('unit', (1, 1, 1, 1)), ('std', STDS)])
def test_encode(golden, name, stds):
    deltas = bbox2delta(golden['enc.in.proposals'], golden['enc.in.gt'], stds=stds)
    torch.testing.assert_close(deltas, golden[f'enc.out.{name}'], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('noclip', {}),
        ('clip_90x150', {'max_shape': (90, 150)}),
        ('std_clip', {'max_shape': (90, 150, 3), 'stds': STDS}),
    ],
)
def test_decode(golden, name, options):
    boxes = delta2bbox(golden['dec.in.rois'], golden['dec.in.deltas'], **options)
    torch.testing.assert_close(boxes, golden[f'dec.out.{name}'], rtol=1e-6, atol=1e-4)


def test_decode_of_several_classes(golden):
    boxes = delta2bbox(golden['dec.in.rois'], golden['dec3.in.deltas'], stds=STDS, max_shape=(90, 150))
    torch.testing.assert_close(boxes, golden['dec3.out.std_clip'], rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize('mode', ['iou', 'iof'])
def test_overlaps(golden, mode):
    overlaps = bbox_overlaps(golden['iou.in.a'], golden['iou.in.b'], mode=mode)
    torch.testing.assert_close(overlaps, golden[f'iou.out.{mode}'], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(('mode', 'name'), [('iou', 'aligned'), ('iof', 'aligned_iof')])
def test_aligned_overlaps(golden, mode, name):
    overlaps = bbox_overlaps(golden['iou.in.a'], golden['iou.in.c'], mode=mode, is_aligned=True)
    torch.testing.assert_close(overlaps, golden[f'iou.out.{name}'], rtol=0, atol=0, equal_nan=True)


def test_flip(golden):
    flipped = bbox_flip(golden['iou.in.a'], (96, 160))
    torch.testing.assert_close(flipped, golden['flip.out'], rtol=0, atol=0)


def test_scale_then_flip(golden):
    mapped = bbox_flip(scale_bboxes(golden['iou.in.a'], 0.75), (96, 160))
    torch.testing.assert_close(mapped, golden['map.out'], rtol=0, atol=0)
