"""nodulerisk: lung nodule characterisation on CT. For research use only.

The names of ``__all__`` are what other programs need; each is imported when it is first used, so
that ``import nodulerisk`` costs nothing.
"""

from pkgutil import resolve_name
from typing import Any

from nodulerisk.language.texts import _

__version__ = "0.1.0"
RESEARCH_USE_ONLY = _("Research use only: not a medical device, not for diagnosis.")

_PLACES = {
    "Assessor": "nodulerisk.assess_points",
    "CT": "nodulerisk.ct.volume",
    "NoduleRiskError": "nodulerisk.errors",
    "Point": "nodulerisk.ct.points",
    "load_assessment": "nodulerisk.assessment",
    "load_weight_set": "nodulerisk.weights.store",
    "read_ct": "nodulerisk.ct.read",
    "read_points": "nodulerisk.ct.points",
    "to_pandas": "nodulerisk.outputs.nodule_tables",
    "write_results": "nodulerisk.outputs.results",
}
__all__ = ["RESEARCH_USE_ONLY", "__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return resolve_name(f"{_PLACES[name]}:{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
