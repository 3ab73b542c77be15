"""Data samples: what a pinning data loader does with them."""

import torch
from mmengine.structures import InstanceData
from torch.utils.data._utils.pin_memory import pin_memory

from mmdet.structures import DetDataSample


def test_a_pinning_loader_pins_the_tensors_of_annotations(monkeypatch):
    sample, pinned = DetDataSample(metainfo=dict(img_id=3)), []
    sample.gt_instances = InstanceData(bboxes=torch.rand(2, 4), labels=torch.tensor([1, 2]), names=['a', 'b'])
    boxes = sample.gt_instances.bboxes
    monkeypatch.setattr(
        torch.Tensor, 'pin_memory', lambda tensor, *args: pinned.append(tensor) or tensor.clone()
    )
    batch = pin_memory({'inputs': [torch.zeros(1)], 'data_samples': [sample]})
    found = batch['data_samples'][0].gt_instances
    assert len(pinned) == 3 and found.bboxes is not boxes
    assert torch.equal(found.bboxes, boxes) and found.names == ['a', 'b']
