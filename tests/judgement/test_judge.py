"""The one judgement: from the store, from memory, and both alike."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.judgement.events import correction, make
from monitor.judgement.judge import LONE, Judge, NotKept
from monitor.judgement.standing import burn_rates, outage_id, parse_outage_id
from monitor.sla.contract import Terms
from monitor.sla.evaluate import evaluate
from monitor.sla.instants import parse_instant
from monitor.sla.period import PeriodError
from monitor.sla.reading import read_contract
from monitor.sla.values import TargetSpec
from monitor.store import Row
from monitor.store.ledger import LedgerEntry, SegmentRef
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock

T0 = parse_instant("2026-10-01T00:00:00Z")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

CONTRACT = {
    "name": "mailpost", "timezone": "UTC", "services": {"api": {"target": "99.9%"}, "smtp": {"target": "100%"}},
    "maintenance": {"scheduled": "excluded"}, "credit": {"tiers": [{"below": "99.9%", "credit": "5%"}]},
    "claim": {"after_outage": "30d"},
}  # fmt: skip


@dataclass
class Watched:
    name: str
    contract: str | None = "mailpost"
    service: str | None = "api"
    interval_ms: int = MINUTE

    @property
    def spec(self) -> TargetSpec:
        return TargetSpec(name=self.name, service=self.service or self.name, interval_ms=self.interval_ms)


def config(contract=CONTRACT, targets=None):
    terms = Terms(name="mailpost", contract=read_contract(contract))
    targets = targets or [Watched("web-api"), Watched("relay", service="smtp"), Watched("lone", None, None)]
    return SimpleNamespace(contracts={"mailpost": SimpleNamespace(terms=terms)}, targets=targets)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(T0)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock):
    with SqliteStore.open(tmp_path / "s.db", "main", clock, gather_s=0.002) as opened:
        yield opened


def row(at: int, outcome: str = "ok", target: str = "web-api", scheduled: bool = True) -> Row:
    return Row(at=at, target=target, location="main", scheduled=scheduled, outcome=outcome, duration_ms=5, detail="d")


async def put(store: SqliteStore, *rows: Row) -> None:
    await asyncio.gather(*[store.writer.put_row(one) for one in rows])


def minutes(start: int, count: int, outcome: str = "ok", target: str = "web-api") -> list[Row]:
    return [row(start + n * MINUTE, outcome, target) for n in range(count)]


async def test_live_and_stored_judgements_are_the_same(store, clock):
    """What is fed commit by commit, what is read after a restart and what files give are the same numbers."""
    settled = config()
    live = Judge(store.reader, settled, clock, live=True)
    store.writer.on_commit(live.fed)
    assert live.current() is None
    live.load()
    dice = random.Random(4)
    rows = []
    for n in range(400):
        bad = 100 <= n < 130 or dice.random() < 0.02
        batch = [row(T0 + n * MINUTE, "timeout" if bad else "ok"), row(T0 + n * MINUTE + 5, target="relay")]
        if n % 7 == 0:
            batch.pop()
        clock.set_ms(batch[-1].at + 30)
        await put(store, *batch)
        rows += batch
        if n % 40 == 0:
            live.current()
    clock.set_ms(T0 + 400 * MINUTE)
    observations = store.reader.observations(0, 1 << 60)
    specs = [target.spec for target in settled.targets[:2]]
    terms = settled.contracts["mailpost"].terms
    expected = evaluate(
        terms, specs, observations, live.stated("mailpost").events, period="2026-10", now=clock.now_ms()
    )
    again = Judge(store.reader, settled, clock, live=True)
    again.load()
    from_store = Judge(store.reader, settled, clock)
    answers = [judge.evaluate("mailpost", "current").answer() for judge in (live, again, from_store)]
    assert answers == [expected.answer()] * 3
    assert live.current() == again.current() == from_store.current()
    assert expected.services[0].counted > 0


CONTRACTS = [
    CONTRACT,
    {**CONTRACT, "availability": {"confirm": "3"}},
    {"name": "other", "timezone": "Europe/Zurich", "services": {"api": {"target": "99%", "down_when": "all"},
     "smtp": {"target": "99.99%", "down_when": "any"}}, "availability": {"unit": "check"},
     "credit": {"tiers": [{"below": "99%", "credit": "10%"}]}, "claim": {"after_outage": "5d"}},
    {"name": "other", "services": {"api": {"target": "99.9%", "down_when": "any"},
     "smtp": {"target": "99.9%", "down_when": "all"}}, "availability": {"unit": "second"}},
]  # fmt: skip


def _drawn(dice: random.Random):
    """A configuration: two contracts in one of their forms, targets of either or of none, coming and going."""
    terms = {
        "mailpost": Terms(name="mailpost", contract=read_contract(dice.choice(CONTRACTS[:2]))),
        "other": Terms(
            name="other", contract=read_contract(dice.choice(CONTRACTS[2:])), billing_day=dice.choice([1, 15])
        ),
    }
    if dice.random() < 0.1:
        del terms["other"]
    taken = set()
    targets = []
    for name in ("a", "b", "c", "d"):
        contract = dice.choice(["mailpost", "other", None, "gone"])
        if contract == "gone":
            continue
        service = dice.choice(["api", "smtp"]) if contract in terms else None
        if contract == "mailpost" and service in taken:
            service = None
        if service is None:
            contract = None
        elif contract == "mailpost":
            taken.add(service)
        targets.append(Watched(name, contract, service, dice.choice([10_000, MINUTE])))
    return SimpleNamespace(contracts={name: SimpleNamespace(terms=one) for name, one in terms.items()}, targets=targets)


def _asked(judge: Judge, settled) -> list[object]:
    """Everything that a judge says."""
    said: list[object] = [judge.current()]
    for name in [*settled.contracts, LONE]:
        for period in ("current", "previous"):
            try:
                said.append(judge.evaluate(name, period))
            except PeriodError as error:
                said.append(str(error))
    return said


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_a_daemons_judgement_is_that_of_the_store(store, clock, seed):
    """Rows in order, late and beside the schedule, corrections, a month's end, restarts, and reloads that move targets,
    change intervals and contracts: what was followed in memory is what is read from the store."""
    dice = random.Random(seed)
    now = T0 + 30 * DAY + 20 * HOUR  # the month ends under way, in Zurich an hour before that in UTC
    clock.set_ms(now)
    settled = _drawn(dice)
    live = Judge(store.reader, settled, clock, live=True)
    fed = [live]
    store.writer.on_commit(lambda *those: fed[-1].fed(*those))
    live.load()
    used: set[tuple[str, int]] = set()
    bad = dict.fromkeys("abcd", False)
    for _ in range(30):
        what = dice.random()
        if what < 0.08:
            settled = _drawn(dice)
            live.reconfigure(settled)
            if dice.random() < 0.5:
                _asked(live, settled)
            live.load()
        elif what < 0.13:
            fed.append(live := Judge(store.reader, settled, clock, live=True))
            live.load()
        elif what < 0.25:
            start = now - dice.randrange(2 * HOUR)
            data = {
                "contract": dice.choice(["mailpost", "other"]),
                "start": start,
                "end": start + dice.randrange(1, HOUR),
            }
            more = {"announced": start - 3 * DAY} if dice.random() < 0.5 else {"reason": "customer_error"}
            kind = "maintenance" if "announced" in more else "exclusion"
            kept = await store.writer.put_event(make(kind, data | more, source="cli"))
            if dice.random() < 0.4:
                await store.writer.put_event(correction(kept, source="cli", why="it was wrong"))
        rows = []
        for _ in range(dice.randrange(12)):
            now += dice.choice([500, 5_000, 10_000, MINUTE, MINUTE, 20 * MINUTE])
            for name in "abcd":
                at = now + dice.randrange(900) - (dice.randrange(5 * MINUTE) if dice.random() < 0.05 else 0)
                if (name, at) in used or dice.random() < 0.2:
                    continue
                used.add((name, at))
                bad[name] ^= dice.random() < 0.15
                outcome = dice.choice(["timeout", "refused", "offline"]) if bad[name] else "ok"
                rows.append(row(at, outcome, name, dice.random() < 0.8))
        clock.set_ms(now := now + 1_000)
        await put(store, *rows)
        assert _asked(live, settled) == _asked(Judge(store.reader, settled, clock), settled)


async def test_what_stands_now(store, clock):
    """State and since when, the running outage, the budget of the whole month and how fast it burns."""
    judge = Judge(store.reader, config(), clock, live=True)
    store.writer.on_commit(judge.fed)
    judge.load()
    await put(store, *minutes(T0, 60), *minutes(T0 + HOUR, 10, "server_error"))
    clock.set_ms(T0 + HOUR + 10 * MINUTE)
    now = judge.current()
    api = now.service("mailpost", "api")
    assert (api.state, api.since) == ("down", T0 + HOUR)
    assert api.outage.id == "mailpost/api/2026-10-01T01:00:00.000Z"
    assert api.outage.running
    assert (api.outage.counted_ms, api.outage.outcome) == (10 * MINUTE, "server_error")
    assert api.budget.allowed == 31 * DAY // 1000
    assert api.budget.left == Fraction(31 * DAY, 1000) - 10 * MINUTE
    assert api.burn["5m"] == 1000
    assert api.burn["1h"] == Fraction(10, 60) * 1000
    assert api.previous is None
    smtp = now.service("mailpost", "smtp")
    assert (smtp.state, smtp.outage, smtp.burn["1h"], smtp.current.verdict) == ("unknown", None, None, "unproven")
    await put(store, row(T0 + HOUR + 10 * MINUTE + 1000))
    clock.set_ms(T0 + HOUR + 11 * MINUTE)
    api = judge.current().service("mailpost", "api")
    assert (api.state, api.since, api.outage) == ("up", T0 + HOUR + 10 * MINUTE + 1000, None)
    (target,) = [one for one in judge.current().targets if one.target == "web-api"]
    assert (target.state, target.outcome, target.since) == ("up", "ok", None)
    clock.step(3600)
    (target,) = [one for one in judge.current().targets if one.target == "web-api"]
    assert target.state == "unknown"


async def test_an_outage_keeps_its_name_across_the_months_end(store, clock):
    """An outage that crosses the end of a period is one outage with two parts, and is found by its name."""
    end = T0 + 31 * DAY
    await put(
        store, *minutes(end - HOUR, 50), *minutes(end - 10 * MINUTE, 20, "refused"), *minutes(end + 10 * MINUTE, 5),
    )  # fmt: skip
    clock.set_ms(end + 15 * MINUTE)
    judge = Judge(store.reader, config(), clock, live=True)
    judge.load()
    (ref,) = judge.outages("mailpost")
    assert (ref.start, ref.end, ref.running) == (end - 10 * MINUTE, end + 10 * MINUTE, False)
    assert [(name, part.counted_ms) for name, part in ref.parts] == [("2026-10", 600_000), ("2026-11", 600_000)]
    assert judge.outage(ref.id) == ref
    assert judge.outage(outage_id("mailpost", "api", 5)) is None
    assert judge.outage(outage_id("other", "api", 5)) is None
    assert parse_outage_id(ref.id) == ("mailpost", "api", ref.start)
    with pytest.raises(ValueError, match="names no outage"):
        judge.outage("nonsense")
    service = judge.current().service("mailpost", "api")
    assert service.previous.counted == service.current.counted == 600_000
    assert service.since == end + 10 * MINUTE


async def test_the_state_holds_from_the_previous_period(store, clock):
    """A service that was up before midnight of the first has been up since then, not since midnight."""
    end = T0 + 31 * DAY
    await put(store, *minutes(end - HOUR, 65))
    clock.set_ms(end + 5 * MINUTE)
    assert Judge(store.reader, config(), clock).current().service("mailpost", "api").since == end - HOUR


async def test_a_finished_period_is_judged_once_until_something_is_added(store, clock):
    """The judgement of a month that is over is kept; an event or a late row changes it, other rows do not."""
    await put(store, *minutes(T0 + DAY, 10), *minutes(T0 + DAY + 10 * MINUTE, 10, "timeout"))
    clock.set_ms(T0 + 40 * DAY)
    judge = Judge(store.reader, config(), clock)
    first = judge.evaluate("mailpost", "2026-10")
    assert judge.evaluate("mailpost", "2026-10") is first
    await put(store, row(T0 + 39 * DAY))
    assert judge.evaluate("mailpost", "2026-10") is first
    window = {"contract": "mailpost", "start": T0 + DAY, "end": T0 + 2 * DAY}
    await store.writer.put_event(make("maintenance", window, source="cli"))
    second = judge.evaluate("mailpost", "2026-10")
    assert (first.services[0].counted, second.services[0].counted) == (11 * MINUTE, 0)
    assert second.services[0].excluded_ms == 11 * MINUTE
    await put(store, row(T0 + DAY + 15 * MINUTE + 1, scheduled=False))
    assert judge.evaluate("mailpost", "2026-10").services[0].excluded_ms == 11 * MINUTE - MINUTE + 1


async def test_a_run_of_failures_is_followed_beyond_the_usual_reach(store, clock):
    """An outage of more than a week before the period is known with its real beginning."""
    start = T0 - 12 * DAY
    await put(store, row(start - 5 * MINUTE), *[row(start + n * 100_000, "timeout") for n in range(12 * 864 + 5)])
    clock.set_ms(T0 + 450_000)
    judge = Judge(store.reader, config(), clock, live=True)
    judge.load()
    assert judge.current().service("mailpost", "api").outage.start == start
    assert judge.evaluate("mailpost", "current").services[0].counted == 450_000


async def test_periods_by_name(store, clock):
    """A period is named, or called current or previous; one that has not begun is an error."""
    clock.set_ms(T0 + 5 * DAY)
    judge = Judge(store.reader, config({**CONTRACT, "period": "billing_month", "billing_day": "15"}), clock)
    assert (judge.period_name("mailpost"), judge.period_name("mailpost", "previous")) == ("2026-10", "2026-09")
    clock.set_ms(T0 + 5 * DAY)
    assert judge.periods("mailpost") == [judge.period_name("mailpost")]
    await put(store, row(T0 - 40 * DAY))
    assert judge.periods("mailpost")[0] <= "2026-08"
    with pytest.raises(PeriodError, match="has not begun"):
        judge.evaluate("mailpost", "2027-01")
    with pytest.raises(KeyError):
        judge.evaluate("unknown")


async def test_a_removed_month_is_not_judged_as_unseen(store, clock):
    """Where observations were removed after sealing and export, no number is invented."""
    await put(store, *minutes(T0 + DAY, 3))
    segment = SegmentRef(target="web-api", location="main", observations=3, sha256=b"")
    await store.ledger.append(
        LedgerEntry(index=0, kind="day", day="2026-10-02", sealed_at=1, entry=b"", leaves=(), first={}, note="",
                    state="", segments=(segment,))
    )  # fmt: skip
    await store.retention.remove("web-api", "main", "2026-10-02", export="o.pdf", at=1)
    clock.set_ms(T0 + 40 * DAY)
    with pytest.raises(NotKept, match=r"2026-10 were removed .*2026-10-02 to 2026-10-02, in o.pdf"):
        Judge(store.reader, config(), clock).evaluate("mailpost", "2026-10")


async def test_deadlines_near(store, clock):
    """A credit that is due and can still be claimed, and a ticket that waits for an answer, are deadlines."""
    support = {
        "calendars": {},
        "rules": [{"name": "n", "severity": "high", "milestone": "responded", "within": "4h", "clock": "always"}],
    }
    down, after = minutes(T0 + DAY + 10 * MINUTE, 90, "timeout"), minutes(T0 + DAY + 100 * MINUTE, 9)
    await put(store, *minutes(T0 + DAY, 10), *down, *after)
    ticket = {"contract": "mailpost", "id": "T1", "severity": "high", "opened": T0 + 2 * DAY}
    await store.writer.put_event(make("ticket", ticket, source="cli"))
    clock.set_ms(T0 + 2 * DAY + HOUR)
    judge = Judge(store.reader, config({**CONTRACT, "support": support}), clock)
    found = judge.current().deadlines
    assert [(one.kind, one.at) for one in found] == [
        ("ticket", T0 + 2 * DAY + 4 * HOUR), ("claim", T0 + DAY + 100 * MINUTE + 30 * DAY)]  # fmt: skip
    clock.set_ms(T0 + 3 * DAY)
    assert [one.kind for one in judge.current().deadlines] == ["claim"]


async def test_another_configuration_is_judged_by_at_once(store, clock):
    """After a reload the numbers are the new contract's."""
    await put(store, *minutes(T0, 5, "refused"))
    clock.set_ms(T0 + 5 * MINUTE)
    judge = Judge(store.reader, config(), clock, live=True)
    store.writer.on_commit(judge.fed)
    judge.load()
    assert judge.current().service("mailpost", "api").state == "down"
    judge.reconfigure(config({**CONTRACT, "availability": {"confirm": "20"}}))
    assert judge.current().service("mailpost", "api").state == "up"
    await put(store, *minutes(T0 + 5 * MINUTE, 15, "refused"))
    clock.set_ms(T0 + 20 * MINUTE)
    assert judge.current().service("mailpost", "api").since == T0


async def test_a_reload_keeps_what_it_has_nothing_to_do_with(store, clock, monkeypatch):
    """A contract that stays as it was is not read again; a target that moved speaks for its new one."""
    await put(store, *minutes(T0, 5, "refused"), *minutes(T0, 5, target="lone"))
    clock.set_ms(T0 + 5 * MINUTE)
    judge = Judge(store.reader, config(), clock, live=True)
    store.writer.on_commit(judge.fed)
    judge.load()
    before = judge.current()
    read: list[object] = []
    columns = store.reader.columns
    monkeypatch.setattr(store.reader, "columns", lambda *a, **k: (read.append(k["targets"]), columns(*a, **k))[1])
    judge.reconfigure(config())
    assert judge.current() == before
    assert read == []
    judge.reconfigure(config(targets=[Watched("web-api", None, None), Watched("lone", service="smtp")]))
    now = judge.current()
    assert sorted(read[0]) == ["lone"]
    assert {one.target: (one.contract, one.service) for one in now.targets} == {
        "web-api": (None, None), "lone": ("mailpost", "smtp"),
    }  # fmt: skip
    assert now.service("mailpost", "smtp").state == "up"
    assert next(one.since for one in now.targets if one.target == "web-api") == T0


def test_burn_rates_leave_out_what_the_contract_leaves_out():
    """A window's rate is counted over the time that counts, and only over what was observed."""
    now = 10 * HOUR
    down, out = [(now - 600_000, now)], [(now - 30 * MINUTE, now - 10 * MINUTE)]
    rates = burn_rates(Fraction(99, 100), down, out, now, now - 2 * HOUR)
    assert rates["30m"] == 100
    assert rates["1h"] == Fraction(10, 40) * 100
    assert rates["3d"] == rates["6h"] == Fraction(10, 100) * 100
    assert burn_rates(Fraction(1), [], [], now, 0)["1h"] is None
    assert burn_rates(None, [], [], now, 0)["1h"] is None
    assert burn_rates(Fraction(99, 100), [], [], now, now)["1h"] is None
