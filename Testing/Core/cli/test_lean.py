"""A run imports nothing that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

import nodulerisk
from made_assessment import CENTRE_LPS_MM
from nodulerisk.assess_points import Assessor

UNUSED = {  # by a run on an image file, without --dicom, whose networks are prepared
    *("torch", "h5py", "safetensors", "onnx", "pandas", "monai", "lightning", "sklearn"),
    *("pydicom", "highdicom", "pyarrow", "dask", "distributed", "aiohttp", "trame", "IPython"),
}


@pytest.fixture(scope="module")
def imported(ct, weights, tmp_path_factory) -> set[str]:
    """The packages in the process of ``nodulerisk assess``, after it wrote all its files."""
    folder = tmp_path_factory.mktemp("lean")
    sitk.WriteImage(ct.to_sitk(), str(folder / "ct.nrrd"))
    Assessor(weights, "cpu").assess(ct, CENTRE_LPS_MM)  # the first use ever needs torch
    command = ["assess", str(folder / "ct.nrrd"), "--weights", str(weights.folder)]
    command += ["--point", ",".join(map(str, CENTRE_LPS_MM)), "--out", str(folder / "out")]
    code = (
        "import sys\n"
        "from nodulerisk.cli import app\n"
        "try:\n    app(sys.argv[1:])\n"
        "finally:\n    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    root = str(Path(nodulerisk.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert (folder / "out" / "nodule.html").is_file(), done.stderr
    return set(done.stderr.split())


def test_a_run_on_an_image_file_imports_only_what_it_uses(imported):
    assert {"nodulerisk", "openvino", "SimpleITK", "matplotlib", "plotly"} <= imported
    assert not UNUSED & imported
