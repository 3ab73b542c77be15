"""Weights by name: the table, its page, lookup, fetching from a local server that stands for the net."""

import hashlib
import io
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmdet.apis import build_runner, inference_video, init_detector, load_config, model_zoo
from mmdet.apis import config as config_module
from mmdet.apis.config_text import config_text
from mmdet.apis.model_zoo import ZOO, Weights, config_path, find_weights, named
from mmdet.apis.named_weights import fetch_weights, read_weights
from mmdet.compat.checkpoints import convert_checkpoint
from mmdet.compat.checkpoints.full_config import full_config
from mmdet.engine import download
from mmdet.engine.download import fetch
from mmdet.utils import UserError
from tests.apis import model_zoo_page
from tests.compat.checkpoints import foreign
from tools import test as test_tool
from tools import test_video

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('entry', ZOO.values(), ids=lambda entry: entry.name)
def test_entries_have_their_config_and_the_hash_of_their_file_name(entry):
    assert load_config(config_path(entry)).model.type in ('MaskRCNN', 'MaskTrackRCNN')
    assert entry.sha256.startswith(re.search(r'-([0-9a-f]{8})\.pth$', entry.file).group(1))
    assert all(url.endswith(f'/{entry.file}') for url in (entry.url, *entry.mirrors))


def test_unknown_names_list_those_that_are_near():
    with pytest.raises(UserError, match='did you mean maskrcnn_r50_fpn_v2_coco.*--list-models'):
        find_weights('maskrcnn_r50_fpn_v2')
    with pytest.raises(UserError, match='masktrack_rcnn_r50_fpn_12e_youtubevis2019 or masktrack.*2021'):
        find_weights('masktrack_r50')
    with pytest.raises(UserError, match=r"'qqq'.*\(--list-models shows"):
        find_weights('qqq')


def test_a_file_comes_before_a_name_and_paths_are_no_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named('maskrcnn_r50_fpn_coco', 'config').name == 'maskrcnn_r50_fpn_coco'
    Path('maskrcnn_r50_fpn_coco').write_text('')
    for value in ('maskrcnn_r50_fpn_coco', 'a/maskrcnn', 'x.py', 'https://a.org/b', Path('b'), None):
        assert named(value, 'config') is None
    with pytest.raises(UserError, match="config 'maskrcnn_r5': no such file, and no weights have this name"):
        load_config('maskrcnn_r5')
    with pytest.raises(UserError, match="checkpoint 'maskrcnn_r5': no such file"):
        read_weights('maskrcnn_r5')


def test_model_stands_for_config_and_checkpoint(capsys):
    for tool in (test_tool, test_video):
        args = tool.parse_args(['--model', 'maskrcnn_r50_fpn_coco'])
        assert args.config == args.checkpoint == 'maskrcnn_r50_fpn_coco'
        with pytest.raises(SystemExit):
            tool.parse_args(['c.py', '--model', 'maskrcnn_r50_fpn_coco'])
        assert 'give one or the other' in capsys.readouterr().err
        with pytest.raises(SystemExit):
            tool.parse_args(['c.py'])
        assert 'CHECKPOINT is missing; --model NAME stands for both' in capsys.readouterr().err
        with pytest.raises(UserError, match='maskrcnn_r50_fpn_coco'):
            tool.parse_args(['--model', 'maskrcnn'])


def test_the_list_is_quick_and_names_everything():
    run = [sys.executable, '-X', 'importtime', ROOT / 'tools/test.py', '--list-models']
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ZOO)
    assert 'torch' not in {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}


# --- fetching; a server on this machine stands for the net ---

GOOD = '/models/small-{}.pth'


class Server(ThreadingHTTPServer):
    """Serves ``content`` under every path; ``cuts`` has the lengths after which answers end."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(('127.0.0.1', 0), Handler)
        self.content, self.cuts, self.ranges, self.seen, self.status = content, [], True, [], 200
        self.base = f'http://127.0.0.1:{self.server_port}'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get('Range')
        server.seen.append((self.path, asked))
        start = int(asked.split('=')[1].rstrip('-')) if asked and server.ranges else 0
        status = server.status if server.status != 200 else 206 if start else 200
        body = server.content[start:]
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def content():
    file = io.BytesIO()
    torch.save({'state_dict': {'w': torch.arange(700_000.0)}}, file)
    return file.getvalue()


@pytest.fixture
def server(content):
    with Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.02))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr(download.time, 'sleep', lambda seconds: None)
    monkeypatch.delenv('MASKTRACK_MIRROR', raising=False)
    return tmp_path / 'hub' / 'checkpoints'


@pytest.fixture
def url(server, content):
    return server.base + GOOD.format(hashlib.sha256(content).hexdigest()[:8])


def left(cache):
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


def test_a_file_is_fetched_once_with_progress(server, url, cache, content, capsys):
    path = fetch(url)
    assert path.read_bytes() == content and left(cache) == [path.name]
    said = capsys.readouterr()
    assert f'downloading {url} to {path}' in said.err and '3/3 MB' in said.err and said.out == ''
    assert fetch(url) == path and len(server.seen) == 1
    assert fetch('http://127.0.0.1:9/x/' + path.name) == path  # no net is touched


@pytest.mark.parametrize('ranges', [True, False])
def test_a_broken_transfer_goes_on_or_starts_over(server, url, cache, content, ranges):
    server.cuts, server.ranges = [1_500_000, 100_000 if ranges else 1_500_001], ranges
    assert fetch(url).read_bytes() == content
    assert [asked for _, asked in server.seen] == [
        None,
        'bytes=1500000-',
        f'bytes={1_600_000 if ranges else 1_500_001}-',
    ]


def test_a_transfer_that_never_gets_on_is_given_up(server, url, cache):
    server.cuts = [1_500_000] + [0] * 100
    with pytest.raises(UserError, match=r'cut short: 1500000 of 28\d+ bytes\).*put it at .*small-'):
        fetch(url)
    assert len(server.seen) == 5 and left(cache) == []


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [
        (lambda content: content[:-5] + b'12345', 'damaged: its SHA-256 does not begin with'),
        (lambda content: content[: len(content) // 2], 'damaged: its SHA-256'),
        (lambda content: b'\n<!DOCTYPE html><p>Please log in', 'a web page came, not the file'),
        (lambda content: b'', 'damaged: its SHA-256'),
    ],
)
def test_damaged_files_are_refused_and_leave_nothing(server, url, cache, content, damage, reason):
    server.content = damage(content)
    with pytest.raises(UserError, match=reason) as caught:
        fetch(url, name='small')
    assert str(caught.value).startswith('checkpoint small: cannot download http://127') and left(cache) == []
    assert '\n' not in str(caught.value)


def test_what_the_server_refuses_is_told(server, url, cache):
    server.status = 404
    with pytest.raises(UserError, match='HTTP 404'):
        fetch(url)
    assert len(server.seen) == 1 and left(cache) == []


def test_other_addresses_are_tried_in_order(server, url, cache, content):
    others = ('http://127.0.0.1:9/gone.pth', server.base + '/copy/of.pth')
    path = fetch('http://127.0.0.1:9' + url.removeprefix(server.base), others)
    assert path.name == url.rsplit('/', 1)[1] and path.read_bytes() == content
    path.unlink()
    with pytest.raises(UserError, match='127.0.0.1:9/models.*Connection refused.*; nor http.*gone.pth'):
        fetch('http://127.0.0.1:9' + url.removeprefix(server.base), others[:1])


def test_a_mirror_takes_the_place_of_all_addresses(server, url, cache, content, monkeypatch, tmp_path):
    elsewhere = 'http://127.0.0.1:9' + url.removeprefix(server.base)
    monkeypatch.setenv('MASKTRACK_MIRROR', server.base + '/mirror/')
    path = fetch(elsewhere)
    assert server.seen == [('/mirror' + url.removeprefix(server.base), None)]
    for place in (
        tmp_path / path.name,
        tmp_path / 'models' / path.name,
    ):  # a folder, flat or as on the server
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
        monkeypatch.setenv('MASKTRACK_MIRROR', str(tmp_path))
        assert fetch(elsewhere).read_bytes() == content
        place.unlink()
    path.unlink()
    with pytest.raises(UserError, match='cannot download file:///.*No such file'):
        fetch(elsewhere)
    monkeypatch.setenv('MASKTRACK_MIRROR', 'nowhere')
    with pytest.raises(UserError, match='mirror nowhere: expected an address'):
        fetch(elsewhere)


@pytest.mark.long
def test_two_processes_fetch_one_file_once(server, url, cache, content):
    code = (
        'import sys, torch\nfrom mmdet.engine import download\n'
        f'torch.hub.get_dir = lambda: {str(cache.parent)!r}\nprint(download.fetch(sys.argv[1]))'
    )
    run = [sys.executable, '-c', code, url]
    jobs = [subprocess.Popen(run, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [job.communicate(timeout=120)[0].strip() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0]
    assert said[0] == said[1] and Path(said[0]).read_bytes() == content
    assert len(server.seen) == 1 and left(cache) == [Path(said[0]).name]


def test_who_waits_takes_what_the_other_fetched(server, url, cache, content, monkeypatch, capsys):
    path = download.cache_path(url)
    path.parent.mkdir(parents=True)
    lock = download.exclusive(f'{path}.lock', 'busy')
    lock.__enter__()

    def the_other_is_done(seconds):
        path.write_bytes(content)
        lock.__exit__(None, None, None)

    monkeypatch.setattr(download.time, 'sleep', the_other_is_done)
    assert fetch(url) == path and server.seen == []
    assert 'is being fetched (process' in capsys.readouterr().err


# --- from the name to a model ---


@pytest.fixture
def small(tmp_path, monkeypatch, cache):
    """A small MaskTrack R-CNN as mmtracking publishes it, named in the table; address and file are given."""
    config = tmp_path / 'small.py'
    state = foreign.fill(foreign.mmtracking_shapes())
    file = io.BytesIO()
    torch.save(dict(state_dict=state, meta=dict(CLASSES=tuple('abcde'))), file)
    converted = convert_checkpoint(dict(state_dict=state, meta={}))
    config.write_text(config_text(Config(full_config(converted))))
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    entry = Weights('small', f'http://127.0.0.1:9/m/s-{digest[:8]}.pth', digest[:8], 'x', {}, 'x', 'x')
    monkeypatch.setitem(ZOO, 'small', entry)
    for module in (config_module, model_zoo):
        monkeypatch.setattr(module, 'config_path', lambda entry: config)
    cache.mkdir(parents=True)
    return SimpleNamespace(entry=entry, content=file.getvalue(), path=cache / entry.file, converted=converted)


def test_a_name_is_enough_and_weights_are_converted(small):
    small.path.write_bytes(small.content)
    model = init_detector('small')
    assert model.dataset_meta['classes'] == tuple('abcde')
    for name, value in model.state_dict().items():
        assert torch.equal(value, small.converted.state_dict[name]), name
    frames = [foreign.random_image(f'{number}', 40, 60) for number in range(2)]
    model.test_cfg['rcnn'].update(score_thr=0.0, max_per_img=5)
    assert len(next(inference_video(model, frames)).pred_instances) == 5


def test_a_name_is_fetched_from_the_server(small, server, monkeypatch):
    server.content = small.content
    monkeypatch.setenv('MASKTRACK_MIRROR', server.base)
    assert fetch_weights('small') == small.path
    assert server.seen == [('/m/' + small.path.name, None)]


def test_without_a_net_the_message_says_where_to_put_the_file(small):
    with pytest.raises(UserError) as caught:
        init_detector('small')
    assert f'put it at {small.path}, or give a local path' in str(caught.value)
    assert left(small.path.parent) == []


def test_a_damaged_file_in_the_cache_is_told_and_kept(small):
    small.path.write_bytes(small.content[:-1])
    with pytest.raises(UserError, match='is damaged, its SHA-256 does not begin with .*remove it'):
        init_detector('small')
    assert left(small.path.parent) == [small.path.name]


def test_the_published_file_by_path_and_a_trained_checkpoint_by_path(small, tmp_path):
    published, own = tmp_path / 'copy.pth', tmp_path / 'own.pth'
    published.write_bytes(small.content)
    model = init_detector('small', str(published))
    torch.save(dict(meta=dict(masktrack_version='1'), state_dict=model.state_dict()), own)
    again = init_detector('small', str(own))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
    assert left(small.path.parent) == []


def test_load_from_takes_a_name(small, tmp_path, monkeypatch):
    small.path.write_bytes(small.content)
    config = load_config('small')
    config.update(load_from='small', work_dir=str(tmp_path / 'work'), train_dataloader=None)
    config.update(train_cfg=None, optim_wrapper=None, param_scheduler=None)
    runner = build_runner(config, train=False)
    runner.load_or_resume()
    name = 'track_head.fcs.1.weight'
    assert torch.equal(runner.model.state_dict()[name], small.converted.state_dict[name])
    with pytest.raises(UserError, match="checkpoint 'smal': no such file.*did you mean small"):
        build_runner(Config(dict(config, load_from='smal')), train=False)


def test_the_page_has_the_tables_of_the_zoo():
    text = model_zoo_page.PAGE.read_text()
    assert model_zoo_page.with_tables(text) == text, 'run  python -m tests.apis.model_zoo_page'
    assert all(f'\n| `{name}` | {entry.data} |' in text for name, entry in ZOO.items())
