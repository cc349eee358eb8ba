"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' folder of test data beside the checkout (golden arrays, LIDC nodules, DICOM);
    not for users."""
    folder = Path(__file__).parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not here")
    return folder
