"""Batches of images: exact normalization, padding, masks, layouts."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def build(**options):
    cfg = {'type': 'DataPreprocessor', 'mean': MEAN, 'std': STD, 'bgr_to_rgb': True, 'pad_size_divisor': 32}
    return MODELS.build({**cfg, **options})


def images(*sizes, frames=1):
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.integers(0, 256, (frames, 3, *size)).astype(np.uint8)) for size in sizes]


def normalized(image):
    """The 2019 way: OpenCV's float32 image, RGB, then mean and std."""
    image = np.ascontiguousarray(image.numpy().transpose(1, 2, 0)).astype(np.float32)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    image = (image - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(image.transpose(2, 0, 1))


@pytest.mark.parametrize('channels_last', [False, True])
def test_normalized_then_padded_bit_for_bit(channels_last):
    raw = images((40, 70), (64, 50), frames=2)
    samples = [DetDataSample(), DetDataSample()]
    data = build(channels_last=channels_last)({'inputs': raw, 'data_samples': samples})
    batch = data['inputs']
    assert batch.shape == (2, 2, 3, 64, 96)
    assert batch.dtype == torch.float32
    for index, image in enumerate(raw):
        height, width = image.shape[-2:]
        for frame in range(2):
            assert torch.equal(batch[index, frame, :, :height, :width], normalized(image[frame]))
        assert not batch[index, :, :, height:].any()
        assert not batch[index, :, :, :, width:].any()
    assert [sample.pad_shape for sample in data['data_samples']] == [(64, 96), (64, 64)]
    assert all(sample.batch_input_shape == (64, 96) for sample in data['data_samples'])


def test_channels_last_reaches_the_backbone():
    batch = build(channels_last=True)({'inputs': images((32, 64))})['inputs']
    assert batch[:, 0].is_contiguous(memory_format=torch.channels_last)


def test_bgr_stays_without_the_switch():
    (raw,) = images((32, 32))
    batch = build(mean=[0.0] * 3, std=[1.0] * 3, bgr_to_rgb=False)({'inputs': [raw]})['inputs']
    assert torch.equal(batch[0], raw.float())


def test_masks_are_padded_to_their_own_image():
    sample = DetDataSample()
    masks = torch.ones((2, 40, 70), dtype=torch.uint8)
    sample.gt_instances = InstanceData(bboxes=torch.zeros(2, 4), masks=masks)
    other = DetDataSample()
    other.gt_instances = InstanceData(
        bboxes=torch.zeros(0, 4), masks=torch.zeros((0, 90, 50), dtype=torch.uint8)
    )
    data = build()({'inputs': images((40, 70), (90, 50)), 'data_samples': [sample, other]})
    first, second = (one.gt_instances.masks for one in data['data_samples'])
    assert first.shape == (2, 64, 96)
    assert int(first.sum()) == 2 * 40 * 70
    assert first[:, :40, :70].all()
    assert second.shape == (0, 96, 64)
    assert sample.gt_instances.masks.shape == (2, 40, 70)  # the loader's own sample is untouched


def test_plain_images_and_stacked_tensors():
    raw = images((32, 32), (32, 32))
    expected = build()({'inputs': raw})['inputs']
    assert torch.equal(build()({'inputs': [image[0] for image in raw]})['inputs'], expected)
    assert torch.equal(build()({'inputs': torch.stack(raw)})['inputs'], expected)
    assert build()({'inputs': raw})['data_samples'] is None


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match='three numbers each'):
        build(mean=[1.0])
    with pytest.raises(ValueError, match=r'\(1, 3, H, W\) expected, got \(1, 4, 8, 8\)'):
        build()({'inputs': [torch.zeros(1, 4, 8, 8)]})
    with pytest.raises(ValueError, match=r'\(1, 3, H, W\) expected, got \(2, 3, 8, 8\)'):
        build()({'inputs': [torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8)]})


def test_it_adds_no_keys_to_the_state_dict():
    assert not build().state_dict()
