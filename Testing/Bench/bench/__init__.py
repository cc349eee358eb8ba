"""How fast the package is compared with the authors' own way of computing: ``python -m bench``."""
