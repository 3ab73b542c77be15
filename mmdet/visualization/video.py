"""Reading frames of a video file or folder and writing videos, frame by frame."""

import os
import re
from pathlib import Path

import cv2
import numpy as np

from ..utils.errors import UserError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def _natural(path):
    """Sort key that puts frame 10 after frame 9."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r'(\d+)', path.name)]


class VideoReader:
    """Frames of a video file or of a folder of pictures, one at a time, turned upright as the file says.

    Args:
        path (str | Path): a video that OpenCV reads, or a folder; a folder's pictures come in the natural
            order of their names.

    Attributes:
        fps (float): frames a second; for a folder, ``default_fps``.
        count (int | None): number of frames, where known before reading.
        read (int): number of frames read so far.

    Raises:
        UserError: if there is nothing to read, or it cannot be read.
    """

    def __init__(self, path, default_fps=6.0):
        self.path = Path(path)
        self.read = 0
        self.files = None
        if self.path.is_dir():
            files = (file for file in self.path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            self.files = sorted(files, key=_natural)
            if not self.files:
                raise UserError(f'{self.path}: no pictures ({", ".join(IMAGE_SUFFIXES)}) in this folder')
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
                    f'{self.path}: not a video that can be read (truncated, or of an unknown format)'
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
        for frame in self._from_files() if self.files is not None else self._from_video():
            self.read += 1
            yield frame
        if self.read == 0:
            raise UserError(f'{self.path}: no frame could be read')

    def _from_files(self):
        for file in self.files:
            frame = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if frame is None:
                raise UserError(f'{file}: not a picture that can be read')
            yield frame

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
        """Number of frames that the file announces and that could not be read; call it after the last frame.

        Some formats only estimate their number of frames, so that a difference of a twentieth counts as none.
        """
        if self.count is None:
            return 0
        short = self.count - self.read
        return short if short > max(2, self.count // 20) else 0


class VideoWriter:
    """Writes frames to a video as they come; the file appears under its name when it is whole.

    mp4 is tried first; where OpenCV has no encoder for it, an avi of JPEG pictures takes its place.

    Args:
        path (str | Path): the video; ``.avi`` chooses JPEG pictures.
        fps (float): frames a second.
        codec (str): four characters for mp4. ``vp09`` plays in browsers, but encodes a hundred times slower.

    Attributes:
        path (Path): where the video is, with the suffix it got.
        frames (int): number of frames written.
    """

    def __init__(self, path, fps=6.0, codec='mp4v'):
        if not fps > 0:
            raise UserError(f'{path}: expected more than 0 frames a second, got {fps}')
        self.path = Path(path)
        self.fps = float(fps)
        self.codec = codec
        self.frames = 0
        self._size = None
        self._writer = None
        self._temporary = None

    def _open(self, width, height):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        tries = [(self.path.suffix.lower() or '.mp4', self.codec), ('.avi', 'MJPG')]
        if tries[0][0] == '.avi':
            tries = tries[1:]
        for suffix, codec in tries:
            temporary = self.path.with_name(f'.{self.path.stem}.{os.getpid()}.tmp{suffix}')
            writer = cv2.VideoWriter(
                str(temporary), cv2.VideoWriter_fourcc(*codec), self.fps, (width, height)
            )
            if writer.isOpened():
                self.path, self._temporary, self._writer = self.path.with_suffix(suffix), temporary, writer
                return
            writer.release()
            temporary.unlink(missing_ok=True)
        raise UserError(f'{self.path}: OpenCV has no encoder for {" or ".join(codec for _, codec in tries)}')

    def write(self, frame):
        """Append a frame, uint8 (H, W, 3) BGR. Odd sides are extended by one pixel, as encoders ask for.

        Raises:
            UserError: if its size is not that of the first frame, or OpenCV cannot encode videos.
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
        """Finish the file; with ``keep=False`` it is thrown away. A video without frames leaves no file."""
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
