"""The direction of imports, read from the source: flows -> connectors -> attribution."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

LAYERS: Final = {
    "attribution": {"attribution"},
    "connectors": {"attribution", "connectors"},
    "flows": {"attribution", "connectors", "flows"},
}
ROOMS: Final = {
    "attribution": [
        "vocabulary",
        "durations",
        "policy",
        "placeholders",
        "columnar",
        "contract",
    ],
    "connectors": [
        "wording",
        "errors",
        "release",
        "durable",
        "regular_files",
        "failpoints",
        "metrics",
        "duckdb_query",
        "hashing",
        "decoding",
        "state",
        "positions",
        "intake",
        "progress",
        "files",
        "kafka",
        "dead_letters",
        "registry",
        "verify",
        "lanes",
        "database",
        "sql",
        "preflight",
        "spool",
        "api",
    ],
    "flows": [
        "text",
        "settings",
        "dataflow",
        "process",
        "monitoring",
        "kafka",
        "analysis",
        "generate",
        "run",
        "replay",
        "report",
        "serve",
        "send",
        "batch",
        "live",
        "cli",
    ],
}
"""What is in a layer, from the ground up: each imports only itself and what stands before it.

Of the domain only its ground; above that, its modules import each other as the rules do.
"""

OURS: Final = {*LAYERS, "tests", "benchmarks"}

PURE_STDLIB: Final = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "numbers",
    "operator",
    "re",
    "string",
    "struct",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
}
"""The standard library without files, clocks, processes, sockets and logs."""

COLUMNS: Final = {"msgspec", "numpy", "pyarrow", "pyarrow.compute", "pydantic", "pydantic_core"}
"""Of pyarrow the columns, not its files, datasets and servers."""

DECODING: Final = "connectors/decoding"
PURE_DECODING: Final = ("identity.py", "placeholder_columns.py", "proofs.py", "spellings.py")
"""They show what DuckDB's JSON reader cannot have changed: pure functions of columns."""

CLOCKS: Final = {"now", "today", "utcnow"}
FILES_AND_SCREEN: Final = {"open", "print", "input"}


def sources(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every module named by an import, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from numpy import typing` and `from numpy.typing import NDArray` are one import.
            yield "." * node.level + (node.module or "")


def parsed(layer: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sources(layer):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def package(module: str) -> str:
    return module.partition(".")[0]


def is_pure(module: str) -> bool:
    if package(module) in sys.stdlib_module_names:
        return module in PURE_STDLIB or package(module) in PURE_STDLIB
    if package(module) == "pyarrow":
        return module in COLUMNS
    return package(module) in COLUMNS | LAYERS["attribution"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_itself_and_those_below(layer: str) -> None:
    assert sources(layer)
    backward = [
        f"{path}: {module}"
        for path, tree in parsed(layer)
        for module in imports(tree)
        if module.startswith(".") or package(module) in OURS - LAYERS[layer]
    ]
    assert backward == []


def test_the_domain_imports_nothing_that_reads_writes_or_tells_the_time() -> None:
    impure = [
        f"{path}: {module}"
        for path, tree in parsed("attribution")
        for module in imports(tree)
        if not is_pure(module)
    ]
    assert impure == []


def test_what_is_proven_of_columns_is_as_pure_as_the_domain() -> None:
    impure = [
        f"{name}: {module}"
        for name in PURE_DECODING
        for module in imports(ast.parse((ROOT / DECODING / name).read_text(encoding="utf-8")))
        if not (is_pure(module) or module.startswith("connectors.decoding."))
    ]
    # Of the socket library only the functions that spell addresses; they open nothing.
    assert impure == ["spellings.py: socket"]


def test_the_domain_calls_no_clock_and_opens_no_file() -> None:
    calls = [
        f"{path}:{node.lineno}: {ast.unparse(node.func)}"
        for path, tree in parsed("attribution")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS)
        or (isinstance(node.func, ast.Name) and node.func.id in FILES_AND_SCREEN)
    ]
    assert calls == []


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported_at_start(tree: ast.Module, known: set[str]) -> set[str]:
    """Return our modules that a module imports when it is imported itself."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & known


def upward(layer: str) -> Iterator[str]:
    """Yield the imports within a layer that point to what stands later in its list."""
    ranks = {room: rank for rank, room in enumerate(ROOMS[layer])}
    for path, tree in parsed(layer):
        mine = ranks.get(path.with_suffix("").parts[1], len(ranks))
        for module in imports(tree):
            first, _, rest = module.partition(".")
            if first == layer and rest and ranks.get(rest.split(".")[0], len(ranks)) > mine:
                yield f"{path}: {module}"


@pytest.mark.parametrize("layer", ROOMS)
def test_rooms_are_in_order(layer: str) -> None:
    assert list(upward(layer)) == []


@pytest.mark.parametrize("layer", ["connectors", "flows"])
def test_every_room_is_in_the_list(layer: str) -> None:
    inside = {path.stem for path in (ROOT / layer).iterdir() if not path.name.startswith("_")}
    assert inside == set(ROOMS[layer])


def test_no_import_runs_in_a_circle() -> None:
    trees = {module_of(path): tree for layer in LAYERS for path, tree in parsed(layer)}
    graph = {module: imported_at_start(tree, set(trees)) for module, tree in trees.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("module", "pure"),
    [
        ("time", False),
        ("os.path", False),
        ("urllib", False),
        ("urllib.request", False),
        ("urllib.parse", True),
        ("collections.abc", True),
        ("duckdb", False),
        ("bytewax.operators", False),
        ("pyarrow.parquet", False),
        ("pyarrow.compute", True),
        ("numpy.typing", True),
        ("pydantic_settings", False),
    ],
)
def test_what_counts_as_pure(module: str, *, pure: bool) -> None:
    assert is_pure(module) is pure
