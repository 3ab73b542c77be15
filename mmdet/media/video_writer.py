"""Writing videos frame by frame."""

from pathlib import Path

import numpy as np

from mmdet.utils import Scratch, UserError, check_output, reading_own_output

from .backend import video_backend
from .video_reader import VideoReader


class VideoWriter:
    """Writes frames to a video as they come; the file appears under its name when it is complete.

    PyAV encodes, or OpenCV where PyAV is not installed. If there is no encoder for the requested format, the
    next of webm, mp4 and avi is written instead.

    Args:
        path (str | Path): the video. PyAV writes H.264 (``.mp4``, ``.mov``, ``.m4v``, ``.mkv``), VP9
            (``.webm``), JPEG (``.avi``) and ``.gif``; OpenCV writes MPEG-4 part 2, which browsers do not
            play, in place of H.264, VP8 in place of VP9, no ``.gif``, and even sides only, odd ones being
            extended by a pixel. Without an ending: ``.mp4``.
        fps (float): frames per second.

    Attributes:
        path (Path): the video, with the suffix that was written.
        frames (int): number of frames written.

    Raises:
        UserError: nothing writes this kind of file, or the running command reads it.
    """

    def __init__(self, path: str | Path, fps: float = 6.0):
        if not 0 < fps < float('inf'):
            raise UserError(f'{path}: expected more than 0 frames per second, got {fps}')
        self.path = check_output(path)
        self.fps = float(fps)
        self.frames = 0
        self._size = None
        self._encoder = None
        self._scratch = None
        self._backend = video_backend()
        self._suffix = check_suffix(self.path)

    def _open(self, width, height):
        order = ['.webm', '.mp4', '.avi']
        later = order[order.index(self._suffix) + 1 :] if self._suffix in order else ['.avi']
        failures = []
        for suffix in [self._suffix, *later]:
            path = self.path if suffix == self.path.suffix.lower() else self.path.with_suffix(suffix)
            scratch = Scratch(path)
            try:
                encoder = self._backend.Encoder(str(scratch.temporary), suffix, self.fps, width, height)
            except UserError as error:
                scratch.discard()
                failures.append(str(error))
            except BaseException:
                scratch.discard()
                raise
            else:
                self.path, self._scratch, self._encoder = path, scratch, encoder
                return
        raise UserError(f'{self.path}: {"; ".join(failures)}')

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, uint8 (H, W, 3) BGR.

        Raises:
            UserError: its size differs from that of the first frame, or there is no encoder.
            OSError: the disk is full.
        """
        height, width = frame.shape[:2]
        if self._size is None:
            self._open(width, height)
            self._size = (height, width)
        if (height, width) != self._size:
            raise UserError(
                f'{self.path}: frame {self.frames} is {height}x{width}, the first was '
                f'{self._size[0]}x{self._size[1]} (height x width)'
            )
        with naming(self.path):
            self._encoder.write(np.ascontiguousarray(frame))
        self.frames += 1

    def close(self, keep: bool = True) -> None:
        """Finish the file; ``keep=False`` discards it. A video without frames leaves no file.

        Raises:
            UserError: the finished file cannot be read.
            OSError: the disk is full.
        """
        if self._encoder is None:
            return
        encoder, self._encoder = self._encoder, None
        try:
            with naming(self.path):
                encoder.close()
            if keep:
                self._check()
                self._scratch.commit()
        except BaseException:
            self._scratch.discard()
            raise
        if not keep:
            self._scratch.discard()

    def _check(self):
        """OpenCV does not tell when the disk is full."""
        with reading_own_output():
            try:
                next(iter(VideoReader(self._scratch.temporary)))
            except UserError as error:
                raise UserError(f'{self.path}: could not be written (is the disk full?): {error}') from None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(keep=kind is None)


def check_suffix(path: Path) -> str:
    """Ending of a video to be written, in lower case; ``.mp4`` if there is none.

    Raises:
        UserError: it is not written here.
    """
    backend = video_backend()
    suffix = path.suffix.lower() or '.mp4'
    if suffix not in backend.SUFFIXES:
        hint = ' (.gif needs PyAV: pip install av)' if suffix == '.gif' else ''
        raise UserError(f'{path}: videos are written as {", ".join(backend.SUFFIXES)}, not as {suffix}{hint}')
    return suffix


class naming:
    """In the block, errors of the file system name the video, not the temporary file."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
