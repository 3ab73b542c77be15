"""Region proposal network as a detector."""

import torch

from mmdet.registry import MODELS
from mmdet.structures.bbox import unscale_bboxes

from ..padding import to_host
from .base import BaseDetector


@MODELS.register_module()
class RPN(BaseDetector):
    """A detector whose boxes are proposals, all of class 0 (Faster R-CNN, section 3.1).

    Args: see :class:`BaseDetector`.
    """

    def loss(self, inputs, data_samples):
        """Losses of the first frame of every sample: ``loss_rpn_cls`` and ``loss_rpn_reg``, one per level."""
        feats = self.extract_feat(inputs[:, 0])
        return self.rpn_head.outputs_and_losses(feats, data_samples, self.rpn_train_cfg)[1]

    @torch.no_grad()
    def predict(self, inputs, data_samples, rescale=True):
        """Proposals of every image, best first, as ``proposals`` and as ``pred_instances`` with label 0.

        Args:
            inputs (Tensor): (N, 1, 3, H, W).
            data_samples (list[DetDataSample]): N.
            rescale (bool): in original pixels.

        Returns:
            list[DetDataSample]: the given ones.
        """
        metas = [sample.metainfo for sample in data_samples]
        proposals = to_host(self.propose(self.extract_feat(inputs[:, 0]), metas))
        for sample, found in zip(data_samples, proposals):
            if rescale:
                found.bboxes = unscale_bboxes(found.bboxes, sample.metainfo['scale_factor'])
            sample.proposals = found
            sample.pred_instances = found.clone()
            sample.pred_instances.labels = torch.zeros_like(found.scores, dtype=torch.int64)
        return data_samples

    def tensor(self, inputs):
        """Scores and deltas of every level."""
        return self.rpn_head(self.extract_feat(inputs[:, 0]))
