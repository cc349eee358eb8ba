"""The CT and the points that a command line names, and whether they belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nodulerisk.errors import PointError
from nodulerisk.files import stem_of
from nodulerisk.language.texts import _

if TYPE_CHECKING:
    from nodulerisk.ct.points import Coordinates, Point
    from nodulerisk.ct.volume import CT


@dataclass(frozen=True)
class NamedPoints:
    """Points as texts, or a file of them, in the coordinate system that the user names, if any.

    Raises:
        PointError: no points, both options, or both coordinate systems.
    """

    texts: Sequence[str] = ()
    file: Path | None = None
    ras: bool = False
    lps: bool = False

    def __post_init__(self) -> None:
        if self.ras and self.lps:
            raise PointError(_("The points cannot be both LPS and RAS: leave out --ras or --lps."))
        if bool(self.texts) == bool(self.file):
            raise PointError(
                _("Say where the nodules are: --point X,Y,Z (repeatable) or --points FILE.")
            )

    @cached_property
    def series(self) -> list[str]:
        """The SeriesInstanceUIDs that the file names."""
        from nodulerisk.ct.points import series_in

        return series_in(self.file) if self.file is not None else []

    @property
    def count_slices(self) -> bool:
        from nodulerisk.ct.points import counts_slices

        return self.file is not None and counts_slices(self.file)

    def read(self, series: str | None = None, ct: CT | None = None) -> list[Point]:
        """Returns the points: see ``read_points``.

        Raises:
            PointError: the file or a point cannot be read.
        """
        from nodulerisk.ct.points import named_points, parse_point, read_points

        said: Coordinates | None = "ras" if self.ras else "lps" if self.lps else None
        if self.file is not None:
            return read_points(self.file, said, series=series, ct=ct)
        return named_points(("", parse_point(text, said or "lps")) for text in self.texts)


@dataclass(frozen=True)
class NamedCT:
    """A CT, and which of its series."""

    path: Path
    series: str | None = None

    @cached_property
    def scan(self) -> CT:
        """The CT, which is read once, when it is first needed."""
        from nodulerisk.ct.read import read_ct

        return read_ct(self.path, series_uid=self.series)

    @property
    def names(self) -> list[str]:
        """What the command line may name its series by: the option, and the file's name."""
        chosen = [self.series.partition("#")[0]] if self.series else []
        return [*chosen, stem_of(self.path)]

    def points(self, named: NamedPoints) -> list[Point]:
        """Returns the points that are this CT's: of a table that names series, those of one; of
        one that counts slices, where they lie in the CT.

        Raises:
            PointError: see ``NamedPoints.read``.
        """
        names, scan = self.names, None
        unnamed = len(named.series) > 1 and not set(named.series) & set(names)
        if unnamed or named.count_slices:  # only the CT says which rows are its, and where
            scan = self.scan
            names.append(scan.acquisition.series_uid or "")
        own = next((uid for uid in names if uid in named.series), None)
        return named.read(own, scan)

    def scan_for(self, named: NamedPoints) -> CT:
        """Returns the CT, with a check if the points' table names another series (fault 65)."""
        return of_listed_series(self.scan, named.series, self.names)


def of_listed_series(scan: CT, listed: list[str], names: list[str]) -> CT:
    """Adds a check if the points' table lists none of the CT's series (fault 65)."""
    from nodulerisk.checks import POINTS_OF_ANOTHER_SERIES

    uid = scan.acquisition.series_uid
    if not listed or uid is None or {uid, *names} & set(listed):
        return scan
    return replace(scan, checks=(*scan.checks, POINTS_OF_ANOTHER_SERIES.check()))
