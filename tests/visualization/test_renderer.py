"""Drawing tracks on frames."""

import cv2
import numpy as np
import pytest

from mmdet.media import VideoReader
from mmdet.structures.rle import decode_rle, encode_mask
from mmdet.visualization import TrackRenderer, frames_of_tracks, video_names
from mmdet.visualization.draw import enlarge


def frame(value, height=48, width=64):
    image = np.full((height, width, 3), value, np.uint8)
    image[:10, :10] = 255
    return image


def test_names_of_videos_are_unique_and_safe():
    videos = [
        {'id': 1, 'file_names': ['dog/00000.jpg']},
        {'id': 2, 'file_names': ['other/dog/00000.jpg']},
        {'id': 3, 'file_names': ['00000.jpg']},
        {'id': 4, 'file_names': []},
        {'id': 5, 'file_names': ['a/../..\\x y/1.jpg']},
        {'id': 6, 'file_names': ['a/../1.jpg']},
    ]
    names = video_names(videos)
    assert [names[i] for i in range(1, 7)] == ['dog', 'dog_2', 'video_3', 'video_4', 'x_y', 'video_6']


def test_renderer_writes_every_frame_and_a_video(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:30] = 1
    tracks = [
        {'category_id': 7, 'score': 0.9, 'segmentations': [None, encode_mask(mask), None]},
        {'category_id': 3, 'score': 0.8, 'segmentations': [None, encode_mask(mask), encode_mask(mask)]},
    ]
    frames = list(frames_of_tracks(tracks, 3, {3: 0, 7: 1}))
    assert [f['instance_ids'] for f in frames] == [[], [0, 1], [1]]
    assert frames[1]['labels'] == [1, 0] and frames[1]['scores'] == [0.9, 0.8]
    with TrackRenderer(tmp_path, ['a', 'b'], fps=5, min_side=1) as renderer:
        for name in ('one', 'two'):
            for i, fields in enumerate(frames):
                image = renderer.add(name, i, frame(40), fields, truth=fields if name == 'two' else None)
                assert image.shape == ((48 + 10, 132, 3) if name == 'two' else (48, 64, 3))
                assert renderer.finish('unknown') is None
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*') if p.is_file())
    expected = [
        f'{n}{s}' for n in ('one', 'two') for s in ('.webm', '/00000.jpg', '/00001.jpg', '/00002.jpg')
    ]
    assert files == sorted(expected)
    assert len(list(VideoReader(tmp_path / 'two.webm'))) == 3
    plain, drawn = (cv2.imread(str(tmp_path / f'one/0000{i}.jpg')).astype(int) for i in (0, 1))
    assert np.abs(plain[20, 40] - 40).max() < 6  # a frame without tracks shows the image, not black
    assert np.abs(drawn - plain).max() > 50


def test_small_images_are_enlarged_with_their_tracks(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:30] = 1
    fields = {'masks': [encode_mask(mask)], 'bboxes': [[10, 10, 29, 29]], 'labels': [0], 'scores': [0.9]}
    image, large = enlarge(frame(40), fields, 3)
    assert image.shape == (144, 192, 3)
    assert large['masks'][0].shape == (144, 192)
    assert 9 * 400 - 8 <= large['masks'][0].sum() <= 9 * 400  # corners are rounded
    assert large['bboxes'].tolist() == [[30, 30, 89, 89]]
    assert enlarge(frame(40), fields, 1)[1] is fields
    renderer = TrackRenderer(tmp_path, ['a'], min_side=100, frames=False, video=False)
    image = renderer.add('v', 0, frame(40), fields, truth=fields)
    assert image.shape == (144 + 14, 2 * 192 + 4, 3)
    assert list(tmp_path.iterdir()) == []


def test_polygons_are_drawn_too():
    polygon = [[10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]]
    tracks = [{'category_id': 1, 'segmentations': [polygon]}]
    (fields,) = frames_of_tracks(tracks, 1, size=(48, 64))
    assert 390 <= decode_rle(fields['masks'][0]).sum() <= 450
    assert 'scores' not in fields and fields['labels'] == [1]
    with pytest.raises(ValueError, match='size of the video is needed'):
        list(frames_of_tracks(tracks, 1))
