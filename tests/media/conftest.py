"""Each test of videos runs with PyAV, if it is installed, and with OpenCV."""

import sys

import pytest

from .videos import av


@pytest.fixture(params=['av', 'opencv'])
def backend(request, monkeypatch):
    """Name of the library that decodes and encodes."""
    if request.param == 'opencv':
        monkeypatch.setitem(sys.modules, 'av', None)
    elif av is None:
        pytest.skip('PyAV is not installed')
    return request.param
