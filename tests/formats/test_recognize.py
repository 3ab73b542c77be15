"""A file of another kind is named in one line, with what to do."""

import json
import zipfile

import pytest

from mmdet.evaluation import evaluate_ytvis
from mmdet.evaluation.checks import check_annotations, check_predictions
from mmdet.formats import coco, coco_video, ytvis
from mmdet.formats.results import results_by_video
from mmdet.formats.tracks import read_results
from mmdet.utils import UserError

from ..evaluation.helpers import simple

TRUTH, FOUND = simple()
IMAGE = {'id': 1, 'file_name': 'v/0.jpg', 'width': 30, 'height': 20}
BOX = {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1, 1, 2, 2]}
NO_ANNOTATIONS = {
    'results': (FOUND, 'a file of results in YouTube-VIS format'),
    'CocoVID': (
        {'videos': [{'id': 1}], 'images': [{**IMAGE, 'video_id': 1, 'frame_id': 0}], 'annotations': [BOX]},
        r'CocoVID .* python tools/convert_dataset.py \S*x.json --from coco_video --to ytvis',
    ),
    'CVAT': (
        {'images': [IMAGE], 'annotations': [{**BOX, 'attributes': {'track_id': 0}}]},
        'COCO images with tracks, .* --from coco_video .* --video-from-path',
    ),
    'COCO': ({'images': [IMAGE], 'annotations': [BOX], 'categories': []}, 'COCO image annotation file'),
    'COCO captions': (
        {'images': [IMAGE], 'annotations': [{'id': 1, 'image_id': 1, 'caption': 'a cat'}]},
        'a COCO file of captions, which has no masks',
    ),
    'COCO results': ([{'image_id': 1, 'bbox': [1, 1, 2, 2], 'score': 1}], 'results of single images'),
    'LabelMe': (
        {'version': '5', 'shapes': [], 'imagePath': 'a.jpg'},
        r'a file of LabelMe: convert its folder: python tools/convert_dataset.py \S*[^x]\S* --from labelme ',
    ),
    'Label Studio': (
        [{'id': 1, 'data': {'video': 'a.mp4'}, 'annotations': []}],
        r'a file of Label Studio: .* --from label_studio ',
    ),
    'Label Studio, short': ([{'id': 1, 'annotator': 1, 'lead_time': 2.0}], 'a file of Label Studio'),
    'Datumaro': ({'info': {}, 'categories': {}, 'items': []}, 'a file of Datumaro'),
    'VIA': ({'_via_settings': {}, '_via_img_metadata': {}}, 'a file of VIA'),
    'VIA regions': ({'a.jpg123': {'filename': 'a.jpg', 'regions': []}}, 'a file of VIA'),
    'YouTube-VOS': ({'videos': {'a': {'objects': {}}}}, r'--from masks --objects \S*x.json'),
    'objects.json': (
        {'format': 'masktrack masks 1', 'videos': [{'video': {}}]},
        'the objects.json of a folder',
    ),
    'XML': (
        b'<?xml version="1.0"?><annotations><version>1.1</version></annotations>',
        r'XML of CVAT: .*convert_dataset.py \S*x.json --from cvat --to ytvis',
    ),
    'panoptic videos': (
        {'videos': [{'video_id': 'v'}], 'annotations': [{'video_id': 'v', 'annotations': []}]},
        'a file of video panoptic segmentation',
    ),
    'expressions of YouTube-VOS': (
        {'videos': {'a': {'expressions': {}, 'frames': []}}},
        'expressions .* their categories are in the meta.json',
    ),
    'gzip': (b'\x1f\x8b\x08', 'packed with gzip'),
    'xz': (b'\xfd7zXZ\x00', 'packed with xz'),
    'bzip2': (b'BZh91AY&SY\xe2', 'packed with bzip2'),
    'pickle': (b'\x80\x04\x95', 'a pickle'),
    'web page': (b'<!DOCTYPE html><html>', 'the download has failed'),
    'videos by id': (
        {'videos': {'1': {'id': 1, 'file_names': []}}},
        "expected a list under 'videos', got an object",
    ),
    'unknown': ({'a': 1}, "expected a list under 'videos'"),
}


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize('name', NO_ANNOTATIONS)
def test_what_stands_in_place_of_annotations(name, tmp_path):
    content, message = NO_ANNOTATIONS[name]
    path, results = put(tmp_path / 'x.json', content), put(tmp_path / 'res.json', FOUND)
    for read in (
        ytvis.read,
        check_annotations,
        lambda path: check_predictions(path, results),
        lambda path: evaluate_ytvis(path, results),
    ):
        with pytest.raises(UserError, match=message) as caught:
            read(path)
        assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'name', ['annotations', *sorted(set(NO_ANNOTATIONS) - {'results', 'unknown', 'videos by id'})]
)
def test_what_stands_in_place_of_results(name, tmp_path):
    content, message = NO_ANNOTATIONS.get(name, (TRUTH, 'an annotation file .* before the results'))
    ann, path = put(tmp_path / 'ann.json', TRUTH), put(tmp_path / 'x.json', content)
    for read in (
        lambda path: check_predictions(ann, path),
        lambda path: evaluate_ytvis(ann, path, strict=False),
        lambda path: read_results(ytvis.read(ann), path),
        results_by_video,
    ):
        with pytest.raises(UserError, match=message):
            read(path)


def test_a_zip_of_cvat(tmp_path):
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
        archive.writestr('annotations.xml', '<annotations/>')
    with pytest.raises(UserError, match=r'x.zip is a zip of XML of CVAT: .*x.zip --from cvat'):
        ytvis.read(tmp_path / 'x.zip')


def test_other_files_for_the_readers_of_coco(tmp_path):
    ann, results = put(tmp_path / 'ann.json', TRUTH), put(tmp_path / 'res.json', FOUND)
    with pytest.raises(UserError, match='use YTVOSDataset'):
        coco.read(ann)
    for read in (coco.read, coco_video.read):
        with pytest.raises(UserError, match='a file of results'):
            read(results)
    with pytest.raises(UserError, match='an annotation file in YouTube-VIS format'):
        coco_video.read(ann)


@pytest.mark.parametrize('depth', [60, 900, 100_000])
@pytest.mark.parametrize('start', ['[', '[0,[0],', '{"a":'])
def test_what_is_nested_without_end(depth, start, tmp_path):
    end = ']' if start[0] == '[' else '}'
    path = tmp_path / 'x.json'
    path.write_text('{"videos": [' + start * depth + '0' + end * depth + ']}')
    for read in (ytvis.read, check_annotations, coco.read, results_by_video):
        with pytest.raises(UserError, match='deep|recursion'):
            read(path)


def test_numbers_of_any_length(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text('{"videos": [{"id": ' + '9' * 5000 + '}]}')
    for read in (ytvis.read, check_annotations, results_by_video):
        with pytest.raises(UserError, match=r'is not valid json: Exceeds the limit \(4300 digits\)$'):
            read(path)


def test_predictions_none_of_which_counts(tmp_path):
    ann = put(tmp_path / 'ann.json', TRUTH)
    path = put(tmp_path / 'res.json', [{**entry, 'category_id': 0} for entry in FOUND])
    assert set(check_predictions(ann, path).problems) == {'nothing_counts'}
    put(path, FOUND[:1] + [{**entry, 'category_id': 0} for entry in FOUND[1:]])
    assert not check_predictions(ann, path).problems
