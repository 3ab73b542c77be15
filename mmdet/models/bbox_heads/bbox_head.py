"""Classification and box regression of RoIs: output layers, targets, losses and detections."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import nn

from mmdet.ops import multiclass_nms_of_batch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import tensor_like, unscale_bboxes

from ..losses import accuracy
from ..match_logits import without_autocast
from ..padding import as_instances


@MODELS.register_module()
class BBoxHead(BaseModule):
    """Two linear layers on RoI features (Fast R-CNN, section 2).

    The background is column 0 of the classifier and block 0 of the regressor (which is never trained); class
    c, 0-based, has column and block c + 1 (docs/conventions.md, "Background is column 0").

    Args:
        num_classes (int): object classes, without background.
        bbox_coder (dict): of ``TASK_UTILS``; NMS follows its convention (+1 or not).
        loss_cls, loss_bbox (dict): losses.
        in_channels (int): channels of the RoI features.
        roi_feat_size (int): side of the RoI features.
        with_avg_pool (bool): average over the RoI first.
        with_cls, with_reg (bool): build the classifier, the regressor.
        reg_class_agnostic (bool): one block of deltas for all classes.
        init_cfg (dict | list | None): normal, std 0.01 for the classifier and 0.001 for the regressor, by
            default.

    Raises:
        ValueError: for a head without outputs or classes.
    """

    def __init__(
        self,
        num_classes,
        bbox_coder,
        loss_cls,
        loss_bbox,
        in_channels=256,
        roi_feat_size=7,
        with_avg_pool=False,
        with_cls=True,
        with_reg=True,
        reg_class_agnostic=False,
        init_cfg=None,
    ):
        name = type(self).__name__
        if not (with_cls or with_reg):
            raise ValueError(f'{name}: with_cls or with_reg must be true')
        if num_classes < 1:
            raise ValueError(
                f'{name}: num_classes counts objects without background and must be >= 1, got {num_classes}'
            )
        super().__init__(init_cfg or self._default_init(with_cls, with_reg))
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.roi_feat_size = roi_feat_size
        self.with_avg_pool = with_avg_pool
        self.with_cls = with_cls
        self.with_reg = with_reg
        self.reg_class_agnostic = reg_class_agnostic
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.loss_cls = MODELS.build(loss_cls)
        self.loss_bbox = MODELS.build(loss_bbox)
        if with_avg_pool:
            self.avg_pool = nn.AvgPool2d(roi_feat_size)
        features = in_channels if with_avg_pool else in_channels * roi_feat_size**2
        self._add_outputs(features, features)

    @staticmethod
    def _default_init(with_cls, with_reg):
        outputs = [('fc_cls', 0.01)] * with_cls + [('fc_reg', 0.001)] * with_reg
        return [dict(type='Normal', std=std, override=dict(name=name)) for name, std in outputs]

    def _add_outputs(self, cls_features, reg_features):
        if self.with_cls:
            self.fc_cls = nn.Linear(cls_features, self.num_classes + 1)
        if self.with_reg:
            blocks = 1 if self.reg_class_agnostic else self.num_classes + 1
            self.fc_reg = nn.Linear(reg_features, 4 * blocks)

    def outputs(self, cls_features, reg_features):
        """Classifier and regressor on flat features (K, F), in float32 also under autocast."""
        with without_autocast(cls_features.device.type):
            return tuple(
                layer(x.to(layer.weight.dtype)).float() if layer is not None else None
                for layer, x in (
                    (self.fc_cls if self.with_cls else None, cls_features),
                    (self.fc_reg if self.with_reg else None, reg_features),
                )
            )

    def forward(self, x):
        """Classify and refine RoIs.

        Args:
            x (Tensor): (K, in_channels, s, s).

        Returns:
            tuple: float32 ``cls_score`` (K, C + 1) and ``bbox_pred`` (K, 4 * (C + 1)) or (K, 4); None for an
            output that the head lacks.
        """
        x = (self.avg_pool(x) if self.with_avg_pool else x).flatten(1)
        return self.outputs(x, x)

    def get_targets(self, sampling_results, rcnn_cfg):
        """Targets of the RoIs of a batch, image by image, positives before negatives.

        Args:
            sampling_results (list[SamplingResult]): one per image.
            rcnn_cfg (dict): ``pos_weight`` > 0 weights the positives.

        Returns:
            tuple[Tensor, Tensor, Tensor, Tensor]: ``labels`` (K,) classifier columns, 0 is background;
            ``label_weights`` (K,); ``bbox_targets`` (K, 4) and ``bbox_weights`` (K, 4), 0 for negatives.
        """
        pos_weight = rcnn_cfg.get('pos_weight', -1)
        pos_weight = pos_weight if pos_weight > 0 else 1.0
        boxes, gt_boxes, pos_labels = (
            torch.cat([getattr(result, name) for result in sampling_results])
            for name in ('pos_bboxes', 'pos_gt_bboxes', 'pos_gt_labels')
        )
        encoded = self.bbox_coder.encode(boxes, gt_boxes)
        counts = [len(part) for result in sampling_results for part in (result.pos_bboxes, result.neg_bboxes)]
        positive = torch.tensor([True, False]).repeat(len(sampling_results))
        positive = positive.repeat_interleave(torch.tensor(counts))
        rows = positive.nonzero()[:, 0].to(encoded.device, non_blocking=True)
        labels = pos_labels.new_zeros(len(positive)).index_copy(0, rows, pos_labels + 1)
        label_weights = encoded.new_ones(len(positive)).index_fill(0, rows, pos_weight)
        targets = encoded.new_zeros((len(positive), 4)).index_copy(0, rows, encoded)
        weights = torch.zeros_like(targets).index_fill(0, rows, 1.0)
        return labels, label_weights, targets, weights

    def loss(self, cls_score, bbox_pred, labels, label_weights, bbox_targets, bbox_weights):
        """Losses of a batch of sampled RoIs.

        Args:
            cls_score, bbox_pred (Tensor): of :meth:`forward`; K may be 0.
            labels, label_weights, bbox_targets, bbox_weights (Tensor): of :meth:`get_targets`.

        Returns:
            dict[str, Tensor]: ``loss_cls``, divided by the number of RoIs of positive weight; ``acc`` (1,)
            in percent; ``loss_reg``, divided by the number of all RoIs, positive or not.
        """
        losses = {}
        if cls_score is not None:
            divisor = (label_weights > 0).sum().clamp(min=1)
            losses['loss_cls'] = self.loss_cls(cls_score, labels, label_weights, avg_factor=divisor)
            losses['acc'] = accuracy(cls_score, labels)
        if bbox_pred is not None:
            positive = (labels > 0)[:, None]
            blocks = bbox_pred.view(len(bbox_pred), bbox_pred.size(1) // 4, 4)
            block = torch.zeros_like(labels) if self.reg_class_agnostic else labels
            deltas = blocks.gather(1, block[:, None, None].expand(-1, 1, 4))[:, 0].float()
            losses['loss_reg'] = self.loss_bbox(
                torch.where(positive, deltas, bbox_targets),  # so that no negative counts, whatever it holds
                bbox_targets,
                bbox_weights * positive,
                avg_factor=max(len(bbox_targets), 1),
            )
        return losses

    @torch.no_grad()
    def get_bboxes(self, rois, cls_score, bbox_pred, metas, cfg, rescale=True, valid=None):
        """Detections of a batch. A GPU waits once.

        Args:
            rois (Tensor): (K, 5) on the resized images, image by image.
            cls_score (Tensor): (K, C + 1).
            bbox_pred (Tensor | None): (K, 4 * (C + 1)) or (K, 4); None: the RoIs are the boxes.
            metas (list[dict]): ``img_shape`` to clip to and ``scale_factor`` of each image.
            cfg (dict): ``score_thr``, ``nms``, ``max_per_img``, optionally ``always_sort`` (best first) and
                ``min_bbox_size`` (smallest side in pixels of the resized image).
            rescale (bool): divide the boxes by the scale factor, before NMS as in 2019.
            valid (Tensor | None): (K,) bool, False for padding.

        Returns:
            list[InstanceData]: ``bboxes`` (k, 4), ``scores`` (k,), ``labels`` (k,) 0-based of each image,
            class by class unless ``max_per_img`` was exceeded (docs/conventions.md, "Order of detections");
            padded on a GPU, see :mod:`mmdet.models.padding`.
        """
        image, boxes = rois[:, 0].long(), rois[:, 1:]
        scores = F.softmax(cls_score.float(), dim=1)
        if bbox_pred is not None:
            shapes = tensor_like([meta['img_shape'][:2] for meta in metas], boxes)
            boxes = self.bbox_coder.decode(boxes, bbox_pred.float(), max_shape=shapes[image])
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None], 0)
        smallest = cfg.get('min_bbox_size', 0)
        if smallest > 0:
            sides = boxes.view(len(boxes), boxes.size(1) // 4, 2, 2)
            sides = sides[:, :, 1] - sides[:, :, 0] + self.bbox_coder.offset
            scores = scores.masked_fill((sides < smallest).any(dim=2), 0)
        if rescale:
            scales = [_width_and_height(meta['scale_factor']) for meta in metas]
            boxes = unscale_bboxes(boxes, tensor_like(scales, boxes)[image])
        dets, labels, _, counts = multiclass_nms_of_batch(
            boxes,
            scores,
            image,
            len(metas),
            cfg['score_thr'],
            cfg['nms'],
            cfg['max_per_img'],
            always_sort=cfg.get('always_sort', False),
            offset=self.bbox_coder.offset,
        )
        return as_instances(counts, bboxes=dets[..., :4], scores=dets[..., 4], labels=labels)


def _width_and_height(scale):
    return (scale, scale) if isinstance(scale, int | float) else tuple(scale)[:2]
