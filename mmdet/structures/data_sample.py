"""Data of one sample: ground truth, predictions and metainfo of the image."""

import torch
from mmengine.structures import BaseDataElement, InstanceData


def _instance_field(name, doc):
    private = f'_{name}'

    def getter(self):
        return getattr(self, private)

    def setter(self, value):
        self.set_field(value, private, dtype=InstanceData)

    def deleter(self):
        delattr(self, private)

    return property(getter, setter, deleter, doc)


class DetDataSample(BaseDataElement):
    """Annotations and predictions of one frame, or of a key frame with its reference frame.

    Boxes are xyxy (docs/conventions.md, "Inclusive pixels"). Labels start at 0.

    Metainfo: ``img_path``, ``img_id``, ``video_id`` (of the dataset), ``frame_id`` (index in the video),
    ``video_length``, ``ori_shape``, ``img_shape``, ``pad_shape``, ``batch_input_shape`` (all (h, w)),
    ``scale_factor`` (float, or (w, h) if they differ), ``flip`` and, in training, ``sample_seed``.
    """

    gt_instances = _instance_field(
        'gt_instances',
        'InstanceData of the key frame: bboxes (n, 4), labels (n,), masks (n, H, W), instance_ids (n,).',
    )
    ignored_instances = _instance_field(
        'ignored_instances', 'InstanceData: bboxes (n, 4) of crowd regions, without masks and labels.'
    )
    ref_gt_instances = _instance_field(
        'ref_gt_instances',
        'InstanceData of the reference frame: bboxes (m, 4), labels (m,), instance_ids (m,), and masks '
        '(m, H, W) if they were loaded.',
    )
    ref_ignored_instances = _instance_field(
        'ref_ignored_instances', 'InstanceData: bboxes (m, 4) of crowd regions of the reference frame.'
    )
    proposals = _instance_field('proposals', 'InstanceData: bboxes (n, 4) and scores (n,) of the RPN.')
    pred_instances = _instance_field(
        'pred_instances',
        'InstanceData: bboxes (n, 4), scores (n,), labels (n,), instance_ids (n,) if tracked, '
        'masks (list of n COCO RLE dicts), at the original resolution.',
    )

    def pin_memory(self):
        """Copy the tensors of all instances to page-locked memory, as a pinning loader asks; returns self."""
        for instances in self.values():
            for name, value in instances.items() if isinstance(instances, InstanceData) else ():
                if isinstance(value, torch.Tensor):
                    instances.set_field(value.pin_memory(), name)
        return self
