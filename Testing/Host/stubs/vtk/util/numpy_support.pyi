from typing import Any

import numpy as np

def vtk_to_numpy(vtk_array: Any) -> np.ndarray: ...
