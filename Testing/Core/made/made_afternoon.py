"""The commands and the plan of Docs/afternoon.md, with one epoch."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "Docs" / "afternoon.md"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    page = PAGE.read_text(encoding="utf-8")
    return [text for language, text in FENCED.findall(page) if language == kind]


def commands() -> list[str]:
    return [line for line in "".join(blocks("")).splitlines() if line.startswith("nodulerisk")]


def write_plan(folder: Path) -> Path:
    (plan,) = blocks("toml")
    path = folder / "plan.toml"
    path.write_text(plan.replace("epochs = 20", "epochs = 1"))
    return path
