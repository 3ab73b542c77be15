"""Reading and writing videos, frame by frame."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from mmdet.utils import IMAGE_SUFFIXES, UserError, natural_key

from .image import read_image

# Codecs that OpenCV's wheels can write. Browsers play VP8 and VP9; VP9 takes several times as long.
CODECS = {'.webm': 'VP80', '.mp4': 'mp4v', '.avi': 'MJPG'}


class VideoReader:
    """Iterates over the frames of a video file or of a folder of images; rotated videos come upright.

    Args:
        path (str | Path): a video that OpenCV can read, or a folder, whose images are read in natural order
            of their names.
        default_fps (float): frame rate of a folder, and of a video that does not state its own.

    Attributes:
        fps (float): frames per second.
        count (int | None): number of frames, if the file states it.
        read (int): number of frames read so far.

    Raises:
        UserError: there are no frames, or they cannot be read.
    """

    def __init__(self, path: str | Path, default_fps: float = 6.0):
        self.path = Path(path)
        self.read = 0
        self.files = None
        if self.path.is_dir():
            files = (file for file in self.path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            self.files = sorted(files, key=lambda file: natural_key(file.name))
            if not self.files:
                raise UserError(f'{self.path}: no images ({", ".join(IMAGE_SUFFIXES)}) in this folder')
            self.fps, self.count = float(default_fps), len(self.files)
            return
        if not self.path.exists():
            raise UserError(f'{self.path}: no such video file or folder')
        if self.path.stat().st_size == 0:
            raise UserError(f'{self.path}: the file is empty')
        capture = cv2.VideoCapture(str(self.path))
        try:
            if not capture.isOpened():
                raise UserError(
                    f'{self.path}: not a video that can be read (truncated, or in an unknown format)'
                )
            fps = capture.get(cv2.CAP_PROP_FPS)
            count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        finally:
            capture.release()
        self.fps = float(fps) if 0 < fps < 1000 else float(default_fps)
        self.count = int(count) if 0 < count < 1e9 else None

    def __iter__(self):
        """Yield uint8 (H, W, 3) BGR frames."""
        self.read = 0
        for frame in map(read_image, self.files) if self.files is not None else self._from_video():
            self.read += 1
            yield frame
        if self.read == 0:
            raise UserError(f'{self.path}: no frame could be read')

    def _from_video(self):
        capture = cv2.VideoCapture(str(self.path))
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        try:
            while True:
                ok, frame = capture.read()
                if not ok:
                    return
                yield frame
        finally:
            capture.release()

    def missing(self):
        """Number of frames that the file announces but that could not be read; call it after the last frame.

        Some formats only estimate their number of frames, so a difference of up to 5% counts as 0.
        """
        if self.count is None:
            return 0
        short = self.count - self.read
        return short if short > max(2, self.count // 20) else 0


@contextlib.contextmanager
def _without_tag_warnings():
    """Hide OpenCV's message that webm has no codec tags; everything else that is printed passes.

    C code prints it for every webm file at any log level, so only the file descriptor can be redirected.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        screen = os.dup(2)
    except OSError:  # the process has no stderr
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            caught.seek(0)
            rest = [line for line in caught if not (b'OpenCV: FFMPEG: tag' in line and b'webm' in line)]
            os.write(screen, b''.join(rest))
            os.close(screen)


class VideoWriter:
    """Writes frames to a video as they come; the file appears under its name when it is complete.

    If OpenCV has no encoder for the requested format, the next of webm, mp4 and avi is written instead.

    Args:
        path (str | Path): the video. ``.webm`` (VP8) plays in browsers; ``.mp4`` (MPEG-4 part 2) does not,
            but is faster to write and plays in most programs; ``.avi`` holds JPEG images.
        fps (float): frames per second.
        codec (str | None): four characters that replace the codec of the suffix.

    Attributes:
        path (Path): the video, with the suffix that was written.
        frames (int): number of frames written.
    """

    def __init__(self, path: str | Path, fps: float = 6.0, codec: str | None = None):
        if not fps > 0:
            raise UserError(f'{path}: expected more than 0 frames per second, got {fps}')
        self.path = Path(path)
        self.fps = float(fps)
        self.codec = codec
        self.frames = 0
        self._size = None
        self._writer = None
        self._temporary = None

    def _tries(self):
        """Suffix and codec that were requested, then the alternatives."""
        wanted = self.path.suffix.lower() or '.mp4'
        yield wanted, self.codec or CODECS.get(wanted, CODECS['.mp4'])
        later = list(CODECS)[list(CODECS).index(wanted) + 1 :] if wanted in CODECS else ['.avi']
        yield from ((suffix, CODECS[suffix]) for suffix in later)

    def _open(self, width, height):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path.parent, os.W_OK):  # OpenCV's error would name its encoders
            raise UserError(f'{self.path}: the folder is not writable')
        for suffix, codec in self._tries():
            temporary = self.path.with_name(f'.{self.path.stem}.{os.getpid()}.tmp{suffix}')
            fourcc = cv2.VideoWriter_fourcc(*codec)
            with _without_tag_warnings() if suffix == '.webm' else contextlib.nullcontext():
                writer = cv2.VideoWriter(str(temporary), fourcc, self.fps, (width, height))
            if writer.isOpened():
                self.path, self._temporary, self._writer = self.path.with_suffix(suffix), temporary, writer
                return
            writer.release()
            temporary.unlink(missing_ok=True)
        names = ' or '.join(codec for _, codec in self._tries())
        raise UserError(f'{self.path}: OpenCV has no encoder for {names}')

    def write(self, frame):
        """Append a frame, uint8 (H, W, 3) BGR. Odd sides are extended by one pixel, which encoders require.

        Raises:
            UserError: its size differs from that of the first frame, or OpenCV cannot write videos.
        """
        height, width = frame.shape[:2]
        if self._size is None:
            self._size = (height, width)
            self._open(width + width % 2, height + height % 2)
        if (height, width) != self._size:
            raise UserError(
                f'{self.path}: frame {self.frames} is {height} x {width}, the first was {self._size}'
            )
        if height % 2 or width % 2:
            frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self._writer.write(np.ascontiguousarray(frame))
        self.frames += 1

    def close(self, keep=True):
        """Finish the file; ``keep=False`` discards it. A video without frames leaves no file."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        if keep:
            os.replace(self._temporary, self.path)
        else:
            self._temporary.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(keep=kind is None)
