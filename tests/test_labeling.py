"""docs/labeling.md: its commands in their order, on the fixtures of the label tools."""

import contextlib
import json
import re
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmdet.formats import ytvis
from mmdet.media import VideoWriter
from tests.formats.test_label_tools import LABELS, assert_scene

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'labeling.md').read_text()


def commands():
    blocks = re.findall(r'```bash\n(.*?)```', PAGE, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.strip().splitlines()]


def exports(data):
    """What people would have after labeling ``data/clip.mp4``: the scene of the fixtures."""
    data.mkdir()
    with VideoWriter(data / 'clip.mp4', fps=5) as writer:
        for frame in range(4):
            writer.write(np.full((24, 32, 3), 60 * frame, np.uint8))
    with zipfile.ZipFile(data / 'export.zip', 'w') as archive:
        text = (LABELS / 'cvat_video.xml').read_text()
        archive.writestr('annotations.xml', text.replace('<name>default</name>', '<name>clip</name>'))
    shutil.copy(LABELS / 'cvat_images.xml', data / 'images_export.xml')
    shutil.copy(LABELS / 'cvat_coco.json', data / 'instances_default.json')
    shutil.copytree(LABELS / 'cvat_mots', data / 'mots_export' / 'default')
    (data / 'labelme' / 'clip').mkdir(parents=True)
    for frame in range(4):
        text = (LABELS / 'labelme' / 'clip' / f'{frame}.json').read_text()
        (data / 'labelme' / 'clip' / f'{frame:06d}.json').write_text(text)
    text = (LABELS / 'label_studio.json').read_text()
    (data / 'label_studio.json').write_text(re.sub(r'clip/(\d).png', r'clip/00000\1.jpg', text))
    task = json.loads((LABELS / 'label_studio_video.json').read_text())
    value = task[0]['annotations'][0]['result'][0]['value']
    value.update(sequence=value['sequence'][:1], framesCount=4)
    (data / 'studio_video.json').write_text(json.dumps(task))


def results(annotations):
    """The ground truth as results, with scores."""
    return [
        {'video_id': 1, 'score': 0.9, **{key: track[key] for key in ('category_id', 'segmentations')}}
        for track in annotations.tracks
    ]


def test_every_command_runs_and_gives_the_same_objects(tmp_path, monkeypatch, capsys):
    # In this process: fifteen starts of Python would take longer than all the rest.
    sys.path.insert(0, str(ROOT / 'tools'))
    try:
        import convert_dataset
        import extract_frames
    finally:
        sys.path.remove(str(ROOT / 'tools'))
    tools = {'tools/convert_dataset.py': convert_dataset.main, 'tools/extract_frames.py': extract_frames.main}
    exports(tmp_path / 'data')
    monkeypatch.chdir(tmp_path)
    for python, tool, *arguments in commands():
        assert python == 'python'
        if 'data/tracks.json' in arguments and not Path('data/tracks.json').exists():
            Path('data/tracks.json').write_text(json.dumps(results(ytvis.read('data/annotations/clip.json'))))
        monkeypatch.setattr(sys, 'argv', [tool, *arguments])
        with pytest.raises(SystemExit) if '--check' in arguments else contextlib.nullcontext() as ended:
            tools[tool](arguments)
        if '--check' in arguments:
            assert ended.value.code == 0, arguments
    printed = capsys.readouterr().out
    for expected in re.findall(r'```text\n(.*?)\n```', PAGE, re.DOTALL):
        assert expected in printed
    made = sorted(path.stem for path in Path('data/annotations').glob('*.json'))
    assert len(made) == len({a for words in commands() for a in words if a.startswith('data/annotations')})
    for name in set(made) - {'videos', 'boxes'}:
        assert_scene(ytvis.read(f'data/annotations/{name}.json'))
    assert ytvis.read('data/annotations/boxes.json').tracks[0]['bboxes'] == [[3, 5, 8, 3]] * 4
    assert ytvis.read('data/annotations/videos.json').tracks == []
