"""A detector small enough to train a step in a test, and batches for it."""

import numpy as np
import torch
from mmengine.structures import InstanceData

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from tests.model_configs import tiny_cfg

SIZE = (64, 96)


def tiny_model(kind='MaskTrackRCNN', seed=0, **model_options):
    """The model with reproducible weights."""
    torch.manual_seed(seed)
    model = MODELS.build(tiny_cfg(kind, **model_options))
    model.init_weights()
    return model


def ground_truth(boxes, ids, size=SIZE):
    """Instances whose masks fill their boxes; labels are id modulo 3."""
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    masks = torch.zeros((len(boxes), *size), dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist()):
        mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    ids = torch.tensor(ids, dtype=torch.int64)
    return InstanceData(bboxes=boxes, labels=ids % 3, masks=masks, instance_ids=ids)


def draw_image(instances, seed, size=SIZE):
    """A noisy image in which each object is a patch of its own color: uint8 (3, H, W)."""
    rng = np.random.default_rng(seed)
    image = rng.integers(100, 150, (3, *size)).astype(np.uint8)
    for (x1, y1, x2, y2), identity in zip(instances.bboxes.int().tolist(), instances.instance_ids.tolist()):
        color = np.random.default_rng(1000 + identity).integers(0, 255, 3)
        image[:, y1 : y2 + 1, x1 : x2 + 1] = color[:, None, None]
    return torch.from_numpy(image)


def training_batch(*pairs, size=SIZE):
    """A batch as the loader gives it.

    Args:
        pairs: ((boxes, ids), (ref boxes, ref ids)) of each sample.
        size (tuple): (H, W) of every image.
    """
    inputs, samples = [], []
    for index, (key, ref) in enumerate(pairs):
        key, ref = ground_truth(*key, size), ground_truth(*ref, size)
        inputs.append(torch.stack([draw_image(key, 2 * index, size), draw_image(ref, 2 * index + 1, size)]))
        sample = DetDataSample(
            metainfo={'img_shape': size, 'ori_shape': size, 'scale_factor': 1.0, 'sample_seed': index}
        )
        sample.gt_instances = key
        sample.ref_gt_instances = InstanceData(bboxes=ref.bboxes, instance_ids=ref.instance_ids)
        samples.append(sample)
    return {'inputs': inputs, 'data_samples': samples}


def clip(video_id, length, seed=0, size=SIZE, scale_factor=1.0):
    """Frames of a video as the loader gives them in testing."""
    ori_shape = tuple(int(round(side / scale_factor)) for side in size)
    inputs, samples = [], []
    for frame in range(length):
        objects = ground_truth([[5 + 2 * frame, 5, 35 + 2 * frame, 40], [50, 20, 85, 55]], [1, 2], size)
        inputs.append(draw_image(objects, seed + frame, size)[None])
        meta = {'video_id': video_id, 'frame_id': frame, 'video_length': length}
        meta.update(img_shape=size, ori_shape=ori_shape, scale_factor=scale_factor)
        samples.append(DetDataSample(metainfo=meta))
    return {'inputs': inputs, 'data_samples': samples}
