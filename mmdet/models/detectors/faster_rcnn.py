"""Faster R-CNN: boxes."""

import torch

from mmdet.registry import MODELS

from ..padding import to_host
from .two_stage import TwoStageDetector


@MODELS.register_module()
class FasterRCNN(TwoStageDetector):
    """Faster R-CNN with a feature pyramid.

    Args: see :class:`TwoStageDetector`.
    """

    def loss(self, inputs, data_samples):
        """Losses of the first frame of every sample.

        Args:
            inputs (Tensor): (N, T, 3, H, W).
            data_samples (list[DetDataSample]): N, with ``gt_instances``.

        Returns:
            dict: ``loss_rpn_cls``, ``loss_rpn_reg`` (lists, one per level), ``loss_cls``, ``acc``,
            ``loss_reg``.
        """
        feats = self.extract_feat(inputs[:, 0])
        rpn_losses, proposals = self.rpn_losses(feats, data_samples)
        box_losses, _ = self.box_losses(feats, self.sample_rois(proposals, data_samples))
        return {**rpn_losses, **box_losses}

    @torch.no_grad()
    def predict(self, inputs, data_samples, rescale=True):
        """Detections of every image.

        Args:
            inputs (Tensor): (N, 1, 3, H, W).
            data_samples (list[DetDataSample]): N; with a tracker in the order of the videos, with metainfo
                ``video_id`` and ``frame_id``.
            rescale (bool): boxes in original pixels.

        Returns:
            list[DetDataSample]: the given ones with ``pred_instances``: bboxes, scores, labels and, with a
            tracker, instance_ids.
        """
        metas = [sample.metainfo for sample in data_samples]
        feats = self.extract_feat(inputs[:, 0])
        detections = to_host(self.detect(feats, self.propose(feats, metas), metas, rescale))
        return self.pack(data_samples, self.identify(detections, metas))

    def tensor(self, inputs):
        """Outputs of RPN and box head."""
        return self.box_outputs(inputs, self.extract_feat(inputs[:, 0]))
