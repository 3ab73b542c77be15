"""What one converter writes, its counterpart finds again: all pairs, with overlap, crowds and odd names."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from mmdet.formats import mask_folders, mots, ytvis
from mmdet.formats.builder import track_lists
from mmdet.formats.tracks import read_results
from mmdet.formats.ytvis import parse_ytvis
from mmdet.structures.rle import encode_mask, segm_to_rle

SIZE = (16, 24)
#: Video id -> its frames.
VIDEOS = {
    3: ['plain/00000.png', 'plain/00001.png', 'plain/00005.png'],
    1: ['deep er/and/deeper/frame_8.png', 'deep er/and/deeper/frame_10.png'],
    'süß': ['ein süßes 猫/img1/000001.png', 'ein süßes 猫/img1/000002.png'],
    'a\nb': ["quote's, a\nb/x1.png"],
}
CLASSES = {2: 'cat, big', 5: 'dog "x"', 11: 'a\nb; ü'}
CROWD = (11, 1)


def rle(x, y, w=5, h=5):
    mask = np.zeros(SIZE, np.uint8)
    mask[y : y + h, x : x + w] = 1
    return encode_mask(mask)


def content(overlap=False):
    """In each video an object of each class that moves, and one crowd region; objects may overlap."""
    videos, tracks = [], []
    for number, (video, names) in enumerate(VIDEOS.items()):
        videos.append({'id': video, 'width': 24, 'height': 16, 'length': len(names), 'file_names': names})
        for place, category in enumerate(CLASSES):
            masks = {
                t: rle(1 + (3 if overlap else 7) * place, t + number) for t in range(len(names)) if t != place
            }
            tracks.append(
                {'video_id': video, 'category_id': category, 'iscrowd': 0, **track_lists(masks, len(names))}
            )
        masks = {t: rle(2, 12, 18, 2) for t in range(len(names))}
        tracks.append(
            {'video_id': video, 'category_id': CROWD[0], 'iscrowd': 1, **track_lists(masks, len(names))}
        )
    tracks = [{'id': 10 * n, **track} for n, track in enumerate(tracks, 1) if any(track['segmentations'])]
    return {
        'videos': videos,
        'categories': [{'id': c, 'name': n} for c, n in CLASSES.items()],
        'annotations': tracks,
    }


def found(annotations, ids=False):
    """What a format has to keep of tracks: frames, class, crowd and pixels (and ids)."""
    names = {category['id']: category['name'] for category in annotations.categories}
    videos = {video['id']: video for video in annotations.videos}
    tracks = []
    for track in annotations.tracks:
        masks = [s and segm_to_rle(s, *SIZE)['counts'] for s in track['segmentations']]
        kept = (videos[track['video_id']]['file_names'], names[track['category_id']], track['iscrowd'], masks)
        tracks.append((*kept, *((track['id'], track['video_id'], track['category_id']) if ids else ())))
    return sorted(tracks, key=repr)


def objects(annotations):
    return [track for track in found(annotations) if not track[2]]


@pytest.fixture
def images(tmp_path):
    for name in (name for names in VIDEOS.values() for name in names):
        (tmp_path / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE[::-1]).save(tmp_path / 'images' / name)
    return tmp_path / 'images'


@pytest.fixture
def original():
    return parse_ytvis(content())


@pytest.mark.parametrize('overlap', [False, True])
def test_from_annotations_to_masks_and_back(overlap, images, tmp_path):
    original = parse_ytvis(content(overlap))
    mask_folders.write(original, tmp_path / 'masks', stream=io.StringIO())
    back = mask_folders.read(tmp_path / 'masks', images=images, stream=io.StringIO())
    assert back.videos == original.videos and found(back, ids=True) == found(original, ids=True)
    ytvis.write(back, tmp_path / 'a.json')
    assert found(ytvis.read(tmp_path / 'a.json'), ids=True) == found(original, ids=True)


@pytest.mark.parametrize('with_images', [False, True])
def test_from_annotations_to_masks_with_a_table_and_back(original, images, tmp_path, with_images):
    mask_folders.write(
        original, tmp_path / 'masks', flatten=True, csv=tmp_path / 'o.csv', stream=io.StringIO()
    )
    (tmp_path / 'masks/objects.json').unlink()
    options = {'images': images} if with_images else {'image_suffix': '.png'}
    back = mask_folders.read(tmp_path / 'masks', tmp_path / 'o.csv', stream=io.StringIO(), **options)
    assert found(back) == found(original)


def test_from_annotations_to_mots_and_back(original, images, tmp_path):
    mots.write(original, tmp_path / 'mots', stream=io.StringIO())
    files = sorted((tmp_path / 'mots').iterdir())
    back = mots.read(files, images, CLASSES, stream=io.StringIO())
    assert objects(back) == objects(original)
    crowds = [track for track in found(back) if track[2]]
    assert len(crowds) == len(CLASSES) * len(VIDEOS)  # a region to ignore is one of every class
    # Once more: nothing is lost or doubled on the way.
    mots.write(back, tmp_path / 'again', stream=io.StringIO())
    for path in files:
        assert sorted((tmp_path / 'again' / path.name).read_text().split('\n')) == sorted(
            path.read_text().split('\n')
        )


def test_from_masks_to_mots_to_masks(original, images, tmp_path):
    mask_folders.write(original, tmp_path / 'masks', stream=io.StringIO())
    mots.write(
        mask_folders.read(tmp_path / 'masks', stream=io.StringIO()), tmp_path / 'mots', stream=io.StringIO()
    )
    read = mots.read(sorted((tmp_path / 'mots').iterdir()), images, CLASSES, stream=io.StringIO())
    mask_folders.write(read, tmp_path / 'again', stream=io.StringIO())
    assert objects(mask_folders.read(tmp_path / 'again', stream=io.StringIO())) == objects(original)


@pytest.mark.parametrize('count', [253, 300])
def test_more_objects_than_eight_bits_have(count, tmp_path):
    """No number of an object is that of the void label."""
    numbers = np.arange(1, count + 1)
    tracks = [
        {
            'id': n,
            'video_id': 1,
            'category_id': 1,
            'iscrowd': 0,
            **track_lists({0: rle(n % 24, n // 24, 1, 1)}, 1),
        }
        for n in numbers.tolist()
    ]
    video = {'id': 1, 'width': 24, 'height': 16, 'file_names': ['v/0.png']}
    made = parse_ytvis({'videos': [video], 'categories': [{'id': 1, 'name': 'a'}], 'annotations': tracks})
    mask_folders.write(made, tmp_path / 'm', csv=tmp_path / 'o.csv', stream=io.StringIO())
    assert found(mask_folders.read(tmp_path / 'm', stream=io.StringIO())) == found(made)
    (tmp_path / 'm/objects.json').unlink()
    back = mask_folders.read(tmp_path / 'm', tmp_path / 'o.csv', image_suffix='.png', stream=io.StringIO())
    assert found(back) == found(made)


def test_results_to_masks_and_mots_and_back(original, images, tmp_path):
    results = [
        {key: track[key] for key in ('video_id', 'category_id', 'segmentations')} | {'score': 0.5}
        for track in original.tracks
        if not track['iscrowd']
    ]
    (tmp_path / 'r.json').write_text(json.dumps(results))
    tracks = read_results(original, tmp_path / 'r.json')
    mask_folders.write(tracks, tmp_path / 'masks', stream=io.StringIO())
    assert objects(mask_folders.read(tmp_path / 'masks', stream=io.StringIO())) == objects(original)
    mots.write(tracks, tmp_path / 'mots', stream=io.StringIO())
    back = mots.read(sorted((tmp_path / 'mots').iterdir()), images, CLASSES, stream=io.StringIO())
    assert objects(back) == objects(original)


def test_images_without_folders(tmp_path):
    names = ['0.png', '1.png']
    (tmp_path / 'images').mkdir()
    for name in names:
        Image.new('RGB', SIZE[::-1]).save(tmp_path / 'images' / name)
    track = {'id': 1, 'video_id': 7, 'category_id': 2, 'iscrowd': 0, **track_lists({1: rle(3, 3)}, 2)}
    video = {'id': 7, 'width': 24, 'height': 16, 'file_names': names}
    made = parse_ytvis({'videos': [video], 'categories': [{'id': 2, 'name': 'a'}], 'annotations': [track]})
    mask_folders.write(made, tmp_path / 'masks', stream=io.StringIO())
    assert found(mask_folders.read(tmp_path / 'masks', stream=io.StringIO())) == found(made)
    mots.write(made, tmp_path / 'mots', stream=io.StringIO())
    back = mots.read([tmp_path / 'mots/7.txt'], tmp_path / 'images', {2: 'a'}, stream=io.StringIO())
    assert found(back) == found(made)
