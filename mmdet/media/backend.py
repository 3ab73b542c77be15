"""Which library decodes and encodes videos."""

from types import ModuleType


def video_backend() -> ModuleType:
    """The module with ``Decoder``, ``Encoder`` and ``SUFFIXES``: by PyAV (17 or newer), else by OpenCV."""
    try:
        import av

        if int(av.__version__.partition('.')[0]) < 17:
            raise ImportError('PyAV is too old')
        from . import av_video
    except ImportError:
        from . import opencv_video

        return opencv_video
    return av_video
