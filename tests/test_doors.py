"""
The doors of the house: which room may import which, and what the pure rooms never touch.

A room is a folder of the package, or a module beside them. Imports go down a floor or more, never up or sideways, so a
change in a room reaches only those above it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "usertesting_source"

FACE = "the public face"
FLOORS = (
    {"pipelines", "__main__"},
    {"cli"},
    {FACE, "signals"},  # names that users import
    {"run"},
    {"source", "alerts", "explore"},
    {"extract", "warehouse", "watchers"},
    {"outcome", "api"},
    {"sync", "tables", "config", "videos"},
    {"stop", "times", "scrub", "folders", "extras"},
    {"errors"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# beside the house: nobody's tool but the demo's and the tests'
SAMPLE_API, ITS_USER = "sample_api", "usertesting_source/cli/invented.py"

# time, and what they decide on, come in as arguments
PURE = {"sync", "tables", "times", "errors", "scrub"}
LIBRARIES = {"webvtt"}  # reads text
OUTSIDE = {
    *("asyncio", "concurrent", "multiprocessing", "random", "signal", "subprocess", "threading", "time"),
    *("glob", "http", "io", "os", "pathlib", "shutil", "socket", "sqlite3", "ssl", "tempfile", "urllib.request"),
}
CALLS = {"open", "input", "print", "datetime.now", "datetime.today", "datetime.utcnow", "date.today"}


class Module:
    """
    One file of the house.

    Attributes:
        imports: what it imports, as dotted names from the top: of modules, and of names in modules.
        calls: the functions that it calls, as they are written.

    """

    def __init__(self, path: Path) -> None:
        self.file = path.relative_to(ROOT).as_posix()
        self.parts = path.relative_to(ROOT).with_suffix("").parts
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        self.imports = [name for node in nodes for name in self._imported(node)]
        self.calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}

    def _imported(self, node: ast.AST) -> Iterator[tuple[str, ...]]:
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = self.parts[: len(self.parts) - node.level] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield from ((*base, alias.name) for alias in node.names)

    @property
    def room(self) -> str:
        """Where it stands."""
        return _room(self.parts)

    @property
    def rooms(self) -> set[str]:
        """The rooms that it imports, its own among them."""
        return {_room(name) for name in self.imports if name[0] == PACKAGE}


def _room(parts: tuple[str, ...]) -> str:
    """The room of a file or of a dotted name: what is no module of the package is a name of its face."""
    if parts[0] != PACKAGE:
        return parts[0]
    inside = len(parts) > 1 and parts[1] != "__init__" and (ROOT / PACKAGE / parts[1])
    return parts[1] if inside and (inside.is_dir() or inside.with_suffix(".py").exists()) else FACE


FILES = [path for folder in (PACKAGE, "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]
HOUSE = [Module(path) for path in FILES if "deploy" not in path.parts]  # which are files to copy


def _up_or_sideways(module: Module) -> Iterator[str]:
    for room in module.rooms - {module.room, SAMPLE_API}:
        if module.room == SAMPLE_API or FLOOR[room] <= FLOOR[module.room]:
            yield f"{module.file} imports {room}"
    if SAMPLE_API in module.rooms and module.room != SAMPLE_API and module.file != ITS_USER:
        yield f"{module.file} imports {SAMPLE_API}"


def _impure(module: Module) -> Iterator[str]:
    for name in module.imports:
        names = {".".join(name[:count]) for count in range(1, len(name) + 1)}
        if names & OUTSIDE or not _is_plain(name[0]):
            yield f"{module.file} imports {name[0]}"
    yield from (f"{module.file} imports {room}" for room in module.rooms - PURE)
    yield from (f"{module.file} calls {call}" for call in module.calls & CALLS)


def _is_plain(top: str) -> bool:
    return top in {PACKAGE, *LIBRARIES} or top in sys.stdlib_module_names


def _false_doors(module: Module) -> Iterator[str]:
    """Names taken from a module that has them from another."""
    modules = {one.parts: one for one in HOUSE}
    for *base, name in module.imports:
        for origin in modules[tuple(base)].imports if tuple(base) in modules else ():
            if origin[-1] == name and origin[0] == PACKAGE:
                between, home = (".".join(parts[1:]) for parts in (base, origin[:-1]))
                yield f"{module.file} takes {name} from {between}, which has it from {home}"


def test_every_room_is_on_a_floor() -> None:
    """A new room is given its floor here, before anything is built on it."""
    assert {module.room for module in HOUSE} <= {*FLOOR, SAMPLE_API}


def test_imports_go_down() -> None:
    """From a room to those on lower floors, and to the sample API from the demo alone."""
    assert [fault for module in HOUSE for fault in _up_or_sideways(module)] == []


def test_decisions_and_rows_are_pure() -> None:
    """`sync` and `tables`, and what they stand on, know no dlt, no network, no file and no clock."""
    assert [fault for module in HOUSE if module.room in PURE for fault in _impure(module)] == []


def test_names_are_taken_where_they_are_at_home() -> None:
    """No module is a door to another one's names, but for the faces of packages."""
    assert [fault for module in HOUSE for fault in _false_doors(module)] == []
