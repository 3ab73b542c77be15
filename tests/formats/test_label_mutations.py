"""Files of label tools changed at random: annotations that can be written and checked, or one clear line."""

import copy
import io
import json
import random
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmdet.evaluation.checks import check_annotations
from mmdet.formats import load_format, ytvis
from mmdet.utils import UserError

from ..mutations import mutated, mutated_bytes

LABELS = Path(__file__).resolve().parent / 'labels'
QUICK, LONG = 25, 1000
VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    10**30,
    float('nan'),
    float('inf'),
    '',
    'x\n\x00\ud800',
    '../../x',
    [],
    {},
)
VALUES += ([[]], [[1, 2], [3, 4]], {'a': {}}, [0] * 40, 'iVBORw0KGgo=')
TEXTS = (
    '',
    'x',
    '-1',
    '0',
    '3',
    '1e400',
    'nan',
    '9' * 40,
    'é',
    '1,2;3,4',
    '1,2',
    '1,2;3,4;5,',
    '../x',
    'true',
)


def changed_xml(data, rng):
    """The bytes of an XML file with one to three attributes, texts or elements changed."""
    root = ElementTree.fromstring(data)
    for _ in range(rng.randint(1, 3)):
        parents = [element for element in root.iter() if len(element)]
        parent = rng.choice(parents or [root])
        element = rng.choice(list(root.iter()))
        how = rng.choice(
            ['attribute', 'attribute', 'attribute', 'drop', 'text', 'tag', 'remove', 'repeat', 'move']
        )
        if how in ('attribute', 'drop') and element.attrib:
            key = rng.choice(list(element.attrib))
            other = rng.choice([found for found in root.iter() if found.attrib] or [element])
            values = (*TEXTS, *other.attrib.values())
            element.attrib[key] = rng.choice(values)
            if how == 'drop':
                del element.attrib[key]
        elif how == 'text':
            element.text = rng.choice(TEXTS)
        elif how == 'tag':
            element.tag = rng.choice(['polygon', 'mask', 'box', 'ellipse', 'track', 'image', 'meta', 'x'])
        elif len(parent):
            child = rng.choice(list(parent))
            if how in ('remove', 'move'):
                parent.remove(child)
            if how in ('repeat', 'move'):  # a copy, so that nothing becomes part of itself
                rng.choice([found for found in root.iter() if len(found)] or [root]).append(
                    copy.deepcopy(child)
                )
    return ElementTree.tostring(root, encoding='utf-8')


def change_file(path, rng):
    """Change a JSON or XML file by its content, any file by its bytes."""
    data, how = path.read_bytes(), rng.random()
    if path.suffix == '.json' and how < 0.8:
        # Halves of surrogate pairs must be able to reach the reader, as escapes.
        path.write_text(json.dumps(mutated(json.loads(data), rng, VALUES)))
    elif path.suffix == '.xml' and how < 0.8:
        path.write_bytes(changed_xml(data, rng))
    else:
        path.write_bytes(mutated_bytes(data, rng))


FORMATS = {
    'cvat video': ('cvat', 'cvat_video.xml', {}),
    'cvat boxes': ('cvat', 'cvat_boxes.xml', {'boxes_as_masks': True}),
    'cvat images': ('cvat', 'cvat_images.xml', {}),
    'cvat coco': ('coco_video', 'cvat_coco.json', {'video_from_path': True}),
    'cvat mots': ('cvat_mots', 'cvat_mots', {}),
    'labelme': ('labelme', 'labelme', {}),
    'x-anylabeling': ('labelme', 'anylabeling', {'boxes_as_masks': True}),
    'label studio': ('label_studio', 'label_studio.json', {}),
    'label studio video': ('label_studio', 'label_studio_video.json', {'boxes_as_masks': True}),
}


def try_many(name, folder, count):
    """Change a fixture ``count`` times; returns how often it was read and how often refused."""
    kind, fixture, options = FORMATS[name]
    if name == 'label studio video':
        (folder / 'images' / 'clip').mkdir(parents=True)
        for number in range(12):
            image = LABELS / 'cvat_mots' / 'images' / 'frame_000000.png'
            shutil.copy(image, folder / 'images' / 'clip' / f'{number:06d}.png')
        options = {**options, 'images': folder / 'images'}
    read, outcomes = load_format(kind).read, {'read': 0, 'refused': 0}
    for seed in range(count):
        rng, source = random.Random(f'{name} {seed}'), folder / fixture
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(LABELS / fixture, source) if (LABELS / fixture).is_dir() else shutil.copy(
            LABELS / fixture, source
        )
        files = sorted(path for path in source.rglob('*') if path.is_file()) or [source]
        change_file(rng.choice(files), rng)
        try:
            made = read([source] if kind == 'cvat' else source, **options, stream=io.StringIO())
            ytvis.write(made, folder / 'made.json')
            problems = set(check_annotations(folder / 'made.json').problems)
            assert problems <= (set() if made.tracks else {'nothing_usable'}), f'{name} {seed}: {problems}'
            outcomes['read'] += 1
        except UserError as error:
            assert str(error) and '\n' not in str(error), f'{name} {seed}: {error}'
            outcomes['refused'] += 1
        except Exception as error:
            raise AssertionError(f'{name}, seed {seed}: {type(error).__name__}: {error}') from error
    return outcomes


@pytest.mark.parametrize('name', FORMATS)
def test_changed_files(name, tmp_path):
    assert sum(try_many(name, tmp_path, QUICK).values()) == QUICK


@pytest.mark.long
@pytest.mark.parametrize('name', FORMATS)
def test_many_changed_files(name, tmp_path):
    outcomes = try_many(name, tmp_path, LONG)
    assert min(outcomes.values()) > LONG / 20, outcomes
