"""Checks of annotation and result files."""
