"""Which schema a config has, decided by its content, and what to say of those that are not read."""

from typing import NamedTuple

from mmdet.utils import UserError, shown

NATIVE, OLD, MODERN = 'native', 'old', 'modern'

# Keys that only the old engine (mmcv) has, and that only the new one (mmengine) has.
OLD_ENGINE = (
    'data',
    'optimizer',
    'lr_config',
    'checkpoint_config',
    'total_epochs',
    'workflow',
    'resume_from',
)
NEW_ENGINE = ('train_dataloader', 'test_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler')
# Types that mmdetection 3 and mmtracking 1 have and this project has not.
_MODERN_PREPROCESSORS = (
    *('DetDataPreprocessor', 'TrackDataPreprocessor', 'YOLOv5DetDataPreprocessor', 'Det3DDataPreprocessor'),
    *('SegDataPreprocessor', 'ClsDataPreprocessor', 'PoseDataPreprocessor', 'ActionDataPreprocessor'),
)
_MODERN_PARTS = (
    *('roi_head', 'panoptic_head', 'panoptic_fusion_head', 'decode_head', 'keypoint_head', 'cls_head'),
    *('voxel_encoder', 'pts_bbox_head', 'pts_backbone'),
)
_MODERN_STEPS = ('LoadImageFromFile', 'PackDetInputs', 'PackTrackInputs', 'TransformBroadcaster')
_OURS = {
    'MaskTrackRCNN': 'configs/masktrack_rcnn_r50_fpn_12e_youtubevis2019.py',
    'MaskRCNN': 'configs/mask_rcnn_r50_fpn_1x_coco.py',
    'FasterRCNN': 'configs/faster_rcnn_r50_fpn_1x_coco.py',
    'RPN': 'configs/rpn_r50_fpn_1x_coco.py',
}


# Other projects on the same engines: types of models, and parts that only their models have.
_PROJECTS = (
    ('mmsegmentation', ('EncoderDecoder', 'CascadeEncoderDecoder'), ('decode_head',)),
    ('mmpretrain (mmclassification)', ('ImageClassifier',), ()),
    ('mmpose', ('TopDown', 'BottomUp', 'TopdownPoseEstimator', 'BottomupPoseEstimator'), ('keypoint_head',)),
    ('mmaction', ('Recognizer2D', 'Recognizer3D', 'FastRCNN3D'), ('cls_head',)),
    (
        'mmdetection3d',
        (),
        ('voxel_encoder', 'pts_bbox_head', 'pts_backbone', 'voxel_layer', 'points_encoder'),
    ),
    ('mmyolo', ('YOLODetector',), ()),
    (
        'mmtracking',
        ('SiamRPN', 'Stark', 'PrDiMP', 'MixFormer', 'BaseReID'),
        ('detector', 'motion', 'track_head'),
    ),
)


class Schema(NamedTuple):
    """What a config is.

    Attributes:
        kind (str): NATIVE, OLD (2019 and mmdetection 1) or MODERN (MaskTrack R-CNN of mmtracking and
            mmdetection 3).
        name (str): for messages, such as 'mmdetection 1'.
        marks (tuple[str]): the keys that show it.
    """

    kind: str
    name: str
    marks: tuple = ()


def recognize(config, where='the config'):
    """Say which schema a config has.

    Args:
        config (Mapping): top-level keys and values, as read from the file.
        where (str): the file, for the message.

    Returns:
        Schema

    Raises:
        UserError: it is a config of another project, or no config at all: one line says of which, by which
            marks, which config of ours is the nearest and whether weights convert.
    """
    _refuse_non_configs(config, where)
    model = _dict(config.get('model'))
    if not any(key in config for key in NEW_ENGINE) and any(key in config for key in OLD_ENGINE):
        return _with_old_engine(config, model, where)
    if isinstance(model.get('detector'), dict):
        schema = _with_detector(config, model, where, 'mmdetection 3 or mmtracking 1')
        _refuse_both_engines(config, where)
        return schema
    marks = _marks_of_modern(config, model)
    if marks:
        new = any(key in config for key in NEW_ENGINE) or 'data_preprocessor' in model
        raise _foreign(where, _project(model, '3' if new else '2 or 3'), marks, model)
    marks = _marks_of_old(config, model)  # a model alone
    if marks:
        return Schema(OLD, '2019', tuple(marks))
    _refuse_both_engines(config, where)
    return Schema(NATIVE, 'native')


# What the settings of the old engine are called in the new one.
NEW_NAMES = {
    'data': 'train_dataloader, val_dataloader and test_dataloader',
    'optimizer': 'optim_wrapper.optimizer',
    'optimizer_config': 'optim_wrapper.clip_grad',
    'lr_config': 'param_scheduler',
    'total_epochs': 'train_cfg.max_epochs',
    'checkpoint_config': 'default_hooks.checkpoint',
    'log_config': 'default_hooks.logger',
    'evaluation': 'train_cfg.val_interval and val_evaluator',
}


def _refuse_both_engines(config, where):
    """Refuse settings of the old engine in a config of the new one, where nothing would read them.

    A value that the config uses elsewhere, such as ``optimizer`` within ``optim_wrapper``, is a variable.
    """
    new = next((key for key in NEW_ENGINE if key in config), None)
    rest = [value for key, value in config.items() if key not in NEW_NAMES]
    for key, name in NEW_NAMES.items():
        value = config.get(key)
        if new and value and isinstance(value, (dict, int)) and not _holds(rest, value):
            raise UserError(
                f'{where} mixes two schemas: {key} is of mmdetection 1 and 2, {new} of later versions, and '
                f'{key} would be ignored; write it as {name}'
            )


def _holds(node, value):
    if type(node) is type(value) and node == value:
        return True
    children = node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ()
    return any(_holds(child, value) for child in children)


def _with_old_engine(config, model, where):
    if isinstance(model.get('detector'), dict):
        return _with_detector(config, model, where, 'mmtracking 0.x')
    known = [key for key in ('model', *OLD_ENGINE) if key in config]
    if not model:
        raise UserError(
            f'{where} has no model: it is a part that other configs build on (it has {", ".join(known[:3])})'
        )
    if not any(part in model for part in ('rpn_head', 'bbox_head', 'mask_head', 'roi_head', 'neck')):
        kind = _project(model, '').replace('mmdetection ', 'another project on the engine of mmdetection')
        raise _foreign(where, kind, [f'model.type={shown(model.get("type"))}'], model)
    marks, data = _marks_of_modern(config, model), _dict(config.get('data'))
    if _has(model, 'rpn_head.anchor_generator'):
        marks.append('model.rpn_head.anchor_generator')
    if not _marks_of_old({}, model):
        marks += [f'data.{key}' for key in ('samples_per_gpu', 'train_dataloader') if key in data]
    if marks:
        raise _foreign(where, _project(model, '2'), marks, model)
    if _pipeline(data) is not None:
        return Schema(OLD, 'mmdetection 1', ('data.*.pipeline',))
    return Schema(OLD, '2019', tuple(known))


def _marks_of_old(config, model):
    """Keys that show 2019 or mmdetection 1: anchors, layers and thresholds stand in other places since."""
    test = _dict(config.get('test_cfg'))
    parts = ('rpn_head.anchor_scales', 'bbox_head.num_fcs', 'bbox_roi_extractor.roi_layer.out_size')
    return [f'model.{path}' for path in parts if _has(model, path)] + [
        f'test_cfg.{key}' for key in ('rpn', 'rcnn') if key in test
    ]


def _project(model, version):
    """Name the project whose models have such a type or part; mmdetection with its version by default."""
    kind = _short(model.get('type'))
    for project, kinds, parts in _PROJECTS:
        if kind in kinds or any(part in model for part in parts):
            return project
    return f'mmdetection {version}'


def _with_detector(config, model, where, name):
    tracker = _dict(model.get('tracker'))
    kinds = (_short(model.get('type')), _short(tracker.get('type')))
    head = _short(_dict(model.get('track_head')).get('type'))
    if kinds[0] in ('MaskTrackRCNN', '') and 'track_head' in model and head in ('', 'RoITrackHead'):
        return Schema(MODERN, name, ('model.detector', 'model.track_head'))
    marks = ['model.detector'] + [f'model.{key}' for key in ('track_head', 'tracker') if key in model]
    raise _foreign(where, name, marks, model)


def _marks_of_modern(config, model):
    """Keys that show a later project in a config without ``model.detector``."""
    marks = [f'model.{part}' for part in _MODERN_PARTS if part in model]
    if 'rpn_head' not in model and _is_modern_head(model.get('bbox_head')):
        marks.append('model.bbox_head')
    kind = _short(_dict(model.get('data_preprocessor')).get('type'))
    if kind in _MODERN_PREPROCESSORS:
        marks.append(f'model.data_preprocessor.type={kind!r}')
    for split in ('train', 'val', 'test'):
        steps = _pipeline({split: _dict(_dict(config.get(f'{split}_dataloader')).get('dataset'))})
        found = [kind for kind in map(_step_type, steps or ()) if kind in _MODERN_STEPS]
        if found:
            return [*marks, f'{split}_dataloader with {found[0]}']
    return marks


def _is_modern_head(head):
    """Whether a single-stage head is of mmdetection 2 or 3: it names its anchors or priors as dicts."""
    names = ('anchor_generator', 'prior_generator', 'point_generator', 'bbox_coder', 'assigner')
    return isinstance(head, dict) and any(name in head for name in names)


def _pipeline(splits):
    """The first pipeline within datasets and their wrappers; None if there is none."""
    waiting = [splits]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (list, tuple)):
            waiting += node
        elif isinstance(node, dict):
            if isinstance(node.get('pipeline'), (list, tuple)):
                return node['pipeline']
            waiting += [node[key] for key in ('train', 'val', 'test', 'dataset', 'datasets') if key in node]
    return None


def _foreign(where, name, marks, model):
    """The error for a config of another project: what it is, which marks show it, and what to do."""
    return UserError(
        f'{where} is a config of {name} (it has {", ".join(list(dict.fromkeys(marks))[:3])}), '
        f'which is not read here. {advice(model)}'
    )


def advice(model):
    """Say which config of ours is nearest to a foreign model, and whether its weights convert."""
    if not model:
        return 'It has no model: it is a part that other configs build on'
    detector = _dict(model.get('detector')) or model
    kind = _short(model.get('type'))
    inner = _short(detector.get('type'))
    head = _dict(detector.get('roi_head'))
    same = (
        inner in ('MaskRCNN', 'FasterRCNN')
        and _short(head.get('type')) in ('StandardRoIHead', '')
        and _short(_dict(detector.get('backbone')).get('type')) in ('ResNet', 'ResNeXt', '')
        and _short(_dict(detector.get('neck')).get('type')) in ('FPN', '')
    )
    if 'track_head' in head or ('detector' in model and kind != 'MaskTrackRCNN'):
        same = False
    if same:
        nearest = _OURS['MaskTrackRCNN' if kind == 'MaskTrackRCNN' else inner]
        return (
            f'The same model here: {nearest}; tools/convert_checkpoint.py CHECKPOINT NEW.pth '
            '--config-out NEW.py converts its weights and writes the config that fits them'
        )
    shown = f'its model {kind or inner}' if kind or inner else 'its model'
    if kind == 'RPN':
        return f'The same model here: {_OURS["RPN"]}'
    if kind == inner and kind in _OURS:
        named = [_short(_dict(detector.get(part)).get('type')) for part in ('backbone', 'neck', 'roi_head')]
        parts = ', '.join([name for name in named if name] + ['track_head'] * ('track_head' in head))
        nearest = _OURS['MaskTrackRCNN' if 'track_head' in head else kind]
        return f'The nearest config here is {nearest}; weights of its variant ({parts}) do not convert'
    nearest = _OURS['MaskTrackRCNN' if 'detector' in model or 'tracker' in model else 'MaskRCNN']
    return (
        f'This project has MaskTrack R-CNN, Mask R-CNN, Faster R-CNN and RPN, not {shown}, whose weights '
        f'do not convert either; the nearest config here is {nearest}'
    )


# --- files that are no configs of detectors ---

_OTHERS = (
    (('images', 'annotations'), 'an annotation file (COCO)'),
    (('videos', 'annotations'), 'an annotation file (YouTube-VIS)'),
    (('videos', 'categories'), 'an annotation file (YouTube-VIS)'),
    (('MODEL',), 'a config of detectron2'),
    (('_BASE_',), 'a config of detectron2'),
    (('nc', 'names'), 'a file of ultralytics (YOLO)'),
    (('nc', 'backbone'), 'a file of ultralytics (YOLO)'),
    (('names', 'train'), 'a file of ultralytics (YOLO)'),
    (('task', 'mode', 'model'), 'a file of ultralytics (YOLO)'),
    (('architectures', 'model_type'), 'a config of Hugging Face transformers'),
    (('model_type', 'transformers_version'), 'a config of Hugging Face transformers'),
    (('Collections', 'Models'), 'a model index of an OpenMMLab project'),
    (('Models',), 'a model index of an OpenMMLab project'),
)


def _refuse_non_configs(config, where):
    if not config:
        raise UserError(f'{where} has no settings, expected a model or other parts of a config')
    for keys, what in _OTHERS:
        if all(key in config for key in keys):
            raise UserError(
                f'{where} is {what} (it has {", ".join(keys)}), not a config of this project: '
                'those are in configs/'
            )
    model = config.get('model')
    if model is not None and not isinstance(model, dict):
        raise UserError(f'{where}: model: expected a dict, got {shown(model)}')


def _dict(value):
    return value if isinstance(value, dict) else {}


def _short(kind):
    """``'MaskRCNN'`` of ``'mmdet.MaskRCNN'`` or of a dotted path; '' for anything but a text."""
    return shown(kind.rpartition('.')[2])[1:-1] if isinstance(kind, str) else ''


def _step_type(step):
    return _short(_dict(step).get('type'))


def _has(node, path):
    for key in path.split('.'):
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def describe_fragment(path):
    """Say what a Python config is whose bases are missing, by its own text; '' if that does not show it.

    Args:
        path (Path): the file. It is parsed, not run.
    """
    from ..checkpoints.stored_config import parse_config_text

    if path.suffix != '.py':
        return ''
    values = parse_config_text(path.read_text(encoding='utf-8', errors='replace'))
    model = _dict(values.get('model'))
    try:
        schema = recognize(values)
    except UserError as error:
        return f'; {str(error).removeprefix("the config ")}' if 'config of' in str(error) else ''
    if schema.kind == MODERN or (schema.kind == NATIVE and _short(model.get('type')) == 'MaskTrackRCNN'):
        return f'. Put it there, or take the config of the same experiment here: {_OURS["MaskTrackRCNN"]}'
    return '. Put it there'
