"""How fast the package is compared with the authors' own way of computing: ``python -m bench``."""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # as the terminal has it
