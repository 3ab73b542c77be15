"""Tracking branch of MaskTrack R-CNN: embeddings of boxes, their similarity and the match loss."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmdet.registry import MODELS

from ..fused import flat_linear
from ..match_logits import dot_product_logits, in_float32

IGNORED = -1


@MODELS.register_module()
class TrackHead(BaseModule):
    """Fully connected layers, compared by dot products (Video Instance Segmentation, section 4.1).

    A box is one of the reference objects or a new one. The match logits go through a softmax over the
    reference boxes and a column of zeros in front, which stands for "new". There is no normalization, no
    temperature, and no activation after the last layer unless ``relu_last``.

    Args:
        num_fcs (int): number of layers.
        in_channels (int): channels of the RoI features.
        roi_feat_size (int): side of the RoI features.
        fc_out_channels (int): length of an embedding.
        with_avg_pool (bool): average over the RoI before the layers.
        relu_last (bool): a ReLU also follows the last layer, as in the heads of mmtracking and mmdetection 3.
        loss_weight (float): factor of the match loss. Its gradient in the backbone is several times that of
            all other losses together; a backbone trained from scratch learns to detect sooner if it is small.
        init_cfg (dict | list | None): normal with std 0.01 by default, as in 2019.
    """

    def __init__(
        self,
        num_fcs=2,
        in_channels=256,
        roi_feat_size=7,
        fc_out_channels=1024,
        with_avg_pool=False,
        relu_last=False,
        loss_weight=1.0,
        init_cfg=None,
    ):
        super().__init__(init_cfg or dict(type='Normal', layer='Linear', std=0.01))
        if num_fcs < 1:
            raise ValueError(f'TrackHead: num_fcs must be at least 1, got {num_fcs}')
        self.in_channels = in_channels
        self.with_avg_pool = with_avg_pool
        self.relu_last = relu_last
        self.loss_weight = loss_weight
        self.roi_feat_size = roi_feat_size
        self.in_features = in_channels if with_avg_pool else in_channels * roi_feat_size**2
        self.fcs = nn.ModuleList(
            nn.Linear(fc_out_channels if index else self.in_features, fc_out_channels)
            for index in range(num_fcs)
        )

    def embed(self, x):
        """Embeddings of boxes.

        Args:
            x (Tensor): (K, C, s, s) RoI features.

        Returns:
            Tensor: (K, fc_out_channels).
        """
        if self.with_avg_pool:
            x = x.mean(dim=(2, 3))
        for fc in self.fcs[:-1]:
            x = F.relu(flat_linear(fc, x), inplace=True)
        x = flat_linear(self.fcs[-1], x)
        return F.relu(x, inplace=True) if self.relu_last else x

    def similarity(self, embeddings: Tensor, ref_embeddings: Tensor) -> Tensor:
        """Compare embeddings. Override this to compare in another way.

        Training and tracking both call it, always in float32 with autocast off.

        Args:
            embeddings (Tensor): (n, E) float32 of the boxes to identify.
            ref_embeddings (Tensor): (m, E) float32 of the reference objects.

        Returns:
            Tensor: (n, m + 1) match logits; column 0, all zeros, stands for a new object.
        """
        return dot_product_logits(embeddings, ref_embeddings)

    def forward(self, x, ref_x, x_n, ref_n):
        """Match logits of a batch of image pairs.

        Args:
            x (Tensor): (sum of x_n, C, s, s) RoI features of the key frames, image by image.
            ref_x (Tensor): (sum of ref_n, C, s, s) RoI features of the reference frames.
            x_n, ref_n (list[int]): number of boxes in each image.

        Returns:
            list[Tensor]: (x_n[i], ref_n[i] + 1) float32 logits of each image.
        """
        keys, refs = self.embed(x).split(list(x_n)), self.embed(ref_x).split(list(ref_n))
        return [in_float32(self.similarity, key, ref) for key, ref in zip(keys, refs)]

    def loss(self, scores, ids):
        """Cross entropy of the true identity: mean over an image's boxes, then over images.

        Every box with an identity counts, also a single one (docs/conventions.md, "Match loss"). An image
        without any adds zero, and both values exist in every iteration.

        Args:
            scores (list[Tensor]): (n_i, m_i + 1) of :meth:`forward`.
            ids (list[Tensor]): (n_i,) int64: 1 + index of the object in the reference frame, 0 if it is
                absent there, -1 for a box to ignore.

        Returns:
            dict[str, Tensor]: scalars ``loss_match`` and ``match_acc`` (percent).
        """
        losses, correct, total = [], 0, 0
        for score, target in zip(scores, ids):
            score, count = score.float(), (target != IGNORED).sum()
            summed = F.cross_entropy(score, target, ignore_index=IGNORED, reduction='sum')
            losses.append(summed / count.clamp(min=1))
            correct = correct + (score.detach().argmax(dim=1) == target).sum()
            total = total + count
        loss = self.loss_weight * torch.stack(losses).mean()
        return dict(loss_match=loss, match_acc=100.0 * correct / total.clamp(min=1))
