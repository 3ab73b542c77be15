"""The rooms that never touch, and the size of files and functions."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmdet'
SOURCES = sorted(PACKAGE.rglob('*.py'))

ALLOWED = {
    'registry': set(),
    'version': set(),
    'utils': set(),
    '__init__': {'version'},
    'ops': {'utils'},
    'structures': {'ops', 'utils'},
    'media': {'utils'},
    'formats': {'structures', 'media', 'utils'},
    'synthetic': {'formats', 'structures', 'media', 'utils'},
    'models': {'registry', 'structures', 'ops', 'utils'},
    'datasets': {'registry', 'structures', 'formats', 'media', 'utils'},
    'visualization': {'registry', 'structures', 'formats', 'media', 'utils'},
    'evaluation': {'registry', 'structures', 'formats', 'visualization', 'media', 'utils'},
    'engine': {'registry', 'structures', 'utils', 'version'},
    'compat': {'registry', 'structures', 'utils', 'engine', 'version'},
}
EVERYTHING = {*ALLOWED, 'apis'} - {'__init__'}
ALLOWED['apis'] = EVERYTHING


def room_of(path, root=PACKAGE):
    """First path component under ``mmdet/``, without ``.py``."""
    return path.relative_to(root).parts[0].removesuffix('.py')


def imported_modules(path, root=PACKAGE):
    """Absolute dotted names of everything a file imports, inside functions too."""
    package = ('mmdet', *path.relative_to(root).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                stem = '.'.join([*base, node.module] if node.module else base)
            else:
                stem = node.module
            # ``from . import x`` names a module only through its alias
            for alias in node.names:
                yield f'{stem}.{alias.name}', node.lineno


def test_every_room_is_known():
    assert {room_of(path) for path in SOURCES} <= set(ALLOWED)


def forbidden_imports(path, root=PACKAGE):
    """Imports of ``path`` that the table does not allow its room."""
    room = room_of(path, root)
    wrong = []
    for name, line in imported_modules(path, root):
        top, *rest = name.split('.')
        if top in ('tools', 'tests', 'configs', 'benchmarks', 'demo'):
            wrong.append(f'line {line}: {name}')
        if top == 'mmdet' and rest and rest[0] != room and rest[0] in EVERYTHING - ALLOWED[room]:
            wrong.append(f'line {line}: {name}')
    return wrong


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_stay_in_their_rooms(path):
    room = room_of(path)
    wrong = forbidden_imports(path)
    assert not wrong, f'{path.relative_to(ROOT)} ({room}) may import {sorted(ALLOWED[room])}: {wrong}'


def test_the_table_catches_a_wrong_import(tmp_path):
    folder = tmp_path / 'ops'
    folder.mkdir()
    source = folder / 'x.py'
    source.write_text(
        'from ..models.losses import y\nfrom ..utils import ok\ndef f():\n    from mmdet import engine\n'
    )
    assert forbidden_imports(source, tmp_path) == ['line 1: mmdet.models.losses.y', 'line 4: mmdet.engine']


def import_graph(sources, root=PACKAGE):
    """Dotted name of each module -> those it imports, inside functions too."""

    def name_of(path):
        return '.'.join(('mmdet', *path.relative_to(root).with_suffix('').parts)).removesuffix('.__init__')

    names = {name_of(path): path for path in sources}
    graph = {}
    for name, path in names.items():
        graph[name] = set()
        for imported, _ in imported_modules(path, root):
            while imported and imported not in names:
                imported = imported.rpartition('.')[0]
            graph[name] |= {imported} - {'', name}
    return graph


def test_no_modules_import_each_other():
    graphlib.TopologicalSorter(import_graph(SOURCES)).prepare()  # CycleError names the modules


def test_a_cycle_within_a_room_is_caught(tmp_path):
    (tmp_path / 'ops').mkdir()
    (tmp_path / 'ops/x.py').write_text('from .y import b\n')
    (tmp_path / 'ops/y.py').write_text('def b():\n    from . import x\n')
    with pytest.raises(graphlib.CycleError, match=r'mmdet\.ops\.x'):
        graphlib.TopologicalSorter(import_graph(sorted(tmp_path.rglob('*.py')), tmp_path)).prepare()


@pytest.mark.parametrize('path', sorted((PACKAGE / 'models').rglob('*.py')), ids=lambda p: p.stem)
def test_models_know_nothing_of_images_files_and_class_names(path):
    banned = {'cv2', 'pycocotools', 'mmdet.datasets', 'mmdet.structures.classes', 'mmdet.formats.ytvis'}
    wrong = [n for n, _ in imported_modules(path) if any(n == b or n.startswith(b + '.') for b in banned)]
    assert not wrong, f'{path}: {wrong}'


def test_trackers_know_nothing_of_detectors():
    for path in (PACKAGE / 'models' / 'trackers').rglob('*.py'):
        wrong = [n for n, _ in imported_modules(path) if 'detectors' in n.split('.')]
        assert not wrong, f'{path}: {wrong}'


def test_torchvision_is_imported_only_inside_functions():
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            text = ast.unparse(node) if isinstance(node, ast.Import | ast.ImportFrom) else ''
            assert 'torchvision' not in text, f'{path}: {text}'


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path):
    text = path.read_text()
    assert text.count('\n') <= 400, f'{path} has {text.count(chr(10))} lines'
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= 60, f'{path}:{node.lineno} {node.name} has {lines} lines'


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text())
    missing = []
    for node in tree.body:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith('_')
        if public and ast.get_docstring(node) is None:
            missing.append(node.name)
    assert not missing, f'{path}: no docstring on {missing}'
