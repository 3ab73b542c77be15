"""Pasted masks of the 2019 code: five geometries, RLE for RLE."""

import pytest
import torch

from mmdet.structures.rle import decode_rle

from .rules import load_json, load_npz

CASES = load_json('unit_mask_paste.json')
GEOMETRIES = [key for key, value in CASES.items() if isinstance(value, dict)]


@pytest.fixture(scope='module')
def arrays():
    return load_npz('unit_mask_head.npz')


def predicted(arrays, case, **options):
    from mmdet.models.mask_heads.fcn_mask_head import FCNMaskHead

    head = FCNMaskHead(num_convs=1, in_channels=8, conv_out_channels=8, num_classes=5, **options)
    logits, labels = (torch.from_numpy(arrays[f'paste.in.{name}']) for name in ('mask_pred', 'labels'))
    return head.get_masks(
        head.probabilities(logits, labels),
        torch.from_numpy(arrays['paste.in.dets_testscale'][:, :4]),
        dict(ori_shape=tuple(case['ori_shape'][:2]), scale_factor=case['scale_factor']),
        dict(mask_thr_binary=0.5),
        rescale=case['rescale'],
    )


@pytest.mark.parametrize('name', GEOMETRIES)
def test_masks_are_the_originals(arrays, name):
    case = CASES[name]
    rles = predicted(arrays, case)
    by_class = [[] for _ in case['by_class']]
    for rle, label in zip(rles, arrays['paste.in.labels']):
        by_class[label].append(rle)
    assert by_class == case['by_class']


@pytest.mark.parametrize('name', GEOMETRIES)
def test_the_last_claim_of_an_identity_wins(arrays, name):
    case = CASES[name]
    kept = {}
    for rle, identity in zip(predicted(arrays, case), CASES['det_obj_ids']):
        if identity >= 0:
            kept[str(identity)] = rle
    assert kept == case['by_obj']


def test_continuous_masks_follow_the_same_objects(arrays):
    case = CASES['rescale_0.75']
    legacy, modern = predicted(arrays, case), predicted(arrays, case, mask_convention='continuous')
    assert modern != legacy
    big = [i for i, rle in enumerate(legacy) if decode_rle(rle).sum() > 2000]
    assert big
    for i in big:
        a, b = decode_rle(legacy[i]).astype(bool), decode_rle(modern[i]).astype(bool)
        assert (a & b).sum() / (a | b).sum() > 0.85
