"""Indexed PNG masks: lossless both ways."""

import numpy as np
import pytest

from mmdet.datasets.convert.masks import masks_of_video, read_indices, video_from_masks, write_indices
from mmdet.utils import UserError


def test_round_trip_is_lossless(tmp_path):
    frames = np.random.default_rng(0).integers(0, 4, (3, 7, 9)).astype(np.uint8)
    frames[1][frames[1] == 2] = 0
    for t, frame in enumerate(frames):
        write_indices(tmp_path / 'a' / f'{t:05d}.png', frame)
        assert (read_indices(tmp_path / 'a' / f'{t:05d}.png') == frame).all()
    video, tracks = video_from_masks(tmp_path, 'a', 1, lambda identity: 1, 1)
    assert len(tracks) == 3 and tracks[1]['segmentations'][1] is None
    assert (np.stack(list(masks_of_video(video, tracks))) == frames).all()


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(UserError, match='no PNG masks'):
        video_from_masks(tmp_path, 'b', 1, lambda identity: 1, 1)
