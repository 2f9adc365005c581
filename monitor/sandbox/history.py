"""A month that never was: generated observations, gaps and events, for trying reports, pages and proofs. Pure.

The same seed gives the same month. Whoever enters it marks it with an event of the kind `demo`, and everything that is
made of it says so.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from monitor.probing.slots import first_slot, offset_ms
from monitor.store import Gap, Row

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

REPROBES = ((1_000, 1), (5_000, 24), (15_000, 1_000_000))
"""After a failure: pauses in ms, and how many times each, until a probe succeeds."""


class Watched(NamedTuple):
    """One target of the generated month."""

    name: str
    kind: str
    interval_ms: int
    contract: str | None
    service: str | None


class Trouble(NamedTuple):
    """A stretch of one target's time with one outcome."""

    start: int
    end: int
    outcome: str
    code: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens in the month: troubles by target, when nothing was probed and why, and what people enter."""

    troubles: dict[str, tuple[Trouble, ...]]
    pauses: tuple[tuple[int, int, str], ...]
    events: tuple[tuple[str, dict[str, Any]], ...] = field(default=())
    """Kind and data, in order of entry."""


_CAUSES: dict[str, tuple[tuple[str, int | None, str], ...]] = {
    "web": (
        ("server_error", 503, "HTTP 503 Service Unavailable"),
        ("timeout", None, "no answer within 10 s, in phase processing"),
        ("server_error", 500, "HTTP 500 Internal Server Error"),
        ("connect_timeout", None, "no answer within 10 s, in phase connect"),
        ("tls", None, "certificate not accepted: certificate has expired"),
        ("wrong_answer", 200, "the body does not match what is expected"),
    ),
    "smtp": (
        ("server_error", 451, "451 4.3.0 Temporary lookup failure, in answer to MAIL"),
        ("refused", 111, "connection refused"),
        ("timeout", None, "no answer within 10 s, in phase banner"),
    ),
    "smpp": (
        ("server_error", 8, "bind refused: ESME_RSYSERR"),
        ("reset", None, "connection lost: closed"),
        ("connect_timeout", None, "no answer within 10 s, in phase connect"),
    ),
}
_OURS = (("throttled", 429, "HTTP 429 Too Many Requests"), ("rejected", 401, "HTTP 401 Unauthorized"))


def tell(targets: Sequence[Watched], start: int, end: int, seed: int) -> Story:
    """Invent what happens in [start, end): a few outages, a stop of the monitor, maintenance, reports, tickets."""
    dice = random.Random(seed)  # noqa: S311 - a made-up month, not a secret
    pauses = _pauses(dice, start, end)
    troubles = {target.name: _troubles(dice, target, start, end) for target in targets}
    return Story(troubles=troubles, pauses=pauses, events=_events(dice, targets, troubles, start, end))


def readings(start: int, end: int, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """When the clock's readings were summed up in [start, end), and what a daemon would have recorded of them."""
    dice = random.Random(f"{seed} clock")  # noqa: S311
    for at in range(start, end, 6 * HOUR):
        offset = round(dice.gauss(0, 900))
        yield at, {
            "readings": 720, "offset_us": offset, "estimated_error_us": abs(offset) // 2 + 150,
            "max_error_us": abs(offset) + 18_000, "synchronised": True,
        }  # fmt: skip


def _middle(start: int, end: int) -> tuple[int, int]:
    """The span without its edges, so that what happens in it has a before and an after."""
    edge = min(DAY, (end - start) // 4)
    return start + edge, end - edge


def _pauses(dice: random.Random, start: int, end: int) -> tuple[tuple[int, int, str], ...]:
    """One stop for an upgrade of the machine, and one stall of a minute or two."""
    stop = dice.randrange(*_middle(start, end))
    stall = dice.randrange(*_middle(start, end))
    return (
        (stop, stop + dice.randrange(8 * MINUTE, 26 * MINUTE), "not_running"),
        (stall, stall + dice.randrange(70_000, 150_000), "loop_stalled"),
    )


def _troubles(dice: random.Random, target: Watched, start: int, end: int) -> tuple[Trouble, ...]:
    causes = _CAUSES.get(target.kind, _CAUSES["web"])
    found = []
    for _ in range(dice.choice((0, 0, 1, 1, 2, 3))):
        began = dice.randrange(*_middle(start, end))
        lasted = min(int(dice.lognormvariate(6.3, 1.3) * 1000), 5 * HOUR)
        found.append(Trouble(began, began + max(lasted, 20_000), *dice.choice(causes)))
    if dice.random() < 0.4:
        began = dice.randrange(*_middle(start, end))
        found.append(Trouble(began, began + dice.randrange(MINUTE, 9 * MINUTE), *dice.choice(_OURS)))
    apart: list[Trouble] = []
    for trouble in sorted(found):
        if not apart or trouble.start > apart[-1].end + 10 * MINUTE:
            apart.append(trouble)
    return tuple(apart)


def _events(
    dice: random.Random, targets: Sequence[Watched], troubles: dict[str, tuple[Trouble, ...]], start: int, end: int
) -> tuple[tuple[str, dict[str, Any]], ...]:
    events: list[tuple[str, dict[str, Any]]] = []
    for contract in sorted({target.contract for target in targets if target.contract}):
        days = (end - start) // DAY
        night = start + dice.randrange(days // 6, max(days * 5 // 6, 1)) * DAY + 2 * HOUR
        events.append(_maintenance(contract, night, night + 2 * HOUR, night - 9 * DAY, "database upgrade"))
        late = start + dice.randrange(days // 6, max(days * 5 // 6, 1)) * DAY + 23 * HOUR
        events.append(_maintenance(contract, late, late + HOUR, late - 20 * HOUR, "router exchange"))
        own = [t for t in targets if t.contract == contract]
        for number, (target, trouble) in enumerate((t, x) for t in own for x in troubles[t.name]):
            if trouble.outcome in ("throttled", "rejected") or trouble.end - trouble.start < 5 * MINUTE:
                continue
            told = trouble.start + min(4 * MINUTE, (trouble.end - trouble.start) // 2)
            events.append(("report", {"contract": contract, "at": told, "services": [target.service]}))
            ticket = f"{contract[:2].upper()}-{1000 + number}"
            opened = {
                "contract": contract,
                "id": ticket,
                "opened": told,
                "severity": dice.choice(_SEVERITIES),
                "channel": "email",
            }
            events.append(("ticket", opened))
            answered = told + dice.randrange(10 * MINUTE, 5 * HOUR)
            for milestone, at in (("acted", told + (answered - told) // 2), ("responded", answered)):
                events.append(
                    ("ticket_reached", {"contract": contract, "id": ticket, "milestone": milestone, "at": at})
                )
    return tuple(events)


_SEVERITIES = ("important", "normal", "level1", "critical")


def _maintenance(contract: str, start: int, end: int, announced: int, note: str) -> tuple[str, dict[str, Any]]:
    data = {"contract": contract, "start": start, "end": end, "announced": announced, "kind": "scheduled", "note": note}
    return "maintenance", data


# --- observations ---------------------------------------------------------------------------------------------------


def rows(target: Watched, story: Story, start: int, end: int, *, location: str, seed: int) -> Iterator[Row]:
    """The target's observations in [start, end), in order of time: on its slots, and the follow-ups of failures."""
    dice = random.Random(f"{seed} {target.name}")  # noqa: S311
    offset = offset_ms(target.name, target.interval_ms)
    troubles = list(story.troubles[target.name])
    usual = dice.randrange(18, 160)
    failures = 0
    due: int | None = None
    slot = first_slot(start, target.interval_ms, offset)
    while True:
        scheduled = due is None or slot <= due
        at = slot if due is None else min(slot, due)
        if at >= end:
            return
        if scheduled:
            slot += target.interval_ms
        while troubles and troubles[0].end <= at:
            troubles.pop(0)
        if any(first <= at < last for first, last, _ in story.pauses):
            due = None
            continue
        trouble = troubles[0] if troubles and troubles[0].start <= at else None
        row = _row(dice, target, at + dice.randrange(0, 4), usual, trouble, scheduled=scheduled, location=location)
        yield row
        failures = failures + 1 if trouble else 0
        due = at + row.duration_ms // 1000 * 1000 + _pause(failures) if trouble else None


def _pause(failures: int) -> int:
    for pause, times in REPROBES:
        if failures <= times:
            return pause
        failures -= times
    return REPROBES[-1][0]


def _row(
    dice: random.Random,
    target: Watched,
    at: int,
    usual: int,
    trouble: Trouble | None,
    *,
    scheduled: bool,
    location: str,
) -> Row:
    slow = 1 + (dice.random() ** 12) * 9
    duration = int(usual * slow * (0.9 + 0.2 * dice.random()))
    if trouble is not None and trouble.outcome in ("timeout", "connect_timeout"):
        duration = 10_000
    phases = {
        "connect": duration * 0.2,
        "tls": duration * 0.3,
        "processing": duration * 0.4,
        "transfer": duration * 0.1,
    }
    return Row(
        at=at,
        target=target.name,
        location=location,
        scheduled=scheduled,
        outcome=trouble.outcome if trouble else "ok",
        duration_ms=duration,
        code=trouble.code if trouble else _GOOD.get(target.kind),
        detail=trouble.detail if trouble else "",
        phases={} if trouble else phases,
    )


_GOOD = {"http": 200, "page": 200, "sms": 200, "smtp": 250}


def gaps(target: Watched, story: Story, start: int, end: int, *, location: str) -> list[Gap]:
    """The slots that the story's pauses cost, so that the month balances."""
    offset = offset_ms(target.name, target.interval_ms)
    found = []
    for first, last, reason in sorted(story.pauses):
        missed = first_slot(max(first, start), target.interval_ms, offset)
        kept = first_slot(min(last, end), target.interval_ms, offset)
        if missed < kept:
            slots = (kept - missed) // target.interval_ms
            found.append(Gap(target=target.name, location=location, start=missed, end=kept, slots=slots, reason=reason))
    return found
