"""Observations as columns, and one location's line of states (arithmetic §1 and §2, steps 1 and 2). Pure.

A series is what one location saw of one target: instants in an ``array('q')`` and, beside them, one byte an
observation. Everything here works on whole columns, because a month of a hundred targets is millions of rows.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from operator import le, lt, sub

from monitor.sla.values import OUTCOME_CODES, OUTCOME_NAMES, Observation

SCHEDULED = 32
"""Added to an outcome's code where the probe was on the target's interval."""

UNKNOWN, UP, DOWN = 0, 1, 2
STATE_NAMES = ("unknown", "up", "down")

Changes = list[tuple[int, int]]
"""(instant, state from there on), in order, neighbours differing; before the first the state is unknown."""

# Marks: what an observation is under a contract, in one byte. Capitals are scheduled observations.
_MARK_STATE = {ord("u"): UP, ord("U"): UP, ord("d"): DOWN, ord("D"): DOWN, ord("q"): UNKNOWN, ord("Q"): UNKNOWN}
_RUNS = re.compile(rb"[uU]+|[dD]+|[qQ]+")
_DOWN = re.compile(rb"[dD]")


def mark_table(counted: Iterable[str]) -> bytes:
    """Make the table from a column of codes to marks, given the outcomes that a contract counts as down."""
    counted = frozenset(counted)
    table = bytearray(b"?" * 256)
    for name, code in OUTCOME_CODES.items():
        mark = "u" if name == "ok" else "d" if name in counted else "q"
        table[code] = ord(mark)
        table[code | SCHEDULED] = ord(mark.upper())
    return bytes(table)


class Series:
    """One target from one location, rows in the order in which they were given."""

    __slots__ = ("at", "code", "location", "target")

    def __init__(self, target: str, location: str) -> None:
        self.target = target
        self.location = location
        self.at: array[int] = array("q")
        self.code = bytearray()

    def tidy(self) -> None:
        """Sort by instant; of observations at the same instant the last given stands (arithmetic §2, step 2)."""
        at = self.at
        if len(at) < 2 or all(map(lt, at[:-1], at[1:])):
            return
        if not all(map(le, at[:-1], at[1:])):
            order = sorted(range(len(at)), key=at.__getitem__)  # stable: rows of one instant keep their order
            self.at = at = array("q", map(at.__getitem__, order))
            self.code = bytearray(map(self.code.__getitem__, order))
        keep = [i for i in range(len(at) - 1) if at[i] != at[i + 1]]
        keep.append(len(at) - 1)
        if len(keep) < len(at):
            self.at = array("q", map(at.__getitem__, keep))
            self.code = bytearray(map(self.code.__getitem__, keep))


class Observations:
    """Observations of many targets, by series."""

    __slots__ = ("series",)

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], Series] = {}

    @classmethod
    def of(cls, rows: Iterable[Observation]) -> Observations:
        """Collect single observations."""
        made = cls()
        for row in rows:
            made.add(row.at, row.target, row.location, row.scheduled, row.outcome)
        return made

    def add(self, at: int, target: str, location: str, scheduled: bool, outcome: str) -> None:
        """Add one. Raises KeyError for an unknown outcome."""
        key = (target, location)
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series(target, location)
        series.code.append(OUTCOME_CODES[outcome] | (SCHEDULED if scheduled else 0))
        series.at.append(at)

    def tidy(self) -> None:
        """Sort every series, and drop what a later row of the same instant replaced."""
        for series in self.series.values():
            series.tidy()


class SeriesLine:
    """A tidy series under a contract: its marks, its down observations, and the changes of its state."""

    __slots__ = (
        "_confirm", "_run", "_series", "_table", "at", "code", "down_at", "down_code", "hold_ms", "location", "marks",
        "target", "turns",
    )  # fmt: skip

    def __init__(self, series: Series, table: bytes, confirm: int, hold_ms: int) -> None:
        self.target = series.target
        self.location = series.location
        self.hold_ms = hold_ms
        self._table = table
        self._confirm = confirm
        self._series = series
        self._build()

    def _build(self) -> None:
        self.at = self._series.at
        self.code = self._series.code
        self.marks = self.code.translate(self._table)
        where = [match.start() for match in _DOWN.finditer(self.marks)]
        self.down_at: array[int] = array("q", map(self.at.__getitem__, where))
        self.down_code = bytearray(map(self.code.__getitem__, where))
        self.turns = turns(self.at, self.marks, self._confirm, self.hold_ms)
        """The changes up to the last observation, without the end of its hold."""
        self._run = len(self.marks) - len(self.marks.rstrip(b"dD"))

    def changes(self) -> Changes:
        """Give the whole line: after the last observation's hold the state is unknown."""
        if not self.at or not self.turns or self.turns[-1][1] == UNKNOWN:
            return self.turns
        return [*self.turns, (self.at[-1] + self.hold_ms, UNKNOWN)]

    def down_outcome(self, index: int) -> str:
        """Give the outcome of the down observation of that index."""
        return OUTCOME_NAMES[self.down_code[index] & ~SCHEDULED]

    def grow(self, at: int, code: int) -> bool:
        """Take one more observation; tell whether it came in order.

        In order it costs a constant time (a run that reaches ``confirm`` is gone over once more); one that is late,
        or a second of the same instant, has the whole line built again.
        """
        series = self._series
        in_order = not series.at or at > series.at[-1]
        series.at.append(at)
        series.code.append(code)
        if not in_order:
            series.tidy()
            self._build()
            return False
        mark = self._table[code]
        self.marks.append(mark)
        state = _MARK_STATE[mark]
        last = len(series.at) - 1
        if state != DOWN:
            self._run = 0
            self._turn(last, state)
            return True
        self._run += 1
        self.down_at.append(at)
        self.down_code.append(code)
        if self._run == self._confirm:
            # The run is confirmed: what was taken as up since its first observation was down.
            first = last - self._run + 1
            while self.turns and self.turns[-1][0] >= series.at[first]:
                self.turns.pop()
            for index in range(first, last + 1):
                self._turn(index, DOWN)
        else:
            self._turn(last, DOWN if self._run > self._confirm else UP)
        return True

    def _turn(self, index: int, state: int) -> None:
        """Let the line be in ``state`` from that observation on; the hold before it may have ended meanwhile."""
        at, turned = self.at, self.turns
        if index and turned and turned[-1][1] != UNKNOWN and at[index] - at[index - 1] > self.hold_ms:
            turned.append((at[index - 1] + self.hold_ms, UNKNOWN))
        if state != (turned[-1][1] if turned else UNKNOWN):
            turned.append((at[index], state))


def confirmed(marks: bytes | bytearray, confirm: int) -> bytes | bytearray:
    """Count runs of fewer than ``confirm`` down observations as up (arithmetic §2, step 1)."""
    if confirm < 2:
        return marks
    short = re.compile(rb"(?<![dD])[dD]{1,%d}(?![dD])" % (confirm - 1))
    return short.sub(lambda match: b"u" * len(match[0]), marks)


def turns(at: array[int], marks: bytes | bytearray, confirm: int, hold_ms: int) -> Changes:
    """Give the changes of state of a tidy series, up to its last observation (arithmetic §2, steps 1 and 2)."""
    changes: Changes = []
    now = UNKNOWN
    gaps = [i for i, step in enumerate(map(sub, at[1:], at)) if step > hold_ms]
    gaps.append(1 << 62)
    g = 0
    for run in _RUNS.finditer(confirmed(marks, confirm)):
        first, stop = run.span()
        state = _MARK_STATE[run[0][0]]
        if state != now:
            changes.append((at[first], state))
            now = state
        while gaps[g] < stop:
            if now != UNKNOWN:
                changes.append((at[gaps[g]] + hold_ms, UNKNOWN))
                now = UNKNOWN
            if gaps[g] + 1 < stop and state != UNKNOWN:
                changes.append((at[gaps[g] + 1], state))
                now = state
            g += 1
    return changes
