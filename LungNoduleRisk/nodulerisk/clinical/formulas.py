"""The scores' formulas: the probability (0..1) that a nodule is cancer, from the values of inputs.

Sources, read for every coefficient:

* Brock (PanCan) 1a, 1b, 2a, 2b: McWilliams et al., N Engl J Med 2013;369:910-919, table 2; the size
  is the largest transverse one.
* Mayo: Swensen et al., Arch Intern Med 1997;157:849-855, equation 2; table 3 holds 144 worked
  probabilities. The size is the mean of the diameters.
* Veterans Affairs: Gould et al., Chest 2007;131:383-388; as tabulated in Eur Radiol 2019;29:5367,
  table 2, whose sign of the years since quitting is not the paper's: they lower the odds by 0.6 per
  ten years. The size is the largest diameter.
* Herder: Herder et al., Chest 2005;128:2490-2496, page 2492: Mayo's probability (0..1) and the
  uptake of FDG.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Values = Mapping[str, Any]  # of the inputs, by name
Formula = Callable[[Values], float]


def probability_of(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


BROCK_TERMS: dict[str, Formula] = {
    "constant": lambda of: 1,
    "age": lambda of: of["age"] - 62,
    "female": lambda of: of["sex"] == "female",
    "family history": lambda of: of["family_history"],
    "emphysema": lambda of: of["emphysema"],
    "size": lambda of: (of["long axis"] / 10) ** -0.5 - 1.58113883,
    "ground glass": lambda of: of["density"] == "ground glass",
    "part-solid": lambda of: of["density"] == "part-solid",
    "upper lobe": lambda of: of["upper_lobe"],
    "nodules": lambda of: of["nodules"] - 4,
    "spiculation": lambda of: of["spiculation"],
}
BROCK_1A = {"constant": -6.5929, "female": 0.5806, "size": -5.8616, "upper lobe": 0.6439}
BROCK_1B = {
    "constant": -6.6144,
    "female": 0.6467,
    "size": -5.5537,
    "upper lobe": 0.6009,
    "spiculation": 0.9309,
}
BROCK_2A = {
    "constant": -6.8071,
    "age": 0.0321,
    "female": 0.5635,
    "family history": 0.3013,
    "emphysema": 0.3462,
    "size": -5.6693,
    "ground glass": -0.3005,
    "part-solid": 0.3395,
    "upper lobe": 0.7116,
    "nodules": -0.0803,
}
BROCK_2B = {
    "constant": -6.7892,
    "age": 0.0287,
    "female": 0.6011,
    "family history": 0.2961,
    "emphysema": 0.2953,
    "size": -5.3854,
    "ground glass": -0.1276,
    "part-solid": 0.377,
    "upper lobe": 0.6581,
    "nodules": -0.0824,
    "spiculation": 0.7729,
}
HERDER_UPTAKE = {"none": 0.0, "faint": 2.322, "moderate": 4.617, "intense": 4.771}


def brock(weights: Mapping[str, float]) -> Formula:
    """Returns one of the four Brock models, given its weights."""

    def probability(of: Values) -> float:
        return probability_of(sum(weights[term] * BROCK_TERMS[term](of) for term in weights))

    return probability


def mayo(of: Values) -> float:
    return probability_of(
        -6.8272
        + 0.0391 * of["age"]
        + 0.7917 * (of["smoking"] != "never")
        + 1.3388 * (of["cancer"] == "earlier")
        + 0.1274 * of["mean diameter"]
        + 1.0407 * of["spiculation"]
        + 0.7838 * of["upper_lobe"]
    )


def veterans_affairs(of: Values) -> float:
    return probability_of(
        -8.404
        + 2.061 * (of["smoking"] != "never")
        + 0.0779 * of["age"]
        + 0.112 * of["long axis"]
        - 0.0567 * of["years_since_quitting"]
    )


def herder(of: Values) -> float:
    return probability_of(-4.739 + 3.691 * mayo(of) + HERDER_UPTAKE[of["pet_uptake"]])
