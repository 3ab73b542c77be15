"""MaskTrack R-CNN: boxes, masks and identities in videos."""

import functools

import torch

from mmdet.registry import MODELS
from mmdet.structures.bbox import bboxes_to_rois

from ..match_logits import in_float32
from ..necks import FPN
from ..roi_extractors import SingleRoIExtractor
from ..track_heads import TrackHead
from .base import BaseDetector
from .mask_rcnn import MaskRCNN
from .tracking import tracker_needs


@MODELS.register_module()
class MaskTrackRCNN(MaskRCNN):
    """MaskTrack R-CNN (Video Instance Segmentation, section 4): Mask R-CNN with a tracking branch.

    In training every sample is a key frame and a reference frame of the same video. In testing, by
    ``predict`` of Mask R-CNN, the frames of a clip go through the network as one batch, then through the
    tracker one by one. The tracker has one memory per video.

    Args:
        track_head (dict): config of the track head.
        tracker (dict | None): config of the tracker, of ``TASK_UTILS``; None: ``MaskTrackTracker``.
        track_roi_extractor (dict | None): config of the RoI extractor of the track head. None: that of the
            boxes; training then reuses the features pooled for the box head.
        both_frames (bool): train the detector on the reference frames too, and match back from them: the
            mean of two losses for one pass of the backbone. It needs the masks of both frames,
            ``LoadAnnotations(with_ref_mask=True)``. 2019 uses the key frames only.
        kwargs: see :class:`MaskRCNN`.
    """

    gives = ('masks', 'embeddings')

    def __init__(
        self, *args, track_head, tracker=None, track_roi_extractor=None, both_frames=False, **kwargs
    ):
        super().__init__(*args, tracker=tracker or dict(type='MaskTrackTracker'), **kwargs)
        self.both_frames = both_frames
        self.own_track_features = track_roi_extractor is not None
        own = MODELS.build(track_roi_extractor) if self.own_track_features else None
        self.track_roi_extractor = self.bbox_roi_extractor if own is None else own
        self.track_head = MODELS.build(track_head)
        name = 'bbox_roi_extractor' if own is None else 'track_roi_extractor'
        self.check_roi_head(self.track_roi_extractor, self.track_head, name, 'track_head')
        if getattr(self.tracker, 'similarity', self) is None:
            self.tracker.similarity = functools.partial(compare, self.track_head.similarity)

    def loss(self, inputs, data_samples):
        """Losses of pairs of frames.

        Args:
            inputs (Tensor): (N, 2, 3, H, W), key and reference frames.
            data_samples (list[DetDataSample]): N, with ``gt_instances`` (bboxes, labels, masks,
                instance_ids) and ``ref_gt_instances`` (bboxes, instance_ids; with ``both_frames`` all of
                these).

        Returns:
            dict: ``loss_rpn_cls``, ``loss_rpn_reg`` (lists, one per level), ``loss_cls``, ``acc``,
            ``loss_reg``, ``loss_match``, ``match_acc``, ``loss_mask``; all keys exist in every iteration.

        Raises:
            ValueError: if there is no reference frame, or ``both_frames`` lacks its masks.
        """
        feats, ref_feats = self.extract_pair(inputs, data_samples)
        losses = self.pair_losses(feats, ref_feats, data_samples)
        if not self.both_frames:
            return losses
        back = self.pair_losses(ref_feats, feats, [swapped(sample) for sample in data_samples])
        return {name: _mean(losses[name], back[name]) for name in losses}

    def pair_losses(self, feats, ref_feats, data_samples):
        """Losses of detecting in one frame of each pair and matching with the other; see :meth:`loss`."""
        rpn_losses, proposals = self.rpn_losses(feats, data_samples)
        sampled = self.sample_rois(proposals, data_samples)
        box_losses, roi_feats = self.box_losses(feats, sampled)
        track_losses = self.track_losses(feats, roi_feats, ref_feats, sampled, data_samples)
        mask_losses = self.mask_losses(feats, sampled, data_samples)
        return {**rpn_losses, **box_losses, **track_losses, **mask_losses}

    def tensor(self, inputs):
        """Outputs of RPN, box head, track head (embeddings) and mask head."""
        feats = self.extract_feat(inputs[:, 0])
        rois = self.dummy_rois(inputs, self.test_cfg['rcnn']['max_per_img'])
        embeddings = self.track_head.embed(self.track_roi_extractor(feats, rois))
        return (*self.box_outputs(inputs, feats), embeddings, self.mask_output(inputs, feats))

    def extract_pair(self, inputs, data_samples):
        """Feature pyramids of key and reference frames, from one pass over both; both get gradients.

        Of the reference frames only the objects are read. On a CPU their pyramids are computed there only;
        on a GPU that would wait for the boxes.

        Args:
            inputs (Tensor): (N, 2, 3, H, W).
            data_samples (list[DetDataSample]): N, with ``ref_gt_instances.bboxes``.

        Returns:
            tuple[tuple[Tensor], tuple[Tensor]]: pyramids of N frames each.
        """
        if inputs.size(1) != 2:
            raise ValueError(
                f'MaskTrackRCNN: training needs a key and a reference frame, inputs (N, 2, 3, H, W), got '
                f'{tuple(inputs.shape)}'
            )
        images = torch.cat([inputs[:, 0], inputs[:, 1]])
        if not self._reads_windows(images):
            return _halves(self.extract_feat(images))
        maps, ref_maps = _halves(self.backbone(images.to(next(self.backbone.parameters()).dtype)))
        ref_boxes = [sample.ref_gt_instances.bboxes for sample in data_samples]
        windows = self.track_roi_extractor.windows(bboxes_to_rois(ref_boxes))
        return tuple(self.neck(maps)), tuple(self.neck(ref_maps, windows))

    def _reads_windows(self, images):
        """Whether the pyramid of a reference frame can be computed around its objects only."""
        extractor = self.track_roi_extractor
        return (
            images.device.type == 'cpu'
            and not self.both_frames
            and not self.compiled  # each new window would be compiled
            and type(self).extract_feat is BaseDetector.extract_feat
            and type(self.neck) is FPN
            and self.neck.windowed
            and type(extractor) is SingleRoIExtractor
            and extractor.num_inputs == len(self.neck.levels)
        )

    def track_losses(self, feats, roi_feats, ref_feats, sampled, data_samples):
        """Match loss: which object of the reference frame is each positive box?

        Only positives are embedded, as negatives have no identity.

        Args:
            feats, ref_feats (tuple[Tensor]): feature pyramids of key and reference frames.
            roi_feats (Tensor): of :meth:`box_losses`.
            sampled (list[SamplingResult]): of each image.
            data_samples (list[DetDataSample]): with ``instance_ids`` of both frames.

        Returns:
            dict[str, Tensor]: ``loss_match`` and ``match_acc``.
        """
        if self.own_track_features:
            rois = bboxes_to_rois([result.pos_bboxes for result in sampled])
            positives = self.track_roi_extractor(feats, rois)
        else:
            per_image = roi_feats.split([len(result.bboxes) for result in sampled])
            positives = torch.cat([part[: len(result.pos_inds)] for part, result in zip(per_image, sampled)])
        ref_boxes = [sample.ref_gt_instances.bboxes for sample in data_samples]
        references = self.track_roi_extractor(ref_feats, bboxes_to_rois(ref_boxes))
        scores = self.track_head(
            positives,
            references,
            [len(result.pos_inds) for result in sampled],
            [len(boxes) for boxes in ref_boxes],
        )
        identities = [
            reference_index(
                sample.gt_instances.instance_ids[result.pos_assigned_gt_inds],
                sample.ref_gt_instances.instance_ids,
            )
            for result, sample in zip(sampled, data_samples)
        ]
        return self.track_head.loss(scores, identities)

    def embed(self, feats, detections, metas, rescale):
        """Add ``embeddings`` (k, E) to the detections of all frames, if the tracker compares them.

        Args:
            feats (tuple[Tensor]): feature pyramid of N frames.
            detections (list[InstanceData]): of each frame.
            metas (list[dict]): of each frame.
            rescale (bool): boxes are in original pixels.
        """
        if not tracker_needs(self.tracker, 'embeddings'):
            return
        rois = bboxes_to_rois(self.network_boxes(detections, metas, rescale))
        embeddings = self.track_head.embed(self.track_roi_extractor(feats, rois))
        for found, part in zip(detections, embeddings.split([len(found) for found in detections])):
            found.embeddings = part


def compare(similarity, embeddings, ref_embeddings):
    """Call the similarity of a track head for a tracker, which is on the CPU wherever the head is."""
    head = getattr(similarity, '__self__', None)
    if head is None or similarity.__func__ is TrackHead.similarity:
        return in_float32(similarity, embeddings, ref_embeddings)
    # Another one may have weights, on the device of the head.
    device = next((value.device for value in head.parameters()), embeddings.device)
    logits = in_float32(similarity, embeddings.to(device), ref_embeddings.to(device))
    return logits.to(embeddings.device)


def swapped(sample):
    """A pair whose reference frame is the key frame, and the other way round.

    Args:
        sample (DetDataSample): with ``gt_instances``, ``ref_gt_instances`` and the ignored objects of both.

    Returns:
        DetDataSample: a new one.

    Raises:
        ValueError: the reference frame has no masks.
    """
    if 'masks' not in sample.ref_gt_instances:
        raise ValueError(
            'MaskTrackRCNN: both_frames needs the masks of the reference frames: '
            'dict(type="LoadAnnotations", with_mask=True, with_ref_mask=True)'
        )
    other = sample.clone()
    other.gt_instances, other.ref_gt_instances = sample.ref_gt_instances, sample.gt_instances
    if 'ref_ignored_instances' in sample:
        other.ignored_instances = sample.ref_ignored_instances
    return other


def _halves(maps):
    """Maps of key and reference frames (2 * N, C, H_l, W_l): those of the first, those of the second."""
    return tuple(zip(*(level.chunk(2) for level in maps)))


def _mean(first, second):
    if isinstance(first, list):
        return [_mean(*pair) for pair in zip(first, second)]
    return (first + second) / 2


def reference_index(ids, ref_ids):
    """Match targets: the index of each object in the reference frame.

    Args:
        ids (Tensor): (n,) identities.
        ref_ids (Tensor): (m,) identities of the reference frame.

    Returns:
        Tensor: (n,) int64, 1 + index of the first equal identity, or 0.
    """
    same = ids[:, None] == ref_ids[None].to(ids.device)
    if not same.size(1):
        return torch.zeros_like(ids)
    return torch.where(same.any(dim=1), same.int().argmax(dim=1) + 1, 0)
