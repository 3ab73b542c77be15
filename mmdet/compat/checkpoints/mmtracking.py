"""MaskTrack R-CNN of mmtracking 0.x and 1.x, whose weights mmdetection 3.x also offers.

Facts: mmtrack/models/track_heads/roi_embed_head.py, trackers/masktrack_rcnn_tracker.py and base_tracker.py,
configs/vis/masktrack_rcnn. The detector is mmdetection's under ``detector.``. What differs from 2019 in the
tracker:

* a ReLU follows every layer of the embedding head, also the last;
* its features come from a separate extractor (aligned, adaptive sampling);
* a matched object's label is updated, as box and features are;
* an object not seen for ``num_frames_retain`` frames is forgotten when the next frame with detections is
  done;
* new objects get the next unused identity, also when all are forgotten;
* a frame without detections changes nothing, not even when it is the first.

The match score is that of 2019: log-softmax of the similarities + det_score * log(score) + iou * IoU +
det_label * [same label], where the column of "new" has IoU 0 and label term 1.
"""

from .common import ConversionRefused
from .keys import WB, mmdet_rules
from .mmdet import convert_weights_2x, has_layout_2x
from .openmmlab import modern, roi_align_of, source_model, test_scale

RULES = [
    *mmdet_rules(detector=r'detector\.', heads=r'roi_head\.'),
    (rf'track_head\.embed_head\.(fcs\.\d+\.{WB})', r'track_head.\1'),
]


def matches(source):
    """Whether there is a two-stage detector under ``detector.``."""
    return has_layout_2x(source, 'detector.')


def _tracker(whole, notes):
    """Native options out of a config's ``tracker``, or out of the published configs if it has none."""
    tracker = whole.get('tracker')
    if not isinstance(tracker, dict):
        notes.append(
            'no tracker in the stored config: took that of the published configs (num_frames_retain 20)'
        )
        tracker = dict(num_frames_retain=20)
    kind = tracker.get('type', 'MaskTrackRCNNTracker')
    if kind not in ('MaskTrackRCNNTracker', 'mmtrack.MaskTrackRCNNTracker'):
        raise ConversionRefused(f'tracker {kind!r} is not supported, only MaskTrackRCNNTracker')
    if tracker.get('momentums'):
        raise ConversionRefused(
            f'tracker.momentums {tracker["momentums"]} is not supported: MaskTrack R-CNN of '
            'mmtracking replaces '
            'the memory of an object and does not average it'
        )
    weights = tracker.get('match_weights') or {}
    return dict(
        match_coeff=dict(
            det_score=weights.get('det_score', tracker.get('det_score_coefficient', 1.0)),
            iou=weights.get('iou', tracker.get('iou_coefficient', 2.0)),
            label=weights.get('det_label', tracker.get('label_coefficient', 10.0)),
        ),
        offset=0,
        update_label=True,
        max_age=tracker.get('num_frames_retain', 10),
        age_on_empty=False,
    )


def convert(source, options, notes, source_format):
    """Return native weights and conventions; see :func:`.mmdet.convert_1x`."""
    state = convert_weights_2x(source, options, notes, RULES, source_format)
    conventions = modern(source, options, notes)
    if 'track_head.fcs.0.weight' not in state:
        notes.append('there is no track head: this is a detector alone')
        return state, conventions
    _, whole = source_model(source.config)
    track_head = whole.get('track_head') or {}
    if not source.config:
        for name, value in (('nms_pre', 200), ('max_per_img', 200)):
            conventions.rpn_test[name] = value
        conventions.rcnn_test['score_thr'] = 0.01
    layer = (track_head.get('roi_extractor') or {}).get('roi_layer')
    mode, ratio = roi_align_of(layer, conventions.roi_align, 0, aligned_default=True)
    if mode != conventions.roi_align:
        raise ConversionRefused(
            f'the track head uses RoIAlign {mode!r}, the detector {conventions.roi_align!r}'
        )
    conventions.track_sampling_ratio = ratio
    conventions.track_final_relu = True
    conventions.tracker = _tracker(whole, notes)
    conventions.scale = test_scale(source.config) or (640, 360)
    return state, conventions
