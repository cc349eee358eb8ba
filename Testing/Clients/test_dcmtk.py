"""dcmtk, which many archives are built on: dsrdump, dcmdump and dcm2json."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread

from nodulerisk.outputs.words import withheld_words

pytestmark = pytest.mark.needs("dsrdump", "dcm2json")
NUMBER = re.compile(r'NUM:\((\S+?),(\S+?),"(.*?)"\)="(.+?)" \((.+?),UCUM')
CODE = re.compile(r'CODE:\((\S+?),(\S+?),"(.*?)"\)=\((\S+?),(\S+?),"(.*?)"\)')
TEXT = re.compile(r'TEXT:\((\S+?),(\S+?),"(.*?)"\)="(.*)"')


def run(*command) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not {"E:", "F:"} & set(done.stderr.split()), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def groups(written) -> dict[str, str]:
    """The report's measurement groups, by tracking identifier, as dsrdump prints them."""
    printed = run("dsrdump", "+Pc", "+Pl", written.report)
    parts = printed.split('(125007,DCM,"Measurement Group")')[1:]
    return {re.search(r'"Tracking Identifier"\)="(.*)"', part)[1]: part for part in parts}


def numbers(group: str) -> dict[str, tuple[float, str]]:
    return {code: (float(value), unit) for code, _, _, value, unit in NUMBER.findall(group)}


def test_every_number_is_printed_as_written(written, groups):
    for nodule in written.found:
        found = numbers(groups[nodule.name])
        for size in nodule.measurements:
            assert found[size.code.value] == (
                pytest.approx(size.value, rel=1e-6),
                size.unit_code.value,
            )
        malignancy = nodule.tasks["malignancy"].mean
        assert [found[f"MAL-{k}-P"][0] for k in (0, 1)] == pytest.approx(malignancy)
        calipers = numbers(groups[f"Cornerstone3DTools@^0.1.0:Bidirectional:{nodule.name}"])
        assert [value for value, _ in calipers.values()] == pytest.approx(
            [size.value for size in nodule.measurements[:2]], rel=1e-6
        )


def test_decisions_are_printed_only_where_they_stand(written, groups):
    said = {
        name: {concept: value for _, _, concept, _, _, value in CODE.findall(groups[name])}
        for name in ("N1", "N2", "N3")
    }
    assert said["N1"]["Malignancy"] == "Malignant" and said["N1"]["Finding"] == "Nodule"
    assert said["N2"] == {
        "Finding category": "Morphologically Abnormal Structure",
        "Finding": "Nodule",
        "Finding Site": "Lung",
    }
    assert said["N3"] == {}
    texts = [text for *_, text in TEXT.findall(groups["N2"])]
    assert set(withheld_words(written.withheld)) <= set(texts)


def test_guidelines_are_printed_in_their_words(written, groups):
    said = {name: text for _, _, name, text in TEXT.findall(groups["N1"])}
    for guideline in written.advice.guidelines:
        assert said[guideline.name] == guideline.words


@pytest.mark.parametrize("name", ["report", "masks"])
def test_every_element_comes_back_from_json(written, name):
    again = Dataset.from_json(json.loads(run("dcm2json", getattr(written, name))))
    expected = dcmread(getattr(written, name))
    for dataset in (again, expected):
        dataset.walk(in_single_precision)
    assert Dataset(again) == Dataset(expected)


def in_single_precision(dataset: Dataset, element: DataElement) -> None:
    """Drops the last digits of floats, which JSON in decimals does not keep."""
    if element.VR in ("FL", "FD"):
        element.value = np.float32(element.value).tolist()


def test_segments_are_dumped_with_colour_creator_and_region(written):
    printed = run("dcmdump", "+U8", written.masks)
    assert printed.count("RecommendedDisplayCIELabValue") == 2
    assert "[LungNoduleRisk^Software]" in printed and "[CHEST]" in printed
    for nodule in written.found:
        assert f"[{written.uids[nodule.name]}]" in printed
