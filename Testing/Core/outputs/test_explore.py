"""The notebook's plots, on a made CT with a sphere of 12 mm."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.ndimage import center_of_mass
from scipy.spatial.transform import Rotation

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_assessment, made_ct
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.ct.cubes import densesharp_cube, emv_views
from nodulerisk.errors import NoduleRiskError
from nodulerisk.networks.sizes import published_sizes, sizes_of, sizes_table
from nodulerisk.outputs import explore
from nodulerisk.outputs.html.scan import write_scan
from nodulerisk.outputs.html.stack import write_stack

TILTED = Rotation.from_euler("x", 10, degrees=True).as_matrix()
DIRECTIONS = [
    np.eye(3),
    np.diag([-1.0, -1.0, 1.0]),
    np.diag([1.0, 1.0, -1.0]),
    np.eye(3)[:, [2, 0, 1]],
    TILTED,
]
BALL_ML = 4 / 3 * np.pi * RADIUS_MM**3 / 1000


def drawn(figure) -> np.ndarray:
    """The pixels (rows, columns, 3) of a matplotlib figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def has_colour(pixels: np.ndarray, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(pixels.astype(int) - rgb).max(axis=-1) < 8).any())


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_surroundings_are_upright_whatever_the_acquisition(direction):
    """The nodule lies where it is; the chest wall on the patient's right comes first along x."""
    ct = made_ct(direction, (1.0, 1.0, 1.0))
    around = explore.surroundings(ct, made_assessment(ct), margin_mm=20)
    middle = around.ct.point_of(center_of_mass(around.mask)[::-1])
    np.testing.assert_allclose(middle, CENTRE_LPS_MM, atol=0.6)
    assert around.ct.hu[..., 0].mean() > 0
    assert around.ct.hu[..., -1].mean() < -700


def test_surroundings_end_with_the_scan(ct, assessment):
    around = explore.surroundings(ct, assessment, margin_mm=500)
    assert around.ct.hu.shape == ct.hu.shape
    assert around.ct.origin_lps_mm == ct.origin_lps_mm


def test_heights_of_slices_are_lps(ct, assessment):
    around = explore.surroundings(ct, assessment)
    marked = np.flatnonzero(around.mask.any(axis=(1, 2)))
    heights = [around.z_mm(int(index)) for index in marked]
    assert heights == sorted(heights)
    assert np.mean(heights) == pytest.approx(CENTRE_LPS_MM[2], abs=1)


def test_slices_show_the_mask_and_where_they_lie(ct, assessment):
    figure = explore.slices_figure(ct, assessment)
    assert [axes.get_title() for axes in figure.axes] == ["Axial", "Coronal", "Sagittal"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["R – L, mm", "R – L, mm", "A – P, mm"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["P – A, mm", "I – S, mm", "I – S, mm"]
    assert has_colour(drawn(figure), explore.CONTOUR)


def test_contours_are_nested(ct, assessment):
    figure = explore.contours_figure(ct, assessment)
    pixels = drawn(figure)
    assert all(has_colour(pixels, colour) for colour in explore.LEVEL_COLOURS)
    (lines,) = figure.axes[0].collections
    radii = [np.linalg.norm(path.vertices, axis=1).mean() for path in lines.get_paths()]
    assert radii == sorted(radii, reverse=True)
    assert radii[0] == pytest.approx(RADIUS_MM, abs=0.2)


def test_more_levels_than_colours_all_differ(ct, assessment):
    figure = explore.contours_figure(ct, assessment, levels=(0.55, 0.65, 0.75, 0.85, 0.95))
    (lines,) = figure.axes[0].collections
    assert len({tuple(colour) for colour in lines.get_edgecolor()}) == 5


def test_montage_has_every_slice_of_the_mask(ct, assessment):
    figure = explore.montage_figure(ct, assessment)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == assessment.nodule.region.shape[0]
    heights = [float(re.search(r"-?[\d.]+", axes.texts[0].get_text())[0]) for axes in shown]
    assert heights == sorted(heights)
    assert has_colour(drawn(figure), explore.CONTOUR)


def test_an_overlay_lays_the_mask_over_every_slice(ct, assessment):
    plain, filled = (
        drawn(explore.montage_figure(ct, assessment, overlay=overlay)) for overlay in (False, True)
    )
    assert np.ptp(filled.astype(int), axis=-1).mean() > 2 * np.ptp(plain, axis=-1).mean()
    player = explore.animated_slices(ct, assessment, overlay=True)
    assert len(player) > len(explore.animated_slices(ct, assessment))


BALL = np.linalg.norm(np.indices((24, 32, 32)) - [[[[12]]], [[[16]]], [[[16]]]], axis=0)


@pytest.mark.parametrize("mask", [BALL <= 6, (BALL <= 6) * 3, np.clip(1 - BALL / 12, 0, 1)])
def test_any_voxels_with_a_mask_are_shown(mask):
    """Grey levels of 0..255, and a mask as bool, labels or probabilities."""
    ct, nodule = explore.pair(np.where(BALL <= 6, 200, 20), mask, (1, 1, 2), window=(0, 255))
    assert nodule.region.sum() == (BALL <= 6).sum()
    for figure in (
        explore.montage_figure(ct, nodule, overlay=True),
        explore.slices_figure(ct, nodule),
        explore.contours_figure(ct, nodule, levels=(0.6, 0.8), densities_hu=(-1000, -500, 0)),
    ):
        assert has_colour(drawn(figure), explore.CONTOUR)
    assert len([a for a in explore.montage_figure(ct, nodule).axes if a.images]) == 13
    labels = [
        axes.get_xlabel() for axes in (*figure.axes, *explore.histogram_figure(ct, nodule).axes)
    ]
    assert not any("HU" in label for label in labels) and labels[-1] == explore.GREY_LEVELS
    assert explore.animated_slices(ct, nodule).count("data:image/png;base64") == 24
    (mesh,) = explore.meshes_figure(nodule, (1,), threshold=0.5).data
    assert np.ptp(mesh.z) == pytest.approx(2 * np.ptp(mesh.x), abs=1.5)


def test_hu_stay_what_they_are():
    voxels = np.arange(24 * 32 * 32).reshape(BALL.shape) % 3000 - 1024
    ct, _ = explore.pair(voxels, BALL <= 6)
    np.testing.assert_array_equal(ct.hu, voxels)


@pytest.mark.parametrize(
    ("mask", "why"),
    [(BALL[1:] <= 6, "same shape"), (BALL < 0, "mask is empty")],
    ids=["shape", "empty"],
)
def test_a_pair_that_is_none_is_refused(mask, why):
    with pytest.raises(NoduleRiskError, match=why):
        explore.pair(BALL, mask)


def test_a_scan_is_one_page_with_the_nodule_inside(ct, assessment, tmp_path):
    write_scan(ct, tmp_path / "scan.html", assessment.nodule, threshold_hu=-300, step_size=2)
    page = (tmp_path / "scan.html").read_text()
    assert RESEARCH_USE_ONLY in page
    assert '"name":"denser than -300 HU"' in page and '"name":"nodule"' in page
    with pytest.raises(NoduleRiskError, match="no surface at 3000 HU"):
        write_scan(ct, tmp_path / "none.html", threshold_hu=3000)


def test_slices_are_one_page_with_the_mask_over_them(ct, assessment, tmp_path):
    write_stack(ct, tmp_path / "stack.html", assessment.nodule)
    page = (tmp_path / "stack.html").read_text()
    assert RESEARCH_USE_ONLY in page and "<script" not in page and "http:" not in page
    assert page.count("data:image/png;base64") == len(ct.hu)
    reached = int(assessment.mask.any(axis=(1, 2)).sum())
    assert page.count("<polygon") == reached
    first = len(ct.hu) - int(np.flatnonzero(assessment.mask.any(axis=(1, 2))).max())
    assert f'href="#slice-{first}"' in page
    bare = explore.as_ct(BALL, (1.0, 1.0, 2.0), window=(0, 20))
    write_stack(bare, tmp_path / "bare.html", step=5)
    page = (tmp_path / "bare.html").read_text()
    assert page.count("data:image/png") == math.ceil(len(BALL) / 5) and "<polygon" not in page


def test_player_needs_neither_ffmpeg_nor_the_internet(ct, assessment):
    player = explore.animated_slices(ct, assessment)
    frames = len(explore.surroundings(ct, assessment).mask)
    assert player.count("data:image/png;base64") == frames
    assert "http" not in player
    assert "fa-" not in player


def test_the_histogram_separates_the_nodule_from_the_lung(ct, assessment):
    (axes,) = explore.histogram_figure(ct, assessment, rim_mm=4).axes
    rim, inside = [text.get_text() for text in axes.get_legend().get_texts()]
    shell_ml = 4 / 3 * np.pi * (RADIUS_MM + 4) ** 3 / 1000 - BALL_ML
    for text, volume_ml, hu in ((rim, shell_ml, -850), (inside, BALL_ML, 30)):
        assert float(re.search(r"([\d.]+) ml", text)[1]) == pytest.approx(volume_ml, rel=0.15)
        assert float(re.search(r"(-?\d+) HU", text)[1]) == pytest.approx(hu, abs=5)
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(200)


def test_coarser_meshes_have_fewer_triangles_and_lose_volume(assessment):
    figure = explore.meshes_figure(assessment.nodule, (1, 2, 4))
    triangles = [len(mesh.i) for mesh in figure.data]
    assert triangles == sorted(triangles, reverse=True)
    titles = [note.text for note in figure.layout.annotations]
    assert [
        f"{count:,} triangles" in title for count, title in zip(triangles, titles, strict=True)
    ] == [True] * 3
    volumes = [float(re.search(r"([\d.]+) ml", title)[1]) for title in titles]
    assert volumes[0] == pytest.approx(BALL_ML, rel=0.03)
    assert volumes == sorted(volumes, reverse=True)


def test_cubes_are_shown_in_three_planes(ct):
    sides = (60, 40, 20)
    cubes = emv_views(ct, CENTRE_LPS_MM, sides), densesharp_cube(ct, CENTRE_LPS_MM)
    figure = explore.cubes_figure(cubes[0], sides, cubes[1])
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        "EMV view: 37.5 mm in 40³",
        "EMV view: 25 mm in 40³",
        "EMV view: 12.5 mm in 40³",
        "DenseSharp: 32 mm in 32³",
    ]
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == [
        "Axial",
        "Coronal",
        "Sagittal",
    ]
    assert len([axes for axes in figure.axes if axes.images]) == 12


def test_published_networks_weigh_and_cost_what_the_papers_code_does():
    sizes = {(size.kind, size.side): size for size in published_sizes()}
    assert sizes["inception", 40].parameters == 4_443_890
    assert sizes["vgg", 80].parameters == 44_141_007
    assert sizes["densesharp", 32].parameters == 599_012
    gflop = {key: round(size.gflop, 1) for key, size in sizes.items()}
    assert gflop["densesharp", 32] == 10.6
    assert (gflop["inception", 60], gflop["resnet", 60], gflop["vgg", 60]) == (6.3, 85.5, 129.0)
    assert sum(size.gflop for size in published_sizes()) == pytest.approx(641, abs=1)


def test_table_of_sizes_has_one_row_per_network(weights):
    sizes = sizes_of(weights)
    assert [size.name for size in sizes] == list(weights.networks)
    table = sizes_table("made", sizes)
    assert table.row_count == len(sizes)
    assert table.columns[3].footer == f"{sum(size.parameters for size in sizes):,}"


def test_losses_are_those_of_the_log(tmp_path):
    log = tmp_path / "metrics.csv"
    log.write_text(
        "epoch,loss/vgg,lr,step,val_loss,val_loss/vgg\n0,,,0,0.7,0.7\n0,1.5,,0,,\n,,0.1,1,,\n1,0.5,,1,,\n"
    )
    (axes,) = explore.losses_figure(log).axes
    curves = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert curves == {"vgg, training": [[1, 1.5], [2, 0.5]], "vgg, validation": [[1, 0.7]]}


def test_without_a_mask_it_says_what_to_do(ct, assessment):
    with pytest.raises(NoduleRiskError, match="draws masks"):
        explore.slices_figure(ct, replace(assessment, nodule=None))


def test_the_checkout_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.delenv(explore.CHECKOUT, raising=False)
    monkeypatch.chdir(tmp_path)
    assert (explore.checkout() / "pyproject.toml").is_file()
    monkeypatch.setenv(explore.CHECKOUT, str(tmp_path))
    with pytest.raises(NoduleRiskError, match=explore.CHECKOUT):
        explore.checkout()
