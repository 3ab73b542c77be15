"""Both paths of the operators: compiled and plain PyTorch."""

import importlib

import pytest

from mmdet.ops import ops_available

MODULES = [importlib.import_module(f'mmdet.ops.{name}') for name in ('roi_align', 'nms')]


def set_path(monkeypatch, path):
    """Let the operators run on ``'compiled'`` or ``'plain'`` for the rest of a test."""
    for module in MODULES:
        monkeypatch.setattr(module, 'use_compiled', lambda tensor: path == 'compiled')


@pytest.fixture(params=['compiled', 'plain'])
def path(request, monkeypatch):
    """Run a test once per path; the compiled one only where it is built (test_build.py insists on it)."""
    if request.param == 'compiled' and not ops_available():
        pytest.skip('compiled operators are not built')
    set_path(monkeypatch, request.param)
    return request.param


@pytest.fixture
def both(monkeypatch):
    """A function that runs another one on both paths and returns both results, compiled first."""
    if not ops_available():
        pytest.skip('compiled operators are not built')

    def run(function):
        results = []
        for name in ('compiled', 'plain'):
            set_path(monkeypatch, name)
            results.append(function())
        return results

    return run
