"""From frame dicts to the inputs of the model."""

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData

from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample

from .base import clip_boxes

META_KEYS = (
    'img_path',
    'img_id',
    'video_id',
    'frame_id',
    'video_length',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
)


@TRANSFORMS.register_module()
class PackInputs(BaseTransform):
    """Stack the frames, clip the boxes and move annotations to a :class:`DetDataSample`
    (docs/conventions.md, "Clipping of ground truth").

    Returns:
        dict: ``inputs`` (T, 3, H, W) BGR, key frame first, of the type of the images; ``data_samples`` a
        DetDataSample.

    Raises:
        ValueError: the frames differ in size.
    """

    def transform(self, results):
        frames = results['frames']
        shapes = {frame['img'].shape for frame in frames}
        if len(shapes) > 1:
            raise ValueError(
                f'PackInputs: expected frames of one size, got {sorted(shapes)} for '
                + ', '.join(frame['img_path'] for frame in frames)
            )
        key = frames[0]
        stack = np.empty((len(frames), 3, *key['img'].shape[:2]), key['img'].dtype)
        for target, frame in zip(stack, frames):
            for plane, channel in zip(target, cv2.split(frame['img'])):
                plane[:] = channel
        meta = {name: key[name] for name in META_KEYS if name in key}
        if 'sample_seed' in results:
            meta['sample_seed'] = results['sample_seed']
        if len(frames) > 1:
            meta['ref_img_path'] = frames[1]['img_path']
        sample = DetDataSample(metainfo=meta)
        if 'gt_bboxes' in key:
            sample.gt_instances, sample.ignored_instances = self._instances(key)
            if len(frames) > 1:
                sample.ref_gt_instances, sample.ref_ignored_instances = self._instances(frames[1])
        return {'inputs': torch.from_numpy(stack), 'data_samples': sample}

    @staticmethod
    def _instances(frame):
        """Objects of a frame, and the boxes that are neither objects nor background."""
        instances = InstanceData(
            bboxes=torch.from_numpy(clip_boxes(frame['gt_bboxes'], frame['img_shape'])),
            labels=torch.from_numpy(frame['gt_labels']),
            instance_ids=torch.from_numpy(frame['gt_instance_ids']),
        )
        if 'gt_masks' in frame:
            instances.masks = torch.from_numpy(np.ascontiguousarray(frame['gt_masks']))
        ignored = clip_boxes(frame['gt_bboxes_ignore'], frame['img_shape'])
        return instances, InstanceData(bboxes=torch.from_numpy(ignored))
