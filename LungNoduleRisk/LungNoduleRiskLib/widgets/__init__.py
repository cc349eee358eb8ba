"""The panel and its parts: the only code, beside ``install``, that knows of Qt.

Written in the subset that PythonQt and PySide6 share: properties as attributes, everything else as
    methods.
"""
