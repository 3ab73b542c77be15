"""Write the fixtures of this folder with other people's software, in an environment of its own.

    python -m venv oracle
    oracle/bin/pip install datumaro
    oracle/bin/pip install --no-deps labelme label-studio-sdk imgviz loguru tifffile
    oracle/bin/python tests/formats/labels/make_fixtures.py

datumaro is the library with which CVAT writes its COCO and MOTS exports, and it writes and reads the XML of
CVAT. The scene is plain enough to check by hand: ``tests/formats/test_label_tools.py`` has its numbers.
"""

import shutil
import sys
from pathlib import Path

import datumaro as dm
import numpy as np
from datumaro.components.annotation import Bbox, LabelCategories, Mask, Polygon
from datumaro.components.media import Image
from datumaro.plugins.data_formats.cvat.format import CvatPath

HERE = Path(__file__).resolve().parent
HEIGHT, WIDTH, LENGTH = 24, 32, 4
LABELS = ['dog', 'cat']


def rectangle(x, y, x2, y2):
    """Points of a polygon around the pixels x to x2 - 1 and y to y2 - 1."""
    return [x, y, x2, y, x2, y2, x, y2]


def mask(*boxes):
    """A mask of boxes (x, y, x2, y2)."""
    made = np.zeros((HEIGHT, WIDTH), bool)
    for x, y, x2, y2 in boxes:
        made[y:y2, x:x2] = True
    return made


def scene(kinds, images=False):
    """A cat (track 7) in frames 0, 1, 3 that moves, of two parts in frame 3; a dog (track 2) in frames 1, 2.

    ``kinds`` says what each is drawn with: 'polygon', 'mask' or 'box'.
    """
    cat = {0: [(2, 3, 10, 9)], 1: [(3, 3, 11, 9)], 3: [(4, 3, 12, 9), (20, 1, 22, 5)]}
    dog = {1: [(15, 12, 25, 20)], 2: [(16, 12, 26, 20)]}
    items = []
    for frame in range(LENGTH):
        found = []
        for label, track, boxes, kind in ((1, 7, cat, kinds[0]), (0, 2, dog, kinds[1])):
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


if __name__ == '__main__':
    wanted = sys.argv[1:] or ['cvat']
    for part in wanted:
        globals()[part]()
