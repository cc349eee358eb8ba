"""The model card of an exported weight set, made from its card: licence, evidence, what goes in and
what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.networks.kinds import Cubes
from nodulerisk.outputs.words import figure_words
from nodulerisk.tasks import EVIDENCE_WORDS
from nodulerisk.weights.card import Evidence, TaskCard, WeightSet

USES = {
    "onnx": '`onnxruntime.InferenceSession("NAME.onnx").run(None, {"cubes": cubes})`',
    "torchscript": '`torch.jit.load("NAME.ts")(cubes)`',
    "monai-bundle": "`python -m monai.bundle run --config_file configs/inference.json --cubes"
    " cubes.npy --answers answers.npz` in a network's folder",
    "huggingface": "`nodulerisk assess CT --point X,Y,Z --weights THIS_FOLDER --out DIR`, or"
    ' `nodulerisk.Assessor("THIS_FOLDER")`',
}
HUGGING_FACE_LICENCES = {"CC BY 3.0": "cc-by-3.0", "CC BY 4.0": "cc-by-4.0"}
NOT_THE_ANSWER = (
    "A network's probabilities are not yet the answer that nodulerisk gives. That is the mean over"
    " a task's networks, each calibrated by its line, or the risk model where the task has one; and"
    " it is withheld where the evidence does not cover the nodule. `card.json` holds these numbers."
)
CUTTING = """```python
import nodulerisk
from nodulerisk.assess import NetworkCubes

ct = nodulerisk.read_ct("ct.nrrd")
weights = nodulerisk.load_weight_set("NAME OR FOLDER OF THE SET")
cube = NetworkCubes(ct, (x, y, z), weights).of("NAME")[None]  # at the nodule's centre, LPS mm
```"""


def model_card(weights: WeightSet, form: str) -> str:
    """Returns the model card, Markdown."""
    return "\n".join(
        [
            f"# {weights.name} {weights.version}",
            f"\n**{RESEARCH_USE_ONLY}**",
            f"\nLicence: {weights.licence}. {weights.attribution}",
            "\n## What the numbers rest on\n",
            "| answers | by | evidence | data and labels | held-out figures |",
            "|---|---|---|---|---|",
            *_evidence_rows(weights),
            "",
            *(f"* {level}: {EVIDENCE_WORDS[level]}" for level in _levels(weights)),
            "\n## What goes in and what comes out\n",
            "| network | float32 cubes | probabilities, in this order |",
            "|---|---|---|",
            *(_network_row(weights, name) for name in weights.networks),
            f"\nUse: {USES[form]}.",
            f"\nCubes are cut around a nodule's centre:\n\n{CUTTING}",
            f"\n## What is left to do\n\n{NOT_THE_ANSWER}\n",
            *_rules(weights),
            "",
        ]
    )


def front_matter(weights: WeightSet) -> str:
    """Returns what Hugging Face reads at the top of a model card."""
    licence = HUGGING_FACE_LICENCES.get(weights.licence, "other")
    named = [] if licence != "other" else [f"license_name: {_slug(weights.licence)}"]
    tags = "[medical, ct, lung-nodule, research-use-only]"
    lines = [f"license: {licence}", *named, "library_name: nodulerisk", f"tags: {tags}"]
    return "\n".join(["---", *lines, "---", ""])


def input_words(weights: WeightSet, name: str) -> str:
    """Returns what a network sees, in words."""
    card = weights.networks[name]
    cubes = card.cubes
    low, high = greys_of(cubes)
    if card.sides is None:
        field = f"one cube of {card.size}³ voxels of {cubes.spacing_mm:g} mm"
    else:
        sides = ", ".join(f"{side * cubes.spacing_mm:g}" for side in card.sides)
        field = f"concentric cubes of {sides} mm, each as {card.size}³ voxels"
    numbered = weights.scan_order and cubes.concentric
    upwards = "where InstanceNumber grows (else the head)" if numbered else "the head"
    return (
        f"(N, {cubes.channels}, {card.size}, {card.size}, {card.size}), z, y, x towards {upwards},"
        f" back and left: {field}, HU {cubes.window_hu[0]:g} to {cubes.window_hu[1]:g} as {low:g}"
        f" to {high:g}"
    )


def greys_of(cubes: type[Cubes]) -> tuple[float, float]:
    """Returns the least and the largest value of a cube."""
    return float(cubes.scaled(np.float64(0))), float(cubes.scaled(np.float64(1)))


def outputs_of(weights: WeightSet, name: str) -> dict[str, list[str]]:
    """Returns the network's outputs: the ``probabilities``' columns, and the ``mask`` if it draws
    one."""
    card = weights.networks[name]
    columns = [f"{task}: {label}" for task in card.tasks for label in weights.table[task].classes]
    drawn = ["probability of the nodule in each voxel of the cube"]
    return {"probabilities": columns} | ({"mask": drawn} if card.draws_mask else {})


def _evidence_rows(weights: WeightSet) -> Iterator[str]:
    for name, task in weights.tasks.items():
        if task.networks:
            for evidence in (task.evidence, *task.further_evidence):
                yield _evidence_row(name, _answered_by(task), evidence)
    if weights.mask_network is not None:
        yield _evidence_row("mask", weights.mask_network, weights.mask_evidence)


def _evidence_row(answer: str, by: str, evidence: Evidence) -> str:
    figures = (f"{what} {figure_words(numbers)}" for what, numbers in evidence.figures.items())
    basis = "; ".join(filter(None, (evidence.labels, evidence.data)))
    cells = (answer, by, evidence.level, basis, "; ".join(figures) or "–")
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _answered_by(task: TaskCard) -> str:
    """Returns what the evidence is about: where there is a risk model, not the networks alone."""
    names = ", ".join(task.networks)
    if task.risk is None:
        return names
    return f"a risk model on {', '.join(task.risk.terms)}; nothing is said of {names} alone"


def _levels(weights: WeightSet) -> list[str]:
    used = {task.evidence.level for task in weights.tasks.values() if task.networks}
    return [level for level in EVIDENCE_WORDS if level in used | {weights.mask_evidence.level}]


def _network_row(weights: WeightSet, name: str) -> str:
    outputs = outputs_of(weights, name)
    mask = "; and the mask" if "mask" in outputs else ""
    return (
        f"| {name} | {input_words(weights, name)} | {', '.join(outputs['probabilities'])}{mask} |"
    )


def _rules(weights: WeightSet) -> Iterator[str]:
    for name, task in weights.tasks.items():
        if task.networks:
            last = weights.table[name].classes[-1]
            yield f"* {name}: {_rule(last, task, weights.threshold(name))}"


def _rule(last: str, task: TaskCard, threshold: float | None) -> str:
    answer = f"mean of {', '.join(task.networks)}" if task.risk is None else _answered_by(task)
    line = "" if task.calibration is None else f", calibrated by {json.dumps(task.calibration)}"
    decided = "the most probable class" if threshold is None else f"{last} from {threshold:g} on"
    return f"{answer}{line}; decides for {decided}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
