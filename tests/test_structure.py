"""The rules of the tree: imports point downwards, and only backends know which backend it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ltp_deploy
from ltp_deploy.backends.table import BACKENDS
from ltp_deploy.targets import TARGETS

PACKAGE = Path(ltp_deploy.__file__).parent
# From the bottom to the top. A room imports from those before it, and from itself.
FLOORS = (
    "errors",
    "progress",
    "codec",
    "hardware",
    "model",
    "bundle",
    "data",
    "heads",
    "checkpoint",
    "compiler",
    "cuda",
    "backends",
    "targets",
    "runtime",
    "parity",
    "calibration",
    "builder",
    "verification",
    "benchmark",
    "tune",
    "learn",
    "export",
    "explain",
    "serve",
    "score",
    "report",
    "cli",
)
# Where a backend's name may decide: its own folder, the table of targets, and the baselines that
# happen to run in the same libraries. The command line's tables of help are held to the package's
# by tests/cli.
KNOWING = ("backends", "targets", "benchmark/baselines")
NAMES = {*BACKENDS, *TARGETS}
PROCESSOR = ("hardware/machine", "report/benchmark")  # where "cpu" is what a machine has
ASKING = {"get", "startswith", "endswith", "removeprefix", "removesuffix", "index", "count"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """(path below the package without its suffix, syntax tree) of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE).with_suffix("")), ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    """Rooms that a module imports anywhere, also within functions."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "ltp_deploy":
                names = [f"ltp_deploy.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            room = rest.split(".")[0]
            if first == "ltp_deploy" and room and not room.startswith("__"):
                yield room


def test_every_room_has_its_floor() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    known = {*FLOORS, "__init__", "__pycache__", "lib", "bin", "include", "py.typed"}
    assert rooms <= known
    assert set(FLOORS) <= rooms


def test_no_import_runs_upwards() -> None:
    upward = [
        f"{name} imports {room}"
        for name, tree in modules()
        for room in imported(tree)
        if name != "__init__" and room in FLOORS
        if FLOORS.index(room) > FLOORS.index(name.split("/")[0])
    ]
    assert upward == []


def without_help(name: str, tree: ast.Module) -> ast.Module:
    """The module without the table `TARGETS` of the command line's help."""
    if name == "cli/build":
        tree.body = [
            node
            for node in tree.body
            if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TARGETS")
        ]
    return tree


def decisions(tree: ast.Module) -> Iterator[str]:
    """Strings that something is compared with, looked up by, or dispatched on."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = list(node.args) if node.func.attr in ASKING else []
        for part in parts:
            for leaf in ast.walk(part):
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value


def test_the_core_never_asks_which_backend_it_is() -> None:
    asked = [
        f"{name}: {value!r}"
        for name, tree in modules()
        if not name.startswith(KNOWING)
        for value in decisions(without_help(name, tree))
        if value in NAMES and not (value == "cpu" and name in PROCESSOR)
    ]
    assert len(asked) == 0, asked


@pytest.mark.parametrize("name", ltp_deploy.__all__)
def test_what_the_package_offers_is_there(name: str) -> None:
    assert getattr(ltp_deploy, name) is not None


def test_what_the_package_does_not_offer_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'buidl'"):
        ltp_deploy.buidl  # noqa: B018
