"""Decoding and encoding by PyAV, whose wheels hold FFmpeg with its common codecs."""

import re
import sys
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from mmdet.utils import UserError

from .containers import codec_name
from .faults import after_the_end, no_frames, undecodable
from .gif import GifFrames
from .image import bits_in_use, warn_of_bits

# Seconds after which a server counts as gone.
_TIMEOUT = 20.0

# What FFmpeg draws letters with: it takes any text for a video if its name ends in .txt.
_TEXT = ('ansi', 'bintext', 'idf', 'xbin')

# Container, codecs in order of preference, pixel format, options. x264 needs yuv420p for common players. No
# frame refers to a later one, so that the order of packets is that of the frames, and they come at once. With
# several threads or with its macroblock tree x264 does not always give the same file.
_X264 = (
    ('libx264', 'libopenh264', 'mpeg4'),
    'yuv420p',
    {
        'crf': '21',
        'preset': 'veryfast',
        'bf': '0',
        'threads': '1',
        'x264-params': 'mbtree=0:rc-lookahead=0',
    },
)
_VP9 = {'crf': '30', 'b': '0', 'deadline': 'realtime', 'cpu-used': '8', 'row-mt': '1', 'threads': '4'}
_FORMATS = {
    '.mp4': ('mp4', *_X264),
    '.m4v': ('mp4', *_X264),
    '.mov': ('mov', *_X264),
    '.mkv': ('matroska', *_X264),
    '.webm': ('webm', ('libvpx-vp9',), 'yuv420p', _VP9),
    '.avi': ('avi', ('mjpeg',), 'yuvj420p', {'qmin': '2', 'qmax': '3'}),
    '.gif': ('gif', ('gif',), 'pal8', {}),
}
# Most bits of a pixel in H.264: what noise would need more for is not seen.
_BITS_PER_PIXEL = 0.25
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
        time (Fraction | None): when the frame yielded last is shown, in seconds.
        aspect (Fraction | None): width of a pixel of that frame by its height; None: square or not known.
    """

    time = aspect = None

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
            others = ' and '.join(sorted({found.type for found in streams if found is not stream}))
            raise UserError(f'{self.name}: holds no video{others and f", only {others}"}')
        if stream.codec_context is None:
            raise undecodable(self.name, self.codec)
        if stream.codec_context.name in _TEXT:
            raise UserError(f'{self.name}: a text file, not a video')
        return stream

    def _announced(self):
        """Frames within the duration: an edit list may hide some of those in the file."""
        count, stream = self.stream.frames, self.stream
        if not count:
            return None
        if self.fps and stream.duration and stream.time_base:
            count = min(count, max(1, round(float(stream.duration * stream.time_base) * self.fps)))
        return count

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[np.ndarray]:
        """Yield uint8 (H, W, 3) BGR, upright, all of the size of the first.

        A frame that cannot be decoded is left out. At the end a warning counts these and damaged ones.

        Args:
            start (int): first frame to yield.
            stride (int): yield every ``stride``-th frame from there on.

        Raises:
            UserError: at the end, if there is no frame, or the video ends too early.
        """
        image_of = _Converter(self.name)
        read, reason, damaged, empty = 0, None, [], True
        with self.container:
            for packet, decoded, error in self._decoded():
                if error is not None:
                    reason = _reason(error)
                    damaged.append(read)
                elif packet is not None:
                    reason = None
                empty = empty and packet is None
                for frame in decoded:
                    if frame.is_corrupt:
                        damaged.append(read)
                    if read < start or (read - start) % stride:
                        image_of.skip(frame)
                    else:
                        self.time, self.aspect = self._time_of(frame), self._aspect_of(frame)
                        yield image_of(frame)
                    read += 1
                if read == 0 and reason is None:
                    damaged.clear()  # a recording that starts between two key frames: no frame is lost
        if read == 0 and empty and not self.cut:
            raise UserError(f'{self.name}: holds no frames, the recording is empty')
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

    def _time_of(self, frame):
        base = frame.time_base or self.stream.time_base  # the last frames of some decoders have none
        return None if frame.pts is None or not base else frame.pts * base

    def _aspect_of(self, frame):
        aspect = self.stream.sample_aspect_ratio
        if not aspect or aspect == 1:
            return None
        matrix = _display_matrix(frame)
        return 1 / aspect if matrix is not None and abs(matrix[0]) < abs(matrix[1]) else aspect

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

    def skip(self, frame):
        """Pass over a frame whose image is not wanted; the later ones do not depend on that."""
        if self.size is None:
            self.size = {'width': frame.width, 'height': frame.height}
        self._sixteen_bits(frame)

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


def _display_matrix(frame):
    """Its a, b, c, d: x' = a x + c y, y' = b x + d y; None if there is none."""
    data = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    return None if data is None else np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]].astype(np.int64)


def _upright(image, frame):
    """Apply the display matrix."""
    matrix = _display_matrix(frame)
    if matrix is not None:
        a, b, c, d = matrix
        if abs(a) < abs(b):
            image, a, d = image.transpose(1, 0, 2), c, b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


class Encoder:
    """Writes frames to a file.

    Args:
        file (str | IO): name, or a binary file that is open for writing.
        suffix (str): of ``SUFFIXES``; selects container and codec.
        fps (float): frames per second.
        width (int), height (int): pixels. H.264 of odd sides has full color resolution (4:4:4), as 4:2:0
            needs even ones.
        container (str | None): another container than that of the suffix.
        options (dict | None): of the container.
        aspect (Fraction | None): width of a pixel by its height, for players; None: square.

    Raises:
        UserError: this FFmpeg has no encoder for it.
        OSError: the file cannot be written; also from the methods.
    """

    #: Time is counted in these parts of a frame.
    TICKS = 16

    def __init__(self, file, suffix, fps, width, height, container=None, options=None, aspect=None):
        usual, codecs, self.pixels, settings = _FORMATS[suffix]
        if container and self.pixels == 'pal8':  # GIF is made of it in the end
            codecs, self.pixels = ('png',), 'rgb24'
        codec = next((name for name in codecs if _can_write(name)), None)
        if codec is None:
            raise UserError(f'{suffix}: this PyAV has no encoder for {" or ".join(codecs)}')
        rate = Fraction(fps).limit_denominator(1001)
        settings = dict(settings) if codec == codecs[0] else {}
        if codec == 'libx264':
            most = int(max(500_000, _BITS_PER_PIXEL * width * height * rate))
            settings.update(maxrate=str(most), bufsize=str(2 * most))
            if width % 2 or height % 2:
                self.pixels = 'yuv444p'
        # AVI has no times: a gap between two of its frames would be filled.
        self.ticks = 1 if suffix == '.avi' and container is None else self.TICKS
        if options is None and usual in ('mp4', 'mov'):
            options = {'movflags': 'faststart'}
        self.container = av.open(file, 'w', format=container or usual, options=options or {})
        self.stream = self.container.add_stream(codec, rate=rate)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, self.pixels
        self.stream.options = settings
        self.time_base = self.stream.codec_context.time_base = 1 / (rate * self.ticks)
        self.palettes = GifFrames()
        if self.pixels in ('yuv420p', 'yuv444p'):
            _tag_colors(self.stream.codec_context)
        if aspect:
            self.stream.codec_context.sample_aspect_ratio = aspect
        self.count = 0

    def write(self, frame: np.ndarray, tick: int | None = None):
        """Append uint8 (height, width, 3) BGR, shown from ``tick`` on; by default at the frame rate.

        GIF shows at most 50 frames in a second; of more some are left out.
        """
        tick = self.count * self.ticks if tick is None or self.ticks == 1 else tick
        self.count += 1
        if self.pixels == 'pal8':
            frame = self.palettes.take(frame, 100 * tick * self.time_base)
            if frame is None:
                return
        else:
            frame = av.VideoFrame.from_ndarray(frame, format='bgr24')
            if self.pixels in ('yuv420p', 'yuv444p'):
                frame = frame.reformat(format=self.pixels, dst_colorspace='itu709', dst_color_range='MPEG')
        frame.pts, frame.time_base = tick, self.time_base
        for packet in self.stream.encode(frame):
            self.container.mux(packet)

    def close(self):
        """Write what is left and close the file."""
        try:
            for packet in self.stream.encode(None):
                self.container.mux(packet)
        finally:
            self.container.close()


def _tag_colors(codec):
    """BT.709, limited range: what players take a video for that does not say."""
    codec.colorspace = codec.color_primaries = codec.color_trc = 1
    codec.color_range = 1


def copy_video(source: str, target: str, suffix: str, fps: float) -> None:
    """Write the frames of a file of :class:`Encoder` into the container of ``suffix``; only GIF is encoded.

    Args:
        source (str): MP4 file, which may be cut off after a frame.
        target (str): file.
        suffix (str): of ``SUFFIXES``, the one that the source was encoded for.
        fps (float): frames per second of the source.

    Raises:
        OSError: the target cannot be written.
    """
    with av.open(source) as read:
        stream = read.streams.video[0]
        if suffix == '.gif':
            encoder = Encoder(target, suffix, fps, stream.width, stream.height)
            for frame in read.decode(stream):
                tick = round(frame.pts * frame.time_base / encoder.time_base)
                encoder.write(frame.to_ndarray(format='bgr24'), tick)
            encoder.close()
            return
        container, rate = _FORMATS[suffix][0], Fraction(fps).limit_denominator(1001)
        # Matroska would get a random number otherwise: equal videos give equal files.
        options = {'movflags': 'faststart'} if container in ('mp4', 'mov') else {'fflags': 'bitexact'}
        with av.open(target, 'w', format=container, options=options) as written:
            copy = written.add_stream_from_template(stream)
            copy.codec_context.framerate = rate
            if container == 'avi':
                copy.time_base = copy.codec_context.time_base = 1 / rate
            packets = (packet for packet in read.demux(stream) if packet.size)
            for index, packet in enumerate(packets):
                if container == 'avi':  # no times: its frames are those of a constant rate
                    packet.time_base, packet.pts, packet.dts, packet.duration = 1 / rate, index, index, 1
                packet.stream = copy
                written.mux(packet)


def _can_write(name):
    try:
        av.Codec(name, 'w')
    except ValueError:
        return False
    return True
