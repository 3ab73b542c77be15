"""A video whose temporary file plays at any time, and which can be continued after a kill."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from mmdet.utils import AppendedFile, Scratch, UserError, check_output

from .backend import video_backend
from .video_writer import check_suffix, naming

_FRAGMENTS = {
    'movflags': 'delay_moov+empty_moov+default_base_moof+frag_discont+skip_trailer',
    'frag_duration': '500000',  # microseconds
}


def can_resume_videos() -> bool:
    """Whether :class:`ResumableVideo` works here: it needs PyAV."""
    return hasattr(video_backend(), 'copy_video')


class ResumableVideo:
    """Writes a video by parts to ``PATH.partial.mp4``, a fragmented MP4, and makes the final file at the end.

    Each part begins with a key frame and an encoder of its own. A run that continues after a part therefore
    writes the same video as one that was not interrupted.

    Args:
        path (str | Path): the video, see :class:`~mmdet.media.VideoWriter`.
        fps (float): frames per second, where frames come without times.
        state (dict | None): of :meth:`checkpoint`: continue after it.

    Attributes:
        path (Path): the video.
        temporary (Path): the video until it is complete.

    Raises:
        UserError: there is no encoder, the running command reads this file, or the temporary file is not the
            one of ``state``.
    """

    def __init__(self, path: str | Path, fps: float, state: dict | None = None):
        self.path = check_output(path)
        self.temporary = check_output(f'{path}.partial.mp4')
        self.fps = float(fps)
        self._backend = video_backend()
        self._suffix = check_suffix(self.path)
        self._encoder = self._size = None
        self._origin, self._tick = 0, None  # time of the first frame; tick of the last one
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with naming(self.path):
            self._file = AppendedFile(self.temporary, state)
        if state is not None:
            self._size = tuple(state['size']) if state['size'] else None
            self._origin, self._tick = Fraction(state['origin']), state['tick']

    def write(self, frame: np.ndarray, time: Fraction | None = None, aspect: Fraction | None = None) -> None:
        """Append a frame.

        Args:
            frame (np.ndarray): uint8 (H, W, 3) BGR.
            time (Fraction | None): when it is shown, in seconds; None: after the frame before.
            aspect (Fraction | None): width of a pixel by its height, of all frames; None: square. PyAV cannot
                write it to WebM, and GIF not at all.

        Raises:
            UserError: its size differs from that of the first frame, or there is no encoder.
            OSError: the disk is full.
        """
        size = frame.shape[:2]
        if self._size not in (None, size):
            raise UserError(
                f'{self.path}: a frame is {size[0]}x{size[1]}, the first was {self._size[0]}x{self._size[1]} '
                '(height x width)'
            )
        self._size = size
        with naming(self.path):
            if self._encoder is None:
                part = _Part(self._file)
                self._encoder = self._backend.Encoder(
                    part, self._suffix, self.fps, size[1], size[0], 'mp4', _FRAGMENTS, aspect
                )
            self._encoder.write(np.ascontiguousarray(frame), self._next_tick(time))

    def _next_tick(self, time):
        """Ticks are a sixteenth of a frame, so that rounded times of a constant rate become equal steps."""
        ticks = self._backend.Encoder.TICKS
        if time is not None and self._tick is None:
            self._origin = time
        usual = 0 if self._tick is None else self._tick + ticks
        tick = usual if time is None else round((time - self._origin) * Fraction(self.fps) * ticks)
        # Times that stand still or run backwards, as after a restart of a camera, are not believed.
        self._tick = tick if self._tick is None or tick > self._tick else usual
        return self._tick

    def end_part(self) -> None:
        """End the part: the next frame begins a new one."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            with naming(self.path):
                encoder.close()

    def checkpoint(self) -> dict:
        """End the part; returns what is needed to continue after it, plain values."""
        self.end_part()
        with naming(self.path):
            return {**self._file.sync(), 'size': self._size, 'origin': str(self._origin), 'tick': self._tick}

    def close(self) -> None:
        """Write the final file with the frames so far; without frames there is none.

        The temporary file stays, so that the work can go on; :meth:`discard` removes it.

        Raises:
            OSError: the disk is full.
        """
        self.end_part()
        self._file.close()
        if self._size is None:
            return
        with naming(self.path), Scratch(self.path) as scratch:
            self._backend.copy_video(str(self.temporary), str(scratch.temporary), self._suffix, self.fps)

    def discard(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        self.temporary.unlink(missing_ok=True)


class _Part:
    """Where a muxer writes: the header of an MP4 file passes only once, its fragments always."""

    def __init__(self, file):
        self.file = file
        self.head = b'' if file.size else None  # None: everything passes

    def write(self, data):
        data = bytes(data)
        if self.head is None:
            self.file.write(data)
            return len(data)
        self.head += data
        position = 0
        while position + 8 <= len(self.head):
            if self.head[position + 4 : position + 8] == b'moof':
                self.file.write(self.head[position:])
                self.head = None
                break
            position += int.from_bytes(self.head[position : position + 4], 'big')
        return len(data)
