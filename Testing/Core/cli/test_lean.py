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
from nodulerisk.assessment import ASSESSMENT_FILES
from nodulerisk.outputs.results import RESULT_FILES
from nodulerisk.outputs.style import TABLE_NAME
from nodulerisk.weights.card import WeightSet

UNUSED = {  # by a run on an image file, without --dicom, whose networks are prepared
    *("torch", "h5py", "safetensors", "onnx", "pandas", "monai", "lightning", "sklearn"),
    *("pydicom", "highdicom", "pyarrow", "dask", "distributed", "aiohttp", "trame", "IPython"),
}


FOR_PEOPLE = {"matplotlib", "plotly", "jinja2", "skimage", "PIL"}
CODE = (
    "import sys\n"
    "from nodulerisk.cli import app\n"
    "assert 'numpy' not in sys.modules\n"  # which reads how its threads wait
    "try:\n    app(sys.argv[1:])\n"
    "finally:\n    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
)


@pytest.fixture(scope="module")
def folder(ct, weights, tmp_path_factory) -> Path:
    """A folder with a CT, which networks that are prepared have seen."""
    folder = tmp_path_factory.mktemp("lean")
    sitk.WriteImage(ct.to_sitk(), str(folder / "ct.nrrd"))
    Assessor(weights, "cpu").assess(ct, CENTRE_LPS_MM)  # the first use ever needs torch
    return folder


def run(folder: Path, weights: WeightSet, *options: str) -> tuple[set[str], set[str]]:
    """The packages in the process of ``nodulerisk assess``, and the files that it wrote."""
    command = ["assess", str(folder / "ct.nrrd"), "--weights", str(weights.folder), *options]
    command += ["--point", ",".join(map(str, CENTRE_LPS_MM)), "--out", str(folder / "out")]
    root = str(Path(nodulerisk.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split()), {path.name for path in (folder / "out").iterdir()}


def test_a_run_on_an_image_file_imports_only_what_it_uses(folder, weights):
    imported, files = run(folder, weights)
    assert {"nodulerisk", "openvino", "SimpleITK"} | FOR_PEOPLE <= imported
    assert not UNUSED & imported
    assert {*RESULT_FILES, TABLE_NAME} == files
    imported, files = run(folder, weights, "--json")
    assert not (UNUSED | FOR_PEOPLE) & imported
    assert {*ASSESSMENT_FILES, TABLE_NAME} == files
