"""A month and more of what four providers did, in a real store: for pages to be looked at and calls to be tested.

Everything is made from the list of mishaps below; nothing is drawn at random that a second run would draw differently.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from monitor.judgement.events import make
from monitor.probing.rows import pack
from monitor.sla.contract import (
    Availability,
    Blocks,
    Calendar,
    Claim,
    Contract,
    Credit,
    MaintenanceTerms,
    Rule,
    Service,
    Terms,
    Tier,
    Window,
)
from monitor.sla.values import TargetSpec
from monitor.store import Event, Gap, Row, open_store
from monitor.store._insert import Inserter
from monitor.store.sqlite import SqliteStore, _connect_writing
from monitor.times import parse
from monitor.web.ports import Health, Proof, Seal
from tests.fakes import FakeClock

NOW = parse("2026-10-27T12:34:56Z")
FIRST = parse("2026-09-14T09:00:00Z")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A contract as the configuration keeps it."""

    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the pages read of a target."""

    name: str
    kind: str
    contract: str | None
    service: str | None
    interval_ms: int = 5 * MINUTE
    timeout_ms: int = 10_000
    stale_after_ms: int | None = None

    @property
    def spec(self) -> TargetSpec:
        """What the arithmetic reads of it."""
        return TargetSpec(name=self.name, service=self.service or self.name, interval_ms=self.interval_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The part of a configuration that the pages read."""

    contracts: Mapping[str, Entry]
    targets: Sequence[Target]
    location: str = "main"
    hash: str = "0" * 64


def _services(*names: str, target: str | None) -> tuple[Service, ...]:
    ratio = None if target is None else Fraction(target.removesuffix("%")) / 100
    return tuple(Service(name=name, target=ratio, target_text=target) for name in names)


def terms() -> dict[str, Entry]:
    """Four contracts of four kinds."""
    office = Calendar(name="office", windows=(Window(days=(0, 1, 2, 3, 4), start_ms=9 * HOUR, end_ms=17 * HOUR),))
    found = [
        Terms(
            name="mailpro",
            contract=Contract(
                name="mailpro",
                title="Mailpro service level agreement",
                timezone="+01:00",
                services=_services("website", "online_apps", "api", "smtp", "sms_gateway", target="99%"),
                availability=Availability(unit="check"),
                maintenance=MaintenanceTerms(scheduled="excluded", emergency="excluded"),
                rules=(
                    Rule(
                        name="level1",
                        severity="level1",
                        milestone="responded",
                        clock="office",
                        within_ms=4 * HOUR,
                        within_text="4h",
                    ),
                ),
                calendars=(office,),
            ),
        ),
        Terms(
            name="mailgun",
            fee=Decimal(90),
            currency="USD",
            billing_day=15,
            contract=Contract(
                name="mailgun",
                title="Mailgun service level agreement",
                period="billing_month",
                language="de",
                services=_services("api", "smtp", target="99.99%"),
                availability=Availability(
                    denominator="elapsed_minus_excluded", denominator_text="elapsed_minus_excluded", confirm=2
                ),
                maintenance=MaintenanceTerms(scheduled="excluded", emergency="excluded"),
                exclusions=("customer_error", "ddos"),
                credit=Credit(
                    blocks=Blocks(each_ms=30 * MINUTE, credit=Decimal(5), after=Fraction(1, 10_000), after_text="0.01%")
                ),
                claim=Claim(kind="after_outage", after_ms=30 * DAY),
            ),
        ),
        Terms(
            name="clicksend",
            fee=Decimal(200),
            currency="USD",
            contract=Contract(
                name="clicksend",
                title="ClickSend service level agreement",
                services=_services("sms_gateway", target="100%"),
                availability=Availability(
                    unit="minute",
                    denominator="fixed",
                    fixed_ms=30 * DAY,
                    denominator_text="30d",
                    confirm=2,
                    counts_from="report",
                ),
                maintenance=MaintenanceTerms(scheduled="excluded", notice_ms=7 * DAY),
                exclusions=("customer_error",),
                credit=Credit(
                    tiers=(
                        Tier(below=Fraction(1), below_text="100%", credit=Decimal(5)),
                        Tier(below=Fraction(99, 100), below_text="99%", credit=Decimal(10)),
                    ),
                    cap_amount=Decimal(125),
                    cap_currency="USD",
                ),
                claim=Claim(kind="next_calendar_month"),
                calendars=(office,),
                rules=(
                    Rule(
                        name="important",
                        severity="important",
                        milestone="acted",
                        clock="always",
                        within_ms=30 * MINUTE,
                        within_text="30m",
                    ),
                    Rule(
                        name="important",
                        severity="important",
                        milestone="responded",
                        clock="always",
                        within_ms=2 * HOUR,
                        within_text="2h",
                    ),
                    Rule(
                        name="normal",
                        severity="normal",
                        milestone="responded",
                        clock="office",
                        within_ms=8 * HOUR,
                        within_text="8h",
                    ),
                ),
            ),
        ),
        Terms(
            name="sparkpost",
            contract=Contract(
                name="sparkpost",
                title="SparkPost service level agreement",
                services=_services("api", target=None),
                availability=Availability(unit="second", counted_outcomes=frozenset({"timeout", "server_error"})),
            ),
        ),
    ]
    return {one.name: Entry(one) for one in found}


TARGETS = (
    Target(name="mailpro-website", kind="page", contract="mailpro", service="website", interval_ms=10 * MINUTE),
    Target(name="mailpro-apps", kind="page", contract="mailpro", service="online_apps", interval_ms=10 * MINUTE),
    Target(name="mailpro-api", kind="http", contract="mailpro", service="api", interval_ms=10 * MINUTE),
    Target(name="mailpro-smtp", kind="smtp", contract="mailpro", service="smtp", interval_ms=10 * MINUTE),
    Target(name="mailpro-sms", kind="smpp", contract="mailpro", service="sms_gateway", interval_ms=10 * MINUTE),
    Target(name="mailgun-api", kind="http", contract="mailgun", service="api"),
    Target(name="mailgun-smtp", kind="smtp", contract="mailgun", service="smtp"),
    Target(name="clicksend-sms", kind="sms", contract="clicksend", service="sms_gateway"),
    Target(name="sparkpost-api", kind="http", contract="sparkpost", service="api", interval_ms=10 * MINUTE),
    Target(name="office-site", kind="page", contract=None, service=None, interval_ms=15 * MINUTE),
)


@dataclass(frozen=True, slots=True)
class Mishap:
    """What went wrong, where, and how it looked."""

    targets: tuple[str, ...]
    start: str
    end: str
    outcome: str
    detail: str
    code: int | None = None


EVERY = tuple(target.name for target in TARGETS)
MISHAPS = (
    Mishap(
        ("mailgun-api",),
        "2026-10-22T03:14:07Z",
        "2026-10-22T04:19:30Z",
        "server_error",
        "HTTP 503 Service Unavailable",
        503,
    ),
    Mishap(
        ("mailgun-smtp",), "2026-10-19T17:40:00Z", "2026-10-19T17:42:10Z", "timeout", "no answer to EHLO within 10 s"
    ),
    Mishap(
        ("mailgun-api",), "2026-09-30T11:02:00Z", "2026-09-30T11:41:00Z", "connect_timeout", "no connection within 10 s"
    ),
    Mishap(
        ("mailpro-api",),
        "2026-10-27T12:21:40Z",
        "2026-10-27T23:00:00Z",
        "wrong_answer",
        "the body has no $.state = ok",
        200,
    ),
    Mishap(
        ("mailpro-website",),
        "2026-10-12T02:10:00Z",
        "2026-10-12T03:25:00Z",
        "server_error",
        "HTTP 502 Bad Gateway",
        502,
    ),
    Mishap(("mailpro-sms",), "2026-10-05T08:00:00Z", "2026-10-05T08:47:00Z", "refused", "connection refused"),
    Mishap(
        ("mailpro-sms",),
        "2026-09-17T21:00:00Z",
        "2026-09-18T00:30:00Z",
        "reset",
        "the connection was reset during bind",
    ),
    Mishap(("clicksend-sms",), "2026-10-14T14:03:00Z", "2026-10-14T14:21:30Z", "protocol", "the answer is not HTTP"),
    Mishap(("clicksend-sms",), "2026-10-21T01:05:00Z", "2026-10-21T02:50:00Z", "refused", "connection refused"),
    Mishap(
        ("sparkpost-api",),
        "2026-10-03T16:20:00Z",
        "2026-10-03T16:24:00Z",
        "server_error",
        "HTTP 500 Internal Server Error",
        500,
    ),
    Mishap(
        EVERY,
        "2026-10-09T13:00:00Z",
        "2026-10-09T13:22:00Z",
        "offline",
        "none of the 2 reference hosts answered at that time",
    ),
    Mishap(
        ("office-site",),
        "2026-10-20T10:00:00Z",
        "2026-10-20T10:05:00Z",
        "tls",
        "the certificate is not valid for this name",
    ),
)
HOLES = (
    ("2026-10-18T22:04:00Z", "2026-10-19T04:44:00Z", "not_running", "the monitor was stopped"),
    ("2026-09-24T00:00:00Z", "2026-09-25T06:00:00Z", "suspended", "the machine was suspended"),
    ("2026-10-25T02:00:00Z", "2026-10-25T02:06:00Z", "loop_stalled", "the loop stood still for 6 min"),
)
STATED = (
    (
        "2026-10-08T09:05:00Z",
        "feed:mailpro",
        "maintenance",
        {
            "contract": "mailpro",
            "start": "2026-10-12T02:00:00Z",
            "end": "2026-10-12T04:00:00Z",
            "announced": "2026-10-08T09:00:00Z",
            "kind": "scheduled",
            "services": ["website"],
            "note": "Database upgrade",
        },
    ),
    (
        "2026-10-14T02:05:00Z",
        "feed:clicksend",
        "maintenance",
        {
            "contract": "clicksend",
            "start": "2026-10-21T01:00:00Z",
            "end": "2026-10-21T03:00:00Z",
            "announced": "2026-10-14T02:00:00Z",
            "kind": "scheduled",
            "services": ["sms_gateway"],
            "note": "Carrier migration",
        },
    ),
    (
        "2026-10-14T14:09:31Z",
        "cli",
        "report",
        {"contract": "clicksend", "at": "2026-10-14T14:09:30Z", "services": ["sms_gateway"]},
    ),
    (
        "2026-10-14T14:10:30Z",
        "cli",
        "ticket",
        {
            "contract": "clicksend",
            "id": "CS-4471",
            "opened": "2026-10-14T14:10:00Z",
            "severity": "important",
            "channel": "mail",
        },
    ),
    (
        "2026-10-14T14:31:10Z",
        "cli",
        "ticket_reached",
        {"contract": "clicksend", "id": "CS-4471", "milestone": "acted", "at": "2026-10-14T14:31:00Z"},
    ),
    (
        "2026-10-14T17:12:00Z",
        "cli",
        "ticket_reached",
        {"contract": "clicksend", "id": "CS-4471", "milestone": "responded", "at": "2026-10-14T17:10:00Z"},
    ),
    (
        "2026-10-20T08:00:00Z",
        "cli",
        "exclusion",
        {
            "contract": "mailgun",
            "start": "2026-10-19T17:41:00Z",
            "end": "2026-10-19T17:45:00Z",
            "reason": "customer_error",
            "services": ["smtp"],
            "note": "Our firewall was changed",
        },
    ),
    (
        "2026-10-27T11:41:00Z",
        "cli",
        "ticket",
        {
            "contract": "clicksend",
            "id": "CS-4502",
            "opened": "2026-10-27T11:40:00Z",
            "severity": "normal",
            "channel": "mail",
        },
    ),
)
"""What people entered: when, how, the kind, and what."""


PHASES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "http": (
        ("resolve", 3.1),
        ("connect", 11.4),
        ("tls", 24.0),
        ("request", 0.4),
        ("first_byte", 61.0),
        ("transfer", 4.2),
    ),
    "page": (
        ("resolve", 2.7),
        ("connect", 9.1),
        ("tls", 20.5),
        ("request", 0.3),
        ("first_byte", 118.0),
        ("transfer", 33.0),
    ),
    "smtp": (("resolve", 2.2), ("connect", 12.0), ("banner", 31.0), ("tls", 26.0), ("auth", 44.0), ("envelope", 52.0)),
    "smpp": (("resolve", 1.9), ("connect", 13.2), ("bind", 38.0), ("enquire", 12.0), ("unbind", 11.0)),
    "sms": (
        ("resolve", 3.0),
        ("connect", 14.0),
        ("tls", 27.0),
        ("request", 0.5),
        ("first_byte", 88.0),
        ("transfer", 2.0),
    ),
}


def _rows(target: Target, first: int, now: int, holes: Sequence[tuple[int, int]], luck: random.Random) -> list[Row]:
    mine = [(parse(m.start), parse(m.end), m) for m in MISHAPS if target.name in m.targets]
    rows: list[Row] = []
    at = first + luck.randrange(target.interval_ms)
    base = PHASES[target.kind]
    ends = parse("2026-11-08T10:00:00Z") if target.name == "mailgun-smtp" else parse("2027-02-11T00:00:00Z")
    facts = {
        "peer": "192.0.2.17:443",
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_256_GCM_SHA384",
        "cert_not_after": ends // 1000,
        "cert_subject": f"CN={target.name}.example",
        "cert_issuer": "CN=Example Trust Services R3",
    }
    slot = at
    while at < now:
        if any(a <= at < b for a, b in holes):
            at = slot = slot + target.interval_ms
            continue
        scheduled = at == slot
        if scheduled:
            slot += target.interval_ms
        wrong = next((m for a, b, m in mine if a <= at < b), None)
        hour = at // HOUR % 24
        slow = 1.0 + (0.5 if 8 <= hour < 18 else 0.0) + luck.random() * 0.35 + (2.5 if luck.random() < 0.004 else 0.0)
        phases = {name: round(ms * slow, 2) for name, ms in base}
        if wrong is None:
            rows.append(
                Row(
                    at=at,
                    target=target.name,
                    location="main",
                    scheduled=scheduled,
                    outcome="ok",
                    duration_ms=int(sum(phases.values())),
                    code=200 if target.kind in ("http", "page", "sms") else 250,
                    phases=phases,
                    facts=facts,
                )
            )
            at = slot
            continue
        short = dict(list(phases.items())[: 2 if wrong.outcome in ("refused", "connect_timeout") else 5])
        duration = 10_000 if "timeout" in wrong.outcome else int(sum(short.values()))
        rows.append(
            Row(
                at=at,
                target=target.name,
                location="main",
                scheduled=scheduled,
                outcome=wrong.outcome,
                duration_ms=duration,
                code=wrong.code,
                detail=wrong.detail,
                phases=short,
                facts={"peer": facts["peer"]},
                ids={"x-request-id": f"req-{at % 1_000_003:06d}"},
                evidence=pack(_evidence(target, wrong, short, duration)),
            )
        )
        at = min(slot, at + 15_000) if wrong.outcome != "offline" else slot
    return rows


def _evidence(target: Target, wrong: Mishap, phases: Mapping[str, float], duration: int) -> dict[str, Any]:
    reached = sum(phases.values())
    return {
        "outcome": wrong.outcome,
        "detail": wrong.detail,
        "advice": "",
        "duration_ms": duration,
        "code": wrong.code,
        "peer": "192.0.2.17:443",
        "phases": [[name, 0.0, ms] for name, ms in phases.items()],
        "facts": {},
        "ids": {},
        "probe_id": "",
        "evidence": {"body": '{"message":"upstream is not available"}'} if wrong.code else {},
        "transcript": [
            [0.0, "*", f"resolving {target.name}.example"],
            [3.0, "*", "192.0.2.17"],
            [14.5, "*", "connected to 192.0.2.17:443"],
            [38.9, ">", "GET /v3/domains HTTP/1.1"],
            [38.9, ">", f"Host: {target.name}.example"],
            [38.9, ">", "Authorization: [hidden]"],
            [
                round(reached, 1),
                "<",
                f"HTTP/1.1 {wrong.code} Service Unavailable" if wrong.code else f"* {wrong.detail}",
            ],
            [round(reached, 1), "<", "retry-after: 120"],
            [round(reached, 1), "<", '{"message":"upstream is not available"}'],
        ],
        "reference_hosts": {
            "198.51.100.1:53": "answered" if wrong.outcome != "offline" else "no answer within 2 s",
            "192.0.2.1:443": "answered" if wrong.outcome != "offline" else "no answer within 2 s",
        },
    }


def fill(path: Path, *, now: int = NOW, first: int = FIRST, targets: Sequence[Target] = TARGETS) -> SqliteStore:
    """A store with everything in it, opened."""
    clock = FakeClock(now)
    store: SqliteStore = open_store(path, "main", clock)
    holes = [(parse(a), parse(b), why, text) for a, b, why, text in HOLES]
    rows: list[Row] = []
    gaps: list[Gap] = []
    for number, target in enumerate(targets):
        rows += _rows(target, first, now, [(a, b) for a, b, *_ in holes], random.Random(number))
        gaps += [
            Gap(
                target=target.name,
                location="main",
                start=a,
                end=b,
                slots=(b - a) // target.interval_ms,
                reason=why,
                detail=text,
            )
            for a, b, why, text in holes
            if a >= first and b <= now
        ]
    _bulk(store, rows, gaps)
    return store


def _bulk(store: SqliteStore, rows: Sequence[Row], gaps: Sequence[Gap]) -> None:
    """Straight into the tables, as the writer does it, without a future for each row."""
    inserter = Inserter(_connect_writing(store.path), FakeClock(NOW))
    try:
        inserter.begin()
        assert not any(inserter.rows(rows))
        inserter.commit()
    finally:
        inserter.close()

    async def put() -> None:
        await asyncio.gather(*[store.writer.put_gap(gap) for gap in gaps])
        for event in told():
            await store.writer.put_event(event)

    asyncio.run(put())


def told() -> list[Event]:
    """What people and the monitor stated, as the store keeps it, in the order of entry."""
    found = [replace(make(kind, data, source=source), entered_at=parse(at)) for at, source, kind, data in STATED]
    found += [
        Event(kind=kind, at=parse(at), entered_at=parse(at), data=data)
        for at, kind, data in (
            ("2026-10-09T13:00:10Z", "offline", {}),
            ("2026-10-09T13:22:01Z", "online", {}),
            ("2026-10-19T04:44:00Z", "start", {"version": "0.1.0"}),
            ("2026-10-27T12:00:00Z", "clock_offset", {"offset_us": 1_800}),
        )
    ]
    incident = {
        "contract": "mailgun",
        "feed": "mailgun",
        "incident": "i1",
        "name": "Elevated API errors",
        "status": "investigating",
        "impact": "major",
        "start": "2026-10-22T03:41:00.000Z",
        "body": "We are looking into elevated error rates.",
    }
    found.append(
        Event(
            kind="feed_incident",
            at=parse("2026-10-22T03:41:00Z"),
            entered_at=parse("2026-10-22T03:43:20Z"),
            data=incident,
            source="feed:mailgun",
        )
    )
    return sorted(found, key=lambda event: event.entered_at)


HEALTH = Health(
    started_at=NOW - 8 * DAY,
    queued=0,
    last_commit_at=NOW - 1_500,
    dropped=0,
    lateness_p50_ms=1.2,
    lateness_p99_ms=14.0,
    running=1,
    clock_synchronised=True,
    online=True,
    reload_ok=True,
)
SEAL = Seal(at=NOW - 12 * HOUR, day="2026-10-26", size=412, note="slaproof.example/main\n412\n")


class Made:
    """Statements in a folder."""

    def __init__(self, proofs: list[Proof]) -> None:
        self._proofs = proofs

    def all(self) -> list[Proof]:
        """As the store gives them."""
        return self._proofs


def made_proofs(folder: Path) -> Made:
    """Statements of September, one of them amended."""
    found = []
    for contract, revision in (("clicksend", 1), ("mailgun", 2), ("mailgun", 1)):
        path = folder / f"{contract}-{revision}.pdf"
        path.write_bytes(b"%PDF-1.7 " + contract.encode())
        note = "A maintenance window was corrected" if revision == 2 else ""
        body = path.read_bytes()
        found.append(
            Proof(
                contract=contract,
                period="2026-09",
                revision=revision,
                made_at=NOW - 20 * DAY + revision * HOUR,
                sha256=hashlib.sha256(body).hexdigest(),
                size=183_402 + revision,
                language="en",
                path=path,
                note=note,
            )
        )
    return Made(found)
