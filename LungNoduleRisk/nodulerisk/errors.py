"""Errors: each one that a user can meet says what is wrong and what to do."""

from nodulerisk.language.texts import joined, ngettext


class NoduleRiskError(Exception):
    """Base of all refusals; its message is one or two sentences for the user, without patient
    identity."""

    def __str__(self) -> str:
        return self.args[0] if len(self.args) == 1 else super().__str__()


class SeveralFaultsError(NoduleRiskError):
    """A file with one fault or more.

    Attributes:
        heading: which file, and how many faults.
        faults: a sentence for each.
    """

    def __init__(self, name: str, faults: tuple[str, ...]):
        heading = ngettext(
            "{name} has a fault; nothing was started:",
            "{name} has {count} faults; nothing was started:",
            len(faults),
        )
        self.heading, self.faults = heading.format(name=name, count=len(faults)), faults
        super().__init__(joined("\n", (self.heading, *faults)))


class CTError(NoduleRiskError):
    """The CT cannot be read, or cannot be trusted (geometry, intensity, modality)."""


class SeveralSeriesError(CTError):
    """The folder holds several CT series, and one must be chosen.

    Attributes:
        series: a description of each, by the name that ``read_ct`` takes.
    """

    def __init__(self, message: str, series: dict[str, str]):
        super().__init__(message)
        self.series = series


class TiltError(CTError):
    """The slices are shifted against each other, as with a tilted gantry."""


class PointError(NoduleRiskError):
    """This point cannot be assessed; other points of the same CT may be."""


class WeightsError(NoduleRiskError):
    """A weight set or weight file is damaged, unsafe, or made for another network."""


class OutputError(NoduleRiskError):
    """Results cannot be written to the requested place."""


class WorkerError(NoduleRiskError):
    """The child process that runs the networks failed, ran out of memory, or was cancelled."""


class PacsError(NoduleRiskError):
    """The archive cannot be reached, refuses, or does not answer as DICOM says."""
