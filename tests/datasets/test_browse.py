import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.structures import DetDataSample
from mmdet.visualization import draw_instances
from tools.browse_dataset import draw_sample, main, sample_indices

CONFIG = """
train_dataloader = dict(batch_size=1, sampler=dict(type='GroupSampler'), dataset=dict(
    type='YTVOSDataset', data_root={root!r}, ann_file='annotations/instances_train_sub.json',
    data_prefix=dict(img='train/'), pipeline=[dict(type='LoadImage'), dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(96, 64)), dict(type='RandomFlip'), dict(type='PackInputs')]))
"""


def browse(folder, *options):
    """Run the tool in this process; returns its exit status."""
    try:
        main([str(folder / 'config.py'), '--out', str(folder / 'out'), *options])
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.fixture
def config(synthetic, tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(synthetic)))
    return tmp_path


def test_pairs_are_drawn_side_by_side(config, capsys):
    assert browse(config, '--count', '3') == 0
    names = sorted(path.name for path in (config / 'out').iterdir())
    assert len(names) == 4
    assert names[-1] == 'contact_sheet.jpg'
    image = cv2.imread(str(config / 'out' / names[0]))
    assert image.shape[0] == 64 * 5 + 17  # a title above
    assert image.shape[1] == 2 * 96 * 5 + 4
    assert 'wrote 3 of' in capsys.readouterr().out


def test_labels_at_the_upper_edge_are_whole():
    """An object in the corner where the title was."""
    fields = {
        'bboxes': torch.tensor([[0.0, 0.0, 200.0, 60.0]]),
        'labels': torch.tensor([0]),
        'instance_ids': torch.tensor([3]),
    }
    sample = DetDataSample(metainfo={'img_path': 'clip/00000.jpg'})
    sample.gt_instances = InstanceData(**fields)
    inputs = torch.full((1, 3, 270, 480), 90, dtype=torch.uint8)
    drawn = draw_sample({'inputs': inputs, 'data_samples': sample}, ['square'])
    alone = draw_instances(np.full((270, 480, 3), 90, np.uint8), fields, ['square'], draw_boxes=True)
    assert (drawn[-270:] == alone).all()


def test_the_same_draws_give_the_same_image_and_another_epoch_another(config):
    def first(*options):
        assert browse(config, '--count', '1', *options) == 0
        return (config / 'out/000000.jpg').read_bytes()

    assert first() == first()
    assert len({first('--epoch', str(epoch)) for epoch in range(3)}) > 1


def test_wrong_requests_are_one_line(config, capsys):
    assert browse(config, '--start', '1000') == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith('error: --start must be between 0 and')
    assert browse(config, '--split', 'val') == 2
    assert 'has no val_dataloader.dataset' in capsys.readouterr().err


def test_samples_are_spread_over_all_of_the_data():
    assert sample_indices(10, 0, 4, None) == [0, 2, 5, 7]
    assert sample_indices(100, 40, 3, None) == [40, 60, 80]
    assert sample_indices(5, 3, 9, None) == [3, 4]
    assert sample_indices(10, 1, 3, 4) == [1, 5, 9]


def test_a_wrong_argument_of_the_data_set_is_one_line(config, capsys):
    text = (config / 'config.py').read_text().replace("type='YTVOSDataset'", "type='ConcatDataset'")
    (config / 'config.py').write_text(text)
    assert browse(config) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and 'data_root' in err
