"""The one table: complete, reachable, and what the documentation says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import probes
from probes._classification import markdown
from probes._classify import TABLE, Row, failed, row
from probes._outcome import FAULTS, Fault, Outcome
from tests.servers import ROOT

SOURCES = [path for path in (ROOT / "probes").glob("*.py") if not path.name.startswith("_classif")]


def test_the_document_is_current() -> None:
    """docs/classification.md is what the table says."""
    assert (ROOT / "docs" / "classification.md").read_text() == markdown(), (
        "run: python -m probes._classification > docs/classification.md"
    )


def test_every_outcome_has_a_fault() -> None:
    """The faults are those of docs/arithmetic.md §1, and only ok is nobody's."""
    assert set(FAULTS) == set(Outcome)
    assert [outcome for outcome, fault in FAULTS.items() if fault is Fault.NONE] == [Outcome.OK]


def test_every_outcome_but_two_is_in_the_table() -> None:
    """ok needs no line, and offline is judged by whoever knows the reference hosts."""
    assert set(Outcome) - {line.outcome for line in TABLE} == {Outcome.OK, Outcome.OFFLINE}


def test_no_line_stands_twice() -> None:
    """Protocol, phase and what happened name one line."""
    keys = [line[:3] for line in TABLE]
    assert len(keys) == len(set(keys))


class _Calls(ast.NodeVisitor):
    """What a module's calls of ``failed`` name, None standing for anything; and all its texts."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | None, ...]] = []
        self.texts: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        named = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        if name in ("failed", "row") and len(named) >= 3:
            self.calls.append(tuple(named[:3]))
        elif name == "lost" and len(named) == 3:
            self.calls.append((*named[1:], "reset"))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)


def _seen(paths: list[Path]) -> _Calls:
    seen = _Calls()
    for path in paths:
        seen.visit(ast.parse(path.read_text()))
    return seen


EVERYTHING = _seen(SOURCES)


@pytest.mark.parametrize("line", TABLE, ids=lambda line: "-".join(line[:3]))
def test_every_line_is_reached(line: Row) -> None:
    """Protocol, phase and what happened are named in the code of the kinds: no line stands there for show."""
    assert line.happened in EVERYTHING.texts
    assert line.phase == "any" or line.phase in EVERYTHING.texts
    assert line.protocol in EVERYTHING.texts


def test_every_failure_has_its_line() -> None:
    """What the code names is in the table."""
    for call in EVERYTHING.calls:
        if None not in call:
            assert row(*map(str, call)).means


@pytest.mark.parametrize("kind", probes.kinds())
def test_the_deadline_means_something_in_every_phase(kind: str) -> None:
    """Whatever the phase, a probe cut off by its deadline has an outcome with advice."""
    assert probes.load(kind).__doc__
    for phase in ("connect", "processing", "a phase that nobody thought of"):
        verdict = failed("net", phase, "deadline")
        assert verdict.outcome in (Outcome.CONNECT_TIMEOUT, Outcome.TIMEOUT)
        assert verdict.advice
