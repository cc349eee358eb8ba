"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest

from made_assessment import made_assessment, made_ct
from made_weights import made_weights
from nodulerisk.assessment import Assessment
from nodulerisk.ct.volume import CT
from nodulerisk.weights.card import WeightSet


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory) -> None:
    """Converted networks of tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def ct() -> CT:
    return made_ct()


@pytest.fixture(scope="session")
def assessment(ct) -> Assessment:
    """One with every kind of result, of ``ct``."""
    return made_assessment(ct)


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> WeightSet:
    """A small weight set; its mask network marks what is denser than about -300 HU."""
    return made_weights(tmp_path_factory.mktemp("weights"))
