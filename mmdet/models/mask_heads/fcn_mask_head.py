"""Mask branch of Mask R-CNN: a small fully convolutional network on the features of each RoI."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import nn

from mmdet.registry import MODELS
from mmdet.structures.bbox import unscale_bboxes
from mmdet.structures.mask import check_mask_convention, mask_targets, paste_masks

from ..fused import conv_act, conv_module, derived_of, labeled_channels

UPSAMPLE_METHODS = ('deconv', 'nearest', 'bilinear', None)


@MODELS.register_module()
class FCNMaskHead(BaseModule):
    """Convolutions, one upsampling, one mask per class (Mask R-CNN, section 3, figure 4 right).

    Channel 0 of the last layer belongs to the background and is unused, as in the weights of 2019: the mask
    of label ``l`` is channel ``l + 1`` (docs/conventions.md, "Background is column 0").

    Args:
        num_convs (int): 3x3 convolutions before the upsampling.
        in_channels (int): channels of the RoI features.
        conv_kernel_size (int): kernel size of these convolutions.
        conv_out_channels (int): output channels of these convolutions.
        upsample_method (str | None): ``'deconv'``, ``'nearest'``, ``'bilinear'`` or None.
        upsample_ratio (int): factor of the upsampling.
        num_classes (int): without background.
        class_agnostic (bool): one mask channel for all classes.
        mask_convention (str): convention of targets and pasting, see :mod:`mmdet.structures.mask`.
        conv_cfg, norm_cfg (dict | None): convolution and normalization layers.
        loss_mask (dict): loss on the channel of the labeled class.
        init_cfg (dict | list | None): Kaiming normal by default, as in 2019.

    Raises:
        ValueError: for an unknown upsampling or convention.
    """

    def __init__(
        self,
        num_convs=4,
        in_channels=256,
        conv_kernel_size=3,
        conv_out_channels=256,
        upsample_method='deconv',
        upsample_ratio=2,
        num_classes=80,
        class_agnostic=False,
        mask_convention='legacy',
        conv_cfg=None,
        norm_cfg=None,
        loss_mask=None,
        init_cfg=None,
    ):
        super().__init__(init_cfg or dict(type='Kaiming', layer=['Conv2d', 'ConvTranspose2d']))
        if upsample_method not in UPSAMPLE_METHODS:
            raise ValueError(
                f'FCNMaskHead: upsample_method must be one of {UPSAMPLE_METHODS}, got {upsample_method!r}'
            )
        check_mask_convention(mask_convention, 'FCNMaskHead')
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.class_agnostic = class_agnostic
        self.mask_convention = mask_convention
        self.convs = nn.ModuleList(
            ConvModule(
                in_channels if index == 0 else conv_out_channels,
                conv_out_channels,
                conv_kernel_size,
                padding=(conv_kernel_size - 1) // 2,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
            )
            for index in range(num_convs)
        )
        channels = conv_out_channels if num_convs else in_channels
        if upsample_method == 'deconv':
            self.upsample = nn.ConvTranspose2d(
                channels, conv_out_channels, upsample_ratio, stride=upsample_ratio
            )
            channels = conv_out_channels
        elif upsample_method is not None:
            self.upsample = nn.Upsample(scale_factor=upsample_ratio, mode=upsample_method)
        else:
            self.upsample = None
        self.conv_logits = nn.Conv2d(channels, 1 if class_agnostic else num_classes + 1, 1)
        self.loss_mask = MODELS.build(loss_mask or dict(type='CrossEntropyLoss', use_mask=True))

    def forward(self, x):
        """Predict masks.

        Args:
            x (Tensor): (n, C, s, s) RoI features.

        Returns:
            Tensor: logits (n, num_classes + 1, 2s, 2s), or (n, 1, 2s, 2s) if class-agnostic.
        """
        return conv_act(self.conv_logits, self.hidden(x))

    def hidden(self, x):
        """Features (n, C', 2s, 2s) before the last convolution, from RoI features (n, C, s, s)."""
        for conv in self.convs:
            x = conv_module(conv, x)
        if isinstance(self.upsample, nn.ConvTranspose2d):
            return conv_act(self.upsample, x, relu=True)
        return x if self.upsample is None else self.upsample(x)

    def predict(self, x, labels):
        """Probabilities of the labeled classes.

        Args:
            x (Tensor): (n, C, s, s) RoI features.
            labels (Tensor): (n,) int64, 0-based.

        Returns:
            Tensor: (n, 2s, 2s) float32.
        """
        if derived_of(self.conv_logits) is None or type(self).forward is not FCNMaskHead.forward:
            return self.probabilities(self(x), labels)
        logits = labeled_channels(self.conv_logits, self.hidden(x), self.channels(labels))
        return logits.float().sigmoid()

    def channels(self, labels):
        """Channel of each label: (n,) int64 of 0-based labels to (n,) int64."""
        return torch.zeros_like(labels) if self.class_agnostic else labels + 1

    def get_targets(self, sampling_results, gt_masks, rcnn_cfg):
        """Targets of the positive boxes of a batch.

        Args:
            sampling_results (list[SamplingResult]): of each image.
            gt_masks (list[Tensor]): (g_i, H_i, W_i) uint8, padded as the image.
            rcnn_cfg (dict): ``mask_size``, side of the target.

        Returns:
            Tensor: (sum of positives, mask_size, mask_size) float32.
        """
        return mask_targets(
            [masks.to(result.pos_bboxes.device) for result, masks in zip(sampling_results, gt_masks)],
            [result.pos_bboxes for result in sampling_results],
            [result.pos_assigned_gt_inds for result in sampling_results],
            rcnn_cfg['mask_size'],
            self.mask_convention,
        )

    def loss(self, mask_pred, targets, labels):
        """Mean binary cross entropy over all pixels of all positives (docs/conventions.md, "Losses").

        Args:
            mask_pred (Tensor): logits of :meth:`forward`, (n, C, h, w).
            targets (Tensor): (n, h, w).
            labels (Tensor): (n,) int64, 0-based.

        Returns:
            dict[str, Tensor]: ``loss_mask``; for n = 0 it is zero and attached to the graph.
        """
        if not len(mask_pred):
            return dict(loss_mask=mask_pred.sum() * 0.0)
        return dict(loss_mask=self.loss_mask(mask_pred, targets, channels=self.channels(labels)))

    def probabilities(self, mask_pred, labels):
        """Probabilities (n, h, w) float32 of the labeled classes, from logits (n, C, h, w)."""
        rows = torch.arange(len(labels), device=mask_pred.device)
        return mask_pred[rows, self.channels(labels)].float().sigmoid()

    @torch.no_grad()
    def get_masks(self, probs, bboxes, meta, cfg, rescale=True):
        """Masks of the detections of one image.

        Args:
            probs (Tensor): (n, h, w) of :meth:`probabilities`.
            bboxes (Tensor): (n, 4) at the scale of the network input, the boxes that the features were pooled
                from. They are divided by the scale factor once more here, as in 2019: the float32 round trip
                can move a mask by one pixel (docs/conventions.md, "Mask pasting").
            meta (dict): ``ori_shape`` (h, w) and ``scale_factor`` of the image.
            cfg (dict): ``mask_thr_binary``, probability above which a pixel belongs to the object.
            rescale (bool): masks of the original image, otherwise of the resized one.

        Returns:
            list[dict]: n COCO RLEs.
        """
        height, width = meta['ori_shape'][:2]
        scale = meta['scale_factor']
        if rescale:
            bboxes = unscale_bboxes(bboxes, scale)
        else:
            width_scale, height_scale = (scale, scale) if isinstance(scale, int | float) else scale[:2]
            height, width = round(height * height_scale), round(width * width_scale)
        return paste_masks(probs, bboxes, (height, width), cfg['mask_thr_binary'], self.mask_convention)
