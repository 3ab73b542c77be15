"""Decoding and encoding by OpenCV, where PyAV is not installed; and reading cameras."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

import cv2
import numpy as np

from mmdet.utils import UserError

from .containers import codec_name
from .faults import after_the_end, no_frames, undecodable

# Codecs that OpenCV's wheels can write.
_CODECS = {'.webm': 'VP80', '.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v', '.avi': 'MJPG'}
#: Endings of the files that :class:`Encoder` writes.
SUFFIXES = tuple(_CODECS)
_NOISE = (b'OpenCV', b'FFMPEG', b'[ WARN:', b'[ERROR:', b' @ 0x', b'(Invalid argument): fmt:')
_INSTALL = 'install PyAV (pip install av)'


class Decoder:
    """A video that is open for reading; arguments and attributes as of the decoder by PyAV.

    ``source`` may also be the number of a camera.
    """

    time = aspect = None

    def __init__(self, source: str | int, name: str, cut: bool = False):
        self.name, self.cut = name, cut
        camera = isinstance(source, int)
        if not camera:
            _check_name(source)
        file = None if camera or '://' in source else source
        with _without_messages(everything=camera) as hidden:
            self.capture = cv2.VideoCapture(source)
            self.capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
            opened = self.capture.isOpened()
            self.waiting, self.first = self.capture.read()
        codec = self.codec = codec_name(file) if file else None
        if not self.waiting:
            self.capture.release()
            if file is None:
                raise UserError(f'{name} cannot be opened')
            if codec and not cut:
                raise undecodable(name, codec, f'{_INSTALL}, or ')
            if opened:
                raise no_frames(name, codec or 'unknown', cut, None)
            raise UserError(f'{name}: not a video that can be read (truncated, or in an unknown format)')
        if any(b'Cannot convert' in line for line in hidden):  # such frames come out all the same
            self.capture.release()
            raise UserError(f'{name}: OpenCV cannot read interlaced video: {_INSTALL}, or convert it')
        pixels = int(self.capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) & 0xFFFFFFFF
        if pixels >> 16 == 0x1000:  # two letters, 0, bits
            raise UserError(
                f'{name}: OpenCV cannot scale the 16 bits of this video: {_INSTALL}, or convert it'
            )
        self.fps = self.capture.get(cv2.CAP_PROP_FPS)
        count = self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(count) if 0 < count < 1e9 else None

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[np.ndarray]:
        """Yield uint8 (H, W, 3) BGR, upright, all of the size of the first; arguments as of PyAV's decoder.

        Raises:
            UserError: at the end, if the file is cut off.
        """
        read, frame, size = 0, self.first, self.first.shape[1::-1]
        self.first = None
        try:
            while frame is not None:
                if read >= start and (read - start) % stride == 0:
                    yield frame if frame.shape[1::-1] == size else cv2.resize(frame, size)
                read += 1
                frame = self.capture.read()[1]
        finally:
            self.capture.release()
        if self.cut:
            raise after_the_end(self.name, read, self.count, None)

    def close(self):
        """Close the file."""
        self.capture.release()


def _check_name(path):
    try:
        path.encode()
    except UnicodeEncodeError:  # OpenCV crashes
        raise UserError(f'{path}: OpenCV takes only names in UTF-8: rename it, or {_INSTALL}') from None


@contextlib.contextmanager
def _without_messages(everything=False):
    """Hide what OpenCV and its FFmpeg print about a file, and give it as a list of lines at the end.

    What else is printed passes, unless ``everything`` is hidden. C code prints at any log level, so only the
    file descriptor can be redirected.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        screen = os.dup(2)
    except OSError:  # the process has no stderr
        yield []
        return
    hidden = []
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield hidden
        finally:
            os.dup2(screen, 2)
            caught.seek(0)
            for line in caught:
                if everything or any(word in line for word in _NOISE):
                    hidden.append(line)
                else:
                    os.write(screen, line)
            os.close(screen)


class Encoder:
    """Writes frames to a file; arguments and errors as of the encoder by PyAV.

    Odd sides are extended by one pixel, which OpenCV's encoders require, and the frame rate is constant.
    """

    TICKS = 1

    def __init__(self, path: str, suffix: str, fps: float, width: int, height: int):
        _check_name(path)
        fourcc = cv2.VideoWriter_fourcc(*_CODECS[suffix])
        with _without_messages():
            self.writer = cv2.VideoWriter(path, fourcc, fps, (width + width % 2, height + height % 2))
        if not self.writer.isOpened():
            raise UserError(f'{suffix}: this OpenCV has no encoder for {_CODECS[suffix]}')

    def write(self, frame: np.ndarray, tick: int | None = None):
        """Append uint8 (height, width, 3) BGR."""
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self.writer.write(np.ascontiguousarray(frame))

    def close(self):
        """Close the file."""
        self.writer.release()
