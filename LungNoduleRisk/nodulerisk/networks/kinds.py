"""Every kind of network as one row: what it sees, and whether it draws a mask.

Read without torch, so that Slicer's own process can show cards and cut cubes. To add a kind, add a
row here and a file; if it sees a new kind of cube, add a subclass of ``Cubes``.

A kind may also be code of the user's own: an entry point of the group ``nodulerisk.networks`` that
an installed package has, or ``package.module:factory``, if the user has named it. A weight set is
data, perhaps a stranger's: what its card alone names is never imported.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Any, ClassVar

import numpy as np

from nodulerisk.ct.cubes import (
    DENSESHARP_SIDE,
    DENSESHARP_SPACING_MM,
    DENSESHARP_WINDOW_HU,
    EMV_SPACING_MM,
    EMV_WINDOW_HU,
    PATIENT_SPACING_MM,
    PATIENT_WINDOW_HU,
    Grid,
    densesharp_cube,
    densesharp_grid,
    emv_block,
    emv_grid,
    patient_cube,
    patient_grid,
    views_of,
)
from nodulerisk.ct.volume import CT
from nodulerisk.language.texts import Verbatim, _, joined

Sides = tuple[int, int, int]


class Cubes(ABC):
    """The cubes that networks see around one point of a CT, cut on request.

    Attributes:
        channels: number of channels of every cube.
        spacing_mm: of the voxels, as published.
        window_hu: the HU that 0 and 1 of ``scaled`` stand for.
        concentric: whether the channels are concentric cubes of ``sides``; else there are no sides,
            and a mask can be drawn on the cube.
        enlargements: factors by which the cube may be enlarged, for larger nodules.
    """

    channels: ClassVar[int]
    spacing_mm: ClassVar[float]
    window_hu: ClassVar[tuple[float, float]]
    concentric: ClassVar[bool] = False
    enlargements: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, ct: CT, centre_lps_mm, *, scan_order: bool = False, enlarged: int = 1):
        """
        Args:
            ct: the CT.
            centre_lps_mm: the nodule's centre (x, y, z), LPS mm.
            scan_order: see ``emv_views``; for cubes that use it.
            enlarged: of ``enlargements``.
        """
        self._ct, self._centre, self._scan_order = ct, centre_lps_mm, scan_order
        self._enlarged = enlarged

    @abstractmethod
    def cut(self, sides: Sides | None, size: int) -> np.ndarray:
        """Returns float32 or uint8 (channels, size, size, size), channel, then z, y, x.

        Args:
            sides: of concentric cubes, in voxels of ``spacing_mm``, the outer first; else None.
            size: side of the result in voxels.

        Raises:
            PointError: the centre lies outside the CT.
        """

    @abstractmethod
    def grid(self, sides: Sides | None, size: int) -> Grid:
        """Returns where the voxels of ``cut`` lie in the patient; for concentric cubes, the middle
        one's."""

    @staticmethod
    @abstractmethod
    def offsets_mm(sides: Sides | None, size: int) -> np.ndarray:
        """Returns float32 (channels, size, size, size, 3): z, y, x in mm of every voxel from the
        centre, to sample cubes in any pose for training."""

    @staticmethod
    @abstractmethod
    def scaled(share: Any) -> Any:
        """Turns an array or tensor of shares (0..1) of the HU window into the networks' input."""


class EmvCubes(Cubes):
    """The multi-view cubes of EMV-3D-CNN; see ``emv_views``. All views share one block."""

    channels = 3
    spacing_mm = EMV_SPACING_MM
    window_hu = EMV_WINDOW_HU
    concentric = True

    @cached_property
    def _block(self) -> np.ndarray:
        return emv_block(self._ct, self._centre, scan_order=self._scan_order)

    def cut(self, sides: Sides | None, size: int) -> np.ndarray:
        assert sides is not None
        return views_of(self._block, sides, size)

    def grid(self, sides: Sides | None, size: int) -> Grid:
        assert sides is not None
        return emv_grid(self._ct, self._centre, sides[1], size, scan_order=self._scan_order)

    @staticmethod
    def offsets_mm(sides: Sides | None, size: int) -> np.ndarray:
        assert sides is not None
        ends = [(-side / 2, side / 2 - 1) for side in sides]
        return np.stack([_offsets(np.linspace(*end, size) * EMV_SPACING_MM) for end in ends])

    @staticmethod
    def scaled(share: Any) -> Any:
        return share - 0.25


class DenseSharpCubes(Cubes):
    """DenseSharp's cube of 32 mm; see ``densesharp_cube``."""

    channels = 1
    spacing_mm = DENSESHARP_SPACING_MM
    window_hu = DENSESHARP_WINDOW_HU

    def cut(self, sides: Sides | None, size: int) -> np.ndarray:
        return densesharp_cube(self._ct, self._centre)[None]

    def grid(self, sides: Sides | None, size: int) -> Grid:
        return densesharp_grid(self._ct, self._centre)

    @staticmethod
    def offsets_mm(sides: Sides | None, size: int) -> np.ndarray:
        ticks = np.arange(DENSESHARP_SIDE) - DENSESHARP_SIDE / 2
        return _offsets(ticks * DENSESHARP_SPACING_MM)[None]

    @staticmethod
    def scaled(share: Any) -> Any:
        return (share * 255).round()


class PatientCubes(Cubes):
    """The cube of ``patient_cube``: 48 mm at 64 voxels, or 96 mm."""

    channels = 1
    spacing_mm = PATIENT_SPACING_MM
    window_hu = PATIENT_WINDOW_HU
    enlargements = (1, 2)

    def cut(self, sides: Sides | None, size: int) -> np.ndarray:
        return patient_cube(self._ct, self._centre, size, self._enlarged)[None]

    def grid(self, sides: Sides | None, size: int) -> Grid:
        return patient_grid(self._ct, self._centre, size, self._enlarged)

    @staticmethod
    def offsets_mm(sides: Sides | None, size: int) -> np.ndarray:
        return _offsets((np.arange(size) - (size - 1) / 2) * PATIENT_SPACING_MM)[None]

    @staticmethod
    def scaled(share: Any) -> Any:
        return share * 2 - 1


def _offsets(ticks: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).astype(np.float32)


CUBES: dict[str, type[Cubes]] = {
    "emv": EmvCubes,
    "densesharp": DenseSharpCubes,
    "patient": PatientCubes,
}


@dataclass(frozen=True)
class NetworkKind:
    """The properties of all networks of a kind.

    Attributes:
        network: ``module:class`` of the torch module, imported only when one is built.
        cubes: what it sees; for a factory, unless a plan or card chooses others of ``CUBES``.
        size: side of its input as published.
        draws_mask: its second output is a mask (N, 1, size, size, size) on the grid of its cube,
            from a last layer ``mask_head``.
        factory: ``network`` is a function that makes modules for any cubes; see ``build_network``.
        at_half_maximum: the surface of ground glass that it draws is placed at the half maximum; so
            are the masks that this kind is trained on.
    """

    network: str
    cubes: type[Cubes]
    size: int
    draws_mask: bool = False
    factory: bool = False
    at_half_maximum: bool = False


def _factory(network: str, draws_mask: bool = False) -> NetworkKind:
    return NetworkKind(network, PatientCubes, 64, draws_mask, factory=True)


NETWORKS: dict[str, NetworkKind] = {
    "inception": NetworkKind("nodulerisk.networks.inception:Inception", EmvCubes, 60),
    "vgg": NetworkKind("nodulerisk.networks.vgg:VGG", EmvCubes, 40),
    "resnet": NetworkKind("nodulerisk.networks.resnet:ResNet", EmvCubes, 60),
    "densesharp": NetworkKind(
        "nodulerisk.networks.densesharp:DenseSharp", DenseSharpCubes, 32, draws_mask=True
    ),
    "densenet": NetworkKind("nodulerisk.networks.densesharp:DenseNet", DenseSharpCubes, 32),
    "unet": NetworkKind(
        "nodulerisk.networks.unet:NoduleUNet",
        PatientCubes,
        64,
        draws_mask=True,
        at_half_maximum=True,
    ),
    "monai-densenet121": _factory("nodulerisk.networks.monai_networks:densenet121"),
    "monai-seresnet50": _factory("nodulerisk.networks.monai_networks:seresnet50"),
    "monai-segresnet": _factory("nodulerisk.networks.monai_networks:SegResNet", draws_mask=True),
    "monai-swinunetr": _factory("nodulerisk.networks.monai_networks:SwinUNETR", draws_mask=True),
}
GROUP = "nodulerisk.networks"  # of entry points
TRUSTED = "NODULERISK_NETWORKS"  # environment, and so of child processes: see trust()


def trust(code: str) -> None:
    """Lets networks be built by ``package.module:factory``, here and in child processes: the user
    has named it."""
    os.environ[TRUSTED] = ",".join(dict.fromkeys((*_trusted(), code)))


def _trusted() -> list[str]:
    return [name.strip() for name in os.environ.get(TRUSTED, "").split(",") if name.strip()]


def kind_of(name: str) -> NetworkKind:
    """Returns the kind of this name; imports nothing.

    Raises:
        ValueError: no such kind, or code that the user has not named.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if ":" not in name:
        return _factory(_entry_point(name))
    if name not in _trusted():
        words = _(
            "it names the code {name} to build a network, and weights alone must not run code: if"
            " you trust it, run nodulerisk --trust {name} and then the command, set {trusted}, or"
            " install it as an entry point"
        )
        raise ValueError(words.format(name=name, trusted=TRUSTED))
    return _factory(name)


@cache
def _entry_point(name: str) -> str:
    """Returns the code of an installed package that has this name."""
    for entry_point in entry_points(group=GROUP, name=name):
        return entry_point.value
    raise ValueError(
        _("unknown kind {name}: choose one of {networks}").format(
            name=Verbatim(name), networks=joined(", ", map(Verbatim, NETWORKS))
        )
    )


def recipe_of(network: Any) -> dict[str, Any]:
    """Returns what ``build_network`` needs beside kind, size and classes, from a card's or plan's
    network."""
    return {
        "width": network.width,
        "sees": network.sees,
        "draws_mask": network.mask,
        "arguments": network.arguments,
    }
