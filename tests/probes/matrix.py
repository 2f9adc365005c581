"""A table of what was seen of real servers, printed where pytest runs with -s."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from probes._outcome import Result
from tests.probes.running import shown


class Seen:
    """Rows of server, condition and result; each is checked as it comes."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._rows: list[tuple[str, str, str, str, int, str]] = []

    def expect(self, what: str, result: Result, outcome: str, *, says: str = "", code: int | None = None) -> None:
        """Keep the row, and fail where the outcome is another or the detail lacks ``says``."""
        last = result.phases[-1].name if result.phases else ""
        row = (what, str(result.outcome), last, str(result.code or ""), result.duration_ms, result.detail[:70])
        self._rows.append(row)
        assert result.outcome == outcome, shown(result)
        assert says in result.detail, shown(result)
        assert code is None or result.code == code, shown(result)

    def show(self) -> None:
        """Print the table."""
        print(f"\n{self._server}")
        for what, outcome, phase, code, took, detail in self._rows:
            print(f"  {what:<34} {outcome:<15} {phase:<12} {code:>5} {took:>5} ms  {detail}")


@contextmanager
def matrix(server: str) -> Iterator[Seen]:
    """A table that is printed at the end, whatever happened."""
    seen = Seen(server)
    try:
        yield seen
    finally:
        seen.show()
