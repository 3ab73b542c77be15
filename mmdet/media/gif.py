"""Frames as GIF holds them: 256 colors, and times in hundredths of a second."""

import av
import numpy as np
from PIL import Image


class GifFrames:
    """Prepares the frames of one file."""

    def __init__(self):
        self.last = None

    def take(self, frame: np.ndarray, time: float) -> av.VideoFrame | None:
        """Frame with a palette; None: there is no room for it.

        Players slow down what is shown for less than two hundredths of a second.

        Args:
            frame (np.ndarray): uint8 (H, W, 3) BGR.
            time (float): when it is shown, in hundredths of a second; above that of the frame before.
        """
        if self.last is not None and round(time) < self.last + 2:
            return None
        self.last = round(time)
        image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1])).quantize(256, dither=0)
        colors = np.frombuffer(bytes(image.getpalette('RGB')), np.uint8).reshape(-1, 3)
        palette = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
        palette[: len(colors), 1:] = colors
        return av.VideoFrame.from_ndarray((np.asarray(image), palette), format='pal8')
