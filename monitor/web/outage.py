"""What the page of one outage says: every probe around it, what was said on the wire, and by whom."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.judgement.standing import OutageRef, outage_id
from monitor.sla.contract import Terms
from monitor.sla.evaluation import Excuse, amount_text
from monitor.sla.instants import parse_instant
from monitor.sla.values import OUTCOMES
from monitor.store import Event, Gap, Row
from monitor.times import iso
from monitor.web import chart
from monitor.web.apijson import read_evidence
from monitor.web.ports import Source

AROUND = 3
"""So many intervals before and after are shown."""
MOST = 240
"""Of a long outage the first and the last probes are listed, so many in all; the API has every one."""
TRANSCRIPTS = 12
INCIDENT_MS = 14 * 86_400_000
"""An incident of the provider's that began so long ago may still go on."""
SAID_BEFORE_MS, SAID_AFTER_MS = 3_600_000, 86_400_000
"""What a status page said is looked for from an hour before an outage to a day after its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe of the list."""

    row: Row
    kind: str
    """``up``, ``down`` or ``unknown`` under the contract."""
    within: bool
    """Whether it fell into the outage."""
    evidence: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        """Its anchor on the page."""
        return f"p-{self.row.target}-{self.row.at}"

    @property
    def transcript(self) -> list[tuple[float, str, str]]:
        """What was sent and received: ms since the start, a mark, the text."""
        return [(float(at), str(mark), str(text)) for at, mark, text in (self.evidence or {}).get("transcript", [])]

    @property
    def hosts(self) -> Mapping[str, str]:
        """What the reference hosts said at the time."""
        found = (self.evidence or {}).get("reference_hosts") or {}
        return {str(host): str(said) for host, said in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something that the provider published."""

    at: int
    """When it was seen or entered."""
    kind: str
    source: str
    text: str
    start: int | None = None
    """Of what it speaks of, where it says so."""
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageView:
    """The whole page."""

    terms: Terms
    outage: OutageRef
    probes: tuple[Probe, ...]
    left_away: int
    """Probes in the middle of a long outage that are not listed."""
    failed: int
    hosts: tuple[tuple[str, int, int], ...]
    """Reference hosts: name, how often they answered during failed probes, of how many."""
    excuses: tuple[Excuse, ...]
    reports: tuple[Event, ...]
    said: tuple[Said, ...]
    followed: bool
    """Whether any page of the provider's is followed at all."""
    gaps: tuple[Gap, ...]
    range: chart.Range
    lanes: tuple[chart.Lane, ...]
    ticks: tuple[chart.Tick, ...]
    earlier: OutageRef | None
    later: OutageRef | None
    text: str
    """The evidence as plain text, to paste into a ticket."""


def build(source: Source, contract: str, service: str, start: str) -> OutageView:
    """Everything about one outage. Blocks. Raises KeyError where there is none."""
    terms = source.contract(contract)
    try:
        at = parse_instant(start)
    except ValueError:
        raise KeyError(start) from None
    judge = source.judge
    every = judge.outages(contract, service, since=at - 40 * 86_400_000)
    ids = [one.id for one in every]
    wanted = outage_id(contract, service, at)
    if wanted not in ids:
        raise KeyError(start)
    place = ids.index(wanted)
    outage = every[place]
    targets = source.targets(contract, service)
    reach = AROUND * max((target.interval_ms for target in targets), default=60_000)
    shown = chart.Range(start=outage.start - reach, end=outage.end + reach + 1)
    rows = source.reader.rows(shown.start, shown.end, targets=[t.name for t in targets], with_evidence=True)
    counted = terms.contract.availability.counted_outcomes
    probes = [_probe(row, counted, outage) for row in rows]
    listed = probes if len(probes) <= MOST else probes[: MOST * 2 // 3] + probes[-MOST // 3 :]
    lanes = [
        chart.Lane(
            target.name,
            shown.segments(
                chart.probe_lane(
                    shown,
                    [(p.row.at, p.kind) for p in probes if p.row.target == target.name],
                    target.stale_after_ms or 2 * target.interval_ms,
                )
            ),
        )
        for target in targets
    ]
    around = {name for name, _ in outage.parts} | {source.period_at(contract, shown.end - 1)}
    states = [
        (start, end, state, "")
        for name in sorted(around)
        for start, end, state in judge.evaluate(contract, name).service(service).states
        if start < shown.end and end > shown.start
    ]
    lanes.insert(0, chart.Lane("", shown.segments(states)))
    excuses = tuple(
        excuse
        for name, _ in outage.parts
        for excuse in judge.evaluate(contract, name).service(service).excuses
        if excuse.start < outage.end and excuse.end > outage.start
    )
    stated = source.reader.events(outage.start - SAID_BEFORE_MS, outage.end + SAID_AFTER_MS)
    stated += [
        event
        for event in source.reader.events(
            outage.start - INCIDENT_MS, outage.start - SAID_BEFORE_MS, kinds=["feed_incident"]
        )
        if event.data.get("end") is None or parse_instant(str(event.data["end"])) > outage.start
    ]
    view = OutageView(
        terms=terms,
        outage=outage,
        probes=tuple(listed),
        left_away=len(probes) - len(listed),
        failed=sum(1 for p in probes if p.within and p.kind == "down"),
        hosts=_hosts(probes),
        excuses=excuses,
        reports=tuple(_about(stated, contract, ("report", "outage_report_mail"), outage)),
        said=tuple(_said(stated, contract)),
        followed=_followed(source, contract),
        gaps=tuple(source.reader.gaps(outage.start, outage.end, targets=[t.name for t in targets])),
        range=shown,
        lanes=tuple(lanes),
        ticks=tuple(shown.ticks(terms.contract.timezone)),
        earlier=every[place - 1] if place else None,
        later=every[place + 1] if place + 1 < len(every) else None,
        text="",
    )
    object.__setattr__(view, "text", evidence_text(view))
    return view


def _followed(source: Source, contract: str) -> bool:
    """Whether any page of the provider's was ever read."""
    events = source.reader.events(kinds=["feed_page", "feed_incident", "feed_failed", "maintenance"])
    return any(e.data.get("contract") == contract and e.source.startswith("feed:") for e in events)


def _probe(row: Row, counted: frozenset[str], outage: OutageRef) -> Probe:
    kind = "up" if row.outcome == "ok" else "down" if row.outcome in counted else "unknown"
    return Probe(row=row, kind=kind, within=outage.start <= row.at < outage.end, evidence=read_evidence(row.evidence))


def _hosts(probes: Sequence[Probe]) -> tuple[tuple[str, int, int], ...]:
    found: dict[str, tuple[int, int]] = {}
    for probe in probes:
        if not probe.within:
            continue
        for host, said in probe.hosts.items():
            good, every = found.get(host, (0, 0))
            found[host] = (good + (said == "answered"), every + 1)
    return tuple((host, good, every) for host, (good, every) in sorted(found.items()))


def _about(events: Sequence[Event], contract: str, kinds: Sequence[str], outage: OutageRef) -> list[Event]:
    return [
        event
        for event in events
        if event.kind in kinds
        and event.data.get("contract") in (None, contract)
        and outage.start <= event.at <= outage.end
    ]


def _said(events: Sequence[Event], contract: str) -> list[Said]:
    """What came from the provider's own pages: copies of pages that changed, and windows and incidents read there."""
    found = []
    for event in events:
        about = event.data.get("contract", contract)
        if about != contract or not (event.kind == "feed_page" or event.source.startswith("feed:")):
            continue
        words = [
            str(event.data[key])
            for key in ("name", "status", "impact", "note", "summary", "body")
            if event.data.get(key)
        ]
        start, end = (event.data.get(key) for key in ("start", "end"))
        if not words and start is None:
            words = [json.dumps(dict(event.data), ensure_ascii=False, sort_keys=True)]
        found.append(
            Said(
                at=event.entered_at,
                kind=event.kind,
                source=event.source,
                text=" · ".join(words),
                start=parse_instant(str(start)) if start else None,
                end=parse_instant(str(end)) if end else None,
            )
        )
    return sorted(found, key=lambda one: one.at)


def evidence_text(view: OutageView) -> str:
    """What is pasted into a ticket: in English and UTC, whoever reads."""
    outage = view.outage
    lines = [
        f"Outage of {outage.contract} {outage.service}",
        f"began   {iso(outage.start)}",
        f"ended   {'still going on' if outage.running else iso(outage.end)}",
        f"lasted  {_seconds(outage.end - outage.start)} s",
        f"counted {_counted(outage)} under the contract",
        f"failed probes: {view.failed}",
        "",
        "time (UTC)                target                outcome           ms  what was seen",
    ]
    for probe in view.probes:
        row = probe.row
        code = "" if row.code is None or str(row.code) in row.detail else str(row.code)
        seen = " ".join(filter(None, [code, row.detail]))
        ids = " ".join(f"{name}={value}" for name, value in row.ids.items())
        lines.append(f"{iso(row.at)}  {row.target:<20}  {row.outcome:<15} {row.duration_ms:>6}  {seen} {ids}".rstrip())
    if view.left_away:
        lines.append(f"... and {view.left_away} probes between them")
    if view.hosts:
        lines += ["", "reference hosts during the failed probes:"]
        lines += [f"{host}: answered {good} of {every} times" for host, good, every in view.hosts]
    return "\n".join(lines) + "\n"


def _counted(outage: OutageRef) -> str:
    value, unit = outage.counted
    return amount_text(unit, value) if unit == "check" else f"{_seconds(value)} s"


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def fault_of(outcome: str) -> str | None:
    """Whose fault an outcome is."""
    return OUTCOMES[outcome]
