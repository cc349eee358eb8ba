"""An evaluation as a self-contained page."""
