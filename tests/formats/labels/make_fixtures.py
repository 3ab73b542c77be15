"""Write the fixtures of this folder with other people's software, in an environment of its own.

    python -m venv oracle
    oracle/bin/pip install datumaro
    oracle/bin/pip install --no-deps labelme x-anylabeling-cvhub label-studio-sdk imgviz loguru tifffile
    oracle/bin/python tests/formats/labels/make_fixtures.py

datumaro is the library with which CVAT writes its COCO and MOTS exports, and it writes and reads the XML of
CVAT. The scene is plain enough to check by hand: ``tests/formats/test_label_tools.py`` has its numbers.
"""

import base64
import importlib
import io
import json
import shutil
import sys
import unittest.mock
from pathlib import Path

import datumaro as dm
import numpy as np
import PIL.Image
from datumaro.components.annotation import Bbox, LabelCategories, Mask, Polygon
from datumaro.components.media import Image
from datumaro.plugins.data_formats.cvat.format import CvatPath

HERE = Path(__file__).resolve().parent
HEIGHT, WIDTH, LENGTH = 24, 32, 4
LABELS = ['dog', 'cat']
# A cat (track 7) that moves and has two parts in frame 3, a dog (track 2) in frames 1 and 2: (x, y, x2, y2).
CAT = {0: [(2, 3, 10, 9)], 1: [(3, 3, 11, 9)], 3: [(4, 3, 12, 9), (20, 1, 22, 5)]}
DOG = {1: [(15, 12, 25, 20)], 2: [(16, 12, 26, 20)]}


def rectangle(x, y, x2, y2):
    """Points of a polygon around the pixels x to x2 - 1 and y to y2 - 1."""
    return [x, y, x2, y, x2, y2, x, y2]


def mask(*boxes):
    """A mask of boxes (x, y, x2, y2)."""
    made = np.zeros((HEIGHT, WIDTH), bool)
    for x, y, x2, y2 in boxes:
        made[y:y2, x:x2] = True
    return made


def scene(kinds):
    """The scene; ``kinds`` says what cat and dog are drawn with: 'polygon', 'mask' or 'box'."""
    items = []
    for frame in range(LENGTH):
        found = []
        for label, track, boxes, kind in ((1, 7, CAT, kinds[0]), (0, 2, DOG, kinds[1])):
            keys = {'track_id': track, 'keyframe': True, 'outside': False, 'occluded': False}
            common = {
                'label': label,
                'attributes': keys,
                'group': track if len(boxes.get(frame, ())) > 1 else 0,
            }
            if kind == 'mask' and frame in boxes:
                found.append(Mask(mask(*boxes[frame]), **{**common, 'attributes': dict(keys)}))
                continue
            for x, y, x2, y2 in boxes.get(frame, ()):
                common['attributes'] = dict(keys)
                if kind == 'polygon':
                    found.append(Polygon(rectangle(x, y, x2, y2), **common))
                else:
                    found.append(Bbox(x, y, x2 - x, y2 - y, **common))
        name = f'frame_{frame:06d}'
        pixels = np.full((HEIGHT, WIDTH, 3), 60 + 20 * frame, np.uint8)
        media = Image.from_numpy(data=pixels, ext='.png')
        items.append(dm.DatasetItem(name, media=media, annotations=found, attributes={'frame': frame}))
    categories = LabelCategories.from_iterable(LABELS)
    return dm.Dataset.from_iterable(items, categories={dm.AnnotationType.label: categories})


def export(kinds, name, kind, source, **options):
    """Export a scene and keep one file (or folder) of what was written."""
    out = HERE / 'export'
    shutil.rmtree(out, ignore_errors=True)
    scene(kinds).export(str(out), kind, **options)
    target = HERE / name
    if target.is_dir():
        shutil.rmtree(target)
    shutil.move(str(next(out.glob(source))), target)
    shutil.rmtree(out)


def cvat():
    """Files that CVAT would write."""
    export(('polygon', 'mask'), 'cvat_video.xml', 'cvat', '**/*.xml', use_track=True)
    export(('box', 'polygon'), 'cvat_boxes.xml', 'cvat', '**/*.xml', use_track=True)
    # CVAT has a track_id among the attributes of its images, which datumaro leaves out.
    CvatPath.BUILTIN_ATTRS = set(CvatPath.BUILTIN_ATTRS) - {'track_id'}
    export(('polygon', 'mask'), 'cvat_images.xml', 'cvat', '**/*.xml', allow_undeclared_attrs=True)
    export(('polygon', 'mask'), 'cvat_coco.json', 'coco_instances', 'annotations/*.json')
    export(('mask', 'mask'), 'cvat_mots', 'mots_png', '*', save_media=True)


def shapes_of(frame, boxes_of, kind):
    """Shapes of a frame as the windows of LabelMe and X-AnyLabeling hand them over to be saved."""
    for label, group in (('cat', 7), ('dog', 2)):
        for x, y, x2, y2 in boxes_of[label].get(frame, ()):
            shape = {'label': label, 'group_id': group, 'description': '', 'flags': {}}
            if kind[label] == 'mask':
                png = PIL.Image.fromarray(mask((0, 0, x2 - x, y2 - y))[: y2 - y, : x2 - x].astype(np.uint8))
                stream = io.BytesIO()
                png.save(stream, format='PNG')  # labelme.utils.img_arr_to_b64, without its window system
                encoded = base64.b64encode(stream.getvalue()).decode()
                shape |= {'shape_type': 'mask', 'points': [[x, y], [x2 - 1, y2 - 1]], 'mask': encoded}
            elif kind[label] == 'rectangle':
                shape |= {'shape_type': 'rectangle', 'points': [[x, y], [x2, y2]], 'mask': None}
            else:
                points = rectangle(x, y, x2, y2)
                shape |= {'shape_type': 'polygon', 'points': list(map(list, zip(points[::2], points[1::2])))}
            yield shape


def without_windows(name):
    """Import a module of a program with a window; what is not installed of its libraries is left empty."""
    while True:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            sys.modules[error.name] = unittest.mock.MagicMock(__path__=[], __spec__=None)
            for half in [half for half in sys.modules if half.split('.')[0] == name.split('.')[0]]:
                del sys.modules[half]


def labelme():
    """Files that LabelMe saves, by its own class for them."""
    file = without_windows('labelme._label_file').LabelFile()
    _save(file, 'labelme', {'cat': 'polygon', 'dog': 'mask'}, 'clip')


def anylabeling():
    """Files that X-AnyLabeling saves, by its own class for them."""
    file = without_windows('anylabeling.views.labeling.label_file').LabelFile()
    _save(file, 'anylabeling', {'cat': 'polygon', 'dog': 'rectangle'}, 'clip')


def label_studio():
    """A brush, coded by Label Studio's own converter, and the boxes that it fills in between key frames."""
    from label_studio_sdk._extensions.label_studio_tools.postprocessing.video import extract_key_frames
    from label_studio_sdk.converter.brush import mask2rle

    tasks = []
    for frame in range(LENGTH):
        size = {'original_width': WIDTH, 'original_height': HEIGHT, 'image_rotation': 0}
        results = []
        for label, track, boxes in (('cat', 7, CAT), ('dog', 2, DOG)):
            for part, box in enumerate(boxes.get(frame, ())):
                name = f'{label}{frame}{part}'
                if label == 'dog':
                    value = {'format': 'rle', 'rle': mask2rle(mask(box).astype(np.uint8) * 255)}
                    kind = 'brushlabels'
                else:
                    points = rectangle(*box)
                    points = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in zip(points[::2], points[1::2])]
                    value, kind = {'points': points, 'closed': True}, 'polygonlabels'
                entry = {'id': name, 'type': kind, 'from_name': 'tag', 'to_name': 'image', 'origin': 'manual'}
                results.append({**entry, **size, 'value': {**value, kind: [label]}})
                control = {'from_name': 'track_id', 'type': 'number', 'value': {'number': track}}
                results.append({**entry, **size, **control})
        annotation = {'id': frame + 1, 'result': results, 'was_cancelled': False, 'ground_truth': False}
        data = {'image': f'/data/local-files/?d=frames/clip/{frame}.png'}
        tasks.append({'id': frame + 1, 'data': data, 'annotations': [annotation], 'predictions': []})
    (HERE / 'label_studio.json').write_text(json.dumps(tasks))

    keys = [(1, 10, 20, 0, True), (5, 30, 40, 90, True), (7, 40, 40, 0, False), (9, 0, 0, 0, True)]
    sequence = [
        {'frame': frame, 'x': x, 'y': y, 'width': 25, 'height': 12.5, 'rotation': turn, 'enabled': on}
        | {'time': frame / 5}
        for frame, x, y, turn, on in keys
    ]
    value = {'sequence': sequence, 'framesCount': 12, 'labels': ['cat']}
    result = {'id': 'aBc', 'type': 'videorectangle', 'from_name': 'box', 'to_name': 'video', 'value': value}
    annotation = {'id': 1, 'result': [result], 'was_cancelled': False}
    task = {'id': 9, 'data': {'video': '/data/upload/3/0123abcd-clip.mp4'}, 'annotations': [annotation]}
    (HERE / 'label_studio_video.json').write_text(json.dumps([task]))
    filled = extract_key_frames([result])[0]['value']['sequence']
    boxes = {
        key['frame']: [key[name] for name in ('x', 'y', 'width', 'height', 'rotation')] for key in filled
    }
    (HERE / 'label_studio_video_boxes.json').write_text(json.dumps(boxes))


def _save(file, name, kinds, video):
    boxes = {'cat': CAT, 'dog': DOG}
    for frame in range(LENGTH):
        path = HERE / name / video / f'{frame}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        shapes = list(shapes_of(frame, boxes, kinds))
        file.save(str(path), shapes, f'{frame}.png', HEIGHT, WIDTH)


if __name__ == '__main__':
    wanted = sys.argv[1:] or ['cvat', 'labelme', 'anylabeling', 'label_studio']
    for part in wanted:
        globals()[part]()
