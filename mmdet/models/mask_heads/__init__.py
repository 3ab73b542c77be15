"""Heads that predict a mask for every box."""

from .fcn_mask_head import FCNMaskHead

__all__ = ['FCNMaskHead']
