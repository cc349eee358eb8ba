"""Whether contrast was given, from a DICOM header: from the elements that say so, else from the
words of hospitals in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom import Dataset

# What says most about the series comes first: a study with and without contrast has series of both.
OF_THE_SERIES = ("SeriesDescription", "ImageComments", "ProtocolName")
OF_THE_STUDY = (
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "StudyDescription",
)
OF_THE_REQUEST = ("RequestedProcedureDescription", "ScheduledProcedureStepDescription")
AMOUNTS = ("ContrastBolusVolume", "ContrastBolusTotalDose", "ContrastFlowRate")
NO_AGENT = re.compile(r"(n|no|none|nil|n/?a|0|-*|without.*|unenhanced|ohne|sin|sans|无|無)", re.I)

MEDIUM = (
    r"((contrast\s)?(enhance\w*)|contrast\w*|con(t|tr)?|kontrast\w*|mezzo di contrasto|mdc|kmt?"
    r"|pdc|civ|i\.?\s?v\.?(?![a-z])|inje[ck]t\w*|gad\w*|iod\w*)"
)
LINK = (
    r"[\s_./-]*((i\.?\s?v\.?|any|oral|iodinated|intravenous|the|de|di|du|produit de|medio de"
    r"|agente de)[\s_./-]+)*"
)
BEFORE = r"(?<![^\W_])"  # not within a word; an underscore separates words here
AFTER = r"(?![^\W_])"

# "with and without": a study of both, which counts as with
BOTH = re.compile(
    rf"{BEFORE}(w\s?/?\s?(o|wo|w/o)?\s?(&|and|\+)\s?w\s?/?\s?o?|w/wo|wo/w|with\s?(and|&|/)\s?without"
    rf"|without\s?(and|&|/)\s?with|mit\s?und\s?ohne|con\s?y\s?sin|avec\s?et\s?sans|sin\s?y\s?con"
    rf"|ohne\s?und\s?mit|sans\s?et\s?avec|平扫\s?[+加及和]\s?增强){AFTER}",
    re.I,
)
WITHOUT = re.compile(
    rf"{BEFORE}(no|non|not|w\s?/\s?o(ut)?|wo|without|ohne|kein\w*|sin|sans|sem|senza|zonder|utan|uden|bez)"
    rf"{LINK}{MEDIUM}{AFTER}"
    rf"|{BEFORE}(w\s?/\s?o(ut)?|wo|ncct|nc){AFTER}|{BEFORE}(without|ohne|sin|sans|sem|senza)\s*$"
    rf"|{BEFORE}(un|non)[\s-]?enhanced{AFTER}|{BEFORE}noncon\w*|{BEFORE}non[\s-]con{AFTER}"
    rf"|{BEFORE}nativ\w*|{BEFORE}s/c{AFTER}|{BEFORE}iv\s?-|{BEFORE}c\s?-(?![^\W_])|(?<!\w)-\s?c{AFTER}"
    rf"|{MEDIUM}\s*[:=]?\s*(no|none|nil|not given|nein|non){AFTER}"
    r"|平扫|平掃|非增强|未增强|非造影|単純|不增强|无增强|無增強|비조영",
    re.I,
)
# words that sound like contrast, and are not
OTHERWISE = re.compile(
    r"(high|low|hi|edge|bone|lung|detail|image)[\s_-]*(contrast|enhance\w*)", re.I
)
WITH = re.compile(
    rf"{BEFORE}(contrast\w*|kontrast\w*|mezzo di contrasto|mdc|enhanced|enhancement|cect|ce-ct"
    rf"|injecte\w*|injecté\w*|contrastad\w*|iv\s?\+|pdc|km){AFTER}"
    rf"|{BEFORE}(with|w|post|mit|nach|avec|con|com|met|med|after|après|apres|tras)"
    rf"{LINK}{MEDIUM}{AFTER}"
    rf"|{BEFORE}(chest|thorax|abdomen|abd|pelvis|cap|ct)\s+(w|with)\s*$"
    rf"|\+\s?c{AFTER}|{BEFORE}c\s?\+(?![^\W_])|{BEFORE}c/c{AFTER}"
    rf"|{BEFORE}(arterial|arteriell?e?|portal\w*|venous|venös\w*|veineux|venosa|angio\w*|ctpa|cta|cpa){AFTER}"
    r"|增强|增強|造影|强化|強化|动脉期|動脈期|静脉期|靜脈期|조영",
    re.I,
)


def contrast_given(header: Dataset) -> bool | None:
    """Whether contrast was given (PS3.3 C.7.6.4); None if nothing tells."""
    agent = text_of(header, "ContrastBolusAgent")
    if agent:
        return NO_AGENT.fullmatch(agent) is None
    if header.get("ContrastBolusAgentSequence") or any(
        is_positive(header, keyword) for keyword in AMOUNTS
    ):
        return True
    for text in descriptions(header):
        if (said := said_in(text)) is not None:
            return said
    return None


def is_positive(header: Dataset, keyword: str) -> bool:
    try:
        return float(header.get(keyword) or 0) > 0
    except (TypeError, ValueError):
        return False


def descriptions(header: Dataset) -> Iterator[str]:
    """Yields the texts in which contrast may be named, those of the series first."""
    for keyword in OF_THE_SERIES:
        yield text_of(header, keyword)
    for request in header.get("RequestAttributesSequence") or ():
        for keyword in OF_THE_REQUEST:
            yield text_of(request, keyword)
        for code in request.get("RequestedProcedureCodeSequence") or ():
            yield text_of(code, "CodeMeaning")
    for keyword in OF_THE_STUDY:
        yield text_of(header, keyword)


def text_of(header: Dataset, keyword: str) -> str:
    """Returns an element as text; Chinese is read also where the character set is not stated."""
    value = header.get(keyword)
    text = str(value or "").strip()
    if text.isascii():
        return text
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return text
    for encoding in ("utf-8", "gb18030"):
        try:
            return f"{text} {raw.decode(encoding)}"
        except UnicodeDecodeError:
            continue
    return text


def said_in(text: str) -> bool | None:
    """Whether a description says that contrast was given or not; None if it does not tell."""
    if BOTH.search(text):
        return True
    without, rest = WITHOUT.search(text), OTHERWISE.sub(" ", WITHOUT.sub(" ", text))
    if WITH.search(rest):
        return True
    return False if without else None
