"""Images of one frame."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.structures.rle import encode_mask
from mmdet.visualization import (
    Trails,
    contact_sheet,
    draw_instances,
    pick_frames,
    side_by_side,
    track_color,
)
from mmdet.visualization.draw import font_size_for, line_width_for
from mmdet.visualization.text import draw_label, text_size


def scene(height=120, width=200, count=2):
    image = np.full((height, width, 3), 90, np.uint8)
    masks = np.zeros((count, height, width), np.uint8)
    for i in range(count):
        masks[i, 30:90, 20 + 80 * i : 80 + 80 * i] = 1
    return image, masks


def test_mask_is_tinted_in_the_color_of_its_identity_and_the_input_stays():
    image, masks = scene()
    before = image.copy()
    out = draw_instances(image, {'masks': masks, 'instance_ids': [4, 300]}, draw_labels=False, mask_alpha=0.5)
    assert np.array_equal(image, before)
    for mask_center, identity in (((60, 50), 4), ((60, 130), 300)):
        expected = (90 + np.array(track_color(identity), float)) / 2
        assert np.abs(out[mask_center] - expected).max() <= 1
    assert np.array_equal(out[:20], before[:20])


def test_rle_array_and_tensor_masks_draw_alike():
    image, masks = scene()
    ids = torch.tensor([0, 1])
    fields = {'labels': torch.tensor([0, 1]), 'scores': torch.tensor([0.9, 0.8]), 'instance_ids': ids}
    arrays = draw_instances(image, {'masks': masks, **fields}, ['cat', 'dog'])
    codes = draw_instances(image, {'masks': [encode_mask(m) for m in masks], **fields}, ['cat', 'dog'])
    data = InstanceData(masks=torch.from_numpy(masks), **fields)
    assert np.array_equal(arrays, codes)
    assert np.array_equal(arrays, draw_instances(image, data, ['cat', 'dog']))
    assert not np.array_equal(arrays, image)


def test_nothing_to_draw_gives_the_image_back():
    image, masks = scene()
    assert np.array_equal(draw_instances(image, {}), image)
    assert np.array_equal(draw_instances(image, {'masks': [], 'scores': [], 'labels': []}), image)
    empty = InstanceData(masks=[], scores=torch.zeros(0), labels=torch.zeros(0), bboxes=torch.zeros(0, 4))
    assert np.array_equal(draw_instances(image, empty), image)
    blank = {'masks': np.zeros_like(masks), 'labels': [0, 1], 'scores': [0.5, 0.6]}
    assert np.array_equal(draw_instances(image, blank), image)


def test_weak_and_dropped_objects_are_left_out():
    image, masks = scene()
    fields = {'masks': masks, 'labels': [0, 0], 'scores': [0.9, 0.2], 'instance_ids': [0, 1]}
    strong = draw_instances(image, fields, score_thr=0.3)
    alone = draw_instances(image, {k: v[:1] for k, v in fields.items()})
    assert np.array_equal(strong, alone)
    dropped = draw_instances(image, {**fields, 'instance_ids': [0, -1]})
    assert np.array_equal(dropped, alone)


def test_boxes_are_drawn_where_there_are_no_masks_or_when_asked():
    image, masks = scene()
    boxes = np.array([[20, 30, 79, 89], [100.4, 30.2, 159.1, 89.0]])
    fields = {'bboxes': boxes, 'labels': [0, 1], 'scores': [0.5, 0.6]}
    out = draw_instances(image, fields, draw_labels=False)
    assert tuple(out[30, 50]) == track_color(0)
    assert tuple(out[60, 50]) == (90, 90, 90)
    plain = draw_instances(image, {**fields, 'masks': masks}, draw_labels=False)
    boxed = draw_instances(image, {**fields, 'masks': masks}, draw_labels=False, draw_boxes=True)
    assert not np.array_equal(plain, boxed)


def test_labels_are_cut_to_identities_in_a_crowd():
    image = np.zeros((100, 100, 3), np.uint8)
    masks = np.zeros((30, 100, 100), np.uint8)
    for i in range(30):
        masks[i, 3 * i : 3 * i + 2, 10:90] = 1
    fields = {'masks': masks, 'labels': [0] * 30, 'instance_ids': list(range(30)), 'scores': [0.9] * 30}
    short = draw_instances(image, fields, ['a very long name'] * 30)
    assert np.array_equal(short, draw_instances(image, fields, ['x']))


def test_labels_at_the_border_stay_inside():
    image = np.full((60, 90, 3), 10, np.uint8)
    for box in ([0, 0, 5, 5], [84, 54, 89, 59], [-20, -20, -10, -10]):
        out = draw_instances(image, {'bboxes': np.array([box]), 'labels': [0]}, ['thing'], draw_boxes=True)
        assert out.shape == image.shape
        changed = (out != image).any(2).sum()
        assert changed > 100  # a whole plate, not a sliver


@pytest.mark.parametrize(
    'image, message',
    [
        (np.zeros((4, 4), np.uint8), r'\(4, 4\)'),
        (np.zeros((4, 4, 3), np.float32), 'float32'),
        (np.zeros((4, 4, 4), np.uint8), r'\(4, 4, 4\)'),
    ],
)
def test_wrong_images_are_named(image, message):
    with pytest.raises(ValueError, match=message):
        draw_instances(image, {})


def test_mask_of_another_size_is_an_error():
    with pytest.raises(ValueError, match='mask 0: expected the size of the image'):
        draw_instances(np.zeros((8, 8, 3), np.uint8), {'masks': np.zeros((1, 4, 4), np.uint8), 'labels': [0]})


def test_lines_and_letters_grow_with_the_image():
    widths = [line_width_for((h, 2 * h, 3)) for h in (100, 360, 720, 1080, 2160)]
    assert widths == sorted(widths) and widths[0] == 1 and widths[-1] >= 5
    sizes = [font_size_for((h, 2 * h)) for h in (100, 360, 720, 2160)]
    assert sizes == sorted(sizes) and sizes[0] >= 11 and 70 <= sizes[-1] <= 84


def test_label_is_cut_at_the_edges_and_reports_its_plate():
    image = np.zeros((20, 20, 3), np.uint8)
    left, top, right, bottom = draw_label(image, 'Wide text', (-5, 10), 14, (255, 255, 255), (0, 0, 200))
    assert (left, top) == (-5, 10)
    assert right - left >= text_size('Wide text', 14)[0]
    assert bottom - top == text_size('Wide text', 14)[1]
    assert image[:10].max() == 0 and image[10:, :, 2].min() > 100
    draw_label(image, 'outside', (500, 500), 14, (255, 255, 255), (0, 0, 200))
    assert image[:10].max() == 0


def test_text_is_anti_aliased_and_knows_other_alphabets():
    image = np.zeros((40, 200, 3), np.uint8)
    draw_label(image, 'Žába крот', (0, 0), 20, (255, 255, 255), (0, 0, 0))
    assert len(np.unique(image)) > 20


def test_contact_sheet_keeps_shapes_and_fills_rows():
    wide, tall = np.full((40, 80, 3), 50, np.uint8), np.full((80, 40, 3), 100, np.uint8)
    sheet = contact_sheet([[wide, tall], [wide]], ['first', 'second'], cell_width=80, gap=4)
    assert sheet.shape[1] == 2 * 80 + 3 * 4
    assert (sheet == 50).all(2).sum() == 2 * 40 * 80
    assert 0 < (sheet[30:60] == 100).all(2).sum() <= 40 * 20
    assert contact_sheet([[wide]]).shape[1] == 360 + 2 * 6  # twice as wide as high
    assert contact_sheet([[tall]]).shape[1] == 240 + 2 * 6
    with pytest.raises(ValueError, match='at least one image'):
        contact_sheet([[], []])
    with pytest.raises(ValueError, match='each of 1 rows, got 2'):
        contact_sheet([[wide]], ['a', 'b'])


def test_side_by_side_names_its_parts():
    left, right = np.zeros((60, 80, 3), np.uint8), np.full((60, 80, 3), 9, np.uint8)
    both = side_by_side([left, right], ['truth', 'prediction'], gap=4)
    assert both.shape == (60 + 14, 164, 3)
    assert both[:14, :60].max() > 200 and both[:14, 84:144].max() > 200
    assert (both[14:, :80] == 0).all() and (both[14:, 84:] == 9).all(), 'titles lie on the images'
    assert side_by_side([left, right], gap=4).shape == (60, 164, 3)
    with pytest.raises(ValueError, match='one size'):
        side_by_side([left, right[:-1]])


@pytest.mark.parametrize(
    'count, wanted, expected', [(5, 5, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (2, 5, [0, 1])]
)
def test_frames_are_picked_evenly(count, wanted, expected):
    assert pick_frames(count, wanted) == expected
    assert pick_frames(0, wanted) == []


def test_titles_of_narrow_images_are_whole():
    wide, narrow = (np.full((256, width, 3), 90, np.uint8) for width in (600, 200))
    titles = ['key: clip_with_a_name/00025.jpg', 'reference: clip_with_a_name/00003.jpg']
    tall = side_by_side([wide, wide], titles).shape[0]
    drawn = side_by_side([narrow, narrow], titles)
    assert 256 < drawn.shape[0] < tall
    # The last columns of each strip are free of letters.
    strip = drawn[: drawn.shape[0] - 256]
    assert (strip[:, 198:200] == strip[0, 199]).all() and (strip[:, 204:404] != strip[0, 199]).any()


def test_labels_are_one_line_whatever_the_name():
    image = np.zeros((40, 120, 3), np.uint8)
    fields = {'masks': [encode_mask(np.ones((40, 120), np.uint8))], 'labels': [0]}
    drawn = draw_instances(image, fields, ['a\nb\0\ud800'])
    assert (drawn == draw_instances(image, fields, ['a\\nb\\x00\\ud800'])).all()


@pytest.mark.parametrize('height, width', [(90, 160), (720, 1280)])
@pytest.mark.parametrize('count', [1, 10, 80])
def test_label_plates_never_cover_each_other(monkeypatch, height, width, count):
    from mmdet.visualization import draw

    plates = []
    monkeypatch.setattr(draw, 'draw_label', lambda *args: plates.append(draw_label(*args)) or plates[-1])
    rng = np.random.default_rng(count)
    corner = rng.integers(0, (width - 20, height - 20), (count, 2))
    boxes = np.concatenate([corner, corner + 15], axis=1)
    fields = {'bboxes': boxes, 'labels': np.zeros(count, int), 'instance_ids': np.arange(count)}
    draw.draw_instances(np.zeros((height, width, 3), np.uint8), fields, ['potted plant'])
    assert len(plates) >= (count if height == 720 else min(count, 5))
    for i, (left, top, right, bottom) in enumerate(plates):
        for other in plates[:i]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_trails_lead_to_the_objects_that_are_there():
    trails = Trails(3)
    for frame in range(6):
        trails.add(
            [4] if frame != 5 else [4, 9], [[20 * frame, 50, 20 * frame + 10, 60]] * (1 + (frame == 5))
        )
    assert [point[0] for point in trails.paths[4]] == [45, 65, 85, 105] and len(trails.paths[9]) == 1
    again = Trails(3, trails.state())
    assert again.paths == trails.paths
    image = np.zeros((120, 200, 3), np.uint8)
    fields = {'bboxes': np.array([[100, 50, 110, 60]]), 'instance_ids': [4]}
    plain, trailed = (
        draw_instances(image, fields, draw_labels=False, trails=paths) for paths in (None, trails.paths)
    )
    changed = np.argwhere((plain != trailed).any(2))
    assert changed[:, 1].min() < 60 and np.abs(changed[:, 0] - 55).max() < 5
    gone = draw_instances(image, {**fields, 'instance_ids': [7]}, draw_labels=False, trails=trails.paths)
    assert np.array_equal(
        gone > 0, draw_instances(image, {**fields, 'instance_ids': [7]}, draw_labels=False) > 0
    )


def test_a_trail_is_blended_once_and_may_lie_outside():
    image = np.full((40, 90, 3), 100, np.uint8)
    box = {'bboxes': np.array([[80, 18, 84, 22]]), 'instance_ids': np.array([0])}
    path = [(10 + 8 * i, 20, 9 - i) for i in range(10)]
    drawn = draw_instances(image, box, draw_boxes=False, draw_labels=False, line_width=3, trails={0: path})
    change = np.abs(drawn[20].astype(int) - 100).sum(1)[12:76]
    assert (np.diff(change) >= 0).all() and change[0] > 0  # no darker spots where pieces meet
    for x, y in ((200, 20), (93, 43)):
        outside = {0: [(x, y, 1), (x, y, 0)]}
        drawn = draw_instances(image, box, draw_boxes=False, draw_labels=False, trails=outside)
        assert (drawn == image).all()
