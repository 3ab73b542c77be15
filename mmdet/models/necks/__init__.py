"""Necks: feature maps of a backbone in, a pyramid out."""

from .fpn import FPN

__all__ = ['FPN']
