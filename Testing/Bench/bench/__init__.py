"""How fast the package is beside the authors' own way of computing: ``python -m bench``."""
