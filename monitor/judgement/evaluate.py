"""Anyone's measurements from files: a results CSV to columns, and the files of ``slaproof evaluate`` put together.

The reader is made for millions of rows: everything between the time and the duration of a row has few different
values, so it is looked up whole, and a time is three look-ups: its hour, its second in it, and the rest.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import IO, cast

from monitor.config.terms import events_of, read_targets, read_terms
from monitor.config.yamlfile import Problem, Problems, load
from monitor.judgement.stating import passed_over
from monitor.sla.evaluate import evaluate
from monitor.sla.evaluation import Evaluation
from monitor.sla.fields import nearest
from monitor.sla.instants import parse_instant
from monitor.sla.series import SCHEDULED, Observations, Series
from monitor.sla.values import OUTCOME_CODES, OUTCOMES, Events

COLUMNS = ("at", "target", "location", "scheduled", "outcome", "duration_ms")
"""The columns of a results file (arithmetic §1)."""

_TRUTH = {"true": True, "false": False}
_MOST_PROBLEMS = 20
_MOST_RESTS = 50_000
"""So many ends of times (milliseconds and offset) are remembered: with microseconds there are a million of them."""
_NOT_UTF8 = "is not UTF-8: save the file as UTF-8"
_STEP = 65_536

Progress = Callable[[int], None]
"""Told now and then how many bytes of the file have been read."""
Note = Callable[[str], None]
"""Told what somebody may not have meant, though it can be judged."""

_Sink = tuple[Callable[[int], None], Callable[[int], None], int]


class _Trouble(Exception):
    """Something wrong in a row."""


class _Quoted(Exception):
    """The file is not of the plain kind that is read quickly."""


class _Rows:
    """Turns rows into columns and collects what is wrong, with the lines."""

    def __init__(self, file: str, wanted: Collection[str] | None, into: Observations) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._wanted = wanted
        self._into = into
        # A time in three parts, by their bytes: 2026-10-01T00 | :00:00 | .000Z, with the comma after it.
        self._hours: dict[bytes, int] = {}
        self._seconds: dict[bytes, int] = {}
        self._rests: dict[bytes, int] = {}

    def complain(self, line: int, message: str) -> None:
        """Note a problem; raise Problems when there are enough of them."""
        self.problems.append(Problem(self.file, line, 0, message))
        if len(self.problems) >= _MOST_PROBLEMS:
            raise Problems(self.problems)

    def finish(self) -> None:
        """Raise Problems if anything was wrong."""
        if self.problems:
            raise Problems(self.problems)

    def sink(self, target: str, location: str, scheduled: str, outcome: str) -> _Sink | None:
        """Give where such a row goes; None where its target is not wanted. Raises _Trouble."""
        if self._wanted is not None and target not in self._wanted:
            return None
        code = OUTCOME_CODES.get(outcome)
        if code is None:
            near = nearest(outcome, OUTCOMES)
            hint = f"did you mean '{near}'?" if near else f"write one of {', '.join(OUTCOMES)}"
            raise _Trouble(f"unknown outcome '{outcome}': {hint}")
        on_time = _TRUTH.get(scheduled.lower())
        if on_time is None:
            raise _Trouble(f"scheduled cannot be '{scheduled}': write true or false")
        if not target or not location:
            raise _Trouble("target and location must not be empty")
        key = (target, location)
        series = self._into.series.get(key)
        if series is None:
            series = self._into.series[key] = Series(target, location)
        return series.at.append, series.code.append, code | (SCHEDULED if on_time else 0)

    def instant(self, text: str) -> int:
        """Give a row's time, and remember its parts for the quick way. Raises _Trouble."""
        try:
            at = parse_instant(text)
        except ValueError as error:
            raise _Trouble(f"bad time: {error}") from None
        hour = parse_instant(text[:13] + ":00:00Z")
        second = parse_instant(f"1970-01-01T00{text[13:19]}Z")
        self._hours[text[:13].encode()] = hour
        self._seconds[text[13:19].encode()] = second
        if len(self._rests) < _MOST_RESTS:
            # What is left are the milliseconds less the offset.
            self._rests[text[19:].encode() + b","] = at - hour - second
        return at

    def duration(self, text: str) -> None:
        """Check a row's duration; an empty one is unknown. Raises _Trouble."""
        if text.strip() and not (text.isascii() and text.strip().isdecimal()):
            raise _Trouble(f"duration_ms cannot be '{text.strip()}': write whole milliseconds, 0 where unknown")

    def quick(self, lines: Iterable[bytes], tell: Callable[[], None]) -> None:
        """Take lines of the usual columns in the usual order. Raises Problems, and _Quoted where there are quotes."""
        sinks: dict[bytes, _Sink | None] = {}
        hours, seconds, rests = self._hours, self._seconds, self._rests
        cut = 25  # where the time ends in most lines, with its comma: 2026-10-01T00:00:00.000Z,
        for number, line in enumerate(lines, 2):
            if not number % _STEP:
                tell()
            middle, _, duration = line[cut:].rpartition(b",")
            try:
                # KeyError: another kind of time, a new kind of row, or a duration to be looked at.
                sink = sinks[middle]
                if sink is None:
                    continue
                when = hours[line[:13]] + seconds[line[13:19]] + rests[line[19:cut]]
                if not duration.rstrip().isdigit():
                    raise KeyError
            except KeyError:
                cut = self._slowly(number, line, sinks) or cut
                continue
            sink[0](when)
            sink[1](sink[2])

    def _slowly(self, number: int, line: bytes, sinks: dict[bytes, _Sink | None]) -> int:
        """Take one line by its commas, and remember its parts for the quick way; give where its time ends."""
        if not line.strip():
            return 0
        if b'"' in line:
            raise _Quoted
        try:
            fields = line.decode().rstrip("\r\n").split(",")
        except UnicodeDecodeError:
            self.complain(number, _NOT_UTF8)
            return 0
        if len(fields) != len(COLUMNS):
            self.complain(number, f"has {len(fields)} columns and not {len(COLUMNS)}: {','.join(COLUMNS)}")
            return 0
        at, target, location, scheduled, outcome, duration = fields
        try:
            sink = sinks[",".join(fields[1:5]).encode()] = self.sink(target, location, scheduled, outcome)
            if sink is None:
                return len(at) + 1
            when = self.instant(at)
            self.duration(duration)
        except _Trouble as trouble:
            self.complain(number, str(trouble))
            return 0
        sink[0](when)
        sink[1](sink[2])
        return len(at) + 1

    def general(self, lines: Iterable[bytes], header: list[str], tell: Callable[[], None]) -> None:
        """Take rows of any order of columns, quoted or not. Raises Problems, and csv.Error."""
        places = [header.index(column) for column in COLUMNS]
        width = len(header)
        hours, seconds, rests = self._hours, self._seconds, self._rests
        sinks: dict[tuple[str, str, str, str], _Sink | None] = {}
        reader = csv.reader(line.decode() for line in lines)
        while True:
            # The first line was the header; a row may take several lines.
            number = reader.line_num + 2
            try:
                row = next(reader, None)
            except UnicodeDecodeError:
                # The rows after it cannot be told apart any more.
                self.complain(number, _NOT_UTF8)
                return
            if row is None:
                return
            if not number % _STEP:
                tell()
            if len(row) != width:
                if any(field.strip() for field in row):
                    self.complain(number, f"has {len(row)} columns and the first line {width}")
                continue
            at, target, location, scheduled, outcome, duration = (row[place] for place in places)
            kind = (target, location, scheduled, outcome)
            try:
                if kind not in sinks:
                    sinks[kind] = self.sink(*kind)
                sink = sinks[kind]
                if sink is None:
                    continue
                raw = at.encode()
                try:
                    when = hours[raw[:13]] + seconds[raw[13:19]] + rests[raw[19:] + b","]
                except KeyError:
                    when = self.instant(at)
                self.duration(duration)
            except _Trouble as trouble:
                self.complain(number, str(trouble))
                continue
            sink[0](when)
            sink[1](sink[2])


def _opened(raw: IO[bytes]) -> IO[bytes]:
    """Go to a file's start, unzip it where needed, and pass a byte order mark."""
    raw.seek(0)
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    stream = cast("IO[bytes]", io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 18)) if zipped else raw
    if stream.read(3) != b"\xef\xbb\xbf":
        stream.seek(0)
    return stream


def read_results(
    path: Path,
    into: Observations,
    *,
    wanted: Collection[str] | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Read a results file, plain or gzip, into columns.

    Rows of targets not ``wanted`` are passed over (None: all are wanted). ``name`` is what messages call the file.
    Raises Problems: a missing column, an unknown outcome, a bad time, each with its line.
    """
    shown = name if name is not None else str(path)
    rows = _Rows(shown, wanted, into)
    try:
        with path.open("rb") as opened:
            # What comes through a pipe cannot be gone back in.
            raw = opened if opened.seekable() else io.BytesIO(opened.read())

            def tell() -> None:
                if progress is not None:
                    progress(raw.tell())

            before = {key: len(series.at) for key, series in into.series.items()}
            lines = _opened(raw)
            header = next(csv.reader([lines.readline().decode()]), [])
            missing = [column for column in COLUMNS if column not in header]
            if missing:
                what = f"has no column {', '.join(missing)}: the first line must name {','.join(COLUMNS)}"
                raise Problems([Problem(shown, 1, 0, what)])
            twice = [column for column in COLUMNS if header.count(column) > 1]
            if twice:
                raise Problems([Problem(shown, 1, 0, f"names the column {', '.join(twice)} twice: which is meant?")])
            try:
                if tuple(header) != COLUMNS:
                    raise _Quoted
                rows.quick(lines, tell)
            except _Quoted:
                # Start again by the book, without what was already taken.
                for key, series in into.series.items():
                    del series.at[before.get(key, 0) :], series.code[before.get(key, 0) :]
                rows.problems.clear()
                again = _opened(raw)
                again.readline()
                rows.general(again, header, tell)
            tell()
    except (OSError, EOFError, zlib.error) as error:
        raise Problems([Problem(shown, 0, 0, f"cannot be read: {error}")]) from error
    except UnicodeDecodeError as error:
        raise Problems([Problem(shown, 1, 0, _NOT_UTF8)]) from error
    except csv.Error as error:
        raise Problems([Problem(shown, 0, 0, f"is not CSV: {error}")]) from error
    rows.finish()


def evaluate_files(
    config: Path,
    contract: str,
    results: Iterable[Path],
    events: Path | None,
    *,
    period: str,
    now: int | None,
    progress: Progress | None = None,
    note: Note = lambda _: None,
) -> Evaluation:
    """Judge files of measurements, with no daemon and no database (arithmetic §9).

    Raises Problems for what is wrong in the files, KeyError where the configuration has no such contract, and
    PeriodError for a period that has not begun.
    """
    document = load(config)
    section = document.data.get("contracts") if isinstance(document.data, dict) else None
    problems: list[Problem] = []
    if isinstance(section, dict) and section and contract not in section:
        raise KeyError(contract)
    terms = read_terms(document, config.parent, problems, only=contract)
    targets = read_targets(document, terms, problems, only=contract)
    known = Events()
    if events is not None:
        stated = load(events)
        known = events_of(stated)
        for at, message in passed_over(terms[contract], known) if contract in terms else ():
            note(str(stated.problem(at, message)))
    if problems:
        raise Problems(problems)
    observations = Observations()
    own = targets[contract]
    names = {target.name for target in own}
    done = 0

    def tell(count: int) -> None:
        if progress is not None:
            progress(done + count)

    for path in results:
        read_results(path, observations, wanted=names, progress=tell)
        done += path.stat().st_size
    return evaluate(terms[contract], own, observations, known, period=period, now=now)
