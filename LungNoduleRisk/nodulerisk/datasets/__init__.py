"""Labelled nodules in the formats people have them in, and simulated ones: read into one
``NoduleDataset``."""
