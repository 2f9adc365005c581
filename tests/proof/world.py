"""A small monitor's ledger, sealed day by day, from which tests build bundles."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.proof import merkle
from monitor.proof.bundle import BundleInput, SealedEntry, SealedHeartbeat, Shown, build_bundle
from monitor.proof.canonical import parse_canonical
from monitor.proof.container import read_container
from monitor.proof.keyring import Keyring
from monitor.proof.ledger import (
    COMMON,
    Group,
    LogState,
    config_bytes,
    day_name,
    day_start,
    event_bytes,
    group_secret,
    heartbeat_group,
    rfc3339,
    seal_day,
    seal_heartbeat,
    seal_supplement,
    segments_in_order,
)
from monitor.proof.note import SeedSigner, sign_note
from monitor.proof.proven import Proven, read_proven
from monitor.proof.segment import DAY_MS, Gap, Row, Rows, Segment, Span, day_plan, segment_bytes
from monitor.proof.verify import Recomputed
from monitor.proving.inputs import events_of, inputs_of
from monitor.proving.recount import evaluation_of

ORIGIN = "monitor.example/slaproof"
SECRET = bytes(range(32))
SIGNER = SeedSigner(ORIGIN, b"\x01" * 32)
CONTRACT_TEXT = """name: mailer
title: Mailer service level agreement
services:
  api: {target: 99.9%}
availability: {unit: time}
"""
TERMS = {
    "name": "mailer",
    "title": "Mailer service level agreement",
    "services": {"api": {"target": "99.9%"}},
    "availability": {"unit": "time"},
}


@dataclass
class World:
    """A monitor that watches for one contract, ``mailer``, and for others that nobody is to see."""

    first_day: str = "2026-10-01"
    days: int = 3
    later: int = 0
    """So many days after them are sealed too; their observations are withheld."""
    interval_ms: int = 3_600_000
    targets: Sequence[str] = ("api",)
    locations: Sequence[str] = ("fra",)
    others: int = 1
    beat_every_ms: int = 6 * 3_600_000
    clock_events: int = 1
    seed: int = 1
    signer: SeedSigner = SIGNER
    terms: dict = field(default_factory=lambda: TERMS)
    text: str = CONTRACT_TEXT
    service_of: dict = field(default_factory=dict)
    failing: float = 0.06
    before_days: int = 2
    exclusions: Sequence[dict] = ()

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.state = LogState(ORIGIN)
        self.entries: list[SealedEntry] = []
        self.before = self.state.log
        self.before_note: str | None = None
        self.groups = ["mailer", *(f"other-{n}" for n in range(self.others))]
        self.secrets = {name: group_secret(SECRET, name) for name in [COMMON, *self.groups]}
        self.start = day_start(self.first_day)
        self.stated: dict[str, list[bytes]] = {}
        for number in range(-self.before_days, 0):
            self.seal(day_name(self.start + number * DAY_MS))
        self.before, self.before_note = self.state.log, self.entries[-1].note if self.entries else None
        self.entries = []
        self.earlier = tuple(self.stated.get("mailer", ()))
        for number in range(self.days + self.later):
            self.seal(day_name(self.start + number * DAY_MS))

    def config(self) -> bytes:
        targets = [
            {
                "name": name,
                "service": self.service_of.get(name, "api"),
                "interval_ms": self.interval_ms,
                "stale_after_ms": None,
                "locations": list(self.locations),
            }
            for name in self.targets
        ]
        config = {
            "text": self.text,
            "terms": self.terms,
            "fee": None,
            "billing_day": 1,
            "plan": None,
            "targets": targets,
        }
        return config_bytes(contract="mailer", since=day_start("2026-09-01"), config=config)

    def segment(self, day: str, target: str, location: str) -> Segment:
        phase = sum(target.encode()) * 997 % self.interval_ms
        plan = day_plan(day_start(day), [Span(0, 1 << 50, self.interval_ms, phase)])
        slots = list(range(plan[0].start, plan[-1].end, self.interval_ms))
        gone = slots[5:7] if day.endswith("2") else []
        rows: list[Row] = []
        for slot in slots:
            if slot in gone:
                continue
            at = slot + int(abs(self.random.gauss(0, 2)))
            if self.random.random() < self.failing:
                evidence = f"{self.random.getrandbits(256):064x}"
                rows.append(Row(at, 10_000, True, "timeout", None, "no answer in 10 s", evidence))
                rows.append(Row(at + 15_000, 80, False, "ok", 200))
            else:
                rows.append(Row(at, int(self.random.lognormvariate(4.7, 0.2)), True, "ok", 200))
        gaps = (Gap(gone[0], gone[-1] + self.interval_ms, len(gone), "not_running"),) if gone else ()
        return Segment(day, target, location, plan, gaps, Rows.of(rows))

    def shown(self, day: str, group: str) -> Shown:
        start = day_start(day)
        if group == COMMON:
            events = [
                event_bytes(
                    id=f"{day}-{n:04d}", at=start + n * 1000, entered_at=start + n * (DAY_MS // self.clock_events),
                    kind="clock_offset", data={"readings": 720, "offset_us": 1250},
                )
                for n in range(self.clock_events)
            ]  # fmt: skip
            return Shown(events=tuple(events))
        targets = self.targets if group == "mailer" else (f"{group}-smtp",)
        segments = tuple(self.segment(day, t, where) for t in sorted(targets) for where in sorted(self.locations))
        configs = (self.config(),) if group == "mailer" else (config_bytes(contract=group, since=0, config={}),)
        events = []
        if group == "mailer":
            for number, one in enumerate(self.exclusions):
                if day_name(one["start"]) == day:
                    events.append(
                        event_bytes(
                            id=f"{day}-x{number}", at=one["start"], entered_at=one["start"] + 1000, kind="exclusion",
                            group=group,
                            data={
                                **one, "contract": "mailer", "start": rfc3339(one["start"]), "end": rfc3339(one["end"]),
                            },
                        )
                    )  # fmt: skip
        return Shown(configs=configs, segments=segments, events=tuple(events))

    def seal(self, day: str) -> None:
        shown = {name: self.shown(day, name) for name in [COMMON, *self.groups]}
        start = day_start(day)
        beats: list[SealedHeartbeat] = []
        for at in range(start + self.beat_every_ms, start + DAY_MS, self.beat_every_ms):
            groups = [
                heartbeat_group(
                    name, self.secrets[name], horizon=at - 120_000, segments=one.segments,
                    events=[(int(e.split(b'"entered_at":')[1].split(b",")[0]), e) for e in one.events],
                )
                for name, one in shown.items()
            ]  # fmt: skip
            beat = seal_heartbeat(
                ORIGIN, day=day, at=at, horizon=at - 120_000, groups=groups, before=[one.entry for one in beats]
            )
            beats.append(SealedHeartbeat(entry=beat.entry, leaves=beat.leaves, first=beat.first))
        self._append(
            seal_day(
                self.state, day=day, groups=self._groups(shown), sealed_at=start + DAY_MS + 180_000,
                heartbeats=[one.entry for one in beats],
            ),
            shown, tuple(beats),
        )  # fmt: skip

    def supplement(self, day: str, rows: Iterable[Row], why: str = "a location was out of reach") -> None:
        segment = Segment(day, self.targets[0], self.locations[0], (), (), Rows.of(rows), supplement=True)
        shown = {COMMON: Shown(), "mailer": Shown(segments=(segment,))}
        sealed_at = day_start(self.state.day or day) + DAY_MS + 3_600_000
        self._append(
            seal_supplement(self.state, day=day, why=why, groups=self._groups(shown), sealed_at=sealed_at), shown, None
        )

    def _groups(self, shown: dict[str, Shown]) -> list[Group]:
        return [
            Group(
                name=name, secret=self.secrets[name], configs=one.configs,
                segments=tuple(segment_bytes(s) for s in one.segments) if any(s.supplement for s in one.segments)
                else segments_in_order(one.segments),
                events=one.events,
            )
            for name, one in shown.items()
        ]  # fmt: skip

    def _append(self, sealed, shown, beats) -> None:
        self.state = sealed.state
        for name in self.groups:
            self.stated.setdefault(name, []).extend(shown[name].events if name in shown else ())
        mine = {name: one for name, one in shown.items() if name in (COMMON, "mailer")}
        note = sign_note(sealed.checkpoint.text(), self.signer)
        self.entries.append(
            SealedEntry(entry=sealed.entry, note=note, leaves=sealed.leaves, shown=mine, heartbeats=beats)
        )

    def given(self, **changes) -> BundleInput:
        last = day_name(self.start + (self.days - 1) * DAY_MS)
        period = {
            "name": "2026-10", "start": rfc3339(self.start), "end": rfc3339(day_start(last) + DAY_MS),
            "to": rfc3339(day_start(last) + DAY_MS), "complete": True,
        }  # fmt: skip
        values: dict = dict(  # noqa: C408
            origin=ORIGIN, contract="mailer", period=period, days=(self.first_day, last),
            made_at=day_start(last) + 3 * DAY_MS, secrets=self.secrets, config=self.config(), before=self.before,
            before_note=self.before_note, earlier=self.earlier, entries=tuple(self.entries), evaluation={}, inputs={},
            statement=None,
            keys=Keyring.of([self.signer.key], (), ORIGIN),
        )  # fmt: skip
        values |= changes
        if not values["evaluation"]:
            seen = [e for e in values["entries"] if parse_canonical(e.entry)["day"] <= values["days"][1]]
            rows = [s.rows for e in seen for g in e.shown.values() for s in g.segments]
            values["evaluation"] = {"contract": "mailer", "period": values["period"], **totals(rows)}
        return BundleInput(**values)

    def real_bundle(self, **changes) -> bytes:
        """A bundle with the real evaluation of October, up to the last day here."""
        return build_bundle(self.real_input(**changes), self.signer)

    def real_input(self, **changes) -> BundleInput:
        """What it is built from."""
        end = day_start("2026-11-01")
        to = min(end, self.start + self.days * DAY_MS)
        period = {
            "name": "2026-10", "start": rfc3339(day_start("2026-10-01")), "end": rfc3339(end), "to": rfc3339(to),
            "complete": to == end,
        }  # fmt: skip
        words = {"period": period, "now": to, **changes}
        draft = self.bundle(**words, evaluation={"services": []})
        proven = read_proven(read_container(draft))
        stated = [e for one in self.entries for e in one.shown["mailer"].events if "mailer" in one.shown]
        words["inputs"] = inputs_of(events_of([*self.earlier, *stated]), "mailer")
        proven = replace(proven, inputs=words["inputs"])
        return self.given(**words, evaluation=evaluation_of(proven).answer())

    def bundle(self, **changes) -> bytes:
        return build_bundle(self.given(**changes), self.signer)


def totals(parts: Iterable[Rows]) -> dict:
    """A stand-in for the arithmetic: it depends on every observation."""
    found: dict[str, int] = {}
    for rows in parts:
        for row in rows.rows():
            found[row.outcome] = found.get(row.outcome, 0) + 1
            found["ms"] = found.get("ms", 0) + row.duration_ms + row.at % 1000
    return {"services": [{"service": "api", "totals": dict(sorted(found.items()))}]}


def recompute(proven: Proven) -> Recomputed:
    """The stand-in as ``verify`` calls it."""
    answer = {"contract": proven.contract, "period": proven.about["period"]}
    return Recomputed({**answer, **totals(rows for _, rows in proven.observations())}, proven.inputs)


__all__ = ["CONTRACT_TEXT", "ORIGIN", "SIGNER", "World", "merkle", "recompute", "totals"]
