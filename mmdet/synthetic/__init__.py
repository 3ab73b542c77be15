"""Synthetic videos in YouTube-VIS format: textured shapes that move and occlude each other."""

from .generate import generate_dataset, make_video
from .scene import Scene, Thing
from .shapes import SHAPES

__all__ = ['SHAPES', 'Scene', 'Thing', 'generate_dataset', 'make_video']
