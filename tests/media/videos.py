"""Videos for tests, written by PyAV with any codec and container."""

import contextlib
import fractions

import numpy as np

from mmdet.media import VideoWriter

av = None
with contextlib.suppress(ImportError):
    import av


def frame(value, height=48, width=64):
    """A plain image with a bright corner."""
    image = np.full((height, width, 3), value, np.uint8)
    image[:10, :10] = 255
    return image


def write(path, count=6, fps=5, **kwargs):
    """Write ``count`` frames of values 0, 20, 40, ..."""
    with VideoWriter(path, fps=fps) as writer:
        for i in range(count):
            writer.write(frame(20 * i % 240, **kwargs))
    return writer.path


def values(frames):
    """Gray values of frames, to tens."""
    return [int(round(float(image[20:, 20:].mean()), -1)) for image in frames]


def encode(
    path,
    codec='libx264',
    pixels='yuv420p',
    images=None,
    times=None,
    options=None,
    rate=5,
    form=None,
    **container,
):
    """Encode images with PyAV; ``times`` are presentation times in hundredths of a second."""
    images = images if images is not None else [frame(20 * i) for i in range(6)]
    gray = images[0].ndim == 2
    with av.open(str(path), 'w', format=form, options=container) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.options = pixels, options or {}
        if times:
            stream.codec_context.time_base = fractions.Fraction(1, 100)
        for i, image in enumerate(images):
            coded = av.VideoFrame.from_ndarray(image, format='gray16le' if gray else 'bgr24')
            if times:
                coded.pts, coded.time_base = times[i], fractions.Fraction(1, 100)
            for packet in stream.encode(coded):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path
