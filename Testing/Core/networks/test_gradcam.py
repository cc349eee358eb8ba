"""Grad-CAM: the map highlights what the network looks at, in the right place, and says what it
is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from made_assessment import CENTRE_LPS_MM, TASKS, made_assessment, made_ct
from made_shapes import reoriented
from made_weights import made_weights
from nodulerisk.cli import app
from nodulerisk.ct.cubes import emv_grid, emv_views
from nodulerisk.ct.volume import CT, Acquisition
from nodulerisk.engine.engine import Engine, load_network
from nodulerisk.engine.worker import Worker
from nodulerisk.errors import NoduleRiskError
from nodulerisk.networks.build import build_network
from nodulerisk.networks.gradcam import class_activation
from nodulerisk.outputs.explanation import explanation_figure, explanation_title
from nodulerisk.trust.explain import NOT_EVIDENCE, explain
from nodulerisk.weights.store import load_weight_set

POINT = np.array(CENTRE_LPS_MM)
OFF_MM = np.array([5.0, -4.0, 3.0])  # from the sphere to the centre of the cubes
OBLIQUE = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix()
SIDES = (60, 40, 20)
CELL = 8  # voxels of the cube that one of the made ResNet's map covers


def that_looks_at_bright_voxels(kind: str, view: int = 0, level: float = 0.5) -> torch.nn.Module:
    """A network whose malignant logit is the mean of the voxels brighter than a level, and nothing
    else."""
    network = build_network(kind, input_size=32 if kind == "densesharp" else 40, width=0.125)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv3d | torch.nn.ConvTranspose3d | torch.nn.Linear):
                layer.weight.zero_()
                layer.bias is not None and layer.bias.zero_()
        if kind == "densesharp":
            _pass_on_densesharp(network, level)
        else:
            _pass_on_resnet(network, view, level)
    return network


def _pass_on_resnet(network, view: int, level: float) -> None:
    stem, *layers = network.features
    stem.weight[0, view, 3, 3, 3], stem.bias[0] = 1, -level
    for block in layers[2:]:
        block.shortcut[1].weight[0, 0] = 1
    network.head[1].weight[1, 0] = 1


def _pass_on_densesharp(network, level: float) -> None:
    """Old features come after new ones in every layer, so the stem's channel moves."""
    network.stem.weight[0, 0, 1, 1, 1], network.stem.bias[0] = 1, -level
    channel = network.block_channels[0] - network.stem.out_channels
    for stage, channels in zip(network.stages[1:], network.block_channels[1:], strict=True):
        convolution = stage[0][2]
        convolution.weight[0, channel] = 1
        channel = channels - convolution.out_channels
    network.head.weight[1, channel] = 1


class Looking:
    """Always answers with the map of one network."""

    def __init__(self, network):
        self.network, self.columns = network, []

    def gradcam(self, network, cubes, column):
        self.columns.append(column)
        return class_activation(self.network, np.asarray(cubes, np.float32), column)


@pytest.fixture(scope="module")
def off_centre():
    """An assessment of a CT whose cubes lie beside the sphere."""
    return lambda ct, **changes: made_assessment(ct, centre_lps_mm=tuple(POINT + OFF_MM), **changes)


def brightest_lps(values, grid) -> np.ndarray:
    """The centre, LPS mm, of the brightest part of a map."""
    voxels = np.argwhere(values > 0.6)[:, ::-1]
    return grid.origin_lps_mm + grid.axes @ voxels.mean(axis=0)


@pytest.mark.parametrize("kind", ["resnet", "densesharp"])
def test_the_map_lights_what_the_network_looks_at(kind):
    side, channels = (32, 1) if kind == "densesharp" else (40, 3)
    for corner in ((6, 6, 6), (6, side - 14, side - 14)):
        cube = np.zeros((1, channels, side, side, side), np.float32)
        blob = tuple(slice(a, a + 8) for a in corner)
        cube[(0, slice(None), *blob)] = 255 if kind == "densesharp" else 0.75
        found = class_activation(that_looks_at_bright_voxels(kind, level=0.3), cube, 1)
        assert found.shape == (side,) * 3 and found.dtype == np.float32 and found.max() == 1
        np.testing.assert_allclose(
            np.argwhere(found > 0.6).mean(axis=0), np.add(corner, 3.5), atol=CELL / 4
        )
        assert found[blob].mean() > 5 * found.mean()


def test_regions_against_a_class_are_not_highlighted_for_it():
    cube = np.full((1, 3, 40, 40, 40), 0.75, np.float32)
    assert not class_activation(that_looks_at_bright_voxels("resnet"), cube, 0).any()


def scans() -> list[CT]:
    ct = made_ct(spacing_mm=(0.7, 0.7, 1.25))
    return [
        ct,
        reoriented(ct, (2, 0, 1), (True, False, True)),
        made_ct(OBLIQUE, spacing_mm=(0.7, 0.7, 1.25)),
    ]


@pytest.mark.parametrize("ct", scans(), ids=["straight", "another axis order", "oblique"])
@pytest.mark.parametrize("kind", ["resnet", "densesharp"])
def test_the_map_lies_on_the_right_anatomy(ct, kind, weights, off_centre):
    network = that_looks_at_bright_voxels(kind, view=1)
    tasks = TASKS | {"subtype": replace(TASKS["grade"], classes=("AAH-AIS", "MIA"), decision="MIA")}
    task = "subtype" if kind == "densesharp" else "malignancy"
    found = explain(ct, off_centre(ct, tasks=tasks), weights, Looking(network), kind, task)
    assert found.views == (1 if kind == "densesharp" else 3)
    np.testing.assert_allclose(brightest_lps(found.values, found.grid), POINT, atol=CELL / 4)


@pytest.mark.parametrize("scan_order", [False, True])
@pytest.mark.parametrize(("side", "view"), [(60, 0), (40, 1), (20, 2)])
@pytest.mark.parametrize("ct", scans()[:2], ids=["straight", "another axis order"])
def test_the_grid_says_where_a_view_was_cut(ct, side, view, scan_order):
    smooth = gaussian_filter(np.random.default_rng(0).normal(0, 1, ct.hu.shape), 3)
    hu = (smooth / smooth.std() * 200 - 500).astype(np.int16)
    ct = replace(ct, hu=hu, acquisition=Acquisition(head_to_foot=True))
    cube = emv_views(ct, POINT + OFF_MM, SIDES, 40, scan_order=scan_order)[view]
    grid = emv_grid(ct, POINT + OFF_MM, side, 40, scan_order=scan_order)
    points = grid.origin_lps_mm + np.moveaxis(np.indices(cube.shape)[::-1], 0, -1) @ grid.axes.T
    voxels = (points - ct.origin_lps_mm) @ ct.direction / ct.spacing_mm
    there = map_coordinates(
        ct.hu.astype(float), np.moveaxis(voxels[..., ::-1], -1, 0), mode="nearest"
    )
    np.testing.assert_allclose((there + 1400) / 1800 - 0.25, cube, atol=0.01)
    assert (np.sign(grid.axes[2, 2]) == -1) == scan_order


def test_other_weights_give_another_map():
    """A map that random weights also give would show the image, not the network (Adebayo et al.,
    NeurIPS 2018)."""
    weights = load_weight_set("open")
    views = emv_views(made_ct(), POINT, SIDES)[None]
    torch.manual_seed(0)
    card = weights.networks["resnet"]
    random = build_network("resnet", input_size=card.size, n_classes=card.heads, width=card.width)
    ours, theirs = (
        class_activation(network, views, 1) for network in (load_network(weights, "resnet"), random)
    )
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] < 0.5


def test_every_network_of_the_open_set_can_be_explained():
    weights = load_weight_set("open")
    for name, card in weights.networks.items():
        cube = np.random.default_rng(0).uniform(
            0, 0.5, (1, 3 if card.sides else 1, *(card.size,) * 3)
        )
        found = [
            class_activation(load_network(weights, name), np.float32(cube), column)
            for column in (0, 1)
        ]
        assert np.isfinite(found).all() and np.max(found) == 1
        # a last layer of one voxel would light up the whole cube evenly
        assert max(map(np.ptp, found)) > 0.1


def test_the_classs_own_column_is_asked_for(weights, off_centre):
    vgg = weights.networks["vgg"]
    trunk = replace(
        weights, networks=weights.networks | {"vgg": replace(vgg, tasks=("malignancy", "grade"))}
    )
    looking, ct = Looking(that_looks_at_bright_voxels("resnet")), made_ct()
    looking.gradcam = lambda network, cubes, column: (
        looking.columns.append(column) or np.ones((40,) * 3, np.float32)
    )
    for task in ("malignancy", "grade"):
        explain(ct, off_centre(ct), trunk, looking, "vgg", task)
    assert looking.columns == [1, 2 + TASKS["grade"].classes.index("grade 2")]


def test_the_member_nearest_to_the_ensemble_that_finds_something_is_shown(weights, off_centre):
    members = {"inception": (0.27, 0.73), "vgg": (0.3, 0.7), "resnet": (0.1, 0.9)}
    result = replace(TASKS["malignancy"], mean=(0.2667, 0.7333), members=members)

    class Finding:
        asked: list[str] = []

        def gradcam(self, network, cubes, column):
            self.asked.append(network)
            return np.full((40,) * 3, network == "vgg", np.float32)

    ct = made_ct()
    assert (
        explain(ct, off_centre(ct, tasks={"malignancy": result}), weights, Finding()).network
        == "vgg"
    )
    assert Finding.asked == ["inception", "vgg"]


def test_what_cannot_be_explained_is_reported(weights, off_centre, engine, monkeypatch):
    ct = made_ct()
    for options, words in (
        ({"task": "subtype"}, "no result of subtype to explain: no public CT"),
        ({"task": "colour"}, "no result of colour to explain"),
        ({"network": "densesharp"}, "choose one of inception, vgg, resnet"),
    ):
        with pytest.raises(NoduleRiskError, match=words):
            explain(ct, off_centre(ct), weights, engine, **options)
    monkeypatch.setitem(sys.modules, "monai.visualize", None)
    with pytest.raises(NoduleRiskError, match="pip install monai"):
        explain(ct, off_centre(ct), weights, engine, "vgg")


@pytest.fixture(scope="module")
def engine(weights):
    return Engine(weights, "cpu")


def test_a_worker_gives_the_same_answers_as_the_engine(weights, engine):
    views = emv_views(made_ct(), POINT, SIDES)[None]
    with Worker(weights, "cpu") as worker:
        there = worker.gradcam("resnet", views, 1)
        np.testing.assert_array_equal(there, engine.gradcam("resnet", views, 1))
        assert worker.predict("resnet", views)[0].shape == (1, 2)  # and it goes on
        assert worker.device == engine.device


def test_the_picture_says_that_it_is_no_evidence(weights, off_centre):
    ct = made_ct()
    found = explain(
        ct, off_centre(ct), weights, Looking(that_looks_at_bright_voxels("resnet")), "resnet"
    )
    figure = explanation_figure(ct, off_centre(ct), found)
    texts = [text.get_text() for text in figure.texts]
    assert NOT_EVIDENCE.capitalize() in texts
    assert (
        explanation_title(found)
        == texts[0]
        == "Grad-CAM of resnet: regions that supported p(malignant)"
    )
    assert any("views share this map" in text for text in texts)
    empty = replace(found, values=np.zeros_like(found.values))
    assert "no region of the cube supported p(malignant)" in explanation_title(empty)


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """Returns the folder that the command wrote, and its output."""
    folder = tmp_path_factory.mktemp("explained")
    sitk.WriteImage(made_ct().to_sitk(), str(folder / "ct.nrrd"))
    weights = made_weights(folder / "weights").folder
    return folder / "out", run(
        folder / "ct.nrrd", folder / "out", "--weights", weights, "--network", "resnet"
    )


def run(ct: Path, out: Path, *more):
    point = ",".join(map(str, CENTRE_LPS_MM))
    return CliRunner().invoke(
        app, ["explain", str(ct), "--point", point, "--out", str(out), *map(str, more)]
    )


def test_the_command_writes_a_volume_and_a_picture(explained):
    out, done = explained
    assert (
        done.exit_code == 0 and "Grad-CAM of resnet" in done.stdout and NOT_EVIDENCE in done.stdout
    )
    assert {path.name for path in out.iterdir()} == {"gradcam.nrrd", "gradcam.png"}
    volume = sitk.ReadImage(str(out / "gradcam.nrrd"))
    assert volume.GetSize() == (40, 40, 40) and NOT_EVIDENCE in volume.GetMetaData("content")
    middle = volume.TransformContinuousIndexToPhysicalPoint((19.5,) * 3)
    np.testing.assert_allclose(middle, CENTRE_LPS_MM, atol=1)


def test_a_refused_command_leaves_no_old_map(explained, weights):
    out, _ = explained
    done = run(out.parent / "ct.nrrd", out, "--weights", weights.folder, "--task", "grade")
    assert done.exit_code == 2 and "no result of grade to explain" in done.stderr
    assert not list(out.iterdir())
