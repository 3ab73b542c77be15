"""Heads that predict at anchors, and the anchors."""

from .anchor_generator import AnchorGenerator, LegacyAnchorGenerator
from .rpn_head import RPNHead

__all__ = ['AnchorGenerator', 'LegacyAnchorGenerator', 'RPNHead']
