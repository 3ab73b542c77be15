"""Trails: where each object was in the last frames."""

from collections.abc import Mapping


class Trails:
    """Centers of the objects of a video.

    Args:
        length (int): frames that a trail goes back; 0 keeps nothing.
        state (Mapping | None): of :meth:`state`.

    Attributes:
        paths (dict[int, list[tuple[float, float, int]]]): identity -> x, y and age in frames, oldest first.
    """

    def __init__(self, length: int, state: Mapping | None = None):
        self.length = length
        self.frame = state['frame'] if state else 0
        points = state['points'] if state else []
        self._points = {identity: [tuple(point) for point in path] for identity, path in points}

    def add(self, ids, boxes) -> None:
        """Add a frame.

        Args:
            ids (Sequence[int]): (n,) identities.
            boxes (Sequence): (n, 4) xyxy.
        """
        self.frame += 1
        if not self.length:
            return
        for identity, (x1, y1, x2, y2) in zip(ids, boxes):
            point = (float(x1 + x2) / 2, float(y1 + y2) / 2, self.frame)
            self._points.setdefault(int(identity), []).append(point)
        oldest = self.frame - self.length
        for identity, path in list(self._points.items()):
            kept = [point for point in path if point[2] >= oldest]
            if kept:
                self._points[identity] = kept
            else:
                del self._points[identity]

    @property
    def paths(self):
        """See the class."""
        return {
            identity: [(x, y, self.frame - frame) for x, y, frame in path]
            for identity, path in self._points.items()
        }

    def state(self) -> dict:
        """What is needed to continue, plain values."""
        return {'frame': self.frame, 'points': [[key, list(path)] for key, path in self._points.items()]}
