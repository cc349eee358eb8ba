"""The sections of ``Testing/gpu.py``."""
