"""The nodule itself: its mask, its measurements and what must be said about both."""
