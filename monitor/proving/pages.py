"""What a statement prints, made from the bundle alone: whoever has the bundle can make the pages' words anew. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from monitor.proof.canonical import JSON, canonical, sha256
from monitor.proof.container import read_json
from monitor.proof.keyring import parse_rfc3339
from monitor.proof.proven import Proven, ShownSegment
from monitor.proof.segment import UNACCOUNTED, Rows, Span
from monitor.proving.inputs import targets_of
from monitor.sla.evaluation import Evaluation, Outage
from monitor.sla.values import TargetSpec
from monitor.statement.content import Content, content, margin_ms
from monitor.statement.facts import (
    Balance,
    ClockFacts,
    Hole,
    Probe,
    Response,
    Revision,
    Seal,
    StatementFacts,
)
from monitor.times import short


class Dress(NamedTuple):
    """What a statement says that no evidence holds: whom it is for, who signed it, what the file is called."""

    language: str
    customer: str
    signer: str
    program: str
    file: str


def words_of(proven: Proven, judged: Evaluation, dress: Dress) -> Content:
    """Every word and figure of the pages."""
    return content(facts_of(proven, judged, dress), dress.language)


def statement(dress: Dress, words: Content) -> JSON:
    """The bundle's ``statement.json``: the dress and the digest of the words, which the bundle itself gives anew."""
    return {**dress._asdict(), "words": sha256(canonical(words)).hex()}


def dress_of(told: Mapping[str, Any]) -> Dress:
    """The dress of a ``statement.json``; KeyError where it has none."""
    return Dress(**{name: str(told[name]) for name in Dress._fields})


def facts_of(proven: Proven, judged: Evaluation, dress: Dress) -> StatementFacts:
    """Everything that the pages say, from the bundle."""
    config = proven.config()
    targets = tuple(targets_of(config))
    rows = {(s.target, s.location): r for s, r in proven.observations()}
    segments = [one for entry in proven.entries for g in entry.groups.values() for one in g.segments]
    events = list(proven.all_events())
    start, to = judged.period.start, judged.period.to
    last = proven.about["days"][1]
    days = [entry for entry in proven.entries if entry.data["kind"] == "day" and entry.day <= last]
    return StatementFacts(
        evaluation=judged,
        targets=targets,
        locations=tuple(sorted({location for _, location in rows} or {"main"})),
        made_at=parse_rfc3339(proven.about["made"]),
        program=dress.program,
        probes=dict(_probes(judged, targets, rows)),
        holes=tuple(_holes(segments, start, to)),
        balances=tuple(_balances(segments, start, to)),
        responses=tuple(_responses(rows, start, to)),
        clock=_clock(events, start, to),
        corrections=tuple(_corrections(events)),
        seal=Seal(
            key=str(read_json(proven.container.members, "keys.json")["keys"][-1]),
            checkpoint=_checkpoint(proven),
            days=len(days),
            timestamps=len(read_json(proven.container.members, "timestamps.json.z")),
            signer=dress.signer,
        ),
        revision=_revision(proven),
        customer=dress.customer,
        generated=bool(config.get("generated")) or any(event["event"] == "demo" for event in events),
        file_name=dress.file,
    )


def _checkpoint(proven: Proven) -> str:
    if not proven.entries:
        return ""
    last = proven.entries[-1]
    return f"{proven.container.origin}, size {last.index + 1}, {last.day}, tree {last.data['root'][:32]}…"


def _revision(proven: Proven) -> Revision:
    amends = proven.about["amends"]
    if amends is None:
        return Revision()
    return Revision(number=int(proven.about["revision"]), changes=(str(amends["why"]), *map(str, amends["changes"])))


_Rows = Mapping[tuple[str, str], Rows]


def _probes(
    judged: Evaluation, targets: Sequence[TargetSpec], rows: _Rows
) -> Iterator[tuple[tuple[str, int], tuple[Probe, ...]]]:
    for service in judged.services:
        names = {target.name for target in targets if target.service == service.service}
        for outage in service.outages:
            yield (service.service, outage.start), tuple(_around(outage, names, rows))


def _around(outage: Outage, names: set[str], rows: _Rows) -> list[Probe]:
    margin = margin_ms(outage)
    return sorted(
        Probe(row.at, target, location, row.scheduled, row.outcome, row.duration_ms, row.detail or "")
        for (target, location), some in rows.items()
        if target in names
        for row in some.part(
            bisect_left(some.at, outage.start - margin), bisect_right(some.at, outage.end + margin)
        ).rows()
    )


# --- what was not seen ----------------------------------------------------------------------------------------------


def _holes(segments: Sequence[ShownSegment], start: int, to: int) -> list[Hole]:
    """The gaps within the period; what goes on over midnight is one."""
    found: list[Hole] = []
    for one in sorted(segments, key=lambda s: (s.segment.target, s.segment.location, s.segment.day)):
        said = one.segment
        for gap in said.gaps:
            if gap.start >= to or gap.end <= start:
                continue
            last = found[-1] if found else None
            if last and (last.target, last.location, last.end, last.reason) == (
                said.target,
                said.location,
                gap.start,
                gap.reason,
            ):
                found[-1] = last._replace(end=gap.end, slots=last.slots + gap.slots)
            else:
                found.append(Hole(said.target, said.location, gap.start, gap.end, gap.slots, gap.reason))
    return found


def _balances(segments: Sequence[ShownSegment], start: int, to: int) -> list[Balance]:
    """For each target and location: slots of the period, those observed, and those in gaps with a reason."""
    sums: dict[tuple[str, str], list[int]] = {}
    for one in segments:
        said = one.segment
        plan = [Span(max(s.start, start), min(s.end, to), s.interval_ms, s.phase_ms) for s in said.plan]
        plan = [span for span in plan if span.start < span.end]
        total = sums.setdefault((said.target, said.location), [0, 0, 0])
        total[0] += sum(span.slots() for span in plan)
        if said.plan and said.plan[0].start >= start and said.plan[-1].end <= to:
            total[1] += one.rows.scheduled()
        else:
            on_interval = [kind.scheduled for kind in one.rows.kinds]
            total[1] += sum(
                1
                for at, kind in zip(one.rows.at, one.rows.kind, strict=True)
                if on_interval[kind] and _in_plan(at, said.plan, start, to)
            )
        for gap in said.gaps:
            if gap.reason != UNACCOUNTED:
                inside = [s._replace(start=max(s.start, gap.start), end=min(s.end, gap.end)) for s in plan]
                total[2] += min(gap.slots, sum(s.slots() for s in inside if s.start < s.end))
    return [Balance(*key, *total) for key, total in sorted(sums.items())]


def _in_plan(at: int, plan: Sequence[Span], start: int, to: int) -> bool:
    """Whether the slot that a scheduled observation fills lies in the period."""
    for span in plan:
        if span.start <= at < span.end:
            slot = at - (at - span.phase_ms) % span.interval_ms
            return start <= max(slot, span.start) < to
    return start <= at < to


def _responses(rows: _Rows, start: int, to: int) -> list[Response]:
    durations: dict[str, list[int]] = {}
    for (target, _), some in rows.items():
        first, last = bisect_left(some.at, start), bisect_left(some.at, to)
        wanted = [kind.scheduled and kind.outcome == "ok" for kind in some.kinds]
        inside = zip(some.duration_ms[first:last], some.kind[first:last], strict=True)
        good = [duration for duration, kind in inside if wanted[kind]]
        durations.setdefault(target, []).extend(good)
    found = []
    for target, ms in sorted(durations.items()):
        if ms:
            ms.sort()
            found.append(Response(target, len(ms), _rank(ms, 50), _rank(ms, 95), _rank(ms, 99), ms[-1]))
    return found


def _rank(ordered: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


# --- clock and corrections ------------------------------------------------------------------------------------------


def _clock(events: Sequence[JSON], start: int, to: int) -> ClockFacts:
    inside = [event for event in events if start <= event["at"] < to]
    read = [event["data"] for event in inside if event["event"] == "clock_offset"]
    offsets = [int(data["offset_us"]) for data in read if "offset_us" in data]
    steps = [(event["at"], int(event["data"].get("ms", 0))) for event in inside if event["event"] == "clock_step"]
    return ClockFacts(
        samples=sum(int(data.get("readings", 1)) for data in read),
        worst_us=max(offsets, key=abs, default=None),
        unsynchronised=sum(int(data.get("readings", 1)) for data in read if data.get("synchronised") is False),
        steps=tuple(steps),
    )


def _corrections(events: Sequence[JSON]) -> Iterator[str]:
    by_id = {event["id"]: event for event in events}
    for event in events:
        if event["event"] != "correction":
            continue
        old = by_id.get(event["corrects"])
        what = f"{old['event']} {old['id']}" if old else str(event["corrects"])
        did = "withdrawn" if event["data"].get("withdraw") else "replaced"
        why = str(event["data"].get("why", "")).strip()
        yield f"{short(event['entered_at'])} UTC: {what} {did}{f' – {why}' if why else ''}"
