"""From samples of the data loader to a batch for the network: device, normalization, padding."""

import math

import torch
from mmengine.model import BaseDataPreprocessor

from mmdet.registry import MODELS


@MODELS.register_module()
class DataPreprocessor(BaseDataPreprocessor):
    """Normalize images, pad them to one size with zeros, and pad their masks alike.

    Zeros are added after normalization: the padding has the mean color (docs/conventions.md, "Images").
    Images of a batch may differ in size; each is padded at the bottom and on the right.

    Args:
        mean, std (Sequence[float]): one number per channel, in the channel order of the network.
        bgr_to_rgb (bool): swap the channels of the images, which OpenCV reads as BGR.
        pad_size_divisor (int): sides of the batch are multiples of it.
        channels_last (bool): memory layout (N, T, H, W, 3); often faster. Not for training on a CPU:
            gradients of narrow strided 1x1 convolutions may be written out of bounds (torch 2.13.0).
        non_blocking (bool): copy to a GPU without waiting for it.

    Raises:
        ValueError: if mean and std are not three numbers each.
    """

    def __init__(
        self,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        bgr_to_rgb=False,
        pad_size_divisor=1,
        channels_last=False,
        non_blocking=True,
    ):
        super().__init__(non_blocking)
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(f'DataPreprocessor: mean and std need three numbers each, got {mean} and {std}')
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32)[:, None, None], persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32)[:, None, None], persistent=False)
        self.bgr_to_rgb = bgr_to_rgb
        self.pad_size_divisor = pad_size_divisor
        self.channels_last = channels_last

    def _apply(self, fn, recurse=True):
        """Move to a device; a model in half precision keeps the exact numbers here."""
        exact = self.mean, self.std
        super()._apply(fn, recurse)
        self.mean, self.std = (old.to(new.device) for old, new in zip(exact, (self.mean, self.std)))
        return self

    def forward(self, data, training=False):
        """Make a batch.

        Args:
            data (dict): ``inputs``: N uint8 tensors (T, 3, H_i, W_i) or (3, H_i, W_i), or all in one
                tensor; ``data_samples``: N :class:`DetDataSample`, optional.
            training (bool): unused.

        Returns:
            dict: ``inputs`` float32 (N, T, 3, H, W); ``data_samples`` with metainfo ``pad_shape`` (the
            size of the image, rounded up to multiples of the divisor) and ``batch_input_shape``, and masks
            padded to ``pad_shape``; or None.

        Raises:
            ValueError: if inputs do not have three channels or differ in their number of frames.
        """
        data = self.cast_data(data)
        images = [image if image.dim() == 4 else image[None] for image in data['inputs']]
        for image in images:
            if image.dim() != 4 or image.size(1) != 3 or len(image) != len(images[0]):
                raise ValueError(
                    f'DataPreprocessor: inputs of shape ({len(images[0])}, 3, H, W) expected, '
                    f'got {tuple(image.shape)}'
                )
        pad_shapes = [tuple(self._pad(side) for side in image.shape[-2:]) for image in images]
        height, width = (max(sides) for sides in zip(*pad_shapes))
        batch = self._new_batch(len(images), len(images[0]), height, width)
        for image, target in zip(images, batch):
            target = target[..., : image.shape[-2], : image.shape[-1]]
            target.copy_(image.flip(1) if self.bgr_to_rgb else image)
            target.sub_(self.mean).div_(self.std)

        samples = data.get('data_samples')
        if samples is not None:
            for sample, pad_shape in zip(samples, pad_shapes):
                sample.set_metainfo(dict(pad_shape=pad_shape, batch_input_shape=(height, width)))
                for name in ('gt_instances', 'ref_gt_instances'):
                    _pad_masks(sample.get(name), pad_shape)
        return dict(inputs=batch, data_samples=samples)

    def _pad(self, side):
        return math.ceil(side / self.pad_size_divisor) * self.pad_size_divisor

    def _new_batch(self, number, frames, height, width):
        if self.channels_last:
            batch = torch.zeros((number, frames, height, width, 3), device=self.mean.device)
            return batch.permute(0, 1, 4, 2, 3)
        return torch.zeros((number, frames, 3, height, width), device=self.mean.device)


def _pad_masks(instances, shape):
    """Pad ``masks`` (n, h, w) of annotations with zeros at the bottom and on the right, in place."""
    masks = None if instances is None else instances.get('masks')
    if masks is None or tuple(masks.shape[-2:]) == tuple(shape):
        return
    padded = masks.new_zeros((len(masks), *shape))
    padded[:, : masks.shape[-2], : masks.shape[-1]] = masks
    instances.masks = padded
