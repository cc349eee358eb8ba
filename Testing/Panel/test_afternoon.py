"""A set that a researcher has trained, chosen in the panel: the end of Docs/afternoon.md."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import qt

from LungNoduleRiskLib.display import results
from made_afternoon import commands, write_plan
from made_weights import made_weights
from nodulerisk.weights.card import save_card


def made(folder: Path, data: Path) -> Path:
    """A set like the afternoon's: one task, and no mask."""
    weights = made_weights(folder / "mine")
    subtype = replace(weights.tasks["subtype"], networks=())
    networks = {name: card for name, card in weights.networks.items() if not card.draws_mask}
    tasks = weights.tasks | {"subtype": subtype}
    save_card(replace(weights, networks=networks, tasks=tasks, mask_network=None))
    return folder / "mine"


def trained(folder: Path, data: Path) -> Path:
    """The afternoon's own, from LIDC to the ensemble of five folds."""
    (folder / "LIDC").symlink_to(data / "lidc")
    write_plan(folder)
    for command in commands()[:2]:  # convert and train
        python = [sys.executable, "-m", "nodulerisk.cli", *command.split()[1:]]
        subprocess.run(python, cwd=folder, check=True)
    return folder / "mine"


@pytest.mark.parametrize(
    "make", [made, pytest.param(trained, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_the_set_of_an_afternoon_is_imported_and_assesses(
    make, host, sample, ui, finished, picture, data, monkeypatch, tmp_path
):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path / "own"))
    folder = make(tmp_path, data)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    ui.importButton.click()
    finished()
    assert ui.weightsSelector.currentText == "mine"
    ui.assessButton.click()
    finished()
    host.process(0.3)
    found = results.savedAssessments(sample.ct)["N1"]
    assert found.provenance.weight_set == "mine" and found.nodule is None
    details = ui.detailsBrowser.toPlainText()
    assert "no mask was drawn" in details and "radiologists' suspicion" in details
    (bar, *_) = ui.nodulesTable.cellWidget(0, 1).findChildren(qt.QProgressBar)
    assert f"p(malignant) {found.tasks['malignancy'].mean[1]:.2f}" in bar.text
    picture(f"afternoon {make.__name__}")
