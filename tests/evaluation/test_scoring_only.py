"""Scoring, checks and conversions run with numpy and pycocotools alone, and give the same numbers."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from pycocotools import mask as coco

from mmdet.evaluation import evaluate_ytvis

from .helpers import ROOT

#: The libraries of the full environment that scoring must not need.
OTHERS = 'torch torchvision mmengine mmcv cv2 scipy matplotlib PIL terminaltables av safetensors trackeval'
TOOLS = ('eval_ytvis', 'check_dataset', 'check_results', 'split_ytvis', 'convert_dataset')
CHILD = f"""
import importlib, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {OTHERS.split()!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Absent())
sys.path.insert(0, {str(ROOT / 'tools')!r})
for name, *args in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name).main(args)
    except SystemExit as error:
        if error.code:
            sys.exit(f'{{name}}: exit status {{error.code}}')
import mmdet.evaluation, mmdet.formats, mmdet.structures
from mmdet.media import read_image
try:
    read_image(sys.argv[2])
except ValueError as error:
    print(error)
"""


def compressed(rle):
    """The same mask as results have it."""
    if rle is None:
        return None
    text = coco.frPyObjects(rle, *rle['size'])
    return {'size': rle['size'], 'counts': text['counts'].decode()}


def predictions(truth):
    """Every object one frame late, ranked by its id."""
    return [
        {
            'video_id': track['video_id'],
            'category_id': track['category_id'],
            'score': 1 / (1 + track['id']),
            'segmentations': [None, *map(compressed, track['segmentations'][:-1])],
        }
        for track in truth['annotations']
    ]


@pytest.fixture
def files(synthetic, tmp_path):
    """Annotations, results, and the command lines that use them."""
    ann, results, stats = synthetic / 'annotations/instances_val_sub.json', 'results.json', 'stats.json'
    (tmp_path / results).write_text(json.dumps(predictions(json.loads(ann.read_text()))))
    lines = [
        ('eval_ytvis', ann, tmp_path / results, '--out', tmp_path / stats),
        ('check_dataset', ann),
        ('check_results', ann, tmp_path / results),
        ('split_ytvis', ann, '--out', tmp_path / 'split', '--val-fraction', '0.4'),
        ('convert_dataset', ann, '--from', 'ytvis', '--to', 'coco_video', '--out', tmp_path / 'coco.json'),
    ]
    assert {line[0] for line in lines} == set(TOOLS)
    return ann, tmp_path / results, tmp_path / stats, [[str(part) for part in line] for line in lines]


def check(files):
    """The numbers are those of this process; the other tools wrote their files."""
    ann, results, stats, _ = files
    here = evaluate_ytvis(ann, results)
    assert 0.1 < here['stats']['AP'] < 1
    assert json.loads(stats.read_text()) == json.loads(json.dumps(here))
    assert {p.name for p in stats.parent.iterdir()} >= {'split', 'coco.json'}


def test_tools_start_and_score_without_the_other_libraries(files, synthetic):
    image = next(synthetic.rglob('*.jpg'))
    command = [sys.executable, '-c', CHILD, json.dumps(files[3]), str(image)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'needs opencv-python: pip install opencv-python' in done.stdout.splitlines()[-1]
    check(files)


@pytest.mark.long
def test_an_environment_with_only_numpy_and_pycocotools_scores(files, tmp_path):
    """As INSTALL.md says, "Scoring only", but that packages are linked from this environment."""
    venv.create(tmp_path / 'venv', with_pip=False)
    python = tmp_path / 'venv/bin/python'
    (site,) = (tmp_path / 'venv/lib').glob('python*/site-packages')
    for name in ('numpy', 'pycocotools', 'Cython', 'setuptools'):
        package = Path(__import__(name).__file__).parent
        for part in [
            package,
            *package.parent.glob(f'{name}.libs'),
            *package.parent.glob(f'{name.lower()}.py'),
        ]:
            (site / part.name).symlink_to(part)
    checkout, ignore = tmp_path / 'checkout', shutil.ignore_patterns('*.so', '__pycache__', 'csrc')
    for name in ('mmdet', 'tools'):
        shutil.copytree(ROOT / name, checkout / name, ignore=ignore)
    shutil.copy(ROOT / 'build_native.py', checkout)

    def run(*command):
        done = subprocess.run([python, *command], cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    absent = f'import importlib.util as u; print(*[n for n in {OTHERS.split()!r} if u.find_spec(n)])'
    assert run('-c', absent).strip() == ''
    assert run('build_native.py', '--evaluator').startswith('built: evaluator core')
    for name, *args in files[3]:
        more = ['--backend', 'cython'] if name == 'eval_ytvis' else []
        run(f'tools/{name}.py', *args, *more)
    check(files)
