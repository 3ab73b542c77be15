"""Mask R-CNN: boxes and masks."""

import torch

from mmdet.registry import MODELS
from mmdet.structures.bbox import bboxes_to_rois

from ..padding import to_host
from .tracking import tracker_needs
from .two_stage import TwoStageDetector


@MODELS.register_module()
class MaskRCNN(TwoStageDetector):
    """Mask R-CNN with a feature pyramid.

    Args:
        mask_head (dict): config of the mask head.
        mask_roi_extractor (dict | None): config of its RoI extractor; None: that of the boxes.
        kwargs: see :class:`TwoStageDetector`; ``train_cfg.rcnn`` also holds ``mask_size``, and
            ``test_cfg.rcnn`` ``mask_thr_binary``.
    """

    gives = ('masks',)

    def __init__(self, *args, mask_head, mask_roi_extractor=None, **kwargs):
        super().__init__(*args, **kwargs)
        own = None if mask_roi_extractor is None else MODELS.build(mask_roi_extractor)
        self.mask_roi_extractor = self.bbox_roi_extractor if own is None else own
        self.mask_head = MODELS.build(mask_head)
        name = 'bbox_roi_extractor' if own is None else 'mask_roi_extractor'
        boxes, masks = (getattr(head, 'num_classes', None) for head in (self.bbox_head, self.mask_head))
        if boxes is not None and masks is not None and boxes != masks:
            raise ValueError(f'mask_head: num_classes={masks}, but bbox_head has num_classes={boxes}')
        self.check_roi_head(self.mask_roi_extractor, self.mask_head, name, 'mask_head')

    def loss(self, inputs, data_samples):
        """Losses of the first frame of every sample.

        Args:
            inputs (Tensor): (N, T, 3, H, W).
            data_samples (list[DetDataSample]): N, with ``gt_instances`` that have masks.

        Returns:
            dict: ``loss_rpn_cls``, ``loss_rpn_reg`` (lists, one per level), ``loss_cls``, ``acc``,
            ``loss_reg``, ``loss_mask``.
        """
        feats = self.extract_feat(inputs[:, 0])
        rpn_losses, proposals = self.rpn_losses(feats, data_samples)
        sampled = self.sample_rois(proposals, data_samples)
        box_losses, _ = self.box_losses(feats, sampled)
        mask_losses = self.mask_losses(feats, sampled, data_samples)
        return {**rpn_losses, **box_losses, **mask_losses}

    @torch.no_grad()
    def predict(self, inputs, data_samples, rescale=True):
        """Objects of every image, or of consecutive frames if the detector has a tracker.

        On the CPU masks are computed for what the tracker keeps, unless it compares masks. On a GPU they are
        computed for all, so that one copy brings everything to the host, where the tracker is.

        Args:
            inputs (Tensor): (N, 1, 3, H, W); with a tracker in the order of the videos.
            data_samples (list[DetDataSample]): N; with a tracker their metainfo has ``video_id`` and
                ``frame_id``.
            rescale (bool): boxes, masks and overlaps for tracking in original pixels.

        Returns:
            list[DetDataSample]: the given ones with ``pred_instances``: bboxes, scores, labels, masks (RLE)
            and, with a tracker, instance_ids (distinct in a frame), without the detections that it dropped.

        Raises:
            ValueError: if a sample to be tracked has no ``video_id`` or ``frame_id``.
        """
        metas = [sample.metainfo for sample in data_samples]
        feats = self.extract_feat(inputs[:, 0])
        detections = self.detect(feats, self.propose(feats, metas), metas, rescale)
        self.embed(feats, detections, metas, rescale)
        masks_first = tracker_needs(self.tracker, 'masks')
        segment_all = masks_first or feats[0].device.type != 'cpu'
        if segment_all:
            self.segment(feats, detections, metas, rescale)
        detections = to_host(detections)
        if masks_first:
            self.paste(detections, metas, rescale)
        detections = self.identify(detections, metas)
        if not segment_all:
            self.segment(feats, detections, metas, rescale)
        if not masks_first:
            self.paste(detections, metas, rescale)
        return self.pack(data_samples, detections)

    def tensor(self, inputs):
        """Outputs of RPN, box head and mask head."""
        feats = self.extract_feat(inputs[:, 0])
        return (*self.box_outputs(inputs, feats), self.mask_output(inputs, feats))

    def mask_losses(self, feats, sampled, data_samples):
        """Mask loss of the positive boxes.

        Args:
            feats (tuple[Tensor]): feature pyramid.
            sampled (list[SamplingResult]): of each image.
            data_samples (list[DetDataSample]): with ``gt_instances.masks`` (g, H, W), padded as the image.

        Returns:
            dict[str, Tensor]: ``loss_mask``.
        """
        rois = bboxes_to_rois([result.pos_bboxes for result in sampled])
        masks = [sample.gt_instances.masks for sample in data_samples]
        targets = self.mask_head.get_targets(sampled, masks, self.train_cfg['rcnn'])
        labels = torch.cat([result.pos_gt_labels for result in sampled])
        return self.mask_head.loss(self.mask_head(self.mask_roi_extractor(feats, rois)), targets, labels)

    def embed(self, feats, detections, metas, rescale):
        """Add ``embeddings`` (k, E) for the tracker to the detections; this detector has none."""

    def segment(self, feats, detections, metas, rescale):
        """Add ``mask_probs`` (k, h, w) to the detections; the head runs once for all images.

        Args:
            feats (tuple[Tensor]): feature pyramid of N images.
            detections (list[InstanceData]): of each image.
            metas (list[dict]): of each image.
            rescale (bool): boxes are in original pixels.
        """
        rois = bboxes_to_rois(self.network_boxes(detections, metas, rescale))
        labels = torch.cat([found.labels for found in detections])
        probs = self.mask_head.predict(self.mask_roi_extractor(feats, rois), labels)
        for found, part in zip(detections, probs.split([len(found) for found in detections])):
            found.mask_probs = part

    def paste(self, detections, metas, rescale):
        """Turn ``mask_probs`` of the detections into ``masks`` (list of RLE) of the images."""
        boxes = self.network_boxes(detections, metas, rescale)
        for found, box, meta in zip(detections, boxes, metas):
            probs = found.pop('mask_probs')
            found.masks = self.mask_head.get_masks(probs, box, meta, self.test_cfg['rcnn'], rescale)

    def mask_output(self, inputs, feats):
        """Output of the mask head for a fixed number of boxes."""
        rois = self.dummy_rois(inputs, self.test_cfg['rcnn']['max_per_img'])
        return self.mask_head(self.mask_roi_extractor(feats, rois))
