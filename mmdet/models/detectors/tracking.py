"""How detectors call their tracker: the only place that does."""

import torch

from mmdet.registry import TASK_UTILS


def build_tracker(cfg, detector, available):
    """Build the tracker of a detector.

    Args:
        cfg (dict | None): config of the tracker, of ``TASK_UTILS``; None: the detector does not track.
        detector (str): its name, for messages.
        available (Collection[str]): what the detector can give a tracker beside boxes, scores and labels:
            ``'embeddings'``, ``'masks'``.

    Returns:
        object | None: with the methods ``track`` and ``reset`` of
        :class:`~mmdet.models.trackers.base.BaseTracker`.

    Raises:
        ValueError: if the tracker needs what the detector does not have.
    """
    if cfg is None:
        return None
    tracker = TASK_UTILS.build(cfg)
    missing = [name for name in getattr(tracker, 'needs', ()) if name not in available]
    if missing:
        raise ValueError(
            f'tracker: {type(tracker).__name__} needs {" and ".join(missing)}, which {detector} does not give'
        )
    return tracker


def tracker_needs(tracker, name):
    """bool: whether a tracker wants ``'embeddings'`` or ``'masks'``.

    A tracker that does not say (no attribute ``needs``) gets embeddings where there are some.
    """
    return tracker is not None and name in getattr(tracker, 'needs', ('embeddings',))


def track_frames(tracker, detections, metas):
    """Track through consecutive frames, of one video or several.

    The memory of a video is reset at frame 0, and after the last frame if ``video_length`` is known. A video
    of one frame is an image: every detection is an object, and the tracker is not asked.

    Args:
        tracker (object): of :func:`build_tracker`.
        detections (list[InstanceData]): of each frame, with ``bboxes``, ``scores``, ``labels`` and, if the
            tracker needs them, ``masks`` and ``embeddings`` (k, E), which are taken out.
        metas (list[dict]): with ``video_id``, ``frame_id`` and optionally ``video_length``.

    Returns:
        list[InstanceData]: the detections that the tracker kept, with ``instance_ids`` (k,).

    Raises:
        ValueError: if a frame has no ``video_id`` or ``frame_id``, or the tracker returns something else than
            distinct identities.
    """
    tracked = []
    for found, meta in zip(detections, metas):
        if meta.get('video_id') is None or meta.get('frame_id') is None:
            raise ValueError(
                'tracking: metainfo must have video_id and frame_id, got '
                f'{sorted(meta)} for {meta.get("img_path", "an image")}'
            )
        video, frame = meta['video_id'], meta['frame_id']
        if meta.get('video_length') == 1:
            found.instance_ids = torch.arange(len(found), device=found.scores.device)
            tracked.append(found)
            continue
        if frame == 0:
            tracker.reset(video)
        masks = {'masks': found.masks} if tracker_needs(tracker, 'masks') else {}
        embeddings = found.pop('embeddings', None)
        ids = tracker.track(video, frame, found.bboxes, found.scores, found.labels, embeddings, **masks)
        if getattr(ids, 'dtype', None) != torch.int64 or ids.shape != (len(found),):
            kind = getattr(ids, 'dtype', type(ids).__name__)
            raise ValueError(
                f'{type(tracker).__name__}.track must return ({len(found)},) int64 identities, '
                f'got {kind} {tuple(getattr(ids, "shape", ()))}'
            )
        found.instance_ids = ids
        if frame + 1 == meta.get('video_length'):
            tracker.reset(video)
        tracked.append(found[found.instance_ids >= 0])
    return tracked
