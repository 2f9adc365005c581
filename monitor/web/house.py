"""What the page of the monitor itself says: health, clock, gaps, seal, and its own events."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.judgement.events import MONITOR
from monitor.store import Event, Row
from monitor.web.ports import Health, Seal, Source, Target

LOOK_BACK_MS = 30 * 86_400_000
EVENTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Gaps of several targets with one cause and one time."""

    start: int
    end: int
    reason: str
    detail: str
    targets: tuple[str, ...]
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The whole page."""

    now: int
    health: Health
    trouble: str | None
    seal: Seal | None
    holes: tuple[Hole, ...]
    events: tuple[Event, ...]
    """Newest first."""
    offset: Event | None
    """The last one that told the clock's offset."""
    size: int
    first: int | None
    last: int | None
    targets: tuple[tuple[Target, Row | None], ...]
    config_hash: str


def build(source: Source) -> House:
    """Everything about the monitor. Blocks."""
    now = source.clock.now_ms()
    span = source.reader.span()
    events = source.reader.events(now - LOOK_BACK_MS, now + 1, kinds=list(MONITOR))
    offsets = [event for event in events if event.kind == "clock_offset"]
    config = source.config()
    return House(
        now=now,
        health=source.health(),
        trouble=source.trouble(),
        seal=source.seal(),
        holes=tuple(_holes(source, now)),
        events=tuple([event for event in reversed(events) if event.kind != "clock_offset"][:EVENTS]),
        offset=offsets[-1] if offsets else None,
        size=source.reader.size_bytes(),
        first=span.first if span else None,
        last=span.last if span else None,
        targets=tuple((target, source.reader.last_row(target.name, config.location)) for target in config.targets),
        config_hash=config.hash,
    )


def _holes(source: Source, now: int) -> list[Hole]:
    """Gaps of the last thirty days, those with one cause together, newest first. The grid sets the targets' bounds a
    little apart: what overlaps and has one reason is one."""
    found: list[Hole] = []
    for gap in source.reader.gaps(now - LOOK_BACK_MS, now + 1):
        for index, hole in enumerate(found):
            if hole.reason == gap.reason and gap.start < hole.end and gap.end > hole.start:
                found[index] = Hole(
                    start=min(hole.start, gap.start),
                    end=max(hole.end, gap.end),
                    reason=hole.reason,
                    detail=hole.detail,
                    targets=tuple(dict.fromkeys((*hole.targets, gap.target))),
                    slots=hole.slots + gap.slots,
                )
                break
        else:
            found.append(
                Hole(
                    start=gap.start,
                    end=gap.end,
                    reason=gap.reason,
                    detail=gap.detail,
                    targets=(gap.target,),
                    slots=gap.slots,
                )
            )
    return sorted(found, key=lambda hole: hole.start, reverse=True)
