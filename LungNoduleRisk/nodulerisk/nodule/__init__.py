"""The nodule itself: its mask, its measurements, and the checks on both."""
