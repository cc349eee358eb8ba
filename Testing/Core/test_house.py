"""The core's house: no circle among files, and no room that is too full."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import nodulerisk

CORE = Path(nodulerisk.__file__).parent
MARKER = "py.typed"  # empty: it says that the package is typed
ROOMS = [CORE, *(path.parent for path in CORE.rglob("__init__.py") if path.parent != CORE)]


def test_no_file_imports_itself_by_way_of_others():
    graph = grimp.build_graph("nodulerisk", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert sum(map(len, imports.values())) > len(imports)  # they were found
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(CORE.parent)))
def test_a_room_holds_at_most_fifteen_files_and_the_first_floor_eight(room):
    files = [path.name for path in room.iterdir() if path.is_file() and path.name != MARKER]
    assert len(files) <= (8 if room == CORE else 15), sorted(files)
