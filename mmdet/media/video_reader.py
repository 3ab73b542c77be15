"""Reading videos frame by frame."""

import glob
import itertools
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from mmdet.utils import IMAGE_SUFFIXES, UserError, natural_key, note_input

from .backend import video_backend
from .containers import frame_durations, is_cut_off
from .image import image_size, read_image, read_images

_ADDRESS = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+://')


class SizesDiffer(UserError):
    """The images of a folder have several sizes."""


class VideoReader:
    """Iterates over the frames of a video; rotated videos come upright.

    PyAV decodes, or OpenCV where PyAV is not installed. The images of a folder are read by
    :func:`~mmdet.media.read_image`, as datasets read them.

    Args:
        path (str | Path): a video file; a folder, whose images are read in natural order of their names,
            hidden files left out; a pattern for images such as ``frames/*.jpg``; an image, also an animated
            or multi-page one; an address such as ``rtsp://...``, as text; or the number of a camera, as text.
        default_fps (float): frame rate of images, and of a video that does not state its own.

    Attributes:
        name (str): the path or address, for messages.
        fps (float): frames per second; of a variable frame rate the mean.
        count (int | None): number of frames, if the file states it; of a video file a hint only.
        read (int): number of frames yielded so far.
        live (bool): a camera or a stream, which cannot be read again.

    Raises:
        UserError: there are no frames, or they cannot be read.
    """

    def __init__(self, path: str | Path, default_fps: float = 6.0):
        self.name = str(path)
        self.read = 0
        self.files = None
        self.fps, self.count = float(default_fps), None
        self._decoder = self._using = None
        self._starts, self._index = [], 0  # times of an animated image; the one yielded last
        self._cut = False
        self.live = is_live(path)
        if is_address(path):
            self._source = path
        elif self.live:
            self._source = int(path)
        elif os.path.isdir(path) or is_pattern(path):
            self.files = _images_of(Path(path)) if os.path.isdir(path) else _images_like(self.name)
            self.count = len(self.files)
            return
        else:
            _check_file(self.name)
            if Path(path).suffix.lower() in IMAGE_SUFFIXES:
                self.files = [Path(path)]
                self._take_times(frame_durations(path))
                return
            # FFmpeg takes a name with a colon for an address; an absolute path has none before its slash.
            self._source, self._cut = os.path.abspath(path), os.path.isfile(path) and is_cut_off(path)
        self._decoder = self._open()
        if 0 < (self._decoder.fps or 0) < 1000:
            self.fps = float(self._decoder.fps)
        self.count = self._decoder.count

    @property
    def time(self):
        """Fraction | None: when the frame yielded last is shown, in seconds."""
        if self._starts:
            return self._starts[self._index] if self._index < len(self._starts) else None
        return None if self._using is None else self._using.time

    @property
    def aspect(self):
        """Fraction | None: width of a pixel of that frame by its height; None: square or not known."""
        return None if self._using is None else self._using.aspect

    def _take_times(self, durations):
        if durations:
            self.count = len(durations)
            self.fps = float(self.count / sum(durations))
            self._starts = list(itertools.accumulate(durations[:-1], initial=Fraction(0)))

    def _open(self):
        if isinstance(self._source, int):
            from .opencv_video import Decoder  # FFmpeg names cameras differently on each system

            return Decoder(self._source, f'camera {self.name}')
        return video_backend().Decoder(self._source, self.name, self._cut)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield uint8 (H, W, 3) BGR frames; see :meth:`frames`."""
        return self.frames()

    def frames(self, start: int = 0, end: int | None = None, stride: int = 1) -> Iterator[np.ndarray]:
        """Yield some of the frames, uint8 (H, W, 3) BGR.

        Args:
            start (int): the first one, counted from 0.
            end (int | None): the first one that is not wanted any more.
            stride (int): every ``stride``-th frame from ``start`` on.

        Raises:
            UserError: an image cannot be read; or, after the last frame, the video is damaged or cut off
                there. The frames before it were yielded.
        """
        self.read = 0
        if self.files is None:
            # The open video is used first: an address may be valid only once.
            self._using, self._decoder = self._decoder or self._open(), None
            frames = self._using.frames(start, stride)
        elif len(self.files) == 1:
            frames = itertools.islice(read_images(self.files[0]), start, None, stride)
        else:
            frames = map(read_image, self.files[start::stride])
        for frame in itertools.islice(frames, None if end is None else frames_between(start, end, stride)):
            self._index = start + self.read * stride
            self.read += 1
            yield frame

    def check_size(self) -> None:
        """Check that all images of a folder have one size; only their headers are read.

        Raises:
            SizesDiffer: one differs from the first.
            UserError: one cannot be read.
        """
        sizes = {}
        for file in self.files or ():
            sizes.setdefault(_size_of(file), file)
            if len(sizes) == 2:
                (first, first_file), (other, other_file) = sizes.items()
                raise SizesDiffer(
                    f'{other_file} is {other[0]}x{other[1]}, the first image {first_file.name} is '
                    f'{first[0]}x{first[1]} (height x width): a video needs one size, resize the images'
                )


def is_address(path: str | Path) -> bool:
    """Whether text is an address such as ``http://...``; a ``Path`` never is."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def is_live(path: str | Path) -> bool:
    """Whether this is the number of a camera, or the address of a stream that cannot be read again."""
    if is_address(path):
        return not path.lower().startswith(('http', 'file', 'ftp', 'sftp'))
    return isinstance(path, str) and path.isdecimal() and not os.path.exists(path)


def is_pattern(path: str | Path) -> bool:
    """Whether this is no existing path, but has wildcards."""
    return glob.has_magic(str(path)) and not os.path.exists(path)


def frames_between(start: int, end: int, stride: int) -> int:
    """Number of frames from ``start`` to ``end``, without it."""
    return len(range(start, max(start, end), stride))


def _images_like(pattern):
    found = sorted((Path(file) for file in glob.glob(pattern)), key=lambda file: natural_key(str(file)))
    files = [file for file in found if not file.is_dir() and file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        other = f', but {len(found)} other files: give one video at a time' if found else ''
        raise UserError(f'{pattern}: no images ({", ".join(IMAGE_SUFFIXES)}) match this pattern{other}')
    return files


def _images_of(folder):
    # A link to nowhere is a frame that is missing.
    found = [file for file in folder.iterdir() if not file.is_dir() and not file.name.startswith('.')]
    files = [file for file in found if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        inner = sorted((path.name for path in folder.iterdir() if path.is_dir()), key=natural_key)
        other = f'; the first of its {len(found)} files is {found[0].name}' if found else ''
        other += f'; give a folder in it, such as {folder / inner[0]}' if inner else ''
        raise UserError(f'{folder}: no images ({", ".join(IMAGE_SUFFIXES)}) in this folder{other}')
    return sorted(files, key=lambda file: natural_key(file.name))


def _check_file(name):
    if not os.path.exists(name):
        parent = os.path.dirname(name)
        hint = f'; for a sequence of images give their folder, {parent}' if '%' in name and parent else ''
        raise UserError(f'{name}: no such video file or folder{hint}')
    if not os.path.isfile(name):  # a device or a pipe
        return
    try:
        with open(name, 'rb') as file:
            note_input(name)
            if not file.read(1):
                raise UserError(f'{name}: the file is empty')
    except OSError as error:
        raise UserError(f'{name}: cannot be read: {error.strerror}') from None


def _size_of(file):
    try:
        return image_size(file)
    except UserError:  # perhaps an image that Pillow does not know
        return read_image(file).shape[:2]
