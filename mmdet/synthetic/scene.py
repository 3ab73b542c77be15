"""One synthetic video: its objects, their motion, and the rendering of its frames."""

import dataclasses

import numpy as np

from .shapes import SHAPES
from .textures import PATTERNS, background, hsv_to_bgr, pattern_field


@dataclasses.dataclass
class Thing:
    """One moving object. Lengths are in pixels, times in frames, angles in radians.

    ``excursion`` is ``(start, end, dx, dy)``: between these frames the object moves by (dx, dy), out of the
    image, and comes back. None for an object that stays.
    """

    label: int
    shape: str
    radius: float
    breath: tuple  # (amplitude as a fraction, angular speed, phase) of the scale change
    start: tuple
    velocity: tuple
    sway: tuple  # (amplitude x, amplitude y, angular speed, phase)
    spin: tuple  # (angle at frame 0, angular speed)
    excursion: tuple | None
    colors: tuple  # two BGR colors
    pattern: tuple  # (name, frequency, phase)
    extent: tuple = (0.0, 0.0)  # (width, height) of the image; the drift is reflected at its edges

    def pose(self, frame):
        """Center x, y, radius and angle at a frame."""
        x, y = (
            _bounce(s + v * frame, length) for s, v, length in zip(self.start, self.velocity, self.extent)
        )
        ax, ay, speed, phase = self.sway
        x, y = x + ax * np.sin(speed * frame + phase), y + ay * np.cos(speed * frame + phase)
        if self.excursion is not None:
            begin, end, dx, dy = self.excursion
            t = np.clip((frame - begin) / (end - begin), 0.0, 1.0)
            away = np.clip(1.6 * np.sin(np.pi * t), 0.0, 1.0)
            x, y = x + away * dx, y + away * dy
        amplitude, speed, phase = self.breath
        radius = self.radius * (1 + amplitude * np.sin(speed * frame + phase))
        return x, y, radius, self.spin[0] + self.spin[1] * frame


def _bounce(position, length, margin=0.12):
    """Reflect a coordinate at the edges of the image, moved inwards by a margin."""
    low, high = margin * length, (1 - margin) * length
    offset = (position - low) % (2 * (high - low))
    return low + min(offset, 2 * (high - low) - offset)


def _draw_start(rng, size, others, difficulty):
    """Start position: of several random candidates the one farthest from ``others``."""
    candidates = rng.random((1 + int(round(7 * (1 - difficulty))), 2)) * 0.7 + 0.15
    candidates = candidates * np.asarray(size, np.float64)
    if not others:
        return tuple(candidates[0])
    places = np.array([thing.start for thing in others])
    distances = ((candidates[:, None] - places[None]) ** 2).sum(-1).min(1)
    return tuple(candidates[int(np.argmax(distances))])


def draw_thing(rng, label, shape, size, frames, difficulty, others=(), twin=None):
    """Draw the properties of one object; it looks like ``twin``, one of ``others``, if given."""
    short = min(size)
    uniform = lambda low, high: low + (high - low) * rng.random()  # noqa: E731
    radius = short * uniform(0.13 + 0.03 * (1 - difficulty), 0.26 - 0.06 * difficulty)
    start = _draw_start(rng, size, others, difficulty)
    direction, speed = 2 * np.pi * rng.random(), short * uniform(0.008, 0.016 + 0.05 * difficulty)
    velocity = (speed * np.cos(direction), speed * np.sin(direction))
    sway = (short * uniform(0, 0.08), short * uniform(0, 0.08), uniform(0.1, 0.25 + 0.3 * difficulty))
    sway = (*sway, 2 * np.pi * rng.random())
    spin = (2 * np.pi * rng.random(), uniform(-1, 1) * (0.03 + 0.25 * difficulty))
    if rng.random() < 1 - difficulty:
        spin = (uniform(-0.35, 0.35), 0.4 * spin[1])  # mostly upright
    breath = (uniform(0.02, 0.08 + 0.35 * difficulty), uniform(0.08, 0.25), 2 * np.pi * rng.random())
    # The category determines the hue in easy videos; in hard ones it is independent of the hue.
    names = list(SHAPES)
    hue = (names.index(shape) * 0.382 + uniform(-0.5, 0.5) * (0.08 + 0.92 * difficulty)) % 1.0
    saturation, value = uniform(0.65, 0.95) - 0.25 * difficulty * rng.random(), uniform(0.75, 1.0)
    first = hsv_to_bgr(hue, saturation, value)
    second = hsv_to_bgr(hue + uniform(-0.08, 0.08), 0.55 * saturation, min(1.0, 1.1 * value))
    pattern = (PATTERNS[int(rng.random() * len(PATTERNS))], uniform(1.0, 2.2), rng.random())
    excursion = _draw_excursion(rng, start, radius, size, frames, difficulty)
    if twin is not None:
        radius = twin.radius * uniform(0.85, 1.15)
        first, second, pattern = *twin.colors, twin.pattern
    colors = (tuple(first), tuple(second))
    return Thing(label, shape, radius, breath, start, velocity, sway, spin, excursion, colors, pattern, size)


def _draw_excursion(rng, start, radius, size, frames, difficulty):
    """The ``excursion`` of an object, see :class:`Thing`; None for an object that stays in the image."""
    leaves, begin, length, side = rng.random(4)
    if leaves >= 0.1 + 0.4 * difficulty or frames < 6:
        return None
    length = max(5.0, (0.45 + 0.25 * length) * frames)
    begin = 1 + begin * max(frames - 2 - length, 0.0)
    horizontal = side < 0.5
    reach = 1.2 * radius + 0.35 * max(size) * 0.5
    distances = (start[0], size[0] - start[0]) if horizontal else (start[1], size[1] - start[1])
    sign = -1 if distances[0] < distances[1] else 1
    shift = sign * (min(distances) + reach)
    return (begin, begin + length, shift, 0.0) if horizontal else (begin, begin + length, 0.0, shift)


class Scene:
    """A video that can be rendered frame by frame.

    Args:
        rng (np.random.Generator): source of all random choices.
        categories (Sequence[str]): names from ``SHAPES``; an object's label is an index into it.
        size (tuple[int, int]): width and height in pixels.
        frames (int): length of the video.
        difficulty (float): from 0 (few large upright objects, one color per category) to 1 (many small,
            fast, rotating objects that look alike, occlude each other, leave the image, and have less
            contrast).
    """

    def __init__(self, rng, categories, size, frames, difficulty):
        self.size, self.frames = size, frames
        count = 1 + int(rng.random() * (2.2 + 3.8 * difficulty))
        self.things = []
        for _ in range(count):  # later things are in front of earlier ones
            label = int(rng.random() * len(categories))
            twin = None
            if self.things and rng.random() < 0.15 + 0.45 * difficulty:  # another object of a category
                other = self.things[int(rng.random() * len(self.things))]
                label, twin = other.label, other if rng.random() < 0.3 + 0.5 * difficulty else None
            thing = draw_thing(rng, label, categories[label], size, frames, difficulty, self.things, twin)
            self.things.append(thing)
        self.pan = (0.4 + 1.2 * difficulty) * (2 * rng.random(2) - 1) * max(size) / 160
        self.noise = 1.0 + 5.0 * difficulty * rng.random()
        self.flicker = (0.10 * difficulty * rng.random(), 0.2 + 0.4 * rng.random(), 2 * np.pi * rng.random())
        self.light = 2 * np.pi * rng.random()
        margin = np.ceil(np.abs(self.pan) * frames).astype(int) + 2
        self._margin = margin
        self._backdrop = background(rng, size[1] + 2 * margin[1], size[0] + 2 * margin[0], difficulty)
        self._noise_seed = int(rng.random() * 2**32)

    def render(self, frame):
        """Draw one frame.

        Returns:
            tuple: image uint8 (height, width, 3) BGR; visible masks, one bool (height, width) array for each
            of ``self.things``; number of pixels each would have without occlusion.
        """
        width, height = self.size
        image = self._shifted_backdrop(frame)
        masks, full = [], []
        for thing in self.things:
            mask = np.zeros((height, width), bool)
            self._paint(image, mask, thing, frame)
            for below in masks:
                below &= ~mask
            masks.append(mask)
            full.append(int(mask.sum()))
        depth, speed, phase = self.flicker
        image *= 1 + depth * np.sin(speed * frame + phase)
        noise_rng = np.random.default_rng([self._noise_seed, frame])
        image += self.noise * (noise_rng.random(image.shape) + noise_rng.random(image.shape) - 1)
        return np.clip(np.floor(image + 0.5), 0, 255).astype(np.uint8), masks, full

    def _shifted_backdrop(self, frame):
        """The visible part of the backdrop; the camera pans by fractions of a pixel."""
        width, height = self.size
        x, y = self._margin + self.pan * (frame - self.frames / 2)
        x0, y0 = int(np.floor(x)), int(np.floor(y))
        fx, fy = x - x0, y - y0
        part = self._backdrop[y0 : y0 + height + 1, x0 : x0 + width + 1]
        rows = part[:-1] * (1 - fy) + part[1:] * fy
        return rows[:, :-1] * (1 - fx) + rows[:, 1:] * fx

    def _paint(self, image, mask, thing, frame):
        """Paint one object with its shadow on ``image`` and set its pixels in ``mask``."""
        width, height = self.size
        cx, cy, radius, angle = thing.pose(frame)
        # Rounding the pose keeps outlines equal on machines whose sine differs in the last bit.
        cx, cy, radius, angle = (round(float(value) * 4096) / 4096 for value in (cx, cy, radius, angle))
        offset = 0.16 * radius
        reach = 1.2 * radius + 2 * offset + 2
        x0, x1 = max(int(cx - reach), 0), min(int(cx + reach) + 2, width)
        y0, y1 = max(int(cy - reach), 0), min(int(cy + reach) + 2, height)
        if x0 >= x1 or y0 >= y1:
            return
        dy, dx = np.mgrid[y0:y1, x0:x1].astype(np.float64)
        dx, dy = (dx - cx) / radius, (dy - cy) / radius
        cos, sin = np.cos(angle), np.sin(angle)
        distance = SHAPES[thing.shape]
        patch = image[y0:y1, x0:x1]

        sx, sy = dx - 0.16 * np.cos(self.light), dy - 0.16 * np.sin(self.light)
        shadow = np.clip(0.5 - distance(cos * sx + sin * sy, -sin * sx + cos * sy) / 0.3, 0, 1)
        patch *= 1 - 0.42 * shadow[..., None]

        u, v = cos * dx + sin * dy, -sin * dx + cos * dy
        signed = distance(u, v)
        alpha = np.clip(0.5 - signed * radius, 0, 1)[..., None]
        mix = pattern_field(thing.pattern[0], u, v, *thing.pattern[1:])[..., None]
        color = np.asarray(thing.colors[0]) * (1 - 0.55 * mix) + np.asarray(thing.colors[1]) * 0.55 * mix
        lit = 0.92 - 0.2 * (dx * np.cos(self.light) + dy * np.sin(self.light))
        rim = 0.55 + 0.45 * np.clip(-signed / 0.12, 0, 1)
        patch *= 1 - alpha
        patch += alpha * color * (lit * rim)[..., None]
        mask[y0:y1, x0:x1] = signed < 0
