"""Decoding and encoding by PyAV, whose wheels hold FFmpeg with its common codecs."""

import re
import sys
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from mmdet.utils import UserError

from .containers import codec_name
from .faults import after_the_end, no_frames, undecodable
from .image import bits_in_use, warn_of_bits

# Seconds after which a server counts as gone.
_TIMEOUT = 20.0

# Container, codecs in order of preference, pixel format, options. x264 needs yuv420p for common players.
_X264 = (('libx264', 'libopenh264', 'mpeg4'), 'yuv420p', {'crf': '20', 'preset': 'veryfast'})
_VP9 = {'crf': '30', 'b': '0', 'deadline': 'realtime', 'cpu-used': '8', 'row-mt': '1'}
_FORMATS = {
    '.mp4': ('mp4', *_X264),
    '.m4v': ('mp4', *_X264),
    '.mov': ('mov', *_X264),
    '.mkv': ('matroska', *_X264),
    '.webm': ('webm', ('libvpx-vp9', 'libvpx'), 'yuv420p', _VP9),
    '.avi': ('avi', ('mjpeg',), 'yuvj420p', {'qmin': '2', 'qmax': '3'}),
    '.gif': ('gif', ('gif',), 'pal8', {}),
}
#: Endings of the files that :class:`Encoder` writes.
SUFFIXES = tuple(_FORMATS)


class Decoder:
    """A video that is open for reading.

    Args:
        source (str): file or address, as FFmpeg takes it.
        name (str): for messages.
        cut (bool): the file is known to be cut off.

    Attributes:
        fps (float | None): mean frames per second, if known.
        count (int | None): number of frames that the container announces; a hint only.
    """

    def __init__(self, source: str, name: str, cut: bool = False):
        self.name, self.cut = name, cut
        address = '://' in source
        self.codec = None if address else codec_name(source)
        options = {'rtsp_transport': 'tcp'} if source.startswith('rtsp') else {}
        try:
            self.container = av.open(
                source, options=options, metadata_errors='replace', timeout=_TIMEOUT if address else None
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            if address:
                raise UserError(f'{name} cannot be opened: {_reason(error)}') from None
            raise UserError(
                f'{name}: not a video that can be read (truncated, or in an unknown format)'
            ) from None
        try:
            self.stream = self._video_stream()
        except BaseException:
            self.container.close()
            raise
        rate = self.stream.average_rate or self.stream.guessed_rate
        self.fps = float(rate) if rate else None
        self.count = self._announced()

    def _video_stream(self):
        streams = self.container.streams
        stream = streams.best('video') or next(iter(streams.video), None)
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
            others = sorted({found.type for found in streams if found is not stream}) or ['nothing']
            raise UserError(f'{self.name}: holds no video, only {" and ".join(others)}')
        if stream.codec_context is None:
            raise undecodable(self.name, self.codec)
        return stream

    def _announced(self):
        """Frames within the duration: an edit list may hide some of those in the file."""
        count, stream = self.stream.frames, self.stream
        if not count:
            return None
        if self.fps and stream.duration and stream.time_base:
            count = min(count, max(1, round(float(stream.duration * stream.time_base) * self.fps)))
        return count

    def frames(self) -> Iterator[np.ndarray]:
        """Yield uint8 (H, W, 3) BGR, upright, all of the size of the first.

        A frame that cannot be decoded is left out. At the end a warning counts these and damaged ones.

        Raises:
            UserError: at the end, if there is no frame, or the video ends too early.
        """
        image_of = _Converter(self.name)
        read, reason, damaged = 0, None, []
        with self.container:
            for packet, decoded, error in self._decoded():
                if error is not None:
                    reason = _reason(error)
                    damaged.append(read)
                elif packet is not None:
                    reason = None
                for frame in decoded:
                    if frame.is_corrupt:
                        damaged.append(read)
                    yield image_of(frame)
                    read += 1
                if read == 0 and reason is None:
                    damaged.clear()  # a recording that starts between two key frames: no frame is lost
        if read == 0:
            raise no_frames(self.name, self.codec or self.stream.codec_context.name, self.cut, reason)
        if reason or self.cut:
            raise after_the_end(self.name, read, self.count, reason)
        if damaged:
            print(
                f'warning: {self.name}: damaged frames: {len(damaged)}, the first at frame {damaged[0]}; '
                'those of which nothing could be decoded were left out',
                file=sys.stderr,
            )

    def _decoded(self):
        """(packet, its frames, error) for each packet; the packet is None where there was none."""
        packets = self.container.demux(self.stream)
        while True:
            packet = None
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                if not packet.size:  # demux ends with one, which would flush the decoder
                    continue
                if packet.is_corrupt and self.cut:
                    raise av.InvalidDataError(1, 'its end is missing')
                yield packet, packet.decode(), None
            except av.FFmpegError as error:
                yield packet, [], error
        try:
            yield None, self.stream.codec_context.decode(None), None
        except av.EOFError:
            pass
        except av.FFmpegError as error:
            yield None, [], error

    def close(self):
        """Close the file."""
        self.container.close()


def _reason(error):
    if isinstance(error, av.error.ExitError):
        return f'no answer within {_TIMEOUT:.0f} seconds'
    return getattr(error, 'strerror', None) or str(error)


class _Converter:
    """Turns decoded frames into BGR images."""

    def __init__(self, name):
        self.name = name
        self.size = None
        self.bits = 8

    def __call__(self, frame):
        if self.size is None:
            self.size = {'width': frame.width, 'height': frame.height}
        image = self._sixteen_bits(frame)
        if image is None:
            image = frame.to_ndarray(format='bgr24', **self.size)
        return _upright(image, frame)

    def _sixteen_bits(self, frame):
        """As :func:`read_image` treats such images; None: FFmpeg knows the range."""
        if not re.match(r'(gray|ya|rgb|bgr|gbr|rgba|gbra)p?(16|48|64)(le|be)$', frame.format.name):
            return None
        gray = frame.format.name.startswith(('gray', 'ya'))
        values = frame.to_ndarray(format='gray16le' if gray else 'rgb48le', **self.size)
        largest = int(values.max())
        # Bits never go down again: the brightness would flicker.
        self.bits = max(self.bits, bits_in_use(largest))
        if self.bits == 16:
            return None
        if largest:
            warn_of_bits(self.bits, largest, self.name)
        values = (values >> (self.bits - 8)).astype(np.uint8)
        return np.repeat(values[..., None], 3, axis=2) if gray else values[..., ::-1]


def _upright(image, frame):
    """Apply the display matrix: x' = a x + c y, y' = b x + d y."""
    data = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    if data is not None:
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(np.int64)
        if abs(a) < abs(b):
            image, a, d = image.transpose(1, 0, 2), c, b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


class Encoder:
    """Writes frames to a file.

    Args:
        path (str): file.
        suffix (str): of ``SUFFIXES``; selects container and codec.
        fps (float): frames per second.
        width (int), height (int): even.

    Raises:
        UserError: this FFmpeg has no encoder for it.
        OSError: the file cannot be written; also from the methods.
    """

    def __init__(self, path: str, suffix: str, fps: float, width: int, height: int):
        container, codecs, self.pixels, options = _FORMATS[suffix]
        codec = next((name for name in codecs if _can_write(name)), None)
        if codec is None:
            raise UserError(f'{suffix}: this PyAV has no encoder for {" or ".join(codecs)}')
        self.container = av.open(path, 'w', format=container)
        self.stream = self.container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, self.pixels
        self.stream.options = options if codec == codecs[0] else {}

    def write(self, frame: np.ndarray):
        """Append uint8 (height, width, 3) BGR."""
        if self.pixels == 'pal8':
            frame = _with_palette(frame)
        else:
            frame = av.VideoFrame.from_ndarray(frame, format='bgr24')
        for packet in self.stream.encode(frame):
            self.container.mux(packet)

    def close(self):
        """Write what is left and close the file."""
        try:
            for packet in self.stream.encode(None):
                self.container.mux(packet)
        finally:
            self.container.close()


def _can_write(name):
    try:
        av.Codec(name, 'w')
    except ValueError:
        return False
    return True


def _with_palette(frame):
    """256 colors that suit this frame."""
    image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1])).quantize(256, dither=0)
    colors = np.frombuffer(bytes(image.getpalette('RGB')), np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
    palette[: len(colors), 1:] = colors
    return av.VideoFrame.from_ndarray((np.asarray(image), palette), format='pal8')
