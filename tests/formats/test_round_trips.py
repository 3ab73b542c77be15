"""Real clips in other formats and back; skipped without them (MASKTRACK_CLIPS names their folder)."""

import os
from pathlib import Path

import pytest

from mmdet.formats import mask_folders, mots, ytvis
from mmdet.formats.coco_video import parse_coco_video
from mmdet.structures.rle import segm_to_rle

CLIPS = Path(os.environ.get('MASKTRACK_CLIPS', Path(__file__).resolve().parents[2] / '../shared/clips'))
ANN = CLIPS / 'annotations' / 'instances.json'
pytestmark = pytest.mark.skipif(not ANN.is_file(), reason=f'no clips in {CLIPS}')


def tracks_of(annotations):
    """What every format keeps: frames, classes and pixels, by folder of the video."""
    names = {category['id']: category['name'] for category in annotations.categories}
    videos = {video['id']: video for video in annotations.videos}
    found = []
    for track in annotations.tracks:
        video = videos[track['video_id']]
        size = (video['height'], video['width'])
        masks = [segm and segm_to_rle(segm, *size)['counts'] for segm in track['segmentations']]
        found.append((video['file_names'], names[track['category_id']], bool(track['iscrowd']), masks))
    return sorted(found, key=repr)


@pytest.fixture(scope='module')
def original():
    return ytvis.read(ANN)


def test_masks_and_back(original, tmp_path):
    count = mask_folders.write(original, tmp_path / 'masks', csv=tmp_path / 'objects.csv')
    assert (count['frames'], count['further layers'], count['empty objects']) == (138, 0, 0)
    back = mask_folders.read(tmp_path / 'masks')
    assert back.videos == original.videos and tracks_of(back) == tracks_of(original)
    # Masks that this project has not written: images and a table.
    (tmp_path / 'masks' / 'objects.json').unlink()
    made = mask_folders.read(tmp_path / 'masks', tmp_path / 'objects.csv', images=CLIPS / 'JPEGImages')
    assert tracks_of(made) == tracks_of(original)


def test_mots_and_back(original, tmp_path):
    assert mots.write(original, tmp_path)['hidden pixels'] == 0
    classes = {category['id']: category['name'] for category in original.categories}
    back = mots.read(sorted(tmp_path.glob('*.txt')), CLIPS / 'JPEGImages', classes)
    assert tracks_of(back) == tracks_of(original)
    assert ytvis.write(back, tmp_path / 'a.json')['frames'] == 138
    assert tracks_of(ytvis.read(tmp_path / 'a.json')) == tracks_of(original)


@pytest.mark.parametrize('video_from_path', [False, True])
def test_from_coco(original, video_from_path):
    images, annotations = [], []
    for video in original.videos:
        for frame, name in enumerate(video['file_names']):
            size = {'width': video['width'], 'height': video['height']}
            ids = {'id': len(images) + 1, 'video_id': video['id'], 'frame_id': frame}
            images.append({**ids, **size, 'file_name': name})
            for track in original.tracks:
                if track['video_id'] == video['id'] and track['segmentations'][frame]:
                    rest = {key: track[key] for key in ('category_id', 'iscrowd')}
                    segm = track['segmentations'][frame]
                    more = {'image_id': len(images), 'track_id': track['id'], 'segmentation': segm}
                    annotations.append({**rest, **more})
    coco = {'images': images, 'annotations': annotations, 'categories': original.categories}
    assert tracks_of(parse_coco_video(coco, video_from_path=video_from_path)) == tracks_of(original)
