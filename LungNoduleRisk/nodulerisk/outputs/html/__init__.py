"""Nodules as self-contained pages."""
