"""What mkdocs needs for the website beyond the pages here: the repository's pictures, links to its
files, and a reference page for each room of the code, made from the docstrings."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).parents[1]
CODE = PROJECT / "LungNoduleRisk"
PICTURES = "Resources/Screenshots"
LOGO = "LungNoduleRisk.png"
PACKAGES = ("nodulerisk", "LungNoduleRiskLib", "LungNoduleRiskWeb")
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)(#[^)]*)?\)")  # a link from Docs/ to the repository


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the reference to the navigation."""
    config.nav.append({"Reference": [{name: _page(name)} for name in _rooms()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the repository's pictures and the reference's pages."""
    for picture in [PROJECT / LOGO, *sorted((PROJECT / PICTURES).iterdir())]:
        name = picture.relative_to(PROJECT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(picture)))
    for name, modules in _rooms().items():
        text = "\n\n".join([f"# {name}", *(f"::: {module}" for module in modules)])
        files.append(File.generated(config, _page(name), content=text))
    return files


def on_page_markdown(markdown: str, config: MkDocsConfig, **_: object) -> str:
    """Links to the repository lead to it; its pictures are shown."""

    def target(link: re.Match[str]) -> str:
        path, anchor = link[1], link[2] or ""
        if path.startswith(PICTURES):
            return f"]({path})"
        return f"]({config.repo_url}/blob/main/{path}{anchor})"

    return OUTSIDE.sub(target, markdown)


def _page(room: str) -> str:
    return f"reference/{room}.md"


def _rooms() -> dict[str, list[str]]:
    """The modules of each package and of each folder in it, by the folder's dotted name."""
    rooms: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in sorted((CODE / package).rglob("*.py")):
            if file.stem != "__main__":
                name = ".".join(file.relative_to(CODE).with_suffix("").parts)
                room = ".".join(file.parent.relative_to(CODE).parts)
                rooms.setdefault(room, []).append(name.removesuffix(".__init__"))
    return rooms
