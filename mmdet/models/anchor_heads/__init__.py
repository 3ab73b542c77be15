"""Anchor heads and anchor generators."""

from .anchor_generator import AnchorGenerator, LegacyAnchorGenerator
from .rpn_head import RPNHead

__all__ = ['AnchorGenerator', 'LegacyAnchorGenerator', 'RPNHead']
