"""Fetching files of weights into torch's cache: once, with progress, resumed after a break, checked."""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import torch

from mmdet.utils import Progress, Scratch, UserError, exclusive

#: Environment variable with another place to fetch from: an address, or a folder of files.
MIRROR = 'MASKTRACK_MIRROR'
_TRIES = 4  # in a row that bring nothing
_TIMEOUT = 60  # seconds without a byte
_CHUNK = 1 << 20


class _Failed(Exception):
    """An address does not give the file."""


class _Broken(Exception):
    """A transfer ended early; what came so far is kept for the next try."""


def cache_path(url: str) -> Path:
    """Where the file of an address lies in torch's cache (``TORCH_HOME`` moves it), fetched or not."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / os.path.basename(urlsplit(url).path)


def sha256(path: str | Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(url: str, others: tuple[str, ...] = (), digest: str | None = None, name: str = '') -> Path:
    """Return the cached file of an address, and fetch it first if it is not there yet.

    With ``MASKTRACK_MIRROR`` set the file is taken from there alone: from the same path below an address, or
    by its name from a folder. Processes that want the same file wait for the one that fetches it.

    Args:
        url: ``http(s)://...``; the end of the path is the name of the file.
        others: further addresses of the same file, tried in order if the first does not answer.
        digest: first digits of its SHA-256. None: those of the file name (``name-0123abcd.pth``), if any.
        name: what the user asked for, for messages.

    Raises:
        UserError: no address gives the file, or it is damaged. The cache is then as before.
    """
    path = cache_path(url)
    if path.is_file():
        return path
    if digest is None:
        found = re.search(r'-([a-f0-9]{8,})\.', path.name)
        digest = found.group(1) if found else ''
    addresses = _mirrored(url) if os.environ.get(MIRROR) else [url, *others]
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if not path.is_file():  # another process may have fetched it meanwhile
            _fetch_first(addresses, path, digest, name or url)
    return path


def _mirrored(url):
    """Addresses of a file at the mirror."""
    mirror, path = os.environ[MIRROR], urlsplit(url).path
    if urlsplit(mirror).scheme in ('http', 'https', 'file'):
        return [mirror.rstrip('/') + path]
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise UserError(f'mirror {mirror}: expected an address (https://...) or an existing folder')
    places = [folder / os.path.basename(path), folder / path.lstrip('/')]
    return [place.resolve().as_uri() for place in places if place.is_file()] or [places[0].resolve().as_uri()]


@contextlib.contextmanager
def _alone(path):
    """Hold the lock of a file, and wait for it if another process has it."""
    told = False
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(exclusive(f'{path}.lock', f'{path.name} is being fetched'))
                break
            except UserError as busy:
                if not told:
                    print(f'{busy}: waiting', file=sys.stderr, flush=True)
                told = True
                time.sleep(0.2)
        yield


def _fetch_first(addresses, path, digest, name):
    """Fetch from the first address that gives the file."""
    reasons = []
    for address in addresses:
        print(f'downloading {address} to {path}', file=sys.stderr, flush=True)
        try:
            with Scratch(path) as scratch:
                _transfer(address, scratch.temporary)
                _check(scratch.temporary, digest)
            return
        except _Failed as error:
            reasons.append(f'{address} ({error})')
    raise UserError(
        f'checkpoint {name}: cannot download {"; nor ".join(reasons)}. Fetch it where there is a network, '
        f'put it at {path}, or give a local path'
    )


def _transfer(address, path):
    """Download to ``path``, going on after breaks. An address that never sends a byte is not asked again."""
    idle, progress = 0, None
    with contextlib.ExitStack() as stack, open(path, 'wb') as file:
        while True:
            before = file.tell()
            try:
                for total, chunk in _chunks(address, file):
                    if progress is None:
                        megabytes = None if total is None else -(-total // _CHUNK)
                        progress = stack.enter_context(Progress(megabytes, 'MB'))
                    file.write(chunk)
                    progress.update(-(-file.tell() // _CHUNK) - progress.done)
                return
            except _Broken as error:
                idle = 0 if file.tell() > before else idle + 1
                if idle >= _TRIES or not file.tell():
                    raise _Failed(error) from None
            time.sleep(0.5 * 2**idle)


def _chunks(address, file):
    """Yield (size of the whole or None, bytes) from where ``file`` ends; raise _Broken if less comes."""
    start = file.tell()
    request = urllib.request.Request(address, headers={'User-Agent': 'masktrack-rcnn'})
    if start:
        request.add_header('Range', f'bytes={start}-')
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            if start and getattr(answer, 'status', None) != 206:  # it cannot continue
                start = file.seek(0)
                file.truncate()
            length = answer.headers.get('Content-Length')
            total = None if length is None else start + int(length)
            while chunk := answer.read(_CHUNK):
                start += len(chunk)
                yield total, chunk
    except urllib.error.HTTPError as error:
        kind = _Broken if error.code >= 500 else _Failed
        raise kind(f'HTTP {error.code} {error.reason}') from None
    except urllib.error.URLError as error:
        raise _Broken(error.reason) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from None
    if total is not None and start < total:
        raise _Broken(f'cut short: {start} of {total} bytes')


def _check(path, digest):
    with open(path, 'rb') as file:
        start = file.read(100).lstrip().lower()
    if start.startswith((b'<!doctype', b'<html', b'<?xml')):
        raise _Failed('a web page came, not the file')
    if not sha256(path).startswith(digest):
        raise _Failed(f'damaged: its SHA-256 does not begin with {digest}')
