"""Measurements made elsewhere as a results file (arithmetic §1): what all readers of such measurements share.

1. A failure whose cause the other monitor kept is named after it; one without a cause is named as the caller says.
2. Where nothing was measured there is no row: gaps stay gaps.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import IO, Any

from monitor.durations import say_duration
from monitor.errors import Refused
from monitor.sla.fields import nearest
from monitor.sla.instants import write_instant
from monitor.sla.values import OUTCOMES, Observation

COLUMNS = ("at", "target", "location", "scheduled", "outcome", "duration_ms")

_CAUSES: Sequence[tuple[str, str]] = (
    (r"name or service not known|no such host|enotfound|eai_again|nxdomain|getaddrinfo|lookup .* (failed|no)", "dns"),
    (r"certificate|x509|\btls\b|\bssl\b|handshake", "tls"),
    (r"econnrefused|connection refused", "refused"),
    (r"econnreset|connection reset|socket hang up|broken pipe|unexpected eof|\beof\b", "reset"),
    (r"no route to host|ehostunreach|enetunreach|network is unreachable", "network"),
    (r"too many open files|emfile", "local"),
    (r"connect.*(etimedout|timed? ?out)|etimedout", "connect_timeout"),
    (r"time[d ]?-?out|deadline exceeded|timeout", "timeout"),
)
_STATUS = re.compile(r"status(?: code)?[ :=]+(\d{3})\b|^(\d{3})\b|\bHTTP[/ ][\d. ]*(\d{3})\b", re.I)


class CannotImport(Refused):
    """The measurements cannot be taken over; the text is a sentence."""


@dataclass(slots=True)
class Naming:
    """How what was measured elsewhere is called here."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Their name to the target's; where any is given, others are passed over."""
    location: str = "main"
    failed_as: str = "wrong_answer"
    """The outcome of a failure of which no cause is known."""
    start: int = 0
    end: int = 1 << 62
    seen: set[str] = field(default_factory=set)
    """Their names, as they were met."""

    def target(self, theirs: str) -> str | None:
        """The target's name; None: passed over."""
        self.seen.add(theirs)
        if self.names:
            return self.names.get(theirs)
        return re.sub(r"[^A-Za-z0-9._-]+", "-", theirs).strip("-._") or "target"

    def check(self) -> None:
        """See that every name that was given was met. Raises CannotImport."""
        for theirs in self.names:
            if theirs not in self.seen:
                near = nearest(theirs, self.seen)
                known = (
                    f"did you mean “{near}”?" if near else f"there are: {', '.join(sorted(self.seen)[:20]) or 'none'}."
                )
                raise CannotImport(f"Nothing is called “{theirs}” there; {known}")

    def observation(
        self, at: int, theirs: str, outcome: str, *, scheduled: bool = True, duration_ms: int = 0,
        location: str | None = None,
    ) -> Observation | None:  # fmt: skip
        """An observation as we keep it; None: passed over."""
        name = self.target(theirs)
        if name is None or not self.start <= at < self.end:
            return None
        return Observation(at, name, location or self.location, scheduled, outcome, max(0, duration_ms))


def outcome_of_status(status: int) -> str | None:
    """The outcome of a failed check by its HTTP status; None where that says nothing."""
    if status == 429:
        return "throttled"
    return "server_error" if status >= 500 else "rejected" if status >= 400 else None


def outcome_of(text: str, status: int | None, failed_as: str) -> str:
    """The outcome of a failed check, by its status and by what the other monitor wrote down of it."""
    if status and (found := outcome_of_status(status)) is not None:
        return found
    for pattern, outcome in _CAUSES:
        if re.search(pattern, text, re.I):
            return outcome
    if (match := _STATUS.search(text)) is not None:
        found = outcome_of_status(int(next(group for group in match.groups() if group)))
        if found is not None:
            return found
    return failed_as


def tidy(observations: Iterable[Observation | None]) -> list[Observation]:
    """In order of time, each target, location and instant once. Raises CannotImport where two differ there."""
    found: dict[tuple[int, str, str], Observation] = {}
    for one in observations:
        if one is None:
            continue
        key = (one.at, one.target, one.location)
        before = found.setdefault(key, one)
        if before.outcome != one.outcome:
            raise CannotImport(
                f"Two series are both called “{one.target}” at “{one.location}” and differ at {write_instant(one.at)}: "
                "choose labels that tell them apart, or name one with --target."
            )
    return sorted(found.values())


def write(out: IO[str], observations: Iterable[Observation]) -> None:
    """Write a results file."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in observations:
        writer.writerow(
            "true" if value is True else "false" if value is False else value for value in as_row(one).values()
        )


def as_row(one: Observation) -> dict[str, Any]:
    """An observation by the names of a results file's columns."""
    values = (write_instant(one.at), one.target, one.location, one.scheduled, one.outcome, one.duration_ms)
    return dict(zip(COLUMNS, values, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What was read of one target from one location."""

    target: str
    location: str
    count: int
    start: int
    end: int
    every_ms: int
    """The usual step from one to the next."""
    failed: Mapping[str, int]
    """Outcomes of failures, the most frequent first."""
    gaps: int
    gaps_ms: int

    def answer(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "target": self.target, "location": self.location, "observations": self.count,
            "start": write_instant(self.start), "end": write_instant(self.end), "every_ms": self.every_ms,
            "failed": dict(self.failed), "gaps": self.gaps, "gaps_ms": self.gaps_ms,
        }  # fmt: skip

    @property
    def text(self) -> str:
        """As a line."""
        said = ", ".join(f"{count} {outcome}" for outcome, count in self.failed.items()) or "none failed"
        line = (
            f"{self.target} from {self.location}: {self.count} observations, {write_instant(self.start)} to"
            f" {write_instant(self.end)}, about every {say_duration(self.every_ms)}; {said}"
        )
        if self.gaps:
            line += f"; {self.gaps} gap{'' if self.gaps == 1 else 's'}, {say_duration(self.gaps_ms)} in all"
        return line


def series(observations: Sequence[Observation]) -> list[Series]:
    """For each target and location: how many, from when to when, what failed, and the gaps."""
    found = []
    by: dict[tuple[str, str], list[Observation]] = {}
    for one in observations:
        by.setdefault((one.target, one.location), []).append(one)
    for (target, location), own in sorted(by.items()):
        steps = [b.at - a.at for a, b in itertools.pairwise(own)]
        usual = int(median(steps)) if steps else 0
        gaps = [step for step in steps if usual and step > 2 * usual]
        failed = Counter(one.outcome for one in own if one.outcome != "ok")
        found.append(
            Series(
                target=target, location=location, count=len(own), start=own[0].at, end=own[-1].at, every_ms=usual,
                failed=dict(failed.most_common()), gaps=len(gaps), gaps_ms=sum(gaps),
            )
        )  # fmt: skip
    return found


def check_outcome(name: str) -> str:
    """An outcome's name. Raises CannotImport."""
    if name not in OUTCOMES:
        near = nearest(name, OUTCOMES)
        raise CannotImport(
            f"There is no outcome “{name}”; {f'did you mean “{near}”?' if near else ', '.join(OUTCOMES)}"
        )
    return name
