"""Checks of ``train_cfg`` and ``test_cfg`` when a detector is built; else misspelled keys were ignored."""

from mmdet.ops.nms import read_nms_cfg
from mmdet.utils import suggest

_PROPOSALS = ('nms_pre', 'nms_post', 'max_per_img', 'nms', 'min_bbox_size', 'nms_across_levels')
_STAGE = ('assigner', 'sampler', 'pos_weight', 'allowed_border', 'mask_size')

#: Settings that the detectors here know. A detector with further ones extends its attribute ``settings``.
SETTINGS = {
    'train_cfg': {'rpn': _STAGE, 'rpn_proposal': _PROPOSALS, 'rcnn': _STAGE},
    'test_cfg': {
        'rpn': _PROPOSALS,
        'rcnn': ('score_thr', 'nms', 'max_per_img', 'min_bbox_size', 'always_sort', 'mask_thr_binary'),
        'fp16': (),
    },
}
_SHARES = ('score_thr', 'mask_thr_binary')


def check_settings(name, settings, known):
    """Check the keys and numbers of one of the two configs.

    Args:
        name (str): 'train_cfg' or 'test_cfg'.
        settings (dict): its content.
        known (dict[str, Sequence[str]]): section -> keys.

    Raises:
        ValueError: names the first unknown key, or number out of range.
    """
    for section, content in settings.items():
        if section not in known:
            raise ValueError(f'{name}: unknown key {section!r}{suggest(section, known)}')
        for key, value in content.items() if isinstance(content, dict) else ():
            place = f'{name}.{section}'
            if key not in known[section]:
                raise ValueError(f'{place}: unknown key {key!r}{suggest(key, known[section])}')
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if key in _SHARES and not (number and 0 <= value <= 1):
                raise ValueError(f'{place}.{key}: expected a number from 0 to 1, got {value!r}')
            if key == 'nms' and value is not None:
                read_nms_cfg(value)
