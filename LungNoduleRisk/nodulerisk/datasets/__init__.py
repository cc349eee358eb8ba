"""Labelled nodules in common formats, and simulated ones, read into one ``NoduleDataset``."""
