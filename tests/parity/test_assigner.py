"""Assignment against the numbers of the 2019 release."""

import pytest
import torch

from mmdet.models.task_modules import MaxIoUAssigner

from .rules import load_json, load_npz


@pytest.fixture(scope='module')
def golden():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_assigner.npz').items()}


@pytest.mark.parametrize('ignore', ['noign', 'ign_thr-1'])
@pytest.mark.parametrize('case', ['rpn', 'rcnn', 'low', 'single', 'band'])
def test_assignment(golden, case, ignore):
    assigner = MaxIoUAssigner(**load_json('unit_meta.json')['assigner']['cases'][case])
    regions = None if ignore == 'noign' else golden['in.ignore']
    # Labels start at 1 in the goldens, with 0 for none; ours start at 0, with -1.
    result = assigner.assign(golden['in.bboxes'], golden['in.gt'], regions, golden['in.labels'] - 1)
    key = f'{case}.{ignore}'
    assert torch.equal(result.gt_inds, golden[f'{key}.gt_inds'])
    assert torch.equal(result.max_overlaps, golden[f'{key}.max_overlaps'])
    assert torch.equal(result.labels + 1, golden[f'{key}.labels'])
    ids = torch.where(result.gt_inds > 0, golden['in.pids'][result.gt_inds - 1], 0)
    assert torch.equal(ids, golden[f'{key}.pids'])
    assert result.num_gts == len(golden['in.gt'])
