"""The config that trains on videos and COCO images together, on small data laid out as the public."""

import json
import re

import numpy as np
import pytest

from mmdet.apis import load_config, register_all_modules
from mmdet.datasets import SampleIndex
from mmdet.registry import DATASETS
from mmdet.structures.classes import COCO_CLASSES, YTVIS_2019_CLASSES
from mmdet.synthetic import generate_dataset

from .test_train import ROOT, run

CONFIG = ROOT / 'configs' / 'masktrack_rcnn_r50_fpn_12e_youtubevis2019_coco.py'
# Categories of the five shapes: in the videos, and of the same images in COCO.
VIDEO = ('person', 'motorbike', 'tennis_racket', 'mouse', 'dog')
COCO = ('person', 'motorcycle', 'tennis racket', 'mouse', 'stop sign')


def write(path, categories, names, content):
    """Write annotations whose five categories are now ``names`` among ``categories``."""
    ids = {number: categories.index(name) + 1 for number, name in enumerate(names, 1)}
    tracks = [{**track, 'category_id': ids[track['category_id']]} for track in content['annotations']]
    listed = [{'id': number, 'name': name} for number, name in enumerate(categories, 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, 'categories': listed, 'annotations': tracks}))


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp('joint')
    root = generate_dataset(folder / 'made', train_videos=12, val_videos=1, frames=2, size=(96, 64), seed=2)
    videos = json.loads((root / 'annotations/instances_train_sub.json').read_text())
    data = folder / 'data' / 'youtube_vis_2019'
    for name in ('train', 'val'):
        write(data / f'annotations/instances_{name}_sub.json', YTVIS_2019_CLASSES, VIDEO, videos)
        (data / name).symlink_to(root / 'train/JPEGImages')
    images, annotations = [], []
    for video in videos['videos']:
        size = {'width': video['width'], 'height': video['height']}
        images.append({'id': 100 + video['id'], 'file_name': video['file_names'][1], **size})
    for track in videos['annotations']:
        if track['bboxes'][1] is not None:
            entry = {key: track[key] for key in ('id', 'category_id', 'iscrowd')}
            for key, source in (('bbox', 'bboxes'), ('area', 'areas'), ('segmentation', 'segmentations')):
                entry[key] = track[source][1]
            annotations.append({**entry, 'image_id': 100 + track['video_id']})
    coco = folder / 'data' / 'coco'
    content = {'images': images, 'annotations': annotations}
    write(coco / 'annotations/instances_train2017.json', COCO_CLASSES, COCO, content)
    (coco / 'train2017').symlink_to(root / 'train/JPEGImages')
    return folder


def test_categories_of_coco_become_those_of_the_videos(place, monkeypatch):
    monkeypatch.chdir(place)
    register_all_modules()
    both = DATASETS.build(load_config(CONFIG).train_dataloader.dataset)
    assert both.metainfo['classes'] == YTVIS_2019_CLASSES
    videos, images = both.datasets
    wanted = json.loads((place / 'data/coco/annotations/instances_train2017.json').read_text())
    names = {c['id']: c['name'] for c in wanted['categories']}
    found = {
        YTVIS_2019_CLASSES[e['label']]
        for i in range(len(images))
        for e in images.raw_frame(*images.items[i])['instances']
    }
    there = {names[a['category_id']] for a in wanted['annotations']}
    assert 'mouse' in there and 'stop sign' in there  # neither may be learned from COCO
    same = {'person': 'person', 'motorcycle': 'motorbike', 'tennis racket': 'tennis_racket'}
    assert found == {same[name] for name in there if name in same} and len(found) == 3
    sample = both[SampleIndex(len(videos), 0, 1)]
    assert sample['inputs'].shape[0] == 2
    assert (np.asarray(sample['inputs'][0]) != np.asarray(sample['inputs'][1])).any()


def test_trains(place):
    options = (
        'model.backbone.depth=18',
        'model.backbone.base_channels=8',
        'model.backbone.init_cfg=None',
        'model.neck.in_channels=[8,16,32,64]',
        'model.bbox_head.fc_out_channels=16',
        'model.track_head.fc_out_channels=16',
        'train_cfg.max_epochs=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=2',
        'default_hooks.logger.interval=1',
    )
    done = run('train', CONFIG, '--work-dir', 'work', '--seed', 0, '--cfg-options', *options, cwd=place)
    losses = [line for line in done.stdout.splitlines() if 'loss_match' in line]
    assert len(losses) >= 8 and 'nan' not in ''.join(losses)
    assert (place / 'work' / 'epoch_1.pth').is_file()


def test_the_config_of_the_data_page(place, monkeypatch):
    """The block of data/README.md as it stands there."""
    text = re.search(r'```python\n(_base_ = .*?)```', (ROOT / 'data/README.md').read_text(), re.DOTALL).group(
        1
    )
    monkeypatch.chdir(place)
    (place / 'configs').symlink_to(ROOT / 'configs')
    (place / 'mine.py').write_text(text)
    for name in ('annotations', 'train', 'val'):
        (place / 'data' / name).symlink_to(place / 'data' / 'youtube_vis_2019' / name)
    register_all_modules()
    config = load_config('mine.py')
    both = DATASETS.build(config.train_dataloader.dataset)
    assert both.metainfo['classes'] == ('person', 'dog', 'motorbike')
    assert config.model.mask_head.num_classes == 3
    videos, images = both.datasets
    labels = {
        entry['label']
        for i in range(len(images))
        for entry in images.raw_frame(*images.items[i])['instances']
    }
    assert labels == {0, 2}  # the images have no dog
    assert both[len(videos)]['inputs'].shape[0] == both[0]['inputs'].shape[0] == 2
    tested = DATASETS.build(config.test_dataloader.dataset)
    assert tested.metainfo['classes'] == both.metainfo['classes']
