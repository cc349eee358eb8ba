"""The user's choices, kept in the scene and saved with it."""

from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from nodulerisk.language.texts import _
from nodulerisk.tasks import TASKS, two_class_tasks
from nodulerisk.weights.card import thresholds_of

DEVICES = ["auto", "cuda", "mps", "cpu"]
BY_POSITION, BY_NAME = str(_("by position")), str(_("by name"))  # saved in English
PAIRINGS = [BY_POSITION, BY_NAME]
FROM_CARD = 0.0  # a threshold that the weight set's card gives


def thresholdParameters() -> dict[str, str]:
    """The parameter of each task whose threshold the user may set, by task."""
    return {task: f"{task}Threshold" for task in two_class_tasks() if TASKS[task].group == "main"}


def _withThresholds(parameters: type) -> type:
    for name in thresholdParameters().values():
        parameters.__annotations__[name] = Annotated[float, WithinRange(0, 1)]
        setattr(parameters, name, FROM_CARD)
    return parameters


@parameterNodeWrapper
@_withThresholds
class Parameters:
    """The module's parameter node.

    Attributes:
        ct: the CT.
        points: the list of points, one on each nodule.
        weights: name of a weight set.
        device: what the networks run on.
        cascade: run later tasks only if earlier ones are positive.
        stability: assess each nodule again turned and with the point 2 mm off, which takes several
            times as long.
        malignancyThreshold, ...: of ``thresholdParameters``, the decision thresholds, as
            probabilities; 0: as the card says.
        ownThresholds: of tasks of the weight set's own, such as ``EGFR=0.4, invasion=0.6``.
        reader, patient: pseudonyms, for annotations and exported data.
        earlier, days: an earlier CT to compare with, and the days between the two; 0: not known.
        pairing: which nodules are proposed as the same.
    """

    ct: slicer.vtkMRMLScalarVolumeNode
    points: slicer.vtkMRMLMarkupsFiducialNode
    weights: str = "open"
    device: Annotated[str, Choice(DEVICES)] = "auto"
    cascade: bool = False
    stability: bool = False
    ownThresholds: str = ""
    reader: str = ""
    patient: str = ""
    earlier: slicer.vtkMRMLScalarVolumeNode
    days: Annotated[float, WithinRange(0, 9999)] = 0.0
    pairing: Annotated[str, Choice(PAIRINGS)] = BY_POSITION


def thresholdsOf(parameters: Parameters) -> dict[str, float]:
    """The thresholds that the user set, by task; raises WeightsError for one that is none."""
    chosen = {task: getattr(parameters, name) for task, name in thresholdParameters().items()}
    own = thresholds_of(text for text in parameters.ownThresholds.split(",") if text.strip())
    return {task: threshold for task, threshold in chosen.items() if threshold != FROM_CARD} | own
