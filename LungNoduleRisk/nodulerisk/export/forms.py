"""Each form in which a weight set leaves: ONNX, TorchScript, MONAI bundles, a repository for
Hugging Face.

The networks are what leaves: float32 cubes (N, channels, S, S, S) -> probabilities (N, C) and, from
a network that draws a mask, the mask (N, 1, S, S, S). Calibration, the mean of the members and the
risk models stay with nodulerisk; the model card says so, and holds their numbers.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.engine.engine import cube_shape, load_network
from nodulerisk.errors import NoduleRiskError
from nodulerisk.export.loaded_back import largest_difference
from nodulerisk.export.model_card import front_matter, greys_of, input_words, model_card, outputs_of
from nodulerisk.files import NOTICE, folder_written_whole
from nodulerisk.weights.card import WeightSet

Progress = Callable[[str, float], None]
Write = Callable[[WeightSet, str, Path], None]  # a network of the set into a folder
OPSET = 17  # of ONNX: the oldest that has all of our layers


def export(weights: WeightSet, form: str, out: Path, progress: Progress | None = None) -> float:
    """Writes the whole set in a form of ``FORMS``, with its card and a model card, or nothing.

    Returns:
        How far the networks' answers, loaded back, are from the set's.

    Args:
        weights: from ``load_weight_set``.
        form: a key of ``FORMS``.
        out: the new folder.
        progress: called with a network's name and the share done, 0..1.

    Raises:
        OutputError: the folder exists or cannot be written, or a network answers otherwise.
        NoduleRiskError: a package that the form needs is missing.
    """
    with folder_written_whole(out) as folder:
        for done, name in enumerate(weights.networks):
            if progress:
                progress(name, done / len(weights.networks))
            FORMS[form](weights, name, folder)
        matter = front_matter(weights) if form == "huggingface" else ""
        (folder / "README.md").write_text(matter + model_card(weights, form), encoding="utf-8")
        shutil.copyfile(weights.folder / "card.json", folder / "card.json")
        return largest_difference(weights, form, folder)


def write_onnx(weights: WeightSet, name: str, folder: Path) -> None:
    """``NAME.onnx`` for batches of any size, with the card in its metadata."""
    onnx = _onnx()
    network, cubes = load_network(weights, name), _example(weights, name)
    outputs = list(outputs_of(weights, name))
    path = folder / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and that this exporter is the older one
        torch.onnx.export(
            network,
            (cubes,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["cubes"],
            output_names=outputs,
            dynamic_axes={tensor: {0: "n"} for tensor in ("cubes", *outputs)},
        )
    model = onnx.load(path)
    model.doc_string = f"{weights.name} {weights.version}: {name}. {RESEARCH_USE_ONLY}"
    onnx.helper.set_model_props(model, _about(weights, name))
    onnx.save(model, path)


def write_torchscript(weights: WeightSet, name: str, folder: Path) -> None:
    """``NAME.ts`` for ``torch.jit.load``, which also gives back the card and the model card as
    ``_extra_files``."""
    _save_script(weights, name, folder / f"{name}.ts", "torchscript")


def write_monai_bundle(weights: WeightSet, name: str, folder: Path) -> None:
    """A bundle in a folder of its own: ``configs``, ``models/model.ts`` and ``docs``.

    ``python -m monai.bundle run --config_file configs/inference.json`` answers the cubes of a file.
    """
    for part in ("configs", "models", "docs"):
        (folder / name / part).mkdir(parents=True)
    _save_script(weights, name, folder / name / "models" / "model.ts", "monai-bundle")
    for config, values in (("metadata", _metadata(weights, name)), ("inference", INFERENCE)):
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        (folder / name / "configs" / f"{config}.json").write_text(text, encoding="utf-8")
    (folder / name / "docs" / "README.md").write_text(
        model_card(weights, "monai-bundle"), encoding="utf-8"
    )
    licence = f"{weights.licence}\n\n{weights.attribution}\n\n{RESEARCH_USE_ONLY}\n"
    (folder / name / "LICENSE").write_text(licence, encoding="utf-8")


def write_huggingface(weights: WeightSet, name: str, folder: Path) -> None:
    """The network's safetensors as they are: with the card, the folder is a weight set, too."""
    file = weights.networks[name].file
    shutil.copyfile(weights.folder / file, folder / file)


FORMS: dict[str, Write] = {
    "onnx": write_onnx,
    "torchscript": write_torchscript,
    "monai-bundle": write_monai_bundle,
    "huggingface": write_huggingface,
}
INFERENCE: dict[str, Any] = {  # MONAI's configuration: $ marks Python, @ another entry
    "imports": ["$import numpy as np", "$import torch"],
    "bundle_root": ".",
    "cubes": "cubes.npy",
    "answers": "answers.npz",
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', @device).eval()",
    "inferer": {"_target_": "SimpleInferer"},
    "input": "$torch.from_numpy(np.load(@cubes).astype(np.float32)).to(@device)",
    "output": "$@inferer(@input, @network_def)",
    "outputs": "$@output if isinstance(@output, tuple) else (@output,)",
    "run": [
        "$np.savez(@answers, **dict(zip(('probabilities', 'mask'),"
        " (part.detach().cpu().numpy() for part in @outputs))))"
    ],
}


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise NoduleRiskError("This form needs a package: pip install onnx.") from error
    return onnx


def _example(weights: WeightSet, name: str) -> torch.Tensor:
    return torch.zeros(1, *cube_shape(weights.networks[name]))


def _save_script(weights: WeightSet, name: str, path: Path, form: str) -> None:
    network = load_network(weights, name).requires_grad_(False)
    with warnings.catch_warnings():
        # of a form that torch calls old, and that tracing fixes the padding for this size
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, _example(weights, name), check_trace=False)
        extra = _about(weights, name) | {"README.md": model_card(weights, form)}
        torch.jit.save(traced, path, _extra_files=extra)


def _about(weights: WeightSet, name: str) -> dict[str, str]:
    """Returns what a file says of itself, as texts."""
    return {
        NOTICE: RESEARCH_USE_ONLY,
        "weight_set": f"{weights.name} {weights.version}",
        "network": name,
        "licence": weights.licence,
        "attribution": weights.attribution,
        "input": input_words(weights, name),
        "outputs": json.dumps(outputs_of(weights, name)),
        "card.json": (weights.folder / "card.json").read_text(encoding="utf-8"),
    }


def _metadata(weights: WeightSet, name: str) -> dict[str, Any]:
    """Returns MONAI's description of a bundle."""
    card = weights.networks[name]
    cubes = card.cubes
    shape = {"dtype": "float32", "spatial_shape": [card.size] * 3}
    outputs = outputs_of(weights, name)
    answer = {
        "type": "probabilities",
        "format": "classification",
        "num_channels": len(outputs["probabilities"]),
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [0, 1],
        "channel_def": {str(n): said for n, said in enumerate(outputs["probabilities"])},
    }
    mask = {"type": "probabilities", "format": "segmentation", "num_channels": 1, **shape}
    return {
        "version": weights.version,
        "monai_version": "1.5.0",
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": "1.26.0",
        "name": f"{weights.name}: {name}",
        "task": "lung nodules on chest CT",
        "description": input_words(weights, name),
        "authors": weights.attribution,
        "copyright": weights.licence,
        "intended_use": RESEARCH_USE_ONLY,
        "evidence": {task: weights.tasks[task].evidence.level for task in card.tasks},
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "hounsfield",
                    "modality": "CT",
                    "num_channels": cubes.channels,
                    "value_range": greys_of(cubes),
                    **shape,
                }
            },
            "outputs": {"pred": answer, **({"mask": mask} if card.draws_mask else {})},
        },
    }
