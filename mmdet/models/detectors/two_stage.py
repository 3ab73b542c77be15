"""Second stage: boxes are sampled, pooled, classified and refined."""

import torch

from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bboxes_to_rois, scale_bboxes

from ..fit import check_roi_features
from ..padding import joined_valid
from ..task_modules.assigners import assign_images
from ..task_modules.samplers import image_generator, sample_images
from .base import BaseDetector
from .tracking import build_tracker, track_frames


class TwoStageDetector(BaseDetector):
    """Proposals, and a head that classifies and refines them (Faster R-CNN). Base of the detectors.

    Args:
        backbone, neck, rpn_head, train_cfg, test_cfg, data_preprocessor, init_cfg: see :class:`BaseDetector`;
            ``train_cfg.rcnn`` holds ``assigner``, ``sampler`` and ``pos_weight``, ``test_cfg.rcnn``
            ``score_thr``, ``nms`` and ``max_per_img``.
        bbox_roi_extractor (dict): config of the RoI extractor of the box head.
        bbox_head (dict): config of the box head.
        tracker (dict | None): config of a tracker, of ``TASK_UTILS``; then the images are frames of videos,
            and predictions have ``instance_ids``.
    """

    gives = ()  # what a tracker can have beside boxes, scores and labels

    def __init__(self, backbone, rpn_head, bbox_roi_extractor, bbox_head, neck=None, tracker=None, **kwargs):
        super().__init__(backbone, neck, rpn_head, **kwargs)
        self.bbox_roi_extractor = MODELS.build(bbox_roi_extractor)
        self.bbox_head = MODELS.build(bbox_head)
        self.check_roi_head(self.bbox_roi_extractor, self.bbox_head, 'bbox_roi_extractor', 'bbox_head')
        rcnn = self.train_cfg.get('rcnn')
        self.assigner = TASK_UTILS.build(rcnn['assigner']) if rcnn else None
        self.sampler = TASK_UTILS.build(rcnn['sampler']) if rcnn else None
        self.tracker = build_tracker(tracker, type(self).__name__, self.gives)

    def check_roi_head(self, extractor, head, extractor_name, head_name):
        """Raise a ValueError unless pyramid, extractor and head fit together."""
        wanted, given = getattr(extractor, 'out_channels', None), getattr(self.pyramid, 'out_channels', None)
        if isinstance(wanted, int) and isinstance(given, int) and wanted != given:
            raise ValueError(
                f'{extractor_name}: out_channels={wanted} does not fit the output of {self.pyramid_name}, '
                f'which has {given} channels'
            )
        check_roi_features(extractor, head, (extractor_name, head_name))

    # ------------------------------------------------------------------------------------- steps of training

    @torch.no_grad()
    def sample_rois(self, proposals, data_samples):
        """Choose the boxes to train on.

        Args:
            proposals (list[InstanceData]): of each image.
            data_samples (list[DetDataSample]): with ``gt_instances``, optionally ``ignored_instances``.

        Returns:
            list[SamplingResult]: of each image.
        """
        gts = [sample.gt_instances for sample in data_samples]
        ignored = [sample.get('ignored_instances') for sample in data_samples]
        boxes = [proposal.bboxes for proposal in proposals]
        gt_bboxes, gt_labels = [one.bboxes for one in gts], [one.labels for one in gts]
        assigned = assign_images(
            self.assigner,
            boxes,
            gt_bboxes,
            [None if one is None else one.bboxes for one in ignored],
            gt_labels,
            [proposal.valid for proposal in proposals] if 'valid' in proposals[0] else None,
        )
        generators = [image_generator(sample) for sample in data_samples]
        return sample_images(self.sampler, assigned, boxes, gt_bboxes, gt_labels, generators)

    def box_losses(self, feats, sampled):
        """Pool the sampled boxes; losses of their classes and deltas.

        Args:
            feats (tuple[Tensor]): feature pyramid.
            sampled (list[SamplingResult]): of each image.

        Returns:
            tuple[dict, Tensor]: losses; RoI features (sum of p_i + q_i, C, s, s), image by image, positives
            before negatives.
        """
        rois = bboxes_to_rois([result.bboxes for result in sampled])
        roi_feats = self.bbox_roi_extractor(feats, rois)
        targets = self.bbox_head.get_targets(sampled, self.train_cfg['rcnn'])
        return self.bbox_head.loss(*self.bbox_head(roi_feats), *targets), roi_feats

    # -------------------------------------------------------------------------------------- steps of testing

    def detect(self, feats, proposals, metas, rescale):
        """Classify and refine the proposals of all images at once.

        Args:
            feats (tuple[Tensor]): feature pyramid of N images.
            proposals (list[InstanceData]): of each image.
            metas (list[dict]): of each image.
            rescale (bool): boxes in original pixels.

        Returns:
            list[InstanceData]: ``bboxes`` (k, 4), ``scores`` (k,), ``labels`` (k,) of each image; padded on a
            GPU, see :mod:`mmdet.models.padding`.
        """
        rois = bboxes_to_rois([proposal.bboxes for proposal in proposals])
        outputs = self.bbox_head(self.bbox_roi_extractor(feats, rois))
        valid = joined_valid(proposals)
        return self.bbox_head.get_bboxes(rois, *outputs, metas, self.test_cfg['rcnn'], rescale, valid)

    def identify(self, detections, metas):
        """Give the detections identities, if the detector has a tracker.

        Args:
            detections (list[InstanceData]): of each frame, on the CPU.
            metas (list[dict]): with ``video_id``, ``frame_id`` and optionally ``video_length``.

        Returns:
            list[InstanceData]: the detections that the tracker kept, with ``instance_ids`` (k,), distinct in
            a frame; without a tracker the given ones.
        """
        if self.tracker is None:
            return detections
        return track_frames(self.tracker, detections, metas)

    @staticmethod
    def network_boxes(detections, metas, rescale):
        """Detected boxes at the scale of the network input: list of (k, 4).

        The float32 boxes that were divided before are multiplied again, as in 2019: RoIs and masks depend on
        this round trip (docs/conventions.md, "Mask pasting").
        """
        if not rescale:
            return [found.bboxes for found in detections]
        return [scale_bboxes(found.bboxes, meta['scale_factor']) for found, meta in zip(detections, metas)]

    @staticmethod
    def pack(data_samples, predictions):
        """Put the predictions of each image into its data sample; returns the data samples."""
        for sample, instances in zip(data_samples, predictions):
            sample.pred_instances = instances
        return data_samples

    # ------------------------------------------------------------------------------------------- for FLOPs

    def dummy_rois(self, inputs, number):
        """``number`` boxes of the whole image for each frame: (N * number, 5)."""
        count, _, _, height, width = inputs.shape
        box = inputs.new_tensor([[0, 0, width - 1, height - 1]])
        return bboxes_to_rois([box.expand(number, 4)] * count)

    def box_outputs(self, inputs, feats):
        """Outputs of the RPN and of the box head for a fixed number of boxes."""
        rois = self.dummy_rois(inputs, self.test_cfg['rpn']['max_per_img'])
        return (*self.rpn_head(feats), *self.bbox_head(self.bbox_roi_extractor(feats, rois)))
