"""The user's choices, kept in the scene and saved with it."""

from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

DEVICES = ["auto", "cuda", "mps", "cpu"]
FROM_CARD = 0.0  # a threshold that the weight set's card gives


@parameterNodeWrapper
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
        malignancyThreshold, invasivenessThreshold: decision thresholds, as probabilities;
            0: as the card says.
        reader, patient: pseudonyms, for annotations and exported data.
        earlier, days: an earlier CT to compare with, and the days between the two; 0: not known.
    """

    ct: slicer.vtkMRMLScalarVolumeNode
    points: slicer.vtkMRMLMarkupsFiducialNode
    weights: str = "open"
    device: Annotated[str, Choice(DEVICES)] = "auto"
    cascade: bool = False
    stability: bool = False
    malignancyThreshold: Annotated[float, WithinRange(0, 1)] = FROM_CARD
    invasivenessThreshold: Annotated[float, WithinRange(0, 1)] = FROM_CARD
    reader: str = ""
    patient: str = ""
    earlier: slicer.vtkMRMLScalarVolumeNode
    days: Annotated[float, WithinRange(0, 9999)] = 0.0


def thresholdsOf(parameters: Parameters) -> dict[str, float]:
    """The thresholds that the user set, by task."""
    chosen = {
        "malignancy": parameters.malignancyThreshold,
        "invasiveness": parameters.invasivenessThreshold,
    }
    return {task: threshold for task, threshold in chosen.items() if threshold != FROM_CARD}
