"""Weight sets: cards, files, the import of the authors' Keras files, calibration."""
