"""The Kalman filter of SORT: boxes that move at constant velocity. For many boxes at once, in numpy.

Bewley et al., *Simple Online and Realtime Tracking*, ICIP 2016 (arXiv 1602.00763), section 3.2. The state of
a box is its center, area, ratio of width to height, and the change of the first three in a frame:
``(u, v, s, r, du, dv, ds)``; ``(u, v, s, r)`` is observed. The paper gives no variances: those below are the
values of its authors' program, in pixels of the frame.
"""

import numpy as np

_STATE, _SEEN = 7, 4
_MOTION = np.eye(_STATE) + np.eye(_STATE, k=_SEEN)  # position += velocity

#: Of a first observation: position and shape are known roughly, the velocity not at all.
START_VARIANCE = np.array([10.0, 10, 10, 10, 1e4, 1e4, 1e4])
#: What a frame adds: objects change their velocity slowly.
MOTION_VARIANCE = np.array([1.0, 1, 1, 1, 0.01, 0.01, 0.0001])
#: Of an observation.
SEEN_VARIANCE = np.array([1.0, 1, 10, 10])

_TINY = 1e-6  # least side, area and ratio


def observe(boxes: np.ndarray, offset: int) -> np.ndarray:
    """Boxes (n, 4) xyxy as observations (n, 4): center, area, width / height. ``offset`` as in ``bbox``."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2] + offset, _TINY)
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.column_stack([center, sides[:, 0] * sides[:, 1], sides[:, 0] / sides[:, 1]])


def boxes_of(mean: np.ndarray, offset: int) -> np.ndarray:
    """Boxes (n, 4) xyxy of states (n, 7)."""
    area, ratio = np.maximum(mean[:, 2], _TINY), np.maximum(mean[:, 3], _TINY)
    half = (np.column_stack([np.sqrt(area * ratio), np.sqrt(area / ratio)]) - offset) / 2
    return np.column_stack([mean[:, :2] - half, mean[:, :2] + half])


def start(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States of boxes that were seen once.

    Args:
        seen (np.ndarray): (n, 4) of :func:`observe`.

    Returns:
        tuple: mean (n, 7) and covariance (n, 7, 7).
    """
    mean = np.zeros((len(seen), _STATE))
    mean[:, :_SEEN] = seen
    return mean, np.tile(np.diag(START_VARIANCE), (len(seen), 1, 1))


def predict(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States one frame later. An area that would shrink to nothing stays as it is."""
    mean = mean.copy()
    mean[mean[:, 2] + mean[:, 6] <= 0, 6] = 0
    return mean @ _MOTION.T, _MOTION @ covariance @ _MOTION.T + np.diag(MOTION_VARIANCE)


def update(mean: np.ndarray, covariance: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States after an observation of each.

    Args:
        mean (np.ndarray): (n, 7), covariance (np.ndarray): (n, 7, 7): predicted.
        seen (np.ndarray): (n, 4) of :func:`observe`.

    Returns:
        tuple: mean (n, 7) and covariance (n, 7, 7).
    """
    spread = covariance[:, :_SEEN, :_SEEN] + np.diag(SEEN_VARIANCE)
    # gain = covariance of state and observation / spread; both are symmetric.
    gain = np.linalg.solve(spread, covariance[:, :_SEEN]).transpose(0, 2, 1)
    mean = mean + np.einsum('nij,nj->ni', gain, seen - mean[:, :_SEEN])
    covariance = covariance - gain @ covariance[:, :_SEEN]
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2
