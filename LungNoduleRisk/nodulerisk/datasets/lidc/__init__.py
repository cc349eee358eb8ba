"""LIDC-IDRI, as downloaded or as slices, and its readers' ratings."""
