"""Pipelines of mmdetection 1 and 3 and of mmtracking: their steps in the words of this project."""

from typing import NamedTuple

from mmdet.utils import shown

from .fields import Fields, unsupported

# Steps that only pack, and options that change nothing here.
_PACKING = (
    *('DefaultFormatBundle', 'FormatBundle', 'ImageToTensor', 'ToTensor', 'Collect', 'VideoCollect'),
    *('PackDetInputs', 'PackTrackInputs', 'ConcatVideoReferences', 'CheckPadMaskValidity', 'ToList'),
)
_NO_MEANING = (
    'share_params',
    'to_float32',
    'file_client_args',
    'backend_args',
    'imdecode_backend',
    'backend',
)
_LABELS = (
    'with_bbox',
    'with_label',
    'with_track',
    'with_instance_id',
    'with_ins_id',
    'poly2mask',
    'box_type',
)
_LONG = 100  # frames; a reference frame from so far away is one from anywhere in the usual videos


class Steps(NamedTuple):
    """A pipeline: native steps, and what the data preprocessor does of it.

    Attributes:
        pipeline (list[dict]): native steps.
        norm (dict): ``mean``, ``std``, ``to_rgb``; empty if no step normalizes.
        divisor (int): sides are padded to multiples of it.
    """

    pipeline: list
    norm: dict
    divisor: int


class _Reader:
    """Takes the steps one after another."""

    def __init__(self, training, modern):
        self.training, self.modern = training, modern
        self.steps, self.norm, self.divisor = [], {}, 1
        self.scale = None  # of MultiScaleFlipAug, for the Resize inside

    def read(self, steps, where):
        for number, step in enumerate(steps):
            fields = Fields(step, f'{where}[{number}]')
            kind = fields.take('type').removeprefix('Seq')
            fields.drop(*_NO_MEANING)
            method = _STEPS.get(kind)
            if kind in _PACKING:
                continue
            if method is None:
                known = ', '.join(sorted(_STEPS))
                raise unsupported(f'{fields.name("type")}={kind!r}', f'known steps are {known}')
            method(self, fields)
            fields.done()

    def load_image(self, fields):
        fields.refuse('color_type', 'images are read in color', (None, 'color'))

    def load_annotations(self, fields):
        with_mask = bool(fields.take('with_mask', False))
        fields.drop(*_LABELS)
        fields.refuse('with_seg', 'there are no semantic maps here', (None, False))
        if self.training:
            self.steps.append({'type': 'LoadAnnotations', 'with_mask': with_mask})

    def resize(self, fields):
        fields.refuse('ratio_range', 'give the scales in img_scale', (None,))
        outer = {} if self.scale is None else {'img_scale': self.scale}
        for old, new in (('scale', 'img_scale'), ('scales', 'img_scale')):
            if old in fields:
                fields.values[new] = fields.values.pop(old)
        scale = fields.take('img_scale', None) or outer.get('img_scale')
        if scale is None:
            raise unsupported(fields.name('img_scale'), 'no scale is given')
        mode, keep_ratio = fields.take('multiscale_mode', 'range'), fields.take('keep_ratio', True)
        fields.drop('override', 'interpolation', 'clip_object_border', 'bbox_clip_border')
        self.steps.append(resize_step(scale, mode, keep_ratio, self.training, fields.where, self.modern))

    def flip(self, fields):
        fields.refuse('direction', 'images are mirrored left to right', (None, 'horizontal'))
        if 'prob' in fields:
            fields.values['flip_ratio'] = fields.values.pop('prob')
        share = fields.take('flip_ratio', None) or 0
        if share and not self.training:
            raise unsupported(f'{fields.name("flip_ratio")}={share}', 'testing does not flip')
        if self.training:
            self.steps.append({'type': 'RandomFlip', 'prob': share, **({'offset': 0} if self.modern else {})})

    def normalize(self, fields):
        self.norm = fields.move('mean', 'std', 'to_rgb')

    def pad(self, fields):
        fields.refuse('size', 'images are padded to multiples of size_divisor')
        fields.refuse('pad_to_square', 'images are padded to multiples of size_divisor', (None, False))
        fields.drop('pad_val', 'pad_to_send')
        self.divisor = fields.take('size_divisor', None) or 1

    def distort(self, fields):
        kept = fields.move('brightness_delta', 'contrast_range', 'saturation_range', 'hue_delta')
        self.steps.append({'type': 'PhotoMetricDistortion', **kept})

    def test_time(self, fields):
        if self.training:
            raise unsupported(fields.where, 'it is a step of testing')
        self.scale = fields.take('img_scale', None)
        fields.refuse('scale_factor', 'give img_scale')
        fields.refuse('flip', 'testing does not flip', (None, False))
        fields.drop('flip_direction')
        self.read(fields.take('transforms'), f'{fields.where}.transforms')

    def broadcast(self, fields):
        fields.refuse('share_random_params', 'both frames change alike', (None, True))
        self.read(fields.take('transforms'), f'{fields.where}.transforms')

    def reference(self, fields):
        reference_frames(fields)


_STEPS = {
    'LoadImageFromFile': _Reader.load_image,
    'LoadMultiImagesFromFile': _Reader.load_image,
    'LoadAnnotations': _Reader.load_annotations,
    'LoadTrackAnnotations': _Reader.load_annotations,
    'Resize': _Reader.resize,
    'RandomFlip': _Reader.flip,
    'Normalize': _Reader.normalize,
    'Pad': _Reader.pad,
    'PhotoMetricDistortion': _Reader.distort,
    'MultiScaleFlipAug': _Reader.test_time,
    'TransformBroadcaster': _Reader.broadcast,
    'UniformRefFrameSample': _Reader.reference,
}


def read_pipeline(steps, where, training, modern):
    """Read a pipeline of another project.

    Args:
        steps (list[dict]): its steps.
        where (str): dotted name, for messages.
        training (bool): else it is one of testing.
        modern (bool): boxes and sizes in the conventions of mmdetection 2 and later.

    Returns:
        Steps

    Raises:
        UserError: a step or one of its options has no counterpart.
    """
    reader = _Reader(training, modern)
    reader.read(steps, where)
    pipeline = [{'type': 'LoadImage'}, *reader.steps, {'type': 'PackInputs'}]
    return Steps(pipeline, reader.norm, reader.divisor)


def reference_frames(fields):
    """Check the options of a sampler of reference frames; here one comes from anywhere in the video."""
    fields.refuse('num_ref_imgs', 'a pair has one reference frame', (None, 1))
    fields.refuse('filter_key_img', 'a frame is its own reference only if it is alone', (None, True))
    fields.refuse('method', 'reference frames are drawn uniformly', (None, 'uniform'))
    fields.drop('return_key_img')
    reach = fields.take('frame_range', None)
    ends = reach if isinstance(reach, (list, tuple)) else [reach]
    if any(not isinstance(end, int) or abs(end) < _LONG for end in ends if end is not None):
        raise unsupported(
            f'{fields.name("frame_range")}={shown(reach)}', 'a reference comes from the whole video'
        )


def resize_step(scale, mode, keep_ratio, training, where, modern=False):
    """Return the native ``Resize`` for one scale or several.

    A pair is one scale, also as a list: JSON has no tuples.
    """
    pairs = scale if any(isinstance(pair, (list, tuple)) for pair in scale) else [scale]
    pairs = [tuple(pair) for pair in pairs]
    step = {'type': 'Resize'}
    if len(pairs) == 1:
        step['scale'] = pairs[0]
    elif not training:
        raise unsupported(f'{where}.img_scale={pairs!r}', 'testing takes one scale')
    else:
        step.update(scales=pairs, mode=mode)
    step['keep_ratio'] = keep_ratio
    if modern:
        step['rounding'] = 'modern'
    return step
