"""Where things live and who may know whom: the invariants of the code, each read from its source.

(That ``probes`` never imports ``monitor`` is held by import-linter, the purity of the arithmetic by ``tests/sla``.)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.servers import ROOT

SOURCES = sorted(path for package in ("monitor", "probes") for path in (ROOT / package).rglob("*.py"))
_NAMES = [path.relative_to(ROOT).as_posix() for path in SOURCES]

# What the proof may import: nothing that opens a file or a socket, or reads a clock.
_PROOF_MAY = {
    "__future__", "array", "base64", "binascii", "bisect", "collections", "collections.abc", "contextlib",
    "cryptography", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib",
    "hmac", "itertools", "json", "math", "operator", "re", "struct", "typing", "zlib",
    "monitor.proof", "monitor.sla", "monitor.durations",
}  # fmt: skip
# Strangers to one another: who is on the left knows nobody on the right.
_STRANGERS = {
    "monitor/web": ("monitor.probing.daemon", "monitor.notify", "monitor.feeds", "monitor.sandbox", "monitor.wiring"),
    "monitor/notify": ("monitor.probing.daemon", "monitor.web", "monitor.feeds", "monitor.sandbox", "monitor.wiring"),
    "monitor/feeds": ("monitor.probing.daemon", "monitor.web", "monitor.notify", "monitor.sandbox", "monitor.wiring"),
    "monitor/sandbox": ("monitor.probing.daemon", "monitor.web", "monitor.notify", "monitor.feeds", "monitor.wiring"),
    "monitor/store": ("monitor.probing.daemon", "monitor.web", "monitor.notify", "monitor.feeds", "monitor.sandbox"),
    "monitor/probing": ("monitor.web", "monitor.notify", "monitor.feeds", "monitor.sandbox", "monitor.wiring"),
    "monitor/judgement": ("monitor.probing.daemon", "monitor.web", "monitor.notify", "monitor.wiring"),
    "monitor/config": ("monitor.probing.daemon", "monitor.judgement", "monitor.web.app", "monitor.wiring"),
}
_SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s+\w+)", re.S
)
_CHANGES = re.compile(r"\b(UPDATE|DELETE\s+FROM|INSERT\s+OR\s+REPLACE\s+INTO)\s+(observations|gaps|events|evidence)\b")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, at its head or within a function, but not for types alone."""
    for_types = {
        id(inner)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(_tree(path)):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("name", [name for name in _NAMES if name.startswith("monitor/proof/")])
def test_the_proof_is_pure(name: str) -> None:
    """It imports only what cannot open a file or a socket or read a clock."""
    for line, module in _imports(ROOT / name):
        assert any(_within(module, allowed) for allowed in _PROOF_MAY), f"{name}:{line} imports {module}"


@pytest.mark.parametrize("name", [name for name in _NAMES if re.fullmatch(r"probes/[a-z]\w*\.py", name)])
def test_probes_are_strangers_to_one_another(name: str) -> None:
    """A kind of probe imports the shared plumbing, whose names begin with an underscore, and no other kind."""
    for line, module in _imports(ROOT / name):
        if module.startswith("probes."):
            assert module.split(".")[1].startswith("_"), f"{name}:{line} imports {module}"


@pytest.mark.parametrize("place", _STRANGERS)
def test_the_parts_are_strangers_to_one_another(place: str) -> None:
    """Only the wiring knows everyone."""
    for name in _NAMES:
        if name == place or name.startswith(f"{place}/"):
            for line, module in _imports(ROOT / name):
                for stranger in _STRANGERS[place]:
                    assert not _within(module, stranger), f"{name}:{line} imports {module}"


def test_sql_stands_in_the_store() -> None:
    """No other file holds a statement of SQL or imports an engine."""
    for path, name in zip(SOURCES, _NAMES, strict=True):
        if name.startswith("monitor/store/"):
            continue
        for line, text in _texts(path):
            assert not _SQL.match(text), f"{name}:{line} speaks SQL: {text!r}"
        for line, module in _imports(path):
            engine = module.split(".")[0] in ("sqlite3", "sqlite_utils", "asyncpg")
            assert not engine, f"{name}:{line} imports {module}"


def test_observations_and_events_are_append_only() -> None:
    """No statement changes or removes one, but that of the retention."""
    for path, name in zip(SOURCES, _NAMES, strict=True):
        if name == "monitor/store/retention.py":
            continue
        for line, text in _texts(path):
            assert not _CHANGES.search(text), f"{name}:{line}: {text!r}"


def test_the_wall_clock_is_read_in_one_place() -> None:
    """`monitor.clock` reads it; `monitor.probing.timer` asks APScheduler's, which reads it by itself."""
    clocks = {
        ("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime"), ("time", "ctime"),
        ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    }  # fmt: skip
    for path, name in zip(SOURCES, _NAMES, strict=True):
        if name in ("monitor/clock.py", "monitor/probing/timer.py"):
            continue
        for node in ast.walk(_tree(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            called = (ast.unparse(node.func.value).rpartition(".")[2], node.func.attr)
            if called in clocks and not (node.func.attr in ("localtime", "gmtime", "ctime") and node.args):
                pytest.fail(f"{name}:{node.lineno} reads the wall clock: {ast.unparse(node)}")


def test_no_probe_swallows_our_own_mistakes() -> None:
    """Who catches everything in ``probes`` raises it again: only the runner turns an exception into an outcome."""
    for path, name in zip(SOURCES, _NAMES, strict=True):
        if not name.startswith("probes/") or name == "probes/_run.py":
            continue
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type is not None else "everything"
            if re.search(r"\b(everything|Exception|BaseException)\b", caught):
                last = node.body[-1]
                assert isinstance(last, ast.Raise), f"{name}:{node.lineno} swallows {caught}"
                assert last.exc is None, f"{name}:{node.lineno} hides {caught}"
