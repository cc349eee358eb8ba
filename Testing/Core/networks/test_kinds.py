"""A kind of network is one row and one file: a mask network that sees 64³ voxels of 0.75 mm, added
here, draws masks; and the facts are read without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import map_coordinates
from torch import Tensor

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, positions_of
from nodulerisk.assess import assess
from nodulerisk.ct.cubes import Grid
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.engine.engine import Engine, TorchBackend
from nodulerisk.errors import WeightsError
from nodulerisk.networks.build import build_network
from nodulerisk.networks.kinds import NETWORKS, Cubes, NetworkKind
from nodulerisk.networks.layers import Network
from nodulerisk.train.plans.plan import NetworkPlan, Run
from nodulerisk.train.samples import RandomSamples, View, exact_sample
from nodulerisk.weights.card import NetworkCard, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set, sha256_of

SIDE, STEP_MM = 64, 0.75


class FineCubes(Cubes):
    """48 mm around the point, by linear interpolation."""

    channels = 1
    spacing_mm = STEP_MM
    window_hu = (-1000.0, 400.0)

    def cut(self, sides, size):
        low, high = self.window_hu
        grid = self.grid(sides, size)
        indices = np.indices((size,) * 3)[::-1].reshape(3, -1)  # x, y, z
        points = grid.origin_lps_mm[:, None] + grid.axes @ indices
        voxels = np.linalg.solve(
            self._ct.direction * self._ct.spacing_mm,
            points - np.asarray(self._ct.origin_lps_mm)[:, None],
        )
        hu = map_coordinates(self._ct.hu.astype(np.float32), voxels[::-1], order=1, mode="nearest")
        share = (hu.clip(low, high) - low) / (high - low)
        return self.scaled(share).astype(np.float32).reshape(1, size, size, size)

    def grid(self, sides, size):
        corner = np.asarray(self._centre, float) - STEP_MM * (size - 1) / 2
        return Grid(corner, np.eye(3) * STEP_MM)

    @staticmethod
    def offsets_mm(sides, size):
        ticks = STEP_MM * (np.arange(size) - (size - 1) / 2)
        return np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1)[None]

    @staticmethod
    def scaled(share):
        return share * 2 - 1


class Brightness(Network):
    """Marks what is denser than -300 HU; one class after the mean."""

    def __init__(self, n_classes: int = 2, width: float = 1.0):
        super().__init__()
        self.mask_head = torch.nn.Conv3d(1, 1, 1)
        self.head = torch.nn.Linear(1, n_classes)

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(x.mean(dim=(2, 3, 4))), self.mask_head(x)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        classes, mask = self.logits(x)
        return self.probabilities(classes), torch.sigmoid(mask)


@pytest.fixture
def fine(monkeypatch) -> NetworkKind:
    kind = NetworkKind(f"{__name__}:Brightness", FineCubes, SIDE, draws_mask=True)
    monkeypatch.setitem(NETWORKS, "brightness", kind)
    return kind


@pytest.fixture
def drawn_finely(fine, weights, tmp_path) -> WeightSet:
    """The small set, with its mask drawn by the new kind."""
    for file in weights.folder.glob("*.safetensors"):
        (tmp_path / file.name).hardlink_to(file)
    network = build_network("brightness", n_classes=3)
    assert network.input_size == SIDE
    with torch.no_grad():
        network.mask_head.weight.fill_(20)
        network.mask_head.bias.zero_()  # -300 HU is the middle of the window
    file = tmp_path / "brightness.safetensors"
    save_file(network.state_dict(), file)
    card = NetworkCard("brightness", file.name, sha256_of(file), ("subtype",), size=SIDE)
    networks = weights.networks | {"brightness": card}
    save_card(replace(weights, folder=tmp_path, networks=networks, mask_network="brightness"))
    return load_weight_set(tmp_path)


@pytest.mark.parametrize("openvino", [True, False])
def test_a_mask_network_at_another_grid_draws_the_mask(drawn_finely, openvino):
    ct = made_ct()
    engine = Engine(drawn_finely, "cpu")
    if not openvino:
        engine._backend = TorchBackend(drawn_finely, "cpu")
    found = assess(ct, CENTRE_LPS_MM, drawn_finely, networks=engine)
    assert found.nodule.probability.shape == (SIDE,) * 3
    ball = np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= RADIUS_MM
    both = (found.mask > 0) & ball
    assert 2 * both.sum() / (found.mask.sum() + ball.sum()) > 0.9
    np.testing.assert_allclose(found.centre_lps_mm, CENTRE_LPS_MM, atol=0.5)
    assert found.tasks["subtype"].mean is not None  # by DenseSharp, which sees its own kind of cube


def test_a_nodule_larger_than_its_cube_is_cut_off_at_the_cubes_edge(drawn_finely):
    ct = made_ct()
    reaches = np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= 26
    huge = replace(ct, hu=np.where(reaches, 30, ct.hu).astype(np.int16))
    messages = [check.message for check in assess(huge, CENTRE_LPS_MM, drawn_finely, "cpu").checks]
    assert any("extends beyond the 48 mm that the mask network sees" in text for text in messages)


def test_a_new_kind_of_network_is_trained_on_its_own_cubes(fine):
    run = Run("r", ("d",), ("malignancy",), {"n": NetworkPlan("brightness")}, size=SIDE)
    assert run.cubes is FineCubes and run.draws_mask
    ct = made_ct()
    ball = np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= RADIUS_MM
    known = {"labels": {"malignancy": 1}, "marked": ball.astype(np.float32)}
    nodule = LabelledNodule("ball", "p", ct, CENTRE_LPS_MM, "reader", **known)
    view = View(run.cubes, run.sides, run.size)
    drawn = RandomSamples([nodule], view, run.tasks, pose="none", scans=False)[0]
    exact = exact_sample(nodule, view, run.tasks)
    for sample in (drawn, exact):
        assert sample["cube"].shape == sample["mask"].shape == (1, SIDE, SIDE, SIDE)
    assert (drawn["cube"] - exact["cube"]).abs().mean() < 0.01
    assert (drawn["mask"] - exact["mask"]).abs().mean() < 0.01
    assert abs(float(exact["mask"].sum()) * STEP_MM**3 / (4 / 3 * np.pi * RADIUS_MM**3) - 1) < 0.05


def test_a_card_of_an_unknown_kind_is_refused(drawn_finely, monkeypatch):
    monkeypatch.delitem(NETWORKS, "brightness")
    with pytest.raises(WeightsError, match="unknown kind brightness"):
        load_weight_set(drawn_finely.folder)


def test_cards_and_cubes_need_no_torch():
    code = (
        "import nodulerisk.assess, nodulerisk.trust.explain, sys; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
