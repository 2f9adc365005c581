"""Any CSV file with a time, a name and a result in each row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from monitor.importers.results import CannotImport, Naming, outcome_of, outcome_of_status
from monitor.sla.fields import nearest
from monitor.sla.values import OUTCOMES, Observation
from monitor.times import parse

GOOD = ("ok", "up", "1", "true", "yes", "success", "successful", "online", "operational", "pass", "passed")
BAD = ("down", "0", "false", "no", "failed", "failure", "fail", "error", "offline", "critical")
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
_USUAL = {
    "at": ("at", "time", "timestamp", "date", "datetime", "checked_at", "created_at"),
    "target": ("target", "name", "monitor", "check", "endpoint", "service", "url"),
    "result": ("outcome", "result", "status", "success", "state", "up"),
    "duration": ("duration_ms", "response_time", "latency", "ping", "duration"),
    "reason": ("reason", "error", "message", "msg", "detail"),
}

_WHAT = {"at": "when it was", "target": "what was measured", "result": "how it went"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns say what; None: the usual names are looked for."""

    at: str | None = None
    target: str | None = None
    result: str | None = None
    duration: str | None = None
    reason: str | None = None
    only: str | None = None
    """The name of all rows, where no column has it."""


def read(path: Path, naming: Naming, columns: Columns) -> Iterator[Observation | None]:
    """The observations. Raises CannotImport with the line."""
    try:
        yield from _rows(path, naming, columns)
    except UnicodeDecodeError as error:
        raise CannotImport(f"{path} is not UTF-8: save the file as UTF-8.") from error
    except csv.Error as error:
        raise CannotImport(f"{path} is not CSV: {error}.") from error


def _rows(path: Path, naming: Naming, columns: Columns) -> Iterator[Observation | None]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = stream.readline()
        stream.seek(0)
        # Spreadsheets of many countries separate by semicolons, others by tabs.
        reader = csv.DictReader(stream, delimiter=max(",;\t", key=first.count))
        header = list(reader.fieldnames or ())
        if not header:
            raise CannotImport(f"{path} is empty: its first line names the columns.")
        at = _column(path, header, "at", columns.at, needed=True)
        target = _column(path, header, "target", columns.target, needed=columns.only is None)
        result = _column(path, header, "result", columns.result, needed=True)
        duration = _column(path, header, "duration", columns.duration)
        reason = _column(path, header, "reason", columns.reason)
        for row in reader:
            try:
                yield naming.observation(
                    _instant(row[at] or ""),
                    columns.only or str(row[target]).strip(),
                    _outcome(
                        str(row[result] or "").strip(),
                        str(row.get(reason) or ""),
                        naming,
                        ours=result.strip().lower() == "outcome",
                    ),
                    duration_ms=_ms(row.get(duration)),
                    scheduled=str(row.get("scheduled") or "true").lower() != "false",
                    location=row.get("location") or None,
                )
            except ValueError as error:
                raise CannotImport(f"{path}:{reader.line_num}: {error}.") from error


def _column(path: Path, header: Sequence[str], what: str, named: str | None, *, needed: bool = False) -> str:
    if named is not None:
        if named not in header:
            near = nearest(named, header)
            raise CannotImport(f"{path} has no column “{named}”; {f'did you mean “{near}”?' if near else header}")
        return named
    for name in header:
        if name.strip().lower() in _USUAL[what]:
            return name
    if needed:
        raise CannotImport(
            f"No column of {path} is known to say {_WHAT[what]} ({', '.join(header)}): name it with --{what}-column."
        )
    return ""


def _instant(text: str) -> int:
    text = text.strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return parse(text)
    if not number.is_finite() or abs(number) > _LAST_MS:
        raise ValueError(f"“{text}” is no time")
    # Seconds since the epoch have ten digits for a long time to come, milliseconds thirteen.
    return int(number if number > 100_000_000_000 else number * 1000)


def _ms(value: object) -> int:
    try:
        return int(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return 0


def _outcome(result: str, reason: str, naming: Naming, *, ours: bool) -> str:
    """The outcome; ``ours``: the column is called as in a results file, so that its words are those of outcomes first.

    Elsewhere “offline” says that the service was, and not that the monitor was.
    """
    word = result.lower()
    if word in OUTCOMES and (ours or word not in BAD):
        return word
    if word in GOOD:
        return "ok"
    if word in BAD:
        return outcome_of(reason, None, naming.failed_as)
    if word.isdecimal() and len(word) == 3:
        return "ok" if int(word) < 400 else outcome_of_status(int(word)) or naming.failed_as
    raise ValueError(f"“{result}” is no result that is known: write an outcome, or one of {', '.join(GOOD + BAD)}")
