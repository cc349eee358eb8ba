"""The exploration notebook runs from top to bottom, wherever it is started, and shows what it
promises."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[3] / "Resources" / "Notebooks" / "explore.ipynb"
SHOWN = {
    "show-picture": "image/png",
    "show-slices": "image/png",
    "show-montage": "image/png",
    "show-contours": "image/png",
    "show-histogram": "image/png",
    "show-animation": "text/html",
    "show-mesh": "application/vnd.plotly.v1+json",
    "show-steps": "application/vnd.plotly.v1+json",
    "show-pair": "image/png",
    "show-cubes": "image/png",
    "show-published": "text/html",
    "show-open": "text/html",
    "show-sheet": "image/png",
    "show-losses": "image/png",
}


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_notebook_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_every_cell_is_introduced(notebook):
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.id


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_notebook_runs_and_shows_every_plot(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    executed = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    cells = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    for name, kind in SHOWN.items():
        assert any(kind in output.get("data", {}) for output in cells[name].outputs), name
    printed = "".join(output.text for output in cells["run-assess"].outputs)
    assert "[reader] Malignancy" in printed
    assert len(cells["show-steps"].outputs[0].data["application/vnd.plotly.v1+json"]["data"]) == 3
    assert "[simulated]" in cells["show-card"].outputs[0].text
    assert not (executed.metadata.keys() - {"kernelspec", "language_info"})
