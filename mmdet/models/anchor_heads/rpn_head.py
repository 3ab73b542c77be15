"""Region proposal network: scores and deltas at every anchor, targets, losses and proposals."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import nn

from mmdet.ops import batched_nms_mask
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import tensor_like

from ..fused import conv_act, conv_module
from ..padding import as_instances
from ..task_modules.assigners import assign_images
from ..task_modules.samplers import image_generator, sample_images


@MODELS.register_module()
class RPNHead(BaseModule):
    """Proposals from a feature pyramid (Faster R-CNN, section 3.1; FPN, section 4.1).

    Args:
        in_channels (int): channels of every input level.
        feat_channels (int): output channels of the 3x3 convolutions.
        anchor_generator, bbox_coder (dict): of ``TASK_UTILS``; both of the same convention (+1 or not).
        loss_cls (dict): sigmoid cross entropy, or a softmax over (background, object).
        loss_bbox (dict): loss of the four deltas.
        num_convs (int): 3x3 convolutions, each with a ReLU.
        init_cfg (dict | list | None): normal with std 0.01 by default.

    Raises:
        ValueError: if anchors and coder follow different conventions, or without a convolution.
    """

    def __init__(
        self,
        in_channels,
        anchor_generator,
        bbox_coder,
        loss_cls,
        loss_bbox,
        feat_channels=256,
        num_convs=1,
        init_cfg=None,
    ):
        if num_convs < 1:
            raise ValueError(f'RPNHead: num_convs must be at least 1, got {num_convs}')
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        self.anchor_generator = TASK_UTILS.build(anchor_generator)
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.offset = self.bbox_coder.offset
        if self.anchor_generator.offset != self.offset:
            raise ValueError(
                f'RPNHead: anchors and box coder of one convention expected, got '
                f'{type(self.anchor_generator).__name__} and {type(self.bbox_coder).__name__}'
            )
        self.loss_cls = MODELS.build(loss_cls)
        self.loss_bbox = MODELS.build(loss_bbox)
        self.cls_channels = 1 if getattr(self.loss_cls, 'use_sigmoid', True) else 2
        anchors = self.anchor_generator.num_base_anchors
        self.in_channels = in_channels
        if num_convs == 1:
            self.rpn_conv = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
        else:  # other names in checkpoints, as in mmdetection
            widths = [in_channels] + [feat_channels] * num_convs
            self.rpn_conv = nn.Sequential(
                *(ConvModule(*pair, 3, padding=1, inplace=False) for pair in pairwise(widths))
            )
        self.rpn_cls = nn.Conv2d(feat_channels, anchors * self.cls_channels, 1)
        self.rpn_reg = nn.Conv2d(feat_channels, anchors * 4, 1)

    def forward(self, feats):
        """Predict at every anchor.

        Args:
            feats (Sequence[Tensor]): (N, C, H_l, W_l) for every level l.

        Returns:
            tuple[list[Tensor], list[Tensor]]: logits (N, A, H_l, W_l), deltas (N, 4 * A, H_l, W_l).
        """
        if isinstance(self.rpn_conv, nn.Sequential):
            hidden = feats
            for conv in self.rpn_conv:
                hidden = [conv_module(conv, feat) for feat in hidden]
        else:
            hidden = [conv_act(self.rpn_conv, feat, relu=True) for feat in feats]
        return tuple([conv_act(conv, feat) for feat in hidden] for conv in (self.rpn_cls, self.rpn_reg))

    def _flatten(self, maps, channels):
        """Levels (N, A * channels, H_l, W_l) to one (N, sum of H_l * W_l * A, channels), in anchor order."""
        rows = [level.permute(0, 2, 3, 1).reshape(len(level), -1, channels) for level in maps]
        return torch.cat(rows, dim=1)

    def _anchors(self, cls_scores, metas):
        sizes = [tuple(level.shape[-2:]) for level in cls_scores]
        image_size = metas[0].get('batch_input_shape') or metas[0].get('pad_shape')
        return self.anchor_generator.grid_anchors(sizes, cls_scores[0].device, image_size), sizes

    def get_targets(self, anchors, valid_flags, data_samples, train_cfg):
        """Choose the anchors of a batch to train on, and their targets.

        Args:
            anchors (Tensor): (n, 4) of all levels.
            valid_flags (list[Tensor]): (n,) bool of each image, see ``AnchorGenerator.valid_flags``.
            data_samples (list[DetDataSample]): with ``gt_instances.bboxes`` and optionally
                ``ignored_instances.bboxes``; ``img_shape`` is the resized image without padding.
            train_cfg (dict): ``assigner`` and ``sampler``, built or configs, and ``allowed_border`` (pixels
                that an anchor may extend beyond the image; < 0: any number).

        Returns:
            list[tuple[Tensor, Tensor, Tensor]]: of each image positive indices (p,) and negative ones (q,)
            into ``anchors``, and targets (p, 4).
        """
        assigner, sampler = (
            TASK_UTILS.build(part) if isinstance(part, dict) else part
            for part in (train_cfg['assigner'], train_cfg['sampler'])
        )
        border = train_cfg.get('allowed_border', 0)
        inside = torch.stack(valid_flags)
        if border >= 0:
            limits = [[w + border, h + border] for h, w in (sample.img_shape[:2] for sample in data_samples)]
            limits = tensor_like(limits, anchors)[:, None]
            inside = inside & (anchors[:, :2] >= -border).all(dim=1) & (anchors[:, 2:] < limits).all(dim=2)
        gt_bboxes = [sample.gt_instances.bboxes.to(anchors, non_blocking=True) for sample in data_samples]
        ignored = [sample.get('ignored_instances') for sample in data_samples]
        ignored = [None if one is None else one.bboxes.to(anchors, non_blocking=True) for one in ignored]
        assigned = assign_images(assigner, anchors, gt_bboxes, ignored, valid=inside)
        generators = [image_generator(sample, stream=0) for sample in data_samples]
        sampled = sample_images(sampler, assigned, anchors, gt_bboxes, None, generators)
        boxes, matched = (
            torch.cat([getattr(one, name) for one in sampled]) for name in ('pos_bboxes', 'pos_gt_bboxes')
        )
        deltas = self.bbox_coder.encode(boxes, matched).split([len(one.pos_inds) for one in sampled])
        return [(one.pos_inds, one.neg_inds, part) for one, part in zip(sampled, deltas)]

    def outputs_and_losses(self, feats, data_samples, train_cfg):
        """:meth:`forward` and :meth:`loss`, with a backward pass through the sampled anchors only.

        Proposals need no gradient, and few of the anchors have a loss. So the maps of all anchors are made
        without a graph, and the sampled anchors computed once more from the features around them. Losses and
        gradients are the same but for rounding. A head with other layers or methods is trained on its maps.

        Args:
            feats (Sequence[Tensor]): (N, C, H_l, W_l) for every level l.
            data_samples, train_cfg: see :meth:`loss`.

        Returns:
            tuple[tuple, dict]: what :meth:`forward` and :meth:`loss` return.
        """
        kind, conv = type(self), self.rpn_conv
        usual = (kind.forward, kind.loss) == (RPNHead.forward, RPNHead.loss) and not any(
            type(layer) is not nn.Conv2d for layer in (conv, self.rpn_cls, self.rpn_reg)
        )
        if not usual:
            outputs = self(feats)
            return outputs, self.loss(*outputs, data_samples, train_cfg)
        with torch.no_grad():
            outputs = self(feats)
        # torch 2.10 may go on with weights that autocast has cast here, without a graph.
        torch.clear_autocast_cache()
        return outputs, self.loss(*outputs, data_samples, train_cfg, feats)

    def _at_anchors(self, feats, images, anchors):
        """Logits (n, cls_channels) and deltas (n, 4) of anchors (n,) in the images (n,) of a batch."""
        per_cell, around = self.anchor_generator.num_base_anchors, torch.arange(9, device=anchors.device)
        cells, shapes = anchors // per_cell, anchors % per_cell
        down, right = around // 3 - 1, around % 3 - 1
        patches = 0
        for feat in feats:
            height, width = feat.shape[2:]
            y, x = (cells // width)[:, None] + down, (cells % width)[:, None] + right
            inside = ((cells >= 0) & (cells < height * width))[:, None]
            inside = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
            y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
            patch = feat.permute(0, 2, 3, 1)[images[:, None], y, x]
            patches = patches + torch.where(inside[..., None], patch, 0)
            cells = cells - height * width
        weight = self.rpn_conv.weight.permute(0, 2, 3, 1).flatten(1)
        hidden = F.relu(F.linear(patches.flatten(1), weight, self.rpn_conv.bias))
        rows = torch.arange(len(shapes), device=shapes.device)
        return tuple(
            F.linear(hidden, layer.weight.flatten(1), layer.bias).unflatten(1, (-1, channels))[rows, shapes]
            for layer, channels in ((self.rpn_cls, self.cls_channels), (self.rpn_reg, 4))
        )

    def loss(self, cls_scores, bbox_preds, data_samples, train_cfg, feats=None):
        """Losses of a batch; only the sampled anchors are touched.

        Args:
            cls_scores, bbox_preds (list[Tensor]): of :meth:`forward`.
            data_samples (list[DetDataSample]): one per image.
            train_cfg (dict): see :meth:`get_targets`; ``pos_weight`` > 0 weights the positives.
            feats (Sequence[Tensor] | None): see :meth:`outputs_and_losses`; None: the maps have the gradient.

        Returns:
            dict[str, list[Tensor]]: ``loss_rpn_cls`` and ``loss_rpn_reg``, a scalar for every level. Both are
            divided by the number of samples, counting at least one positive and one negative per image.
        """
        metas = [sample.metainfo for sample in data_samples]
        level_anchors, sizes = self._anchors(cls_scores, metas)
        anchors = torch.cat(level_anchors)
        device = anchors.device
        flags = {
            shape: torch.cat(self.anchor_generator.valid_flags(sizes, shape, device))
            for shape in {tuple(sample.pad_shape) for sample in data_samples}
        }
        valid = [flags[tuple(sample.pad_shape)] for sample in data_samples]
        pos, neg, targets, divisor = [], [], [], 0
        for index, chosen in enumerate(self.get_targets(anchors, valid, data_samples, train_cfg)):
            pos_inds, neg_inds, pos_targets = chosen
            divisor += max(len(pos_inds), 1) + max(len(neg_inds), 1)
            # Rows of the batch: image-major, as the predictions are flattened below.
            pos.append(pos_inds + index * len(anchors))
            neg.append(neg_inds + index * len(anchors))
            targets.append(pos_targets)
        pos, neg, targets = torch.cat(pos), torch.cat(neg), torch.cat(targets)
        rows = torch.cat([pos, neg])
        labels = (torch.arange(len(rows), device=device) < len(pos)).long()
        pos_weight = train_cfg.get('pos_weight', -1)
        weights = torch.where(labels == 1, pos_weight, 1.0) if pos_weight > 0 else None

        if feats is None:
            logits = self._flatten(cls_scores, self.cls_channels).flatten(0, 1)[rows]
            deltas = self._flatten(bbox_preds, 4).flatten(0, 1)[pos]
        else:
            logits, deltas = self._at_anchors(feats, rows // len(anchors), rows % len(anchors))
            deltas = deltas[: len(pos)]
        logits, deltas = logits.float(), deltas.float()
        if self.cls_channels == 1:
            logits, labels = logits.squeeze(1), labels.float()
        cls_loss = self.loss_cls(logits, labels, weight=weights, reduction_override='none')
        reg_loss = self.loss_bbox(deltas, targets, reduction_override='none')
        levels = torch.cat(
            [torch.full_like(a[:, 0], i, dtype=torch.int64) for i, a in enumerate(level_anchors)]
        )

        def per_level(loss, inds):
            total = loss.new_zeros(len(level_anchors)).index_add(0, levels[inds % len(anchors)], loss)
            return list((total / divisor).unbind())

        return dict(loss_rpn_cls=per_level(cls_loss, rows), loss_rpn_reg=per_level(reg_loss.sum(dim=1), pos))

    @torch.no_grad()
    def get_proposals(self, cls_scores, bbox_preds, metas, proposal_cfg):
        """Proposals of every image of a batch (docs/conventions.md, "Proposals").

        Args:
            cls_scores, bbox_preds (list[Tensor]): of :meth:`forward`.
            metas (list[dict]): ``img_shape`` of every image.
            proposal_cfg (dict): ``nms_pre`` (best anchors of a level kept), ``nms`` (``iou_threshold``),
                ``nms_post`` (boxes of a level kept after NMS), ``max_per_img``, ``min_bbox_size`` (pixels),
                ``nms_across_levels`` (a second NMS over all levels). 0 or None is no limit.

        Returns:
            list[InstanceData]: ``bboxes`` (k, 4) and ``scores`` (k,), best first; padded on a GPU, see
            :mod:`mmdet.models.padding`.
        """
        level_anchors, _ = self._anchors(cls_scores, metas)
        picked = []
        for level, (cls_score, bbox_pred) in enumerate(zip(cls_scores, bbox_preds)):
            picked.append(self._top_of_level(cls_score, bbox_pred, level_anchors[level], proposal_cfg))
        counts = [scores.size(1) for scores, _, _ in picked]
        scores, deltas, anchors = (torch.cat(parts, dim=1) for parts in zip(*picked))
        shapes = tensor_like([meta['img_shape'][:2] for meta in metas], anchors)
        boxes = self.bbox_coder.decode(
            anchors.flatten(0, 1),
            deltas.flatten(0, 1),
            max_shape=shapes.repeat_interleave(sum(counts), dim=0),
        ).view_as(anchors)
        keep = self._keep(boxes, scores, counts, proposal_cfg)
        ranked = torch.where(keep, scores, -torch.inf).sort(dim=1, descending=True, stable=True)
        best = ranked.indices[:, : proposal_cfg.get('max_per_img') or None]
        return as_instances(
            keep.sum(dim=1).clamp(max=best.size(1)),
            bboxes=boxes.gather(1, best[..., None].expand(-1, -1, 4)),
            scores=scores.gather(1, best),
        )

    def _keep(self, boxes, scores, counts, cfg):
        """Which of the boxes (N, K, 4) stay: (N, K) bool. A level has ``counts[level]``, best first."""
        number, size = scores.shape
        image = torch.arange(number, device=scores.device)[:, None]
        level = [image * len(counts) + i for i in range(len(counts))]
        groups = torch.cat([ids.expand(-1, count) for ids, count in zip(level, counts)], dim=1)
        threshold = _nms_threshold(cfg)

        def nms_within(keep, groups):  # boxes that were dropped before suppress each other only
            groups = torch.where(keep, groups, -1).flatten()
            stays = batched_nms_mask(boxes.flatten(0, 1), scores.flatten(), groups, threshold, self.offset)
            return stays.view_as(keep) & keep

        keep = nms_within(self._large(boxes, cfg), groups)
        if cfg.get('nms_post'):
            rank = torch.cat([part.cumsum(dim=1) for part in keep.split(counts, dim=1)], dim=1)
            keep &= rank <= cfg['nms_post']
        if cfg.get('nms_across_levels', False):
            keep = nms_within(keep, image.expand(-1, size))
        return keep

    def _top_of_level(self, cls_score, bbox_pred, anchors, cfg):
        """Scores (N, k), deltas (N, k, 4) and anchors (N, k, 4) of the k best anchors of one level.

        The order of logits is that of scores, so only the chosen k go through the sigmoid and are decoded.
        """
        logits = self._flatten([cls_score], self.cls_channels).float()
        # A softmax over (background, object) is the sigmoid of the difference.
        logits = logits[..., 0] if self.cls_channels == 1 else logits[..., 1] - logits[..., 0]
        deltas = self._flatten([bbox_pred], 4).float()
        limit = cfg.get('nms_pre') or logits.size(1)
        logits, order = logits.topk(min(limit, logits.size(1)), dim=1)
        deltas = deltas.gather(1, order[..., None].expand(-1, -1, 4))
        return logits.sigmoid(), deltas, anchors[order]

    def _large(self, boxes, cfg):
        """Which boxes (N, K, 4) have sides of at least ``min_bbox_size``: (N, K) bool."""
        size = cfg.get('min_bbox_size', 0)
        if size <= 0 and self.offset == 1:
            return torch.ones_like(boxes[..., 0], dtype=torch.bool)
        sides = (boxes[..., 2:] - boxes[..., :2] + self.offset).amin(dim=-1)
        # Continuous boxes may have no area at all; those are dropped whatever the limit.
        return sides >= size if self.offset == 1 else sides > size


def _nms_threshold(cfg):
    nms_cfg = cfg['nms']
    if nms_cfg.get('type', 'nms') != 'nms':
        raise ValueError(f"RPNHead: proposals need nms of type 'nms', got {nms_cfg['type']!r}")
    return nms_cfg['iou_threshold']
