"""What a pathology teaches: the labels of all tasks that follow from its words.

Source of the rules: npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z.
"""

from __future__ import annotations

import re
import unicodedata

from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import plain_word

# The words of Chinese hospitals' tables, as in the EMV-3D-CNN authors' own.
CHINESE_PATHOLOGY = {
    "良性": "benign",
    "良性病变": "benign",
    "炎症": "benign",
    "炎性": "benign",
    "炎性病变": "benign",
    "炎性结节": "benign",
    "炎性假瘤": "benign",
    "结核": "benign",
    "结核球": "benign",
    "硬化性肺泡细胞瘤": "benign",
    "硬化性血管瘤": "benign",
    "肺内淋巴结": "benign",
    "错构瘤": "hamartoma",
    "肉芽肿": "granuloma",
    "肉芽肿性炎": "granuloma",
    "恶性": "malignant",
    "浸润前病变": "pre-invasive",
    "浸润前": "pre-invasive",
    "不典型腺瘤样增生": "AAH",
    "非典型腺瘤样增生": "AAH",
    "原位腺癌": "AIS",
    "微浸润": "MIA",
    "微浸润腺癌": "MIA",
    "微浸润性腺癌": "MIA",
    "微小浸润腺癌": "MIA",
    "微小浸润性腺癌": "MIA",
    "浸润": "invasive adenocarcinoma",
    "浸润癌": "invasive adenocarcinoma",
    "浸润腺癌": "invasive adenocarcinoma",
    "浸润性腺癌": "invasive adenocarcinoma",
    "腺癌": "adenocarcinoma",
    "肺腺癌": "adenocarcinoma",
    "鳞癌": "squamous cell carcinoma",
    "鳞状细胞癌": "squamous cell carcinoma",
    "小细胞癌": "small cell carcinoma",
    "小细胞肺癌": "small cell carcinoma",
    "大细胞癌": "large cell carcinoma",
    "腺鳞癌": "other malignant",
    "肉瘤样癌": "other malignant",
    "神经内分泌癌": "other malignant",
    "类癌": "carcinoid",
    "淋巴瘤": "lymphoma",
    "转移": "metastasis",
    "转移瘤": "metastasis",
    "转移癌": "metastasis",
    "肺转移瘤": "metastasis",
}
CHINESE_DENSITY = {
    "实性": "solid",
    "纯实性": "solid",
    "实性结节": "solid",
    "磨玻璃": "ground glass",
    "纯磨玻璃": "ground glass",
    "磨玻璃结节": "ground glass",
    "纯磨玻璃结节": "ground glass",
    "混合磨玻璃": "part-solid",
    "混合性": "part-solid",
    "混合性磨玻璃": "part-solid",
    "混合磨玻璃结节": "part-solid",
    "部分实性": "part-solid",
    "部分实性结节": "part-solid",
    "半实性": "part-solid",
    "亚实性": "part-solid",
}
CHINESE_PLACE = {
    "右肺": "right lung",
    "左肺": "left lung",
    "上叶": "upper lobe",
    "中叶": "middle lobe",
    "下叶": "lower lobe",
    "舌叶": "lingula",
    "舌段": "lingula",
}


def _labels_by_class(**classes: str) -> dict[str, int]:
    """Returns task -> index of the named class."""
    return {task: TASKS[task].classes.index(name) for task, name in classes.items()}


BENIGN = _labels_by_class(malignancy="benign")
MALIGNANT = _labels_by_class(malignancy="malignant")
PRE_INVASIVE = MALIGNANT | _labels_by_class(invasiveness="pre-invasive")
AAH_AIS = PRE_INVASIVE | _labels_by_class(subtype="AAH-AIS")
MIA = PRE_INVASIVE | _labels_by_class(subtype="MIA")
INVASIVE_CANCER = MALIGNANT | _labels_by_class(invasiveness="invasive")
INVASIVE = MALIGNANT | _labels_by_class(invasiveness="invasive", subtype="IA")
PATHOLOGIES: dict[str, dict[str, int]] = {
    "benign": BENIGN,
    "hamartoma": BENIGN,
    "granuloma": BENIGN,
    "pre-invasive": PRE_INVASIVE,
    "AAH": AAH_AIS,
    "AIS": AAH_AIS,
    "AAH-AIS": AAH_AIS,
    "atypical adenomatous hyperplasia": AAH_AIS,
    "adenocarcinoma in situ": AAH_AIS,
    "MIA": MIA,
    "minimally invasive adenocarcinoma": MIA,
    "invasive adenocarcinoma": INVASIVE,
    "IA": INVASIVE,
    "IAC": INVASIVE,
    "other malignant": MALIGNANT,
    "malignant": MALIGNANT,
    "adenocarcinoma": MALIGNANT,  # in situ or invasive is not stated
    "squamous cell carcinoma": MALIGNANT,
    "small cell carcinoma": MALIGNANT,
    "large cell carcinoma": MALIGNANT,
    "carcinoid": MALIGNANT,
    "lymphoma": MALIGNANT,
    "metastasis": MALIGNANT,
}
NOT_STATED = ("malignant", "adenocarcinoma")  # whether it is invasive
OTHER_CANCERS = {
    plain_word(word)
    for word, labels in PATHOLOGIES.items()
    if labels == MALIGNANT and word not in NOT_STATED
}
# An empty text stands for a grade on its own.
BY_PLAIN_WORD = {plain_word(word): labels for word, labels in PATHOLOGIES.items()} | {"": INVASIVE}
BY_PLAIN_WORD |= {
    word: BY_PLAIN_WORD[plain_word(known)] for word, known in CHINESE_PATHOLOGY.items()
}
GRADE = re.compile(r"(?<![a-z])(?:grade[\s_-]*(i{1,3}|[123])|g\s?([123]))(?!\w)", re.IGNORECASE)


def labels_of(pathology: str) -> dict[str, int]:
    """Returns labels by the published rules, whatever the case, width, spaces and hyphens; a remark
    after ``(``, ``:`` or ``,`` is ignored. Chinese words are those of ``CHINESE_PATHOLOGY``.

    * benign: malignancy 0.
    * pre-invasive, AAH, AIS, MIA: malignancy 1, invasiveness 0, and the subtype where it is named.
    * invasive adenocarcinoma, IA: malignancy 1, invasiveness 1, subtype IA; ``grade 1`` to ``grade
      3`` (or grade I, G1) after it or on its own gives the grade.
    * other malignant, squamous cell carcinoma, metastasis and the like: malignancy 1 only.

    Raises:
        NoduleRiskError: another word, or a question mark.

    Examples:
        >>> labels_of("AIS")
        {'malignancy': 1, 'invasiveness': 0, 'subtype': 0}
        >>> labels_of("invasive adenocarcinoma, grade 2")
        {'malignancy': 1, 'invasiveness': 1, 'subtype': 2, 'grade': 1}
    """
    pathology = unicodedata.normalize("NFKC", pathology)
    if not pathology:
        return {}
    _refuse_doubt(pathology)
    grade, word = GRADE.search(pathology), word_of(pathology)
    if word not in BY_PLAIN_WORD or not (word or grade):
        raise NoduleRiskError(
            f"unknown pathology '{pathology}': write {', '.join(PATHOLOGIES)} or invasive"
            " adenocarcinoma grade 1, 2, 3"
        )
    if grade is None:
        return BY_PLAIN_WORD[word]
    return BY_PLAIN_WORD[word] | {"grade": grade_index(grade)}


def grade_index(found: re.Match[str]) -> int:
    """Returns the index of a grade that ``GRADE`` found."""
    text = found[1] or found[2]
    return int(text) - 1 if text.isdigit() else len(text) - 1


def word_of(pathology: str) -> str:
    """Returns the plain word of a pathology, without its grade and remark."""
    text = GRADE.sub("", unicodedata.normalize("NFKC", pathology))
    return plain_word(re.split(r"[(:,]", text)[0].rstrip(" _-."))


def _classes() -> dict[str, dict[str, int]]:
    """Returns labels by the names of tasks' classes, if they are not pathologies."""
    return {
        name: {task.name: index}
        for task in TASKS.values()
        for index, name in enumerate(task.classes)
        if not task.numbered and plain_word(name) not in BY_PLAIN_WORD
    }


def _refuse_doubt(text: str) -> None:
    if "?" in text:
        raise NoduleRiskError(
            f"'{text}' is undecided: leave out what is not decided, and the question mark"
        )


def labels_in_words(text: str) -> dict[str, int]:
    """Returns labels of words separated by commas, each a pathology (``labels_of``) or a class of
    ``TASKS``, such as ``AIS, part-solid``.

    A word that is both counts as the pathology, which says more.

    Raises:
        NoduleRiskError: a word that is neither, two that contradict each other, or a question mark.
    """
    _refuse_doubt(text)
    labels: dict[str, int] = {}
    for word in filter(None, map(str.strip, text.split(","))):
        for task, index in _labels_of_word(word).items():
            if labels.setdefault(task, index) != index:
                raise NoduleRiskError(
                    f"'{word}' contradicts the rest of '{text}': leave out what does not apply"
                )
    return labels


def _labels_of_word(word: str) -> dict[str, int]:
    classes = _classes()
    for name, labels in classes.items():
        if plain_word(word) == plain_word(name):
            return labels
    try:
        return labels_of(word)
    except NoduleRiskError as error:
        raise NoduleRiskError(f"{error}, or {', '.join(classes)}") from None
