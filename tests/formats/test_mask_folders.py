"""Reading and writing folders of PNG masks."""

import json

import numpy as np
import pytest
from PIL import Image

from mmdet.formats import mask_folders, mots, ytvis
from mmdet.formats.indexed_png import palette, read_indexed_png, write_indexed_png
from mmdet.formats.object_table import ObjectTable
from mmdet.formats.tracks import read_results
from mmdet.formats.ytvis import parse_ytvis
from mmdet.structures.rle import decode_rle, encode_mask, pack_counts, rle_area, rle_to_bbox, segm_to_rle
from mmdet.synthetic import generate_dataset
from mmdet.utils import UserError
from tools import convert_dataset


def from_masks(*args):
    """Run the tool from masks to YouTube-VIS."""
    convert_dataset.main([*map(str, args), '--from', 'masks', '--to', 'ytvis'])


def to_masks(*args):
    """Run the tool from YouTube-VIS to masks."""
    convert_dataset.main([*map(str, args), '--from', 'ytvis', '--to', 'masks'])


def box(x, y, w, h, height=8, width=12):
    mask = np.zeros((height, width), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return encode_mask(mask)


def track(identity, masks, video=7, category=3, **more):
    return {
        'id': identity,
        'video_id': video,
        'category_id': category,
        'iscrowd': 0,
        'segmentations': masks,
        'bboxes': [m and rle_to_bbox(m) for m in masks],
        'areas': [m and rle_area(m) for m in masks],
        **more,
    }


def overlapping():
    """Two videos with ids that are not contiguous, crowd, absence and overlap."""
    a, b, c = box(0, 0, 4, 4), box(2, 2, 6, 5), box(1, 1, 2, 2)
    videos = [
        {'id': 7, 'width': 12, 'height': 8, 'length': 3, 'file_names': [f'x/{t:05d}.jpg' for t in range(3)]},
        {'id': 2, 'width': 12, 'height': 8, 'length': 1, 'file_names': ['y/00000.jpg'], 'weather': 'dry'},
    ]
    tracks = [
        track(5, [a, None, b], occlusion=['none', None, 'slight']),
        track(9, [b, c, None]),
        track(10, [c, a, a], category=8, iscrowd=1),
        track(4, [c], video=2, category=8),
    ]
    categories = [{'id': 8, 'name': 'dog'}, {'id': 3, 'name': 'cat, big'}]
    return {'categories': categories, 'videos': videos, 'annotations': tracks}


def by_id(entries):
    return sorted(entries, key=lambda entry: entry['id'])


def compressed(content):
    """The same content with every segmentation as compressed RLE."""
    sizes = {v['id']: (v['height'], v['width']) for v in content['videos']}
    tracks = [
        {**t, 'segmentations': [s and segm_to_rle(s, *sizes[t['video_id']]) for s in t['segmentations']]}
        for t in content['annotations']
    ]
    return {'categories': content['categories'], 'videos': content['videos'], 'annotations': by_id(tracks)}


@pytest.fixture(scope='module')
def synthetic(tmp_path_factory):
    out = tmp_path_factory.mktemp('synthetic')
    generate_dataset(out=out, train_videos=3, val_videos=1, frames=4, difficulty=0.8)
    return out


def test_synthetic_data_to_masks_and_back_is_lossless(synthetic, tmp_path):
    ann = synthetic / 'annotations' / 'instances_train_sub.json'
    to_masks(ann, '--out', tmp_path / 'masks')
    from_masks(tmp_path / 'masks', '--out', tmp_path / 'back.json')
    back = json.loads((tmp_path / 'back.json').read_text())
    assert back == compressed(json.loads(ann.read_text()))
    assert len(back['annotations']) >= 3


def test_overlap_crowd_odd_ids_and_further_keys_survive(tmp_path):
    content = overlapping()
    count = mask_folders.write(parse_ytvis(json.loads(json.dumps(content))), tmp_path / 'm')
    keys = ('further layers', 'hidden pixels', 'objects', 'frames')
    assert [count[key] for key in keys] == [2, 0, 4, 4]
    back = mask_folders.read(tmp_path / 'm')
    assert back.tracks == by_id(content['annotations'])
    assert back.videos == content['videos']
    assert back.categories == by_id(content['categories'])


def test_every_form_of_segmentation_and_blank_masks(tmp_path):
    content = overlapping()
    full = content['annotations'][0]
    counts = [0, 4, 4, 4, 4, 4, 76]
    full['segmentations'] = [{'size': [8, 12], 'counts': counts}, None, [[2, 2, 8, 2, 8, 7, 2, 7]]]
    blank = {'size': [8, 12], 'counts': [96]}
    content['annotations'][1]['segmentations'][2] = blank
    content['annotations'][1]['bboxes'][2] = [0, 0, 0, 0]
    content['annotations'].append(track(11, [None, None, None]))
    count = mask_folders.write(parse_ytvis(content), tmp_path)
    assert count['empty objects'] == 1
    back = {entry['id']: entry for entry in mask_folders.read(tmp_path).tracks}
    assert back[5]['segmentations'][0] == pack_counts(counts, 8, 12)
    assert back[5]['bboxes'][2] == [2, 2, 6, 5]
    assert back[9]['segmentations'][2] is None and back[9]['areas'][2] is None
    assert 11 not in back


def test_annotations_may_be_flattened_with_small_objects_on_top(tmp_path):
    count = mask_folders.write(parse_ytvis(overlapping()), tmp_path, flatten=True)
    assert count['further layers'] == 0
    first = read_indexed_png(tmp_path / 'x' / '00000.png')
    # tracks 5 (16 px, number 1) and 9 (30 px, number 2) share 2x2 pixels; the crowd of 4 px lies below both
    assert (first == 1).sum() == 16 and (first == 2).sum() == 26 and (first == 3).sum() == 0
    assert count['hidden pixels'] > 0


def results():
    return [
        {'video_id': 7, 'category_id': 3, 'score': 0.3, 'segmentations': [box(0, 0, 4, 4), None, None]},
        {'video_id': 7, 'category_id': 8, 'score': 0.9, 'segmentations': [box(2, 2, 4, 4), None, None]},
        {'video_id': 7, 'category_id': 8, 'score': 0.1, 'segmentations': [None, box(0, 0, 9, 8), None]},
    ]


def test_results_the_higher_score_keeps_shared_pixels(tmp_path, capsys):
    (tmp_path / 'r.json').write_text(json.dumps(results()))
    (tmp_path / 'a.json').write_text(json.dumps({**overlapping(), 'annotations': None}))
    command = [tmp_path / 'a.json', '--out', tmp_path / 'm', '--results', tmp_path / 'r.json']
    to_masks(*command, '--score-thr', '0.2')
    first = read_indexed_png(tmp_path / 'm' / 'x' / '00000.png')
    assert first[:4, :4].tolist() == [[2, 2, 2, 2], [2, 2, 2, 2], [2, 2, 1, 1], [2, 2, 1, 1]]
    assert (first == 1).sum() == 16 and (first == 2).sum() == 12
    assert read_indexed_png(tmp_path / 'm' / 'x' / '00001.png').max() == 0
    assert '2 objects, 4 hidden pixels' in capsys.readouterr().out
    listed = json.loads((tmp_path / 'm' / 'objects.json').read_text())['videos'][0]['objects']
    assert [listed[n]['entry']['score'] for n in ('1', '2')] == [0.9, 0.3]
    # pseudo labels: masks of results read back as ground truth
    back = mask_folders.read(tmp_path / 'm')
    assert [(a['id'], a['category_id'], a['areas'][0]) for a in back.tracks] == [(1, 8, 16), (2, 3, 12)]


@pytest.mark.parametrize(
    'change, message',
    [
        ({'video_id': 1}, 'video_id 1 is not among the videos'),
        ({'category_id': 1}, 'category_id 1 is not among'),
        ({'score': None}, 'finite score, got None'),
        ({'segmentations': [None]}, 'expected 3 segmentations, one per frame, got 1'),
        ({'segmentations': [{'size': [8, 12], 'counts': '0'}, None, None]}, 'frame 0: RLE counts'),
    ],
)
def test_invalid_results_are_named(tmp_path, change, message):
    (tmp_path / 'r.json').write_text(json.dumps([{**results()[0], **change}]))
    with pytest.raises(UserError, match=message):
        read_results(parse_ytvis(overlapping()), tmp_path / 'r.json')


def test_masks_must_stay_in_the_folder_and_not_share_files(tmp_path):
    content = overlapping()
    content['videos'][1]['file_names'] = ['../y.jpg']
    with pytest.raises(UserError, match='leads out of its folder'):
        mask_folders.write(parse_ytvis(content), tmp_path)
    content['videos'][1]['file_names'] = ['x/00002.png']
    with pytest.raises(UserError, match=r"'x/00002.png' and 'x/00002.jpg' would have the same mask"):
        mask_folders.write(parse_ytvis(content), tmp_path)
    assert not any(tmp_path.iterdir())


def test_many_objects_make_16_bit_images(tmp_path):
    content = overlapping()
    masks = [box(i % 60, i // 60, 1, 1, 8, 60) for i in range(300)]
    content['videos'] = [{'id': 7, 'width': 60, 'height': 8, 'length': 1, 'file_names': ['x/0.jpg']}]
    content['annotations'] = [track(i + 1, [mask]) for i, mask in enumerate(masks)]
    mask_folders.write(parse_ytvis(content), tmp_path)
    assert read_indexed_png(tmp_path / 'x' / '0.png').dtype == np.uint16
    back = mask_folders.read(tmp_path).tracks
    assert [entry['segmentations'][0] for entry in back] == masks


@pytest.fixture
def davis(tmp_path):
    """Two videos; frame 10 comes after frame 9; one image has no mask."""
    for name, stems in (('bear', ['9', '10']), ('cows', ['00000'])):
        for stem in stems:
            (tmp_path / 'frames' / name).mkdir(parents=True, exist_ok=True)
            Image.new('RGB', (6, 4)).save(tmp_path / 'frames' / name / f'{stem}.jpg')
    Image.new('RGB', (6, 4)).save(tmp_path / 'frames' / 'bear' / '11.jpg')
    nine, ten, cows = np.zeros((3, 4, 6), np.uint8)
    nine[0, 0], nine[3] = 1, 255
    ten[1:3, 2:5] = 2
    ten[0, 0] = 1
    cows[2, 1:3] = 4
    write_indexed_png(tmp_path / 'masks' / 'bear' / '9.png', nine)
    write_indexed_png(tmp_path / 'masks' / 'bear' / '10.png', ten)
    Image.fromarray(cows).save(tmp_path / 'masks' / 'bear' / 'x.png')  # a gray one, moved to its place
    (tmp_path / 'masks' / 'cows').mkdir()
    (tmp_path / 'masks' / 'bear' / 'x.png').rename(tmp_path / 'masks' / 'cows' / '00000.png')
    return tmp_path


def test_palette_and_gray_masks_with_a_table(davis, capsys):
    (davis / 'o.csv').write_text('video,object,category,iscrowd\nbear,1,bear,0\nbear, 2, zoo ,1\n*,4,cow,\n')
    command = [davis / 'masks', '--images', davis / 'frames', '--objects', davis / 'o.csv']
    from_masks(*command, '--out', davis / 'all.json')
    index = ytvis.read(davis / 'all.json')
    assert index.class_names == ('bear', 'cow', 'zoo')
    assert [v['file_names'] for v in index.videos] == [['bear/9.jpg', 'bear/10.jpg'], ['cows/00000.jpg']]
    first, second, third = index.tracks
    assert first['areas'] == [1, 1] and first['object_id'] == 1
    assert second['bboxes'] == [None, [2, 1, 3, 2]] and second['iscrowd'] == 1
    assert third['bboxes'] == [[1, 2, 2, 1]] and third['category_id'] == 2
    assert decode_rle(second['segmentations'][1])[1:3, 2:5].all()
    assert '1 images without a mask are skipped' in capsys.readouterr().err
    from_masks(*command[:1], *command[3:], '--out', davis / 'b.json', '--classes', 'zoo,cow,bear')
    assert ytvis.read(davis / 'b.json').class_names == ('zoo', 'cow', 'bear')


@pytest.mark.parametrize(
    'table',
    [
        {'bear': {'1': 'bear', '2': 'bear'}, 'cows': {'4': 'cow'}},
        {'1': 'bear', '2': 'bear', '4': 'cow'},
        {'videos': {'bear': {'objects': {'1': {'category': 'bear'}, '2': {'category': 'bear'}}},
                    'cows': {'objects': {'4': {'category': 'cow', 'frames': ['00000']}}}}},
    ],
)  # fmt: skip
def test_json_tables(davis, table):
    (davis / 'o.json').write_text(json.dumps(table))
    made = mask_folders.read(davis / 'masks', davis / 'o.json')
    assert [a['category_id'] for a in made.tracks] == [1, 1, 2]


def test_one_category_a_list_of_videos_and_no_void(davis):
    made = mask_folders.read(davis / 'masks', category='thing', videos=['bear'], void=None)
    assert [a['object_id'] for a in made.tracks] == [1, 2, 255]
    assert [v['file_names'][0] for v in made.videos] == ['bear/9.jpg']


@pytest.mark.parametrize(
    'damage, message',
    [
        ('cut', 'bear/10.png is not a readable PNG'),
        ('color', 'bear/10.png is an image of mode RGB'),
        ('size', 'bear/10.png is 5x6, the frames before it are 4x6'),
        ('image', 'bear/10.png has no image'),
        ('image size', 'bear/10.jpg is 4x5, its mask is 4x6'),
        ('no image', 'bear/10.jpg cannot be read'),
        ('table', "object 2 of video 'bear' has no category"),
        ('empty', 'found no folder with PNG files'),
        ('void', 'found no object in 1 videos; if 255 is an object'),
    ],
)
def test_invalid_files_are_named(davis, damage, message):
    path, table = davis / 'masks' / 'bear' / '10.png', ObjectTable('thing')
    masks, videos = davis / 'masks', None
    if damage == 'cut':
        path.write_bytes(path.read_bytes()[:-30])
    elif damage == 'color':
        Image.new('RGB', (6, 4), (9, 0, 0)).save(path)
    elif damage == 'size':
        write_indexed_png(path, np.ones((5, 6), np.uint8))
    elif damage == 'image':
        (davis / 'frames' / 'bear' / '10.jpg').unlink()
    elif damage == 'image size':
        Image.new('RGB', (5, 4)).save(davis / 'frames' / 'bear' / '10.jpg')
    elif damage == 'no image':
        (davis / 'frames' / 'bear' / '10.jpg').write_bytes(b'')
    elif damage == 'table':
        table = ObjectTable()
        table.add('bear', 1, 'bear')
    elif damage == 'empty':
        masks = davis / 'frames'
    else:
        videos = ['cows']
        write_indexed_png(davis / 'masks' / 'cows' / '00000.png', np.full((4, 6), 255, np.uint8))
    with pytest.raises(UserError, match=message):
        mask_folders.read(masks, table, images=davis / 'frames', videos=videos)


@pytest.mark.parametrize(
    'text, message',
    [
        ('a,b\n1,2\n', 'must name the columns'),
        ('video,object,category\nx,one,cat\n', 'line 2: object and iscrowd must be integers'),
        ('video,object,category\nx,1,cat\nx,1,dog\n', "line 3: object 1 of video 'x' is listed twice"),
        ('video,object,category\nx,1,\n', 'line 2: expected the name of a category'),
        ('video,object,category\n', 'lists no object'),
        (
            '{"x": {"1": {"category": "cat", "iscrowd": Infinity}}}',
            'object and iscrowd must be integers, .* inf',
        ),
    ],
)
def test_invalid_tables_are_named(tmp_path, text, message):
    path = tmp_path / ('o.json' if text.startswith('{') else 'o.csv')
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        ObjectTable.read(path)


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_masks_of_few_bits(tmp_path, bits):
    numbers = (np.arange(24).reshape(4, 6) % 2**bits).astype(np.uint8)
    image = Image.fromarray(numbers)
    image.putpalette(palette().tobytes())
    image.save(tmp_path / 'm.png', bits=bits)
    assert (read_indexed_png(tmp_path / 'm.png') == numbers).all()


def test_palette_is_that_of_davis():
    assert palette()[[0, 1, 2, 3, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [224, 224, 192],
    ]


def test_numbers_outside_the_range_are_refused(tmp_path):
    for bad in (np.array([[-1]]), np.array([[65536]]), np.zeros((1, 1)), np.zeros(3, np.uint8)):
        with pytest.raises(ValueError, match='expected'):
            write_indexed_png(tmp_path / 'm.png', bad)
    assert not any(tmp_path.iterdir())


def test_mots_png_and_txt_give_one_file(tmp_path):
    numbers = np.zeros((8, 12), np.uint16)
    numbers[1:3, 2:5], numbers[5, 5], numbers[7] = 1003, 2001, 10000
    write_indexed_png(tmp_path / 'png' / '0002' / '000000.png', numbers)
    (tmp_path / 'images' / '0002').mkdir(parents=True)
    Image.new('RGB', (12, 8)).save(tmp_path / 'images' / '0002' / '000000.png')
    lines = [f'0 {i} {i // 1000} 8 12 {encode_mask(numbers == i)["counts"]}' for i in (1003, 2001, 10000)]
    (tmp_path / '0002.txt').write_text('\n'.join(lines))
    classes = {1: 'car', 2: 'pedestrian'}
    from_png = mots.read([tmp_path / 'png' / '0002'], tmp_path / 'images', classes)
    from_txt = mots.read([tmp_path / '0002.txt'], tmp_path / 'images', classes)
    assert from_png.tracks == from_txt.tracks and from_png.videos == from_txt.videos
    assert [(a['areas'], a['iscrowd']) for a in from_png.tracks] == [
        ([6], 0),
        ([1], 0),
        ([12], 1),
        ([12], 1),
    ]
    write_indexed_png(tmp_path / 'png' / '0002' / '000000.png', numbers // 100)
    with pytest.raises(UserError, match='the id 10 is below 1000'):
        mots.read([tmp_path / 'png' / '0002'], tmp_path / 'images', classes)


def test_unused_rows_and_folders_without_masks_are_reported(davis, capsys):
    (davis / 'frames' / 'zebra').mkdir()
    Image.new('RGB', (6, 4)).save(davis / 'frames' / 'zebra' / '0.jpg')
    (davis / 'masks' / 'empty').mkdir()
    rows = 'bear,1,bear\nbear,2,bear\ncows,4,cow\nbaer,7,mouse\n*,255,bird\n'
    (davis / 'o.csv').write_text('video,object,category\n' + rows)
    command = [davis / 'masks', '--images', davis / 'frames', '--objects', davis / 'o.csv']
    from_masks(*command, '--out', davis / 'all.json')
    err = capsys.readouterr().err
    assert 'o.csv: 2 rows match no object in the masks: baer 7, * 255' in err
    assert 'lists object 255, the void label; if it is an object, use --void none' in err
    assert 'categories without an object: bird, mouse' in err
    assert 'zebra: skipped, it has no masks' in err and 'empty: skipped, it has no masks' in err
    names = davis / 'names.txt'
    names.write_text('bear\n')
    from_masks(*command, '--out', davis / 'b.json', '--videos-file', names)
    assert 'skipped' not in capsys.readouterr().err.replace('1 images without a mask are skipped', '')


def refusal(capsys, *args):
    """What the tool prints when it refuses to read masks."""
    with pytest.raises(SystemExit) as stop:
        from_masks(*args)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_masks_with_their_list_of_objects(tmp_path, capsys):
    masks = tmp_path / 'm'
    mask_folders.write(parse_ytvis(overlapping()), masks, csv=tmp_path / 'o.csv')
    back = (masks, '--out', tmp_path / 'b.json')
    assert 'holds objects that overlap, in layers' in refusal(capsys, *back, '--objects', tmp_path / 'o.csv')
    for options, message in (
        (('--classes', 'a,b'), 'classes needs objects or a category'),
        (('--videos-file', tmp_path / 'o.csv'), 'videos needs objects or a category'),
        (('--image-suffix', '.png'), 'image_suffix needs objects or a category'),
        (('--void', '3'), 'void needs objects or a category'),
        (('--images', tmp_path / 'none'), 'none does not exist'),
    ):
        assert message in refusal(capsys, *back, *options)
    # Written again flattened, the layers are gone, and so are videos that the file no longer has.
    content = overlapping()
    content['videos'] = content['videos'][:1]
    content['annotations'] = content['annotations'][:2]
    (masks / 'x' / 'mine.png').write_bytes((masks / 'x' / '00000.png').read_bytes())
    mask_folders.write(parse_ytvis(content), masks, flatten=True, csv=tmp_path / 'o.csv')
    left = sorted(path.relative_to(masks).as_posix() for path in masks.rglob('*.png'))
    assert left == ['x/00000.png', 'x/00001.png', 'x/00002.png', 'x/mine.png']
    (masks / 'x' / 'mine.png').unlink()
    table = (tmp_path / 'o.csv').read_text()
    from_masks(*back, '--objects', tmp_path / 'o.csv')
    assert 'another category' not in capsys.readouterr().err
    (tmp_path / 'o.csv').write_text(table.replace('x,1,"cat, big"', 'x,1,dog'))
    from_masks(*back, '--objects', tmp_path / 'o.csv')
    assert '1 objects have another category in' in capsys.readouterr().err
    write_indexed_png(masks / 'new' / '0.png', np.ones((8, 12), np.uint8))
    assert 'the masks in new are not listed' in refusal(capsys, *back)


def test_tables_of_spreadsheets(tmp_path):
    for mark in ';\t':
        (tmp_path / 'o.csv').write_text(f'video{mark}object{mark}category\r\nx{mark}1{mark}cat\r\n')
        assert ObjectTable.read(tmp_path / 'o.csv').look_up('x', 1, '') == ('cat', 0)
    (tmp_path / 'o.csv').write_bytes('video,object,category\nx,1,B\u00e4r\n'.encode('latin-1'))
    with pytest.raises(UserError, match='is not UTF-8 text'):
        ObjectTable.read(tmp_path / 'o.csv')


def test_gray_masks_saved_as_colors(tmp_path):
    numbers = (np.arange(24).reshape(4, 6) % 5).astype(np.uint8)
    Image.fromarray(np.stack([numbers] * 3, axis=-1)).save(tmp_path / 'm.png')
    assert (read_indexed_png(tmp_path / 'm.png') == numbers).all()


@pytest.mark.parametrize(
    'dtype, void', [(np.uint8, 255), (np.uint8, 7), (np.uint16, 65535), (np.uint16, 255)]
)
def test_a_void_label_that_is_given_holds_at_any_depth(tmp_path, dtype, void):
    numbers = np.zeros((4, 6), dtype)
    numbers[0], numbers[1:, :2] = 1, void
    (tmp_path / 'm' / 'v').mkdir(parents=True)
    Image.fromarray(numbers).save(tmp_path / 'm' / 'v' / '0.png')
    command = [tmp_path / 'm', '--category', 'cell', '--out', tmp_path / 'a.json']
    from_masks(*command, '--void', void)
    assert [track['object_id'] for track in ytvis.read(tmp_path / 'a.json').tracks] == [1]
    from_masks(*command, '--void', 'none')
    assert [track['object_id'] for track in ytvis.read(tmp_path / 'a.json').tracks] == [1, void]
    # Without the option 255 is void in 8 bits, where it is the last number, and an object in 16 bits.
    from_masks(*command)
    found = [track['object_id'] for track in ytvis.read(tmp_path / 'a.json').tracks]
    assert found == ([1] if dtype == np.uint8 and void == 255 else [1, void])


def test_rows_that_a_spreadsheet_has_emptied_are_skipped(tmp_path):
    (tmp_path / 'o.csv').write_bytes(
        '\ufeffvideo;object;category;iscrowd\r\n;;;\r\nx;1;cat; \r\n ;;\r\n'.encode()
    )
    table = ObjectTable.read(tmp_path / 'o.csv')
    assert table.look_up('x', 1, '') == ('cat', 0) and table.categories == ['cat']


def test_tables_that_no_spreadsheet_writes(tmp_path):
    for text, message in (
        (b'video,object,category\nx,1,' + b'a' * 200_000, 'not readable as csv'),
        (b'video,object,category\nx,' + b'1' * 5000 + b',a', 'line 2: object and iscrowd must be integers'),
    ):
        (tmp_path / 'o.csv').write_bytes(text)
        with pytest.raises(UserError, match=message):
            ObjectTable.read(tmp_path / 'o.csv')
    (tmp_path / 'o.json').write_text('{"x": {"1": "\\ud800"}}')
    with pytest.raises(UserError, match='expected the name of a category'):
        ObjectTable.read(tmp_path / 'o.json')


def test_masks_and_tables_of_the_user_are_not_replaced(tmp_path):
    annotations, out, table = (
        parse_ytvis(overlapping(), 'x.json'),
        tmp_path / 'masks',
        tmp_path / 'objects.csv',
    )
    table.write_text('mine')
    with pytest.raises(UserError, match=r'objects\.csv was not written by this command'):
        mask_folders.write(annotations, out, csv=table)
    table.unlink()
    mask_folders.write(annotations, out, csv=table)
    mask_folders.write(annotations, out, csv=table)  # what it wrote it may replace
    mask = next(out.rglob('*.png'))
    mask.write_bytes(mask.read_bytes() + b'edited')
    with pytest.raises(UserError, match=rf'{mask.name} was not written .* or edited since'):
        mask_folders.write(annotations, out)
    mask_folders.write(annotations, out, csv=table, overwrite=True)
    assert not mask.read_bytes().endswith(b'edited')
