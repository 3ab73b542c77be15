"""Every config is recognized by its content; one that is not read gets one true line."""

import pytest

from mmdet.compat.configs import recognize
from mmdet.utils import UserError

HEAD = dict(type='RPNHead', anchor_generator=dict(type='AnchorGenerator', scales=[8]))
MASK_RCNN = dict(
    type='MaskRCNN',
    backbone=dict(type='ResNet', depth=50),
    neck=dict(type='FPN'),
    rpn_head=HEAD,
    roi_head=dict(type='StandardRoIHead', bbox_head=dict(num_classes=80)),
)
RETINA = dict(type='RetinaNet', bbox_head=dict(type='RetinaHead', anchor_generator=dict(), num_classes=80))
STEPS = [dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]
LOADER = dict(batch_size=2, dataset=dict(type='CocoDataset', pipeline=STEPS))
DATA_2 = dict(samples_per_gpu=2, train=dict(type='CocoDataset', pipeline=[]))
DATA_1 = dict(imgs_per_gpu=2, train=dict(type='CocoDataset', pipeline=[dict(type='LoadImageFromFile')]))
OLD_MODEL = dict(
    type='MaskRCNN',
    rpn_head=dict(type='RPNHead', anchor_scales=[8]),
    bbox_head=dict(type='SharedFCBBoxHead', num_fcs=2),
)
NESTED = dict(type='MaskTrackRCNN', detector=MASK_RCNN, track_head=dict(type='RoITrackHead'))
SORT = dict(type='DeepSORT', detector=MASK_RCNN, tracker=dict(type='SortTracker'))
MASK_CONFIG, TRACK_CONFIG = 'configs/mask_rcnn_r50_fpn_1x_coco.py', 'configs/masktrack_rcnn_r50'


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        (dict(model=OLD_MODEL, data=dict(imgs_per_gpu=2), optimizer={}), '2019'),
        (dict(model=OLD_MODEL), '2019'),
        (dict(model=dict(type='MaskRCNN'), test_cfg=dict(rcnn={})), '2019'),
        (dict(model=OLD_MODEL, data=DATA_1, optimizer={}), 'mmdetection 1'),
        (dict(model=OLD_MODEL, data=dict(samples_per_gpu=2, train=DATA_1['train'])), 'mmdetection 1'),
        (dict(model=dict(type='RetinaNet', bbox_head={}), data=DATA_1), 'mmdetection 1'),
        (dict(model=NESTED, data=DATA_2, optimizer={}), 'mmtracking 0.x'),
        (dict(model=NESTED, train_dataloader=LOADER), 'mmdetection 3 or mmtracking 1'),
        (dict(model=NESTED), 'mmdetection 3 or mmtracking 1'),
        (dict(model=dict(type='MyModel', head={}), train_dataloader={}), 'native'),
        (dict(train_dataloader={}), 'native'),
    ],
)
def test_schemas_that_are_read(config, name):
    assert recognize(config).name == name


def test_settings_of_the_old_engine_beside_the_new_are_refused():
    model = dict(type='MaskRCNN', mask_head={})
    native = dict(model=model, train_dataloader=dict(batch_size=2), optim_wrapper=dict(optimizer=dict(lr=1)))
    for key, value, name in (
        ('data', DATA_2, 'train_dataloader, val_dataloader'),
        ('lr_config', dict(policy='step'), 'param_scheduler'),
        ('total_epochs', 12, 'train_cfg.max_epochs'),
        ('evaluation', dict(interval=1), 'val_interval'),
    ):
        for config in (native, dict(native, model=NESTED)):
            with pytest.raises(UserError, match=f'a.py mixes two schemas: {key} .* write it as .*{name}'):
                recognize({**config, key: value}, 'a.py')
    used = dict(optimizer=dict(lr=1), total_epochs=8, param_scheduler=[dict(end=8)], data=None)
    assert recognize({**native, **used}).kind == 'native'
    assert recognize(dict(model=model, evaluation=dict(interval=1))).kind == 'native'


@pytest.mark.parametrize(
    ('config', 'words'),
    [
        (
            dict(model=MASK_RCNN, data=DATA_2),
            ('mmdetection 2 (', 'model.roi_head', MASK_CONFIG, '--config-out'),
        ),
        (dict(model=MASK_RCNN), ('mmdetection 2 or 3', 'model.roi_head', MASK_CONFIG)),
        (
            dict(model=dict(MASK_RCNN, data_preprocessor=dict(type='DetDataPreprocessor'))),
            ('mmdetection 3', 'DetDataPreprocessor'),
        ),
        (dict(model=RETINA, data=DATA_2), ('mmdetection 2', 'not its model RetinaNet', 'do not convert')),
        (
            dict(model=dict(RETINA, data_preprocessor=dict(type='mmdet.DetDataPreprocessor'))),
            ('mmdetection 3', 'RetinaNet'),
        ),
        (dict(train_dataloader=LOADER, data_root='x'), ('mmdetection 3', 'LoadImageFromFile', 'no model')),
        (dict(model=SORT, data=DATA_2), ('mmtracking 0.x', 'model.detector', 'DeepSORT', TRACK_CONFIG)),
        (dict(model=SORT, train_dataloader={}), ('mmtracking 1', 'DeepSORT', TRACK_CONFIG)),
        (dict(model=dict(type='EncoderDecoder', decode_head={}), data=DATA_2), ('mmsegmentation',)),
        (
            dict(model=dict(MASK_RCNN, backbone=dict(type='SwinTransformer')), data=DATA_2),
            ('mmdetection 2', 'SwinTransformer', 'do not convert'),
        ),
        (dict(optimizer={}, lr_config={}), ('no model', 'optimizer, lr_config')),
        (
            dict(model=dict(type='BYOL', head={}), data=dict(imgs_per_gpu=2), optimizer={}),
            ('another project', "model.type='BYOL'"),
        ),
        (
            dict(model=dict(MASK_RCNN, roi_head=dict(type='StandardRoIHead', track_head={})), data=DATA_2),
            ('mmdetection 2', TRACK_CONFIG, 'track_head', 'do not convert'),
        ),
        (dict(images=[], annotations=[], categories=[]), ('annotation file',)),
        (dict(MODEL={}, SOLVER={}), ('detectron2',)),
        (dict(nc=3, names=['a'], train='x'), ('ultralytics',)),
        (dict(model='yolov8n.pt'), ('model: expected a dict',)),
    ],
)
def test_one_line_for_the_others(config, words):
    with pytest.raises(UserError) as caught:
        recognize(config, 'x.py')
    text = str(caught.value)
    assert text.startswith('x.py') and '\n' not in text and all(word in text for word in words), text
