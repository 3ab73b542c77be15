"""Real clips to other formats and back, where they are at hand (MASKTRACK_CLIPS names their folder)."""

import json
import os
from pathlib import Path

import pytest

from mmdet.formats.builder import write_dataset
from mmdet.formats.coco_video import coco_to_ytvis
from mmdet.formats.export_masks import export_masks
from mmdet.formats.mask_folders import mask_folders_to_ytvis
from mmdet.formats.mots import mots_to_ytvis, ytvis_to_mots
from mmdet.formats.object_table import ObjectTable
from mmdet.formats.restore import restore_dataset
from mmdet.formats.ytvis import load_ytvis
from mmdet.structures.rle import segm_to_rle

CLIPS = Path(os.environ.get('MASKTRACK_CLIPS', Path(__file__).resolve().parents[2] / '../shared/clips'))
ANN = CLIPS / 'annotations' / 'instances.json'
pytestmark = pytest.mark.skipif(not ANN.is_file(), reason=f'no clips in {CLIPS}')


def tracks_of(content):
    """What must survive every format: frames, classes and pixels, by folder of the video."""
    names = {category['id']: category['name'] for category in content['categories']}
    videos = {video['id']: video for video in content['videos']}
    found = []
    for track in content['annotations']:
        video = videos[track['video_id']]
        size = (video['height'], video['width'])
        masks = [segm and segm_to_rle(segm, *size)['counts'] for segm in track['segmentations']]
        found.append((video['file_names'], names[track['category_id']], bool(track['iscrowd']), masks))
    return sorted(found, key=repr)


@pytest.fixture(scope='module')
def original():
    return json.loads(ANN.read_text())


def test_masks_and_back(original, tmp_path):
    count = export_masks(load_ytvis(ANN), tmp_path / 'masks', csv=tmp_path / 'objects.csv')
    assert (count['frames'], count['layers'], count['empty']) == (138, 1, 0)
    back = restore_dataset(tmp_path / 'masks')
    assert back['videos'] == original['videos'] and tracks_of(back) == tracks_of(original)
    # The way a dataset of masks goes that this project has not written: images and a table.
    (tmp_path / 'masks' / 'objects.json').unlink()
    table = ObjectTable.read(tmp_path / 'objects.csv')
    made, _ = mask_folders_to_ytvis(tmp_path / 'masks', table, images=CLIPS / 'JPEGImages')
    assert tracks_of(made) == tracks_of(original)


def test_mots_and_back(original, tmp_path):
    index = load_ytvis(ANN)
    hidden = 0
    for name, lines, lost in ytvis_to_mots(index):
        (tmp_path / f'{name}.txt').write_text('\n'.join(lines))
        hidden += lost
    assert hidden == 0
    classes = {category['id']: category['name'] for category in index.categories}
    back = mots_to_ytvis(sorted(tmp_path.glob('*.txt')), CLIPS / 'JPEGImages', classes)
    assert tracks_of(back) == tracks_of(original)
    assert write_dataset(tmp_path / 'a.json', back).startswith(f'wrote {tmp_path}')


@pytest.mark.parametrize('video_from_path', [False, True])
def test_from_coco(original, video_from_path):
    images, annotations = [], []
    for video in original['videos']:
        for frame, name in enumerate(video['file_names']):
            size = {'width': video['width'], 'height': video['height']}
            ids = {'id': len(images) + 1, 'video_id': video['id'], 'frame_id': frame}
            images.append({**ids, **size, 'file_name': name})
            for track in original['annotations']:
                if track['video_id'] == video['id'] and track['segmentations'][frame]:
                    rest = {key: track[key] for key in ('category_id', 'iscrowd')}
                    segm = track['segmentations'][frame]
                    more = {'image_id': len(images), 'track_id': track['id'], 'segmentation': segm}
                    annotations.append({**rest, **more})
    coco = {'images': images, 'annotations': annotations, 'categories': original['categories']}
    assert tracks_of(coco_to_ytvis(coco, video_from_path=video_from_path)) == tracks_of(original)
