"""The cards and dialogs of the page, one a file: add one, and name it in ``page.py``."""
