"""The rules a set of weights was trained under, as far as they cannot be folded into the weights."""

from dataclasses import asdict, dataclass, field

RGB_MEAN, RGB_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

# mean, std, bgr_to_rgb. 'caffe' is what mmdetection 2.x and 3.x use for Caffe backbones, 'caffe1' version
# 1.x.
IMAGE_NORMS = {
    'pytorch': (RGB_MEAN, RGB_STD, True),
    'caffe': ((103.53, 116.28, 123.675), (1.0, 1.0, 1.0), False),
    'caffe1': ((102.9801, 115.9465, 122.7717), (1.0, 1.0, 1.0), False),
}


@dataclass
class Conventions:
    """One field for every rule that differs between the projects.

    Attributes:
        anchors (str): ``'legacy'`` (rounded, centered at (stride - 1) / 2, 2019 and mmdetection 1.x),
            ``'modern'`` (not rounded, centered at 0) or ``'torchvision'`` (rounded, centered at 0, stride =
            padded size // cells).
        anchor_scales, anchor_ratios, anchor_strides (tuple): of the generator.
        rpn_coder, roi_coder (str): ``'legacy'`` (+1 in box sizes, clipped to size - 1), ``'modern'`` (no +1,
            clipped to size) or ``'torchvision'`` (as modern, but dw and dh are bounded from above only).
        roi_stds (tuple): standard deviations of the second stage's deltas.
        roi_align (str): ``'legacy'``, ``'aligned'`` or ``'unaligned'``.
        sampling_ratio (int): samples per bin and direction, 0 for adaptive.
        level_offset (int): 1 or 0, added to box sides when a RoI's pyramid level is chosen.
        nms_offset (int): 1 or 0, added to box sides in NMS and in the tracker's IoU.
        mask (str): how a mask is pasted: ``'legacy'``, ``'continuous'`` or ``'torchvision'``.
        scale_factor (str): ``'ratio'`` (one number, unrounded), ``'per_axis'`` (from the rounded sizes) or
            ``'torchvision'`` (from sizes rounded down; floats are resized).
        sort_detections (bool): detections always sorted by score, not only when there are too many.
        style (str): ``'pytorch'`` or ``'caffe'``.
        mean, std (tuple), bgr_to_rgb (bool): image normalization.
        rpn_test, rcnn_test (dict): test-time numbers.
        scale (tuple): ``(long, short)`` edge bounds of the test image.
        track_sampling_ratio (int | None): of the track head's own RoI features; None shares the box
            features'.
        track_final_relu (bool): a ReLU follows the track head's last layer too.
        tracker (dict): options of the tracker.
    """

    anchors: str = 'modern'
    anchor_scales: tuple = (8,)
    anchor_ratios: tuple = (0.5, 1.0, 2.0)
    anchor_strides: tuple = (4, 8, 16, 32, 64)
    rpn_coder: str = 'modern'
    roi_coder: str = 'modern'
    roi_stds: tuple = (0.1, 0.1, 0.2, 0.2)
    roi_align: str = 'aligned'
    sampling_ratio: int = 0
    level_offset: int = 0
    nms_offset: int = 0
    mask: str = 'continuous'
    scale_factor: str = 'per_axis'
    sort_detections: bool = True
    style: str = 'pytorch'
    mean: tuple = RGB_MEAN
    std: tuple = RGB_STD
    bgr_to_rgb: bool = True
    rpn_test: dict = field(default_factory=dict)
    rcnn_test: dict = field(default_factory=dict)
    scale: tuple = (1333, 800)
    track_sampling_ratio: int | None = None
    track_final_relu: bool = False
    tracker: dict = field(default_factory=dict)

    def to_dict(self):
        """Plain data for the meta of a checkpoint."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }


def legacy_conventions(**changes):
    """Conventions of the 2019 code, which are those of mmdetection 0.x and 1.x."""
    values = dict(
        anchors='legacy',
        rpn_coder='legacy',
        roi_coder='legacy',
        roi_align='legacy',
        sampling_ratio=2,
        level_offset=1,
        nms_offset=1,
        mask='legacy',
        scale_factor='ratio',
        sort_detections=False,
    )
    return Conventions(**{**values, **changes})
