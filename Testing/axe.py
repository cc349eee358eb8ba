"""axe-core, which looks for what keeps people from reading a page."""

from __future__ import annotations

from playwright.sync_api import Page

from needs import AXE, NODE_PACKAGES

SCRIPT = NODE_PACKAGES / AXE / "axe.min.js"


def violations(page: Page) -> dict[str, list[str]]:
    """Returns the rules that an open page breaks, each with where."""
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run()")["violations"]
    return {
        one["id"]: [" ".join(map(str, node["target"])) for node in one["nodes"]] for one in found
    }
