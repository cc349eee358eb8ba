"""Trains the network that draws the mask and says whether it is a nodule at all: on readers'
outlines, on synthetic nodules in real lung, and on places without a nodule."""
