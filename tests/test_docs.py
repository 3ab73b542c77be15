"""The documents: keys they must name, links that must lead somewhere, commands and code that must work."""

import ast
import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmdet.apis import build_runner, load_config
from mmdet.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS, TASK_UTILS, TRANSFORMS
from mmdet.utils import UserError
from tests.test_architecture import ALLOWED
from tests.test_architecture import EVERYTHING as ALL_ROOMS

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / 'docs/architecture.md').read_text()
CONVENTIONS = (ROOT / 'docs/conventions.md').read_text()
CONFIG = 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py'
TOP = ('Variables', 'Top level', 'Other keys')


def documents():
    """Markdown files of the repository, tracked or about to be."""
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '*.md']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split() if done.returncode == 0 else []
    # Without git (an unpacked archive) the top folder and docs/ are what there is to look at.
    names = names or [
        str(p.relative_to(ROOT)) for f in ('.', 'docs', 'data') for p in (ROOT / f).glob('*.md')
    ]
    return sorted(name for name in names if (ROOT / name).is_file())


def without_code(text):
    return re.sub(r'```.*?```|`[^`\n]*`', '', text, flags=re.DOTALL)


def config_keys(value, path=''):
    """Full paths of the values of a config; an item of a list of dicts goes by its ``type``."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from config_keys(inner, f'{path}.{key}'.lstrip('.'))
    elif isinstance(value, list) and value and isinstance(value[0], dict) and not path.endswith('.pipeline'):
        for item in value:
            rest = {key: inner for key, inner in item.items() if key != 'type'}
            yield from config_keys(rest, f'{path}.{item["type"]}')
    else:
        yield path


def config_values(value, path=''):
    """Full paths of the values of a config with the values; steps of a pipeline go by their ``type``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from config_values(inner, f'{path}.{key}'.lstrip('.'))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from config_values(item, f'{path}.{item["type"]}')
    else:
        yield path, value


def documented_keys():
    """Full paths that docs/config.md has a row for: names in the heading and in the first column."""
    found, prefixes = set(), []
    for line in (ROOT / 'docs/config.md').read_text().splitlines():
        if line.startswith('### '):
            title = line[4:]
            prefixes = [''] if title in TOP else re.findall(r'`([^`]+)`', title)
            assert prefixes, title
        row = re.match(r'\| `([\w.]+)` \|', line)
        if row:
            found |= {f'{prefix}.{row.group(1)}'.lstrip('.') for prefix in prefixes}
    return found


def test_every_key_of_the_main_config_is_documented_and_in_its_place():
    wanted = set(config_keys(Config.fromfile(str(ROOT / CONFIG))._cfg_dict.to_dict()))
    assert len(wanted) > 150
    assert sorted(wanted - documented_keys()) == []


def test_config_page_has_no_key_that_the_config_lacks():
    wanted = set(config_keys(Config.fromfile(str(ROOT / CONFIG))._cfg_dict.to_dict()))
    # One table explains both pipelines; flips and annotations are in one of them only.
    extra = (
        documented_keys()
        - wanted
        - {'test_pipeline.LoadAnnotations.with_mask', 'test_pipeline.RandomFlip.prob'}
    )
    assert sorted(extra) == []


@pytest.mark.parametrize('name', documents())
def test_relative_links_resolve(name):
    text = without_code((ROOT / name).read_text())
    targets = re.findall(r'\]\(([^)\s]+)[^)]*\)', text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    local = [t.split('#')[0] for t in targets if not re.match(r'[a-z]+:', t) and not t.startswith('#')]
    missing = [target for target in local if not (ROOT / name).parent.joinpath(target).exists()]
    assert missing == []


@pytest.mark.parametrize('name', documents())
def test_commands_name_tools_that_exist(name):
    text = (ROOT / name).read_text()
    tools = set(re.findall(r'(?<![\w/.-])(?:\./)?((?:tools|demo|benchmarks)/[\w/]+\.(?:py|sh))\b', text))
    tools |= set(re.findall(r'(?<![\w/.-])(configs/\w{2,}\.py)\b', text))
    assert sorted(tool for tool in tools if not (ROOT / tool).is_file()) == []


def write_blocks(folder):
    """Write the files of docs/extend.md; returns their names."""
    names = []
    for block in re.findall(r'```python\n(.*?)```', (ROOT / 'docs/extend.md').read_text(), re.DOTALL):
        name = re.match(r'# (my_\w+\.py)\n', block)
        assert name, f'a block of docs/extend.md names no file: {block[:60]}'
        (folder / name.group(1)).write_text(block)
        names.append(name.group(1))
    return names


def write_boxes(folder):
    """Images and the table that the dataset of docs/extend.md reads."""
    (folder / 'frames').mkdir()
    lines = ['video,frame,file,width,height,track,category,x,y,w,h']
    for frame in range(3):
        image = np.full((48, 72, 3), 90, np.uint8)
        for track, name in enumerate(('cat', 'dog')):
            x, y = 4 + 3 * frame + 30 * track, 8 + 10 * track
            image[y : y + 12, x : x + 16] = 200
            lines.append(f'v,{frame},{frame}.png,72,48,{track + 5},{name},{x},{y},16,12')
        cv2.imwrite(str(folder / 'frames' / f'{frame}.png'), image)
    (folder / 'boxes.csv').write_text('\n'.join(lines) + '\n')


@pytest.fixture(scope='module')
def extended(tmp_path_factory):
    """The config of docs/extend.md, read where its files lie."""
    folder = tmp_path_factory.mktemp('extend')
    names = write_blocks(folder)
    assert names == ['my_head.py', 'my_tracker.py', 'my_dataset.py', 'my_config.py']
    write_boxes(folder)
    (folder / 'configs').symlink_to(ROOT / 'configs')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        config = load_config('my_config.py')
        # Small enough for a test; the parts in question stay as documented.
        config.merge_from_dict({'model.backbone.depth': 18, 'model.backbone.init_cfg': None})
        config.merge_from_dict({'model.neck.in_channels': [64, 128, 256, 512]})
        yield config
    for module in ('my_head', 'my_tracker', 'my_dataset'):
        sys.modules.pop(module, None)
    MODELS.module_dict.pop('CosineTrackHead')
    TASK_UTILS.module_dict.pop('OverlapTracker')
    DATASETS.module_dict.pop('BoxTable')


def test_the_extended_config_trains_and_tracks(extended):
    torch.manual_seed(0)
    model = MODELS.build(extended.model)
    model.init_weights()
    assert type(model.track_head).__name__ == 'CosineTrackHead'
    train = DATASETS.build(extended.train_dataloader.dataset)
    assert train.metainfo['classes'] == ('cat', 'dog') and len(train) == 3
    sample = train[0]
    assert sample['inputs'].shape[0] == 2
    assert sample['data_samples'].gt_instances.instance_ids.tolist() == [5, 6]
    data = model.data_preprocessor(pseudo_collate([sample]), training=True)
    losses = model(**data, mode='loss')
    assert torch.isfinite(losses['loss_match']) and losses['loss_match'] > 0
    losses['loss_match'].backward()
    assert model.track_head.fcs[0].weight.grad.abs().sum() > 0

    model.eval()
    model.test_cfg['rcnn']['score_thr'] = 0.0
    test = DATASETS.build(extended.test_dataloader.dataset)
    results = [model.test_step(pseudo_collate([test[index]]))[0].pred_instances for index in range(2)]
    assert all(len(set(found.instance_ids.tolist())) == len(found) > 0 for found in results)


def test_documented_head_compares_by_the_cosine(extended):
    head = MODELS.build({'type': 'CosineTrackHead', 'in_channels': 4, 'fc_out_channels': 8, 'scale': 9.0})
    embeddings, others = torch.rand(5, 8), torch.rand(3, 8)
    cosines = torch.nn.functional.cosine_similarity(embeddings[:, None], others[None], dim=2)
    torch.testing.assert_close(head.similarity(embeddings, others)[:, 1:], 9 * cosines)


def test_documented_tracker_follows_overlap(extended):
    tracker = TASK_UTILS.build({'type': 'OverlapTracker'})
    boxes, labels = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9]]), torch.tensor([0, 1])
    unused = (torch.ones(2), labels, torch.zeros(2, 4))
    assert tracker.track('a', 0, boxes, *unused).tolist() == [0, 1]
    swapped = (torch.ones(2), labels.flip(0), torch.zeros(2, 4))
    assert tracker.track('a', 1, boxes.flip(0) + 1, *swapped).tolist() == [1, 0]
    assert tracker.track('a', 2, boxes.flip(0) + 1, *unused).tolist() == [2, 3]
    tracker.reset('a')
    assert tracker.track('a', 0, boxes, *unused).tolist() == [0, 1]


def recipes():
    """Dotted names and code of the Python files of docs/architecture.md, but for the one to be compiled."""
    blocks = re.findall(r'^```python\n# (mmdet/\S+)\.py\n(.*?)^```', ARCHITECTURE, re.DOTALL | re.MULTILINE)
    return {path.replace('/', '.'): code for path, code in blocks}


@pytest.fixture
def recipe_modules():
    """The recipes, as if their files were where their first lines say."""
    found = {}
    for name, code in recipes().items():
        module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, None))
        exec(compile(code, name, 'exec'), module.__dict__)
        found[name] = module
    yield found
    for registry in (MODELS, TASK_UTILS, DATASETS, TRANSFORMS, METRICS, HOOKS, LOOPS):
        for key, part in list(registry.module_dict.items()):
            if part.__module__ in found:
                registry.module_dict.pop(key)


def test_the_recipes_train_and_validate_together(recipe_modules, synthetic, tmp_path):
    config = load_config(ROOT / 'configs/masktrack_rcnn_demo_synthetic.py')
    config.model.backbone = dict(type='TinyNet')
    config.model.neck.in_channels = [32] * 4
    config.model.track_head.type = 'ConvTrackHead'
    config.model.tracker = dict(type='AppearanceTracker')
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.data_root = f'{synthetic}/'
    config.train_dataloader.dataset.pipeline.insert(-1, dict(type='ChannelSwap'))
    config.val_evaluator = [dict(type='TrackCount')]
    config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    config.randomness = dict(seed=0)
    config.custom_hooks = [dict(type='MatchAccuracyHook', least=101.0)]
    config.train_cfg = dict(type='StopAtAccuracyLoop', max_epochs=2, limit=0.0, val_interval=1)
    config.work_dir = str(tmp_path / 'work')
    runner = build_runner(config, validate=True)
    runner.train()
    assert runner.epoch == 1  # the loop stopped it
    log = next((tmp_path / 'work').glob('*/*.log')).read_text()
    assert 'count/tracks' in log and 'is below 101.0%' in log


def test_the_recipe_of_a_similarity_gives_logits(recipe_modules):
    head = MODELS.build({'type': 'ScaledTrackHead', 'in_channels': 4, 'fc_out_channels': 8})
    logits = head.similarity(torch.eye(2), torch.eye(2))
    torch.testing.assert_close(logits, torch.tensor([[0.0, 10.0, 0.0], [0.0, 0.0, 10.0]]))


def test_the_recipe_of_a_dataset_gives_pairs(recipe_modules, tmp_path):
    (tmp_path / 'boxes.txt').write_text('0.png 1 5 20 15\n1.png 2 5 20 15\n')
    dataset = DATASETS.build({'type': 'MovingBox', 'data_root': str(tmp_path), 'ann_file': 'boxes.txt'})
    frames = dataset[0]['frames']
    assert [frame['frame_id'] for frame in frames] == [0, 1]
    assert frames[1]['instances'][0]['bbox'] == [2.0, 5.0, 21.0, 19.0]


def test_the_recipe_of_an_output_sees_every_frame(tiny, capsys):
    (code,) = re.findall(r'```python\n(from mmdet\.apis import .*?)```', ARCHITECTURE, re.DOTALL)
    code = code.replace('config.py', str(tiny.config)).replace('checkpoint.pth', str(tiny.checkpoint))
    exec(compile(code, 'output', 'exec'), {'__name__': 'output'})
    content = json.loads((tiny.data / 'ann.json').read_text())
    printed = re.findall(r'^\S+ \[.*\]$', capsys.readouterr().out, re.MULTILINE)
    assert len(printed) == sum(len(video['file_names']) for video in content['videos'])


def test_the_recipe_of_a_format_reads_boxes(recipe_modules, tmp_path):
    write_boxes(tmp_path)
    made = recipe_modules['mmdet.formats.boxes_csv'].read(tmp_path / 'boxes.csv')
    assert [video['file_names'] for video in made.videos] == [['0.png', '1.png', '2.png']]
    assert made.class_names == ('cat', 'dog')
    assert [track['bboxes'][1] for track in made.tracks] == [[7, 8, 16, 12], [37, 18, 16, 12]]


def test_the_recipe_of_a_format_writes_what_it_reads(recipe_modules, tmp_path):
    write_boxes(tmp_path)
    module = recipe_modules['mmdet.formats.boxes_csv']
    made = module.read(tmp_path / 'boxes.csv')
    assert module.write(made, tmp_path / 'again.csv') == {'boxes': 6}
    again = module.read(tmp_path / 'again.csv')
    assert again.videos == made.videos and again.categories == made.categories
    assert [track['bboxes'] for track in again.tracks] == [track['bboxes'] for track in made.tracks]
    (tmp_path / 'bad.csv').write_text('video,frame\n1,2\n')
    with pytest.raises(UserError, match='bad.csv, line 2'):
        module.read(tmp_path / 'bad.csv')


def test_the_import_table_of_the_page_is_the_one_that_is_tested():
    rows = re.findall(r'^\| (`.+?) \| (.+?) \|$', ARCHITECTURE.split('## Where to add')[0], re.MULTILINE)
    table = {}
    for rooms, allowed in rows:
        for room in re.findall(r'`(\w+)`', rooms):
            table[room] = ALL_ROOMS if allowed == 'everything' else set(re.findall(r'`(\w+)`', allowed))
    assert table == {room: allowed for room, allowed in ALLOWED.items() if room != '__init__'}


def test_tests_named_in_conventions_exist():
    named = re.findall(r'`([\w/]+\.py)::(test_\w+)`', CONVENTIONS)
    assert len(named) > 50
    missing = []
    for path, name in named:
        file = ROOT / path
        if not file.is_file() or f'\ndef {name}(' not in file.read_text():
            missing.append(f'{path}::{name}')
    assert missing == []


def test_sections_that_the_code_refers_to_exist():
    titles = set(re.findall(r'^##+ (.+)$', CONVENTIONS, re.MULTILINE))
    referred = set()
    for folder, pattern in (('mmdet', '*.py'), ('mmdet', '*.h'), ('tests', '*.py'), ('configs', '*.py')):
        for file in sorted((ROOT / folder).rglob(pattern)):
            text = re.sub(r'\n\s*(?:#|//)?\s*', ' ', file.read_text())  # a title may be wrapped
            for quoted in re.findall(r'conventions\.md`{0,2},((?: ?"[^"]+",?)+)', text):
                referred |= set(re.findall(r'"([^"]+)"', quoted))
    assert len(referred) > 15
    assert sorted(referred - titles) == []


def test_table_of_2019_and_modern_settings_is_what_the_configs_say():
    older, newer = (
        dict(
            config_values(Config.fromfile(str(ROOT / f'configs/masktrack_rcnn_r50_fpn_{name}.py')).to_dict())
        )
        for name in ('1x_youtubevos', '12e_youtubevis2019')
    )
    differ = {
        path: (older.get(path), newer.get(path))
        for path in {**older, **newer}
        if re.match(r'(model|train_dataloader)\.', path) and older.get(path) != newer.get(path)
    }
    # Hyperparameters and places of files, which the text below the table names.
    other = r'\.(loss_bbox\..*|score_thr|max_per_img|nms_post|nms_across_levels|data_root|dataset\.type)$'
    differ = {path: values for path, values in differ.items() if not re.search(other, path)}
    rows = re.findall(
        r'^\| `([\w.]+)` \| [^|]+ \| (default )?`(.+?)` \| `(.+?)` \|', CONVENTIONS, re.MULTILINE
    )
    assert len(rows) == 17
    for name, default, old, new in rows:
        old = None if default else ast.literal_eval(old)
        found = [path for path in differ if path.endswith(name)]
        assert found, name
        for path in found:
            assert differ.pop(path) == (old, ast.literal_eval(new)), path
    assert differ == {}
