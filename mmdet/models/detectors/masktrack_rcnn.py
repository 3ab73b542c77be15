"""MaskTrack R-CNN: boxes, masks and identities in videos."""

import functools

import torch

from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bboxes_to_rois

from ..match_logits import in_float32
from .mask_rcnn import MaskRCNN


@MODELS.register_module()
class MaskTrackRCNN(MaskRCNN):
    """MaskTrack R-CNN (Video Instance Segmentation, section 4): Mask R-CNN with a tracking branch.

    In training every sample is a key frame and a reference frame of the same video. In testing the frames
    of a clip go through the network as one batch, then through the tracker one by one. The tracker has one
    memory per video.

    Args:
        track_head (dict): config of the track head.
        tracker (dict): config of the tracker, of ``TASK_UTILS``.
        track_roi_extractor (dict | None): config of the RoI extractor of the track head. None: that of the
            boxes; training then reuses the features pooled for the box head.
        kwargs: see :class:`MaskRCNN`.
    """

    def __init__(self, *args, track_head, tracker=None, track_roi_extractor=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.own_track_features = track_roi_extractor is not None
        own = MODELS.build(track_roi_extractor) if self.own_track_features else None
        self.track_roi_extractor = self.bbox_roi_extractor if own is None else own
        self.track_head = MODELS.build(track_head)
        name = 'bbox_roi_extractor' if own is None else 'track_roi_extractor'
        self.check_roi_head(self.track_roi_extractor, self.track_head, name, 'track_head')
        self.tracker = TASK_UTILS.build(tracker or dict(type='MaskTrackTracker'))
        if getattr(self.tracker, 'similarity', self) is None:
            self.tracker.similarity = functools.partial(in_float32, self.track_head.similarity)

    def loss(self, inputs, data_samples):
        """Losses of pairs of frames.

        Args:
            inputs (Tensor): (N, 2, 3, H, W), key and reference frames.
            data_samples (list[DetDataSample]): N, with ``gt_instances`` (bboxes, labels, masks,
                instance_ids) and ``ref_gt_instances`` (bboxes, instance_ids).

        Returns:
            dict: ``loss_rpn_cls``, ``loss_rpn_reg`` (lists, one per level), ``loss_cls``, ``acc``,
            ``loss_reg``, ``loss_match``, ``match_acc``, ``loss_mask``; all keys exist in every iteration.

        Raises:
            ValueError: if there is no reference frame.
        """
        feats, ref_feats = self.extract_pair(inputs)
        rpn_losses, proposals = self.rpn_losses(feats, data_samples)
        sampled = self.sample_rois(proposals, data_samples)
        box_losses, roi_feats = self.box_losses(feats, sampled)
        track_losses = self.track_losses(feats, roi_feats, ref_feats, sampled, data_samples)
        mask_losses = self.mask_losses(feats, sampled, data_samples)
        return {**rpn_losses, **box_losses, **track_losses, **mask_losses}

    @torch.no_grad()
    def predict(self, inputs, data_samples, rescale=True):
        """Objects of consecutive frames, of one video or several.

        The memory of a video is reset at frame 0, and after the last frame if ``video_length`` is known.

        Args:
            inputs (Tensor): (N, 1, 3, H, W), in the order of the videos.
            data_samples (list[DetDataSample]): N, with metainfo ``video_id`` and ``frame_id``.
            rescale (bool): boxes, masks and overlaps for tracking in original pixels.

        Returns:
            list[DetDataSample]: the given ones with ``pred_instances``: bboxes, scores, labels, instance_ids
            (distinct in a frame), masks (RLE), without the detections that the tracker dropped.

        Raises:
            ValueError: if a sample has no ``video_id`` or ``frame_id``.
        """
        metas = [sample.metainfo for sample in data_samples]
        feats = self.extract_feat(inputs[:, 0])
        detections = self.detect(feats, self.propose(feats, metas), metas, rescale)
        tracked = self.identify(feats, detections, metas, rescale)
        self.segment(feats, tracked, metas, rescale)
        return self.pack(data_samples, tracked)

    def tensor(self, inputs):
        """Outputs of RPN, box head, track head (embeddings) and mask head."""
        feats = self.extract_feat(inputs[:, 0])
        rois = self.dummy_rois(inputs, self.test_cfg['rcnn']['max_per_img'])
        embeddings = self.track_head.embed(self.track_roi_extractor(feats, rois))
        return (*self.box_outputs(inputs, feats), embeddings, self.mask_output(inputs, feats))

    def extract_pair(self, inputs):
        """Feature pyramids of key and reference frames, from one pass over both; both get gradients."""
        if inputs.size(1) != 2:
            raise ValueError(
                f'MaskTrackRCNN: training needs a key and a reference frame, inputs (N, 2, 3, H, W), got '
                f'{tuple(inputs.shape)}'
            )
        feats = self.extract_feat(torch.cat([inputs[:, 0], inputs[:, 1]]))
        return tuple(zip(*(level.chunk(2) for level in feats)))

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

    def identify(self, feats, detections, metas, rescale):
        """Embed the detections of all frames at once, then track frame by frame.

        Args:
            feats (tuple[Tensor]): feature pyramid of N frames.
            detections (list[InstanceData]): of each frame.
            metas (list[dict]): with ``video_id``, ``frame_id`` and optionally ``video_length``.
            rescale (bool): boxes are in original pixels.

        Returns:
            list[InstanceData]: the detections that the tracker kept, with ``instance_ids`` (k,).
        """
        rois = bboxes_to_rois(self.network_boxes(detections, metas, rescale))
        embeddings = self.track_head.embed(self.track_roi_extractor(feats, rois))
        tracked = []
        for found, embedding, meta in zip(
            detections, embeddings.split([len(found) for found in detections]), metas
        ):
            if meta.get('video_id') is None or meta.get('frame_id') is None:
                raise ValueError(
                    'MaskTrackRCNN: metainfo must have video_id and frame_id, got '
                    f'{sorted(meta)} for {meta.get("img_path", "an image")}'
                )
            video, frame = meta['video_id'], meta['frame_id']
            if frame == 0:
                self.tracker.reset(video)
            ids = self.tracker.track(video, frame, found.bboxes, found.scores, found.labels, embedding)
            if getattr(ids, 'dtype', None) != torch.int64 or ids.shape != (len(found),):
                kind = getattr(ids, 'dtype', type(ids).__name__)
                raise ValueError(
                    f'{type(self.tracker).__name__}.track must return ({len(found)},) int64 identities, '
                    f'got {kind} {tuple(getattr(ids, "shape", ()))}'
                )
            found.instance_ids = ids
            if frame + 1 == meta.get('video_length'):
                self.tracker.reset(video)
            tracked.append(found[found.instance_ids >= 0])
        return tracked


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
