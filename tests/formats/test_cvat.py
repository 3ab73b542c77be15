"""CVAT's XML: what its documentation shows, what its exports do, and faults."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from mmdet.formats import cvat, labelme
from mmdet.formats.builder import AnnotationsBuilder
from mmdet.structures.rle import decode_rle, decode_segm, encode_mask
from mmdet.utils import UserError

META = """<meta><task><name>clip</name><size>{size}</size><start_frame>{start}</start_frame>
<stop_frame>{stop}</stop_frame><frame_filter>{step}</frame_filter><labels>
<label><name>car</name><attributes/></label><label><name>person</name><type>any</type></label>
<label><name>pose</name><type>skeleton</type></label>
<label><name>1</name><type>points</type><parent>pose</parent></label></labels>
<original_size><width>{width}</width><height>{height}</height></original_size></task>
<source>beach.mp4</source></meta>"""


def document(*tracks, size=4, start=0, stop=3, step='', width=20, height=10):
    meta = META.format(size=size, start=start, stop=stop, step=step, width=width, height=height)
    return f'<?xml version="1.0" encoding="utf-8"?><annotations>{meta}{"".join(tracks)}</annotations>'


def polygon(frame, x=2, outside=0, keyframe=1, tag='polygon', **more):
    points = more.pop('points', f'{x},1;{x + 4},1;{x + 4},5;{x},5')
    extra = ''.join(f' {key}="{value}"' for key, value in more.items())
    return (
        f'<{tag} frame="{frame}" outside="{outside}" occluded="0" keyframe="{keyframe}" '
        f'points="{points}" z_order="0"{extra}></{tag}>'
    )


def track(*shapes, number=0, label='car', **more):
    extra = ''.join(f' {key}="{value}"' for key, value in more.items())
    return f'<track id="{number}" label="{label}" source="manual"{extra}>{"".join(shapes)}</track>'


def read(text, tmp_path, **options):
    path = tmp_path / 'annotations.xml'
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    stream = io.StringIO()
    made = cvat.read([path], stream=stream, **options)
    made.printed = stream.getvalue()
    return made


def test_outside_hides_and_frames_between_key_frames_count(tmp_path):
    shapes = polygon(0), polygon(1, 3, keyframe=0), polygon(2, 3, outside=1), polygon(3, 5)
    made = read(document(track(*shapes)), tmp_path)
    assert made.tracks[0]['bboxes'] == [[2, 1, 4, 4], [3, 1, 4, 4], None, [5, 1, 4, 4]]
    assert made.videos[0]['file_names'] == [f'clip/{n:06d}.jpg' for n in range(4)]
    assert made.class_names == ('car', 'person')  # not the skeleton and its points
    assert made.printed == ''


def test_the_example_of_the_documentation(tmp_path):
    # docs.cvat.ai, "XML annotation format", Interpolation: one car, 640 x 480, seen in frames 0, 6 and 13.
    first = '324.79,213.16;323.74,227.90;347.42,237.37;371.11,217.37;350.05,190.00;318.47,191.58'
    second = '305.32,237.90;312.16,207.90;352.69,206.32;355.32,233.16;331.11,254.74'
    third = '313.74,233.16;331.11,220.00;359.53,243.16;333.21,283.16;287.95,274.74'
    shapes = [
        polygon(frame + after, outside=after, points=points)
        for frame, points in ((0, first), (6, second), (13, third))
        for after in (0, 1)
    ]
    made = read(document(track(*shapes), size=4620, stop=4619, width=640, height=480), tmp_path)
    boxes = made.tracks[0]['bboxes']
    assert [frame for frame, box in enumerate(boxes) if box] == [0, 6, 13]
    assert boxes[0] == pytest.approx([318, 190, 53, 47], abs=1)
    assert boxes[6] == pytest.approx([305, 206, 50, 49], abs=1)
    # Areas of the polygons by the shoelace formula.
    for frame, area in ((0, 1627.9), (6, 1761.9), (13, 2485.1)):
        assert made.tracks[0]['areas'][frame] == pytest.approx(area, rel=0.02)


def test_frames_have_the_numbers_of_the_video(tmp_path):
    text = document(track(polygon(10), polygon(13), polygon(19, 6)), start=10, stop=19, step='step=3')
    made = read(text, tmp_path)
    assert made.videos[0]['file_names'] == [f'clip/{n:06d}.jpg' for n in (10, 13, 16, 19)]
    assert [box and box[0] for box in made.tracks[0]['bboxes']] == [2, 2, None, 6]
    assert 'gaps in tracks: 1;' in made.printed
    with pytest.raises(UserError, match=r'line \d+: track 0: there is no frame 11: the task has 4, 10 to 19'):
        read(document(track(polygon(11)), start=10, stop=19, step='step=3'), tmp_path)


def test_a_filter_may_have_blanks(tmp_path):
    made = read(document(track(polygon(2)), size=2, stop=2, step=' step = 2 '), tmp_path)
    assert made.videos[0]['file_names'] == ['clip/000000.jpg', 'clip/000002.jpg']


def test_a_shape_of_the_last_frame_may_end_after_it(tmp_path):
    # Old versions of CVAT end each Shape in the next frame, whether there is one or not.
    made = read(document(track(polygon(3), polygon(4, outside=1))), tmp_path)
    assert made.tracks[0]['areas'] == [None, None, None, 16]
    with pytest.raises(UserError, match='there is no frame 4: the task has 4, 0 to 3'):
        read(document(track(polygon(4))), tmp_path)
    with pytest.raises(UserError, match='there is no frame 5: the task has 4, 0 to 3'):
        read(document(track(polygon(3), polygon(5, outside=1))), tmp_path)


def save_images(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        Image.new('RGB', (20, 10)).save(folder / name)


@pytest.mark.parametrize(
    'folder, names, expected',
    [
        ('clip', [f'{n:06d}.jpg' for n in range(20)], [f'clip/{n:06d}.jpg' for n in (10, 13, 16, 19)]),
        ('beach', ['frame_13.png', 'frame_10.png', 'frame_19.png', 'frame_16.png'], None),
        ('', ['a.png', 'b.png', 'c10.png', 'c9.png'], ['a.png', 'b.png', 'c9.png', 'c10.png']),
    ],
)
def test_names_of_frames_come_from_the_images(folder, names, expected, tmp_path):
    save_images(tmp_path / 'images' / folder, names)
    text = document(track(polygon(10)), start=10, stop=19, step='step=3')
    made = read(text, tmp_path, images=tmp_path / 'images')
    expected = expected or [f'beach/frame_{n}.png' for n in (10, 13, 16, 19)]
    assert made.videos[0]['file_names'] == expected


def test_images_that_do_not_fit_are_named(tmp_path):
    save_images(tmp_path / 'images', [f'{n}.jpg' for n in range(1, 4)])
    with pytest.raises(
        UserError, match='has 4 frames, and .* 3 images, none of which is numbered 0; .*extract'
    ):
        read(document(track(polygon(0))), tmp_path, images=tmp_path / 'images')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(
        UserError, match="no images in .*; expected them or a folder named 'clip' or 'beach' there"
    ):
        read(document(track(polygon(0))), tmp_path, images=tmp_path / 'empty')


def test_images_that_could_be_other_frames_are_refused(tmp_path):
    text = document(track(polygon(2)), size=2, start=2)
    save_images(tmp_path / 'images', [f'{n}.jpg' for n in range(1, 5)])
    with pytest.raises(UserError, match='numbered from 1, .* from 0: which one is frame 2'):
        read(text, tmp_path, images=tmp_path / 'images')
    # CVAT numbers the images of a task from 0, and these two could be any.
    text = document(track(polygon(0)), size=2, stop=1).replace('<size>', '<mode>annotation</mode><size>')
    with pytest.raises(UserError, match='was made of 2 images, and .* has 4: give a folder with the images'):
        read(text, tmp_path, images=tmp_path / 'images')


def test_images_that_cvat_may_sort_otherwise_are_refused(tmp_path):
    text = document(track(polygon(0)), size=2, stop=1).replace('<size>', '<mode>annotation</mode><size>')
    save_images(tmp_path / 'a', ['9.jpg', '10.jpg'])
    with pytest.raises(UserError, match='as text, which takes 10.jpg before 9.jpg, .*: export COCO 1.0'):
        read(text, tmp_path, images=tmp_path / 'a')
    save_images(tmp_path / 'b', ['09.jpg', '10.jpg'])
    assert read(text, tmp_path, images=tmp_path / 'b').videos[0]['file_names'] == ['09.jpg', '10.jpg']
    made, stream = random_annotations(0), io.StringIO()
    made.videos[0]['file_names'] = [f'v0/{n}.jpg' for n in range(8, 13)]
    cvat.write(made, tmp_path, stream=stream)
    assert stream.getvalue().count('v0.xml: make the task with the sorting method natural') == 1
    assert 'v1.xml' not in stream.getvalue()


def test_the_file_of_a_video_is_named_in_its_task(tmp_path):
    text = document(track(polygon(0)))
    source = '<source>beach.mp4</source>'
    text = text.replace(source, '').replace('</task>', f'{source}</task>')
    save_images(tmp_path / 'images' / 'beach', [f'{n:06d}.jpg' for n in range(4)])
    made = read(text, tmp_path, images=tmp_path / 'images')
    assert made.videos[0]['file_names'][0] == 'beach/000000.jpg'


def test_the_size_comes_from_the_images_where_the_file_lacks_it(tmp_path):
    text = document(track(polygon(0))).replace('original_size', 'other')
    with pytest.raises(UserError, match='the size of the frames is not in the file: .*--images'):
        read(text, tmp_path)
    save_images(tmp_path / 'images', [f'{n}.jpg' for n in range(4)])
    assert read(text, tmp_path, images=tmp_path / 'images').videos[0]['width'] == 20


def test_a_group_is_one_object(tmp_path):
    tracks = (
        track(polygon(0), number=0, group_id=5),
        track(polygon(0, 10), polygon(1, 10), number=1, group_id=5),
        track(polygon(1, 2), number=2),
        track(polygon(1, 3), number=3, label='person', group_id=5),
    )
    made = read(document(*tracks), tmp_path)
    assert [t['track_id'] for t in made.tracks] == [0, 2, 3]
    assert made.tracks[0]['areas'] == [32, 16, None, None]
    assert [t['category_id'] for t in made.tracks] == [1, 1, 2]
    assert 'tracks in groups: 3; those of a group with one label are one object' in made.printed


def test_shapes_without_tracks_are_noticed(tmp_path):
    tracks = [track(polygon(n), polygon(n + 1, outside=1), number=n) for n in range(3)]
    assert 'tracks with a single frame: 3 of 3' in read(document(*tracks), tmp_path).printed
    whole = [track(polygon(0), polygon(1), number=n) for n in (7, 8)]
    printed = read(document(tracks[0], *whole), tmp_path).printed
    assert 'tracks with a single frame: 1 of 3' in printed
    assert 'tracks that end before their video without being outside: 2;' in printed


def test_an_id_of_two_tracks_is_refused(tmp_path):
    same = track(polygon(0), polygon(1)), track(polygon(0, 9), polygon(1, 9))
    with pytest.raises(UserError, match=r"track '0': a track before it has the same id and label: .*one by"):
        read(document(*same), tmp_path)
    other = track(polygon(0, 9), polygon(1, 9), label='person')
    assert len(read(document(same[0], other), tmp_path).tracks) == 2


def test_what_has_no_mask_is_left_out_with_a_note(tmp_path):
    shapes = polygon(0), polygon(0, tag='polyline'), polygon(1, tag='points')
    skeleton = track('<skeleton frame="0" keyframe="1" z_order="0"></skeleton>', number=1, label='pose')
    made = read(document(track(*shapes), skeleton), tmp_path)
    assert ': left out, as they have no mask: 1 points, 1 polyline, 1 skeleton\n' in made.printed


def test_masks_ellipses_and_turned_boxes(tmp_path):
    attrib = 'frame="0" outside="0" occluded="0" keyframe="1" z_order="0"'
    rle = f'<mask {attrib} rle="1, 2, 1, 3, 1" left="5" top="6" width="4" height="2"></mask>'
    ellipse = f'<ellipse {attrib} cx="10" cy="5" rx="8" ry="4"></ellipse>'
    box = f'<box {attrib} xtl="8" ytl="1" xbr="12" ybr="9" rotation="90"></box>'
    made = read(
        document(track(rle), track(ellipse, number=1), track(box, number=2)), tmp_path, boxes_as_masks=True
    )
    expected = np.zeros((10, 20), np.uint8)
    expected[6, 6:8] = expected[7, 5:8] = 1
    masks = [decode_rle(t['segmentations'][0]) for t in made.tracks]
    np.testing.assert_array_equal(masks[0], expected)
    assert masks[1].sum() == pytest.approx(np.pi * 8 * 4, rel=0.03)
    assert made.tracks[2]['bboxes'][0] == [6, 3, 8, 4]  # 4 x 8, turned by a quarter


def test_a_zip_and_a_project(tmp_path):
    meta = META.format(size=4, start=0, stop=3, step='', width=20, height=10)
    task = meta[meta.index('<task>') : meta.index('</task>') + 7]
    tasks = ''.join(
        task.replace('<task>', f'<task><id>{number}</id><subset>{subset}</subset>').replace('clip', name)
        for number, name, subset in ((3, 'clip', 'Train'), (4, 'pier', 'Train'), (2, 'quay', 'Validation'))
    )
    labels = task[task.index('<labels>') : task.index('</labels>') + 9]
    # CVAT counts the frames on from task to task, and from 0 in each subset.
    tracks = track(polygon(0), number=0, task_id=3) + track(polygon(6), number=1, task_id=4, label='person')
    tracks += track(polygon(1), number=2, task_id=2)
    text = (
        f'<annotations><meta><project><tasks>{tasks}</tasks>{labels}</project></meta>{tracks}</annotations>'
    )
    with zipfile.ZipFile(tmp_path / 'export.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('annotations.xml', text)
        archive.writestr('images/000000.jpg', b'')
    made = cvat.read([tmp_path / 'export.zip'])
    names = [video['file_names'][0] for video in made.videos]
    assert names == ['clip/000000.jpg', 'pier/000000.jpg', 'quay/000000.jpg']
    assert [t['video_id'] for t in made.tracks] == [1, 2, 3]
    assert [[m is not None for m in t['segmentations']].index(True) for t in made.tracks] == [0, 2, 1]
    with pytest.raises(UserError, match='there is no frame 2: the task has 4, 4 to 7'):
        read(text.replace('frame="6"', 'frame="2"'), tmp_path)
    with pytest.raises(UserError, match="task_id '5' is not among the tasks"):
        read(text.replace('task_id="4"', 'task_id="5"'), tmp_path)
    made = read(text.replace('task_id="2"', 'task_id="3"'), tmp_path)
    assert 'tasks without a track or an image, which are left out: quay\n' in made.printed


def packed(path, **files):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, text in files.items():
            archive.writestr(name.replace('__', '/'), text)
    return path


def test_files_that_are_no_export(tmp_path):
    text = document(track(polygon(0)))
    made = cvat.read([packed(tmp_path / 'a.zip', **{'job__annotations.xml': text})])
    assert made.tracks[0]['areas'] == [16, None, None, None]
    other = packed(tmp_path / 'b.zip', **{'annotations__instances_default.json': '{}'})
    with pytest.raises(UserError, match="one annotations.xml in the zip, which has 'annotations/instances_"):
        cvat.read([other])
    with pytest.raises(UserError, match='annotations.xml is no XML, but packed with gzip: unpack it first'):
        read(gzip.compress(text.encode()), tmp_path)
    with pytest.raises(UserError, match='annotations.xml is no XML, but a file of JSON'):
        read(b'[{}]', tmp_path)
    with pytest.raises(UserError, match='annotations.xml: no shape with an area in a track, and no image'):
        read(document(), tmp_path)
    with pytest.raises(UserError, match='annotations.xml is empty'):
        read('', tmp_path)
    with pytest.raises(UserError, match='is a folder: expected an XML file, such as .*/annotations.xml'):
        cvat.read([tmp_path])


def test_jobs_that_overlap_are_refused(tmp_path):
    for number, start in enumerate((0, 2)):
        path = tmp_path / f'{number}.xml'
        path.write_text(document(track(polygon(start)), size=3, start=start, stop=start + 2))
    with pytest.raises(UserError, match=r'1.xml: the frame clip/000002.jpg is in a task or job before it'):
        cvat.read([tmp_path / '0.xml', tmp_path / '1.xml'])


def image(name, *shapes, size=(20, 10)):
    return f'<image id="0" name="{name}" width="{size[0]}" height="{size[1]}">{"".join(shapes)}</image>'


def drawn(x=2, track_id=None, group=None, **attributes):
    attributes = {**({} if track_id is None else {'track_id': track_id}), **attributes}
    inner = ''.join(f'<attribute name="{key}">{value}</attribute>' for key, value in attributes.items())
    extra = '' if group is None else f' group_id="{group}"'
    return (
        f'<polygon label="car" occluded="0" points="{x},1;{x + 4},1;{x + 4},5;{x},5"{extra}>{inner}</polygon>'
    )


def test_images_take_identity_from_an_attribute_or_a_group(tmp_path):
    images = (
        image('b/10.jpg', drawn(track_id=4), drawn(10, group=2)),
        image('b/9.jpg', drawn(3, track_id=4), drawn(11, group=2)),
        image('a/1.jpg', drawn(is_crowd='true', track_id='x'), '<tag label="car"></tag>'),
    )
    made = read(document(*images), tmp_path)
    assert [video['file_names'] for video in made.videos] == [['b/9.jpg', 'b/10.jpg'], ['a/1.jpg']]
    assert [t['bboxes'] for t in made.tracks] == [
        [[3, 1, 4, 4], [2, 1, 4, 4]],
        [[11, 1, 4, 4], [10, 1, 4, 4]],
        [[2, 1, 4, 4]],
    ]
    assert [t['iscrowd'] for t in made.tracks] == [0, 0, 1]
    with pytest.raises(UserError, match=r"polygon of image 'a/1.jpg': no identity: .*track_id"):
        read(document(image('a/1.jpg', drawn())), tmp_path)


def test_images_need_no_head(tmp_path):
    made = read(f'<annotations>{image("a/1.jpg", drawn(track_id=1))}</annotations>', tmp_path)
    assert (made.tracks[0]['areas'], made.class_names) == ([16], ('car',))


def test_a_track_id_counts_more_than_a_group(tmp_path):
    made = read(document(image('a/1.jpg', drawn(track_id=1, group=5), drawn(10, 2, group=5))), tmp_path)
    assert [t['areas'] for t in made.tracks] == [[16], [16]]
    parts = drawn(track_id=1, group=5), drawn(10, group=5)
    assert read(document(image('a/1.jpg', *parts)), tmp_path).tracks[0]['areas'] == [32]
    with pytest.raises(UserError, match=r'no track_id, and its group 5 has several \(1, 2\): give it one'):
        read(document(image('a/1.jpg', *parts, drawn(track_id=2, group=5))), tmp_path)


def test_images_of_a_video_file_are_numbered(tmp_path):
    # CVAT gives them no suffix, and leaves out the frames that were deleted.
    images = [image(f'frame_{n:06d}', drawn(n, track_id=1)) for n in (10, 16, 19)]
    text = document(*images, start=10, stop=19, step='step=3')
    made = read(text, tmp_path)
    assert made.videos[0]['file_names'] == [f'clip/{n:06d}.jpg' for n in (10, 16, 19)]
    assert [box[0] for box in made.tracks[0]['bboxes']] == [10, 16, 19]
    save_images(tmp_path / 'images' / 'clip', [f'{n}.png' for n in range(20)])
    made = read(text, tmp_path, images=tmp_path / 'images')
    assert made.videos[0]['file_names'] == ['clip/10.png', 'clip/16.png', 'clip/19.png']
    with pytest.raises(UserError, match='there is no frame 11: the task has 4, 10 to 19'):
        read(text.replace('frame_000016', 'frame_000011'), tmp_path)
    with pytest.raises(UserError, match="image .*/b/1.jpg does not exist: --images must be .* as 'b/1.jpg'"):
        read(document(image('b/1.jpg')), tmp_path, images=tmp_path / 'images')


ENTITY = '<!DOCTYPE a [<!ENTITY x "y">]>'


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('<annotations>', ENTITY + '<annotations>', 'declares a document type or entities'),
        ('<annotations>', '<data>', r'expected XML with the root <annotations>, got <data>'),
        ('</annotations>', '', 'is not valid XML: no element found'),
        ('utf-8', 'klingon', 'is not valid XML: unknown encoding'),
        ('label="car"', 'label="bus"', "the label 'bus' is not among those of <meta>"),
        ('<size>4</size>', '<size>99999999</size>', 'the <size> of a task, .* odd: 99999999'),
        ('<size>4</size>', '<size>x</size>', "<size> is not a number: 'x'"),
        ('<width>20</width><height>10', '<width>99999</width><height>99999', 'images of 99999x99999 pixels'),
        ('task>', 'other>', '<meta> has no task, job or project'),
        ('meta>', 'head>', 'no <meta> before the tracks or images'),
        ('frame="0"', 'frame="x"', "frame is missing or not a whole number: 'x'"),
        ('2,1;6,1', '2,1;6', "points are missing or not x,y;x,y;...: '2,1;6;6,5;2,5'"),
        ('2,1;6,1;6,5;2,5', '2,1;6,1', 'the polygon needs at least 3 points'),
        ('2,1;6,1', '2,1;nan,1', 'the polygon has points that are not finite'),
        ('clip', '../clip', r"the file name '../clip' leads out of its folder"),
    ],
)
def test_faults_are_named(old, new, message, tmp_path):
    text = document(track(polygon(0), polygon(1)))
    assert old in text
    with pytest.raises(UserError, match=message) as caught:
        read(text.replace(old, new), tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'rle': '1, 2'}, r'rle of the mask: the run lengths do not add up to the 4x2'),
        ({'rle': '1,-2,9'}, 'do not add up'),
        ({'rle': 'a'}, 'rle of the mask: invalid literal'),
        ({'left': '40'}, 'the mask lies outside the image of 20x10'),
        ({'width': '999999999'}, 'width is missing or not a whole number'),
        ({'width': '99999999', 'height': '9'}, 'expected a mask of 1 to'),
        ({'height': '-2'}, 'expected a mask of 1 to'),
    ],
)
def test_faults_of_masks_are_named(changes, message, tmp_path):
    shape = {'rle': '1, 2, 1, 3, 1', 'left': 5, 'top': 6, 'width': 4, 'height': 2, **changes}
    attrib = ''.join(f' {key}="{value}"' for key, value in shape.items())
    with pytest.raises(UserError, match=f'track 0, frame 2.*{message}'):
        read(document(track(f'<mask frame="2" outside="0" keyframe="1"{attrib}></mask>')), tmp_path)


def random_annotations(seed, videos=2):
    """Objects of several parts, with holes, that come and go; a crowd; a frame and a category without any."""
    rng = np.random.default_rng(seed)
    builder = AnnotationsBuilder(['dog', 'cat', 'unused'])
    for number in range(videos):
        video = builder.add_video([f'v{number}/{n:06d}.jpg' for n in range(5)], 30, 40)
        for category in (2, 1, 1):
            masks = {
                frame: encode_mask(np.kron(rng.random((6, 8)) < 0.4, np.ones((5, 5))))
                for frame in range(4)
                if rng.random() < 0.7
            }
            builder.add_track(video, category, masks, iscrowd=number == 1 and category == 2)
    return builder.build('made', io.StringIO())


def contents(annotations):
    names = {category['id']: category['name'] for category in annotations.categories}
    size = {video['id']: (video['height'], video['width']) for video in annotations.videos}
    tracks = [
        (t['video_id'], names[t['category_id']], t['iscrowd'], t['bboxes'], t['areas'])
        + tuple(s and decode_segm(s, *size[t['video_id']]).tobytes() for s in t['segmentations'])
        for t in annotations.tracks
    ]
    return annotations.videos, annotations.class_names, tracks


@pytest.mark.parametrize('seed', range(3))
def test_out_and_in_again_is_equal(seed, tmp_path):
    made = random_annotations(seed)
    count = cvat.write(made, tmp_path, stream=io.StringIO())
    assert count['videos'] == 2 and count['tracks'] == len(made.tracks)
    back = cvat.read([tmp_path / 'v0.xml', tmp_path / 'v1.xml'], stream=io.StringIO())
    assert contents(back) == contents(made)


def test_a_tolerance_takes_points_away_and_little_else(tmp_path):
    y, x = np.mgrid[:60, :80]
    mask = ((x - 40) ** 2 + 1.5 * (y - 30) ** 2 < 600) & ((x - 42) ** 2 + (y - 28) ** 2 > 40)
    builder = AnnotationsBuilder(['disk'])
    builder.add_track(builder.add_video(['v/000000.jpg'], 60, 80), 1, {0: encode_mask(mask)})
    made, sizes = builder.build('made'), []
    for tolerance in (0, 1):
        cvat.write(made, tmp_path, tolerance, stream=io.StringIO())
        sizes.append((tmp_path / 'v.xml').read_text().count(';'))
        back = decode_rle(cvat.read([tmp_path / 'v.xml']).tracks[0]['segmentations'][0])
        assert (back & mask).sum() / (back | mask).sum() > (0.9 if tolerance else 0.9999)
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize('name', ['a\x01b', 'a\nb', ' a'])
@pytest.mark.parametrize('write', [cvat.write, labelme.write])
def test_names_that_a_tool_cannot_keep_are_refused(name, write, tmp_path):
    made = random_annotations(0)
    made.categories[1]['name'] = name
    with pytest.raises(UserError, match='cannot keep blanks at the ends of a name, line breaks and control'):
        write(made, tmp_path / 'out', stream=io.StringIO())
    assert not (tmp_path / 'out').exists()


def test_two_videos_of_one_name_are_refused(tmp_path):
    made = random_annotations(0)
    made.videos[1]['file_names'] = [name.replace('v1', 'v0') for name in made.videos[1]['file_names']]
    with pytest.raises(UserError, match='videos 1 and 2 would both be .*v0.xml'):
        cvat.write(made, tmp_path, stream=io.StringIO())
