"""Comparisons as text."""

from skuq.report._text import text_table

__all__ = ["text_table"]
