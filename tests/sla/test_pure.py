"""The arithmetic is pure: it imports nothing that could open a file or a socket or read a clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "monitor" / "sla"
ALLOWED = {
    "__future__", "array", "bisect", "calendar", "collections.abc", "dataclasses", "datetime", "decimal", "difflib",
    "fractions", "functools", "itertools", "operator", "re", "typing", "zoneinfo",
    "holidays", "importlib.metadata",  # a calendar's data and its version
    "monitor.durations",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow", "time_ns", "monotonic", "open", "print", "input"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_imports_are_of_the_allowed(path: Path) -> None:
    """Only what stands on the list, and monitor.sla itself."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        for name in names:
            assert name in ALLOWED or name.startswith("monitor.sla."), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_no_clock_is_read_and_no_float_decides(path: Path) -> None:
    """No call of a clock or a file, and no floating-point number in the source."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in CLOCKS | {"float"}, f"{path.name}:{node.lineno} calls {called}"
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float) or path.name == "fields.py", f"{path.name}:{node.lineno}: a float"
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)) or path.name in (
            "credit.py", "reading.py", "fields.py",
        ), f"{path.name}:{node.lineno}: a division"  # fmt: skip
