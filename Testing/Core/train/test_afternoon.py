"""The commands of Docs/afternoon.md, run as they stand there, with one epoch, on the tests' own
nodules of LIDC; and the set that comes of them in the panel's list."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from made_afternoon import commands, write_plan
from nodulerisk.weights.store import load_weight_set

PROJECT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_new_user_s_afternoon(data, tmp_path, monkeypatch):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path / "own"))
    (tmp_path / "LIDC").symlink_to(data / "lidc")
    (tmp_path / "Resources").symlink_to(PROJECT / "Resources")
    write_plan(tmp_path)
    for command in commands():
        _, *given = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", "nodulerisk.cli", *given],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr and "Warning" not in done.stderr, done.stderr
    assert (tmp_path / "mine" / "evaluation" / "lidc" / "evaluation.html").stat().st_size > 10_000
    assert len(list((tmp_path / "onnx").glob("*.onnx"))) == 5
    found = json.loads((tmp_path / "result" / "assessment.json").read_text())
    assert found["provenance"]["weight_set"] == "afternoon"
    evidence = load_weight_set("mine").tasks["malignancy"].evidence
    assert evidence.level == "reader" and "may have learnt" in evidence.data
    assert "doi:10.7937" in load_weight_set("mine").attribution
