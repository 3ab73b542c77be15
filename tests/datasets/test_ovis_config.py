"""The config of OVIS: as many classes everywhere as the dataset names."""

from pathlib import Path

from mmengine.config import Config

from mmdet.structures.classes import OVIS_CLASSES

CONFIG = Path(__file__).resolve().parents[2] / 'configs/masktrack_rcnn_r50_fpn_12e_ovis.py'


def test_ovis_config_has_the_classes_of_ovis():
    config = Config.fromfile(str(CONFIG))
    assert len(OVIS_CLASSES) == 25
    assert config.num_classes == 25
    assert config.model.bbox_head.num_classes == config.model.mask_head.num_classes == 25
    assert config.model.bbox_head.type == 'SharedFCBBoxHead'
    for part in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert part.dataset.type == 'OVISDataset'
        assert part.dataset.data_root == 'data/ovis/'
        assert 'pipeline' in part.dataset
    assert config.test_evaluator.ann_file.startswith('data/ovis/')
    assert config.val_evaluator.ann_file == config.test_evaluator.ann_file


def test_ovis_model_is_built_with_25_classes():
    from mmdet.apis import load_config, register_all_modules
    from mmdet.registry import MODELS

    register_all_modules()
    config = load_config(str(CONFIG))
    head = MODELS.build(config.model.bbox_head)
    assert head.num_classes == 25
    assert tuple(head.fc_cls.weight.shape) == (26, 1024)
