"""Outage reports by mail: one for each outage, never through the service that is down, the relay's answer kept."""

from __future__ import annotations

import asyncio
import email
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.config.load import ConfigProblems, load
from monitor.judgement.judge import Judge
from monitor.notify.conditions import Condition
from monitor.notify.settings import NotifySettings
from monitor.notify.watch import Own, conditions, ended
from monitor.outage_reports import service as outage_reports
from monitor.outage_reports.service import KIND, OutageReports, places, same_place
from monitor.sla.instants import parse_instant
from monitor.store import Event, Row
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock
from tests.servers import eventually, free_port
from tests.servers.misbehaving import Misbehaving
from tests.servers.postfix import Postfix
from tests.test_run import Listener, Process

T0 = parse_instant("2026-10-05T10:00:00Z")
MINUTE = 60_000

CONFIG = """
contracts: {{clicksend: {{preset: clicksend, fee: {{amount: 200, currency: USD}}}}}}
targets:
  - {{name: sms-api, contract: clicksend, service: sms_gateway, interval: 60s, http: {{url: "https://sms.example/v3"}}}}
{block}
"""
BLOCK = """
outage_reports:
  relays:
{relays}
  reports:
    - {{contract: clicksend, to: sink@example, account: "ACME 4711", text: "Phone: +1 555 0100"}}
"""


@pytest.fixture
def clock() -> FakeClock:
    """The time of the outage."""
    return FakeClock(T0)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteStore]:
    """A database on disk."""
    with SqliteStore.open(tmp_path / "s.db", "main", clock, gather_s=0.002) as opened:
        yield opened


def relay_line(port: int, more: str = "") -> str:
    return f"    - {{host: 127.0.0.1, port: {port}, tls: none, from: probe@example{more}}}"


class Part:
    """The part as the daemon runs it, over one store; a second one is what a restart makes."""

    def __init__(self, folder: Path, store: SqliteStore, clock: FakeClock, relays: str | None) -> None:
        block = BLOCK.format(relays=relays) if relays is not None else ""
        path = folder / "monitor.yaml"
        path.write_text(CONFIG.format(block=block))
        config = load(path)
        judge = Judge(store.reader, config, clock, live=True)
        store.writer.on_commit(judge.fed)
        judge.load()
        self.store, self.clock, self.judge = store, clock, judge
        self.context: Any = SimpleNamespace(
            config=config, clock=clock, store=store, judge=judge, told=[], subscribe=lambda tell: None
        )
        self.reports = OutageReports(self.context)

    async def restore(self) -> None:
        self.reports._records = self.store.reader.events(kinds=[KIND])
        await self.reports._after_a_death()

    async def look(self) -> float | None:
        return await self.reports.look()

    async def rows(self, start: int, *outcomes: str) -> None:
        for number, outcome in enumerate(outcomes):
            at = start + number * MINUTE
            self.clock.set_ms(at + 100)
            row = Row(
                at=at, target="sms-api", location="main", scheduled=True, outcome=outcome, duration_ms=5,
                detail="HTTP 503 Service Unavailable", probe_id="beef", ids={"x-request-id": "req-7"},
            )  # fmt: skip
            await self.store.writer.put_row(row)

    def states(self) -> list[str]:
        return [event.data["state"] for event in self.store.reader.events(kinds=[KIND])]

    def entered(self) -> list[Event]:
        return self.store.reader.events(kinds=["report"])


def arrived(mail: Postfix, id: str) -> list[Any]:
    return [
        m for raw in mail.dovecot.mailbox("sink") if (m := email.message_from_bytes(raw))["X-Slaproof-Outage"] == id
    ]


async def test_an_outage_is_reported_when_it_is_confirmed(
    tmp_path: Path, store: Any, clock: Any, mail: Postfix
) -> None:
    """The second failed probe confirms it: the mail goes out, its answer is kept, the contract counts from it."""
    part = Part(tmp_path, store, clock, relay_line(mail.plain_port))
    await part.restore()
    await part.rows(T0, "ok", "server_error")
    assert await part.look() is None
    assert part.states() == []
    await part.rows(T0 + 2 * MINUTE, "server_error")
    assert await part.look() is None
    outage = "clicksend/sms_gateway/2026-10-05T10:01:00.000Z"
    assert part.states() == ["sending", "sent"]
    sent = store.reader.events(kinds=[KIND])[-1]
    assert sent.data["answer"].startswith("250 2.0.0 Ok: queued as ")
    assert sent.data["answer"].split()[-1] in mail.log
    eventually(lambda: len(arrived(mail, outage)) == 1)
    message = arrived(mail, outage)[0]
    assert message["Message-ID"] == sent.data["message_id"]
    body = message.get_payload()
    for words in (
        "ClickSend",
        "ACME 4711",
        "+1 555 0100",
        "2026-10-05T10:01:00.000Z",
        "HTTP 503",
        "beef",
        "req-7",
        outage,
    ):
        assert words in body, body
    report = part.entered()[0]
    assert report.data["services"] == ["sms_gateway"]
    assert report.data["about"]["message_id"] == sent.data["message_id"]
    # It goes on for ten minutes, and nothing more is sent.
    await part.rows(T0 + 3 * MINUTE, *["server_error"] * 8, "ok", "ok")
    assert await part.look() is None
    assert part.states() == ["sending", "sent"]
    judged = part.judge.evaluate("clicksend", "2026-10")
    assert judged.credit is not None
    assert str(judged.credit.percent) == "5"
    assert judged.services[0].outages[0].counted_ms == 9 * MINUTE - 100


async def test_without_a_report_nothing_is_counted(tmp_path: Path, store: Any, clock: Any) -> None:
    """The same outage, and nobody reported it: the contract counts from the report, so there is no credit."""
    part = Part(tmp_path, store, clock, None)
    await part.restore()
    await part.rows(T0, "ok", *["server_error"] * 10, "ok", "ok")
    assert await part.look() is None
    assert part.states() == []
    judged = part.judge.evaluate("clicksend", "2026-10")
    assert judged.credit is not None
    assert judged.credit.amount == 0
    assert judged.services[0].outages[0].counted_ms == 0


async def test_a_restart_sends_nothing_again(tmp_path: Path, store: Any, clock: Any) -> None:
    """What was sent, and what may have been sent before a death, is not sent again."""
    with Misbehaving("smtp") as server:
        part = Part(tmp_path, store, clock, relay_line(server.port))
        await part.rows(T0, "server_error", "server_error")
        await part.look()
        again = Part(tmp_path, store, clock, relay_line(server.port))
        await again.restore()
        await again.rows(T0 + 2 * MINUTE, "server_error")
        assert await again.look() is None
        assert part.states() == ["sending", "sent"]
        assert sum(request.startswith(b"DATA") for request in server.requests) == 1
        # The next outage is another one, and is reported.
        await again.rows(T0 + 3 * MINUTE, "ok", "server_error", "server_error")
        await again.look()
        assert part.states() == ["sending", "sent", "sending", "sent"]


async def test_down_again_after_a_time_unseen_is_another_outage(tmp_path: Path, store: Any, clock: Any) -> None:
    """The report, the messages and the mails to the provider agree: two outages, each told and reported once."""
    with Misbehaving("smtp") as server:
        part = Part(tmp_path, store, clock, relay_line(server.port))
        await part.rows(T0, "ok", "server_error", "server_error")
        await part.look()
        own = Own(location="main", offline_since=None, clock_offset_ms=None, writer=store.writer.state)

        def told() -> list[Condition]:
            seen = conditions(NotifySettings(), part.judge.current(), own, [], {}, clock.now_ms())
            return [one for one in seen if one.kind == "outage"]

        (first,) = told()
        # Nothing is seen for as long as it takes to know nothing any more.
        await part.rows(T0 + 10 * MINUTE, "offline")
        assert told() == []
        gone = part.judge.outage(first.key.removeprefix("outage/"))
        assert gone is not None
        assert (gone.start, gone.end) == (T0 + MINUTE, T0 + 4 * MINUTE)
        assert ended(first, gone, part.judge.current()).facts["unseen"]
        await part.rows(T0 + 11 * MINUTE, "server_error", "server_error")
        await part.look()
        (second,) = told()
        assert (first.since, second.since) == (T0 + MINUTE, T0 + 11 * MINUTE)
        assert part.states() == ["sending", "sent", "sending", "sent"]
        assert [event.data["about"]["outage"] for event in part.entered()] == [
            key.removeprefix("outage/") for key in (first.key, second.key)
        ]
        await part.rows(T0 + 13 * MINUTE, "ok")
        over = part.judge.outage(second.key.removeprefix("outage/"))
        assert "unseen" not in ended(second, over, part.judge.current()).facts
        judged = part.judge.evaluate("clicksend", "2026-10")
        assert [outage.start for outage in judged.services[0].outages] == [first.since, second.since]


async def test_a_death_between_intent_and_answer_counts_as_sent(tmp_path: Path, store: Any, clock: Any) -> None:
    """The intent stands, the answer does not: at most one mail, so none now."""
    with Misbehaving("smtp") as server:
        part = Part(tmp_path, store, clock, relay_line(server.port))
        await part.rows(T0, "server_error", "server_error")
        keep = part.reports._keep

        async def die_after_intent(data: dict[str, Any], at: int | None = None) -> bool:
            if data["state"] != outage_reports.SENDING:
                raise asyncio.CancelledError
            return await keep(data, at)

        part.reports._keep = die_after_intent  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await part.look()
        again = Part(tmp_path, store, clock, relay_line(server.port))
        await again.restore()
        await again.look()
        assert part.states() == ["sending", "unsure"]
        assert server.connections == 1
        assert part.entered() == []


async def test_a_relay_that_falls_silent_after_data_is_not_asked_again(
    tmp_path: Path, store: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether the mail is out: no second relay, no second attempt, and no report is claimed."""
    original = outage_reports.send
    monkeypatch.setattr(outage_reports, "send", lambda *given: original(*given, timeout_s=0.5))
    with Misbehaving("smtp", "silent", at=5) as hangs, Misbehaving("smtp") as other:
        part = Part(tmp_path, store, clock, f"{relay_line(hangs.port)}\n{relay_line(other.port)}")
        await part.rows(T0, "server_error", "server_error")
        assert await part.look() is None
        assert part.states() == ["sending", "unsure"]
        assert other.connections == 0
        assert part.entered() == []


async def test_relays_are_tried_in_order_and_later_again(tmp_path: Path, store: Any, clock: Any) -> None:
    """What certainly was not sent goes to the next relay, then is tried again as long as the outage lasts."""
    port = free_port()
    part = Part(tmp_path, store, clock, f"{relay_line(free_port())}\n{relay_line(port)}")
    await part.rows(T0, "server_error", "server_error")
    due = await part.look()
    assert due is not None
    assert 0 < due <= 30
    assert part.states() == ["sending", "failed"] * 2
    assert await part.look() == due
    clock.tick(due)
    with Misbehaving("smtp", instead={3: b"450 4.2.0 later\r\n"}):
        await part.look()
    assert part.states() == ["sending", "failed"] * 4
    with Misbehaving("smtp") as server:
        late = Part(tmp_path, store, clock, relay_line(server.port))
        await late.restore()
        clock.tick(300)
        await late.rows(clock.now_ms(), "server_error")
        assert await late.look() is None
    assert part.states()[-2:] == ["sending", "sent"]
    assert len(part.entered()) == 1


async def test_never_through_the_service_that_is_down(tmp_path: Path, store: Any, clock: Any) -> None:
    """A relay of the provider that is down is passed over, by its name, its contract or a target that is down."""
    relays = "    - {host: SMS.example, port: 587, from: probe@example}\n" + relay_line(25, ", contracts: clicksend")
    part = Part(tmp_path, store, clock, relays)
    await part.rows(T0, "server_error", "server_error")
    assert await part.look() is None
    assert part.states() == ["withheld"]
    with Misbehaving("smtp") as server:
        other = Part(tmp_path, store, clock, f"{relays}\n{relay_line(server.port)}")
        await other.rows(T0 + 2 * MINUTE, "ok", "server_error", "server_error")
        await other.look()
    assert part.states() == ["withheld", "sending", "sent"]


async def test_no_secret_is_kept_with_what_a_relay_said(tmp_path: Path, store: Any, clock: Any) -> None:
    """A relay that repeats the password in its answer: the event does not."""
    secret = "planted-Pass-77"
    refusal = f"535 5.7.8 {secret} is wrong\r\n".encode()
    with Misbehaving("smtp", replies={b"AUTH": refusal}) as server:
        part = Part(tmp_path, store, clock, relay_line(server.port, f", username: u, password: {secret}"))
        await part.rows(T0, "server_error", "server_error")
        await part.look()
    event = store.reader.events(kinds=[KIND])[-1]
    assert event.data["state"] == "failed"
    assert "535" in event.data["why"]
    assert secret not in str(event.data)


async def test_an_outage_that_a_person_reported_is_left_alone(tmp_path: Path, store: Any, clock: Any) -> None:
    """The clock runs already."""
    with Misbehaving("smtp") as server:
        part = Part(tmp_path, store, clock, relay_line(server.port))
        await part.rows(T0, "server_error", "server_error")
        clock.set_ms(T0 + MINUTE + 200)
        data = {"contract": "clicksend", "at": T0 + MINUTE + 150, "services": ["sms_gateway"]}
        await store.writer.put_event(outage_reports.make("report", data, source="cli"))
        assert await part.look() is None
        assert server.connections == 0


def test_places_and_their_likeness(tmp_path: Path) -> None:
    """Hosts are found in every kind's settings; a name is one service on all its ports, loopback on each."""
    path = tmp_path / "monitor.yaml"
    path.write_text("""
targets:
  - {name: a, http: {url: "https://api.example:8443/x"}}
  - {name: b, interval: 1h, delivery: {smtp: {host: Relay.example},
      imap: {host: box.example, username: u, password: word},
      from: a@example.com, to: b@example.com}}
""")
    found = places(load(path).targets)
    assert found == [("api.example", 8443), ("relay.example", 587)]
    assert same_place("RELAY.example.", 25, "relay.example", 587)
    assert not same_place("127.0.0.1", 25, "127.0.0.1", 587)


@pytest.mark.parametrize(
    ("block", "what"),
    [
        ("outage_reports: {reports: [{contract: clicksend, to: a@example.com}]}", "reports: needs relays:"),
        (
            "outage_reports: {relays: [{host: h, from: a@b.example}], reports: "
            "[{contract: clicksend, to: a@example.com},"
            " {contract: clicksend, services: sms_gateway, to: b@example.com}]}",
            "reported twice",
        ),
    ],
)
def test_mistakes_in_the_settings(tmp_path: Path, block: str, what: str) -> None:
    """A report needs a relay, and one outage one mail."""
    path = tmp_path / "monitor.yaml"
    path.write_text(CONFIG.format(block=block))
    with pytest.raises(ConfigProblems, match=what):
        load(path)


def test_a_running_daemon_reports(tmp_path: Path, mail: Postfix) -> None:
    """A real daemon, a target that goes away, and a mail in a real mailbox; a restart sends no second one.

    The state holds over the restart; where it does not, what follows is another outage, with a report of its own.
    """
    contract = tmp_path / "provider.yaml"
    contract.write_text(
        "name: provider\nservices: {port: {target: 100%}}\n"
        "availability: {unit: time, confirm: 2, counts_from: report}\ncredit: {tiers: [{below: 100%, credit: 5%}]}\n"
        "claim: next_calendar_month\n"
    )
    target, reference = Listener(), Listener()
    daemon = Process(tmp_path, reference)
    relay = f"{{host: 127.0.0.1, port: {mail.plain_port}, tls: none, from: probe@example}}"
    daemon.config.write_text(
        f"listen: 127.0.0.1:{daemon.port}\nreference_hosts: ['127.0.0.1:{reference.port}']\n"
        "contracts: {provider: {file: provider.yaml}}\n"
        f"outage_reports: {{relays: [{relay}], reports: [{{contract: provider, to: sink@example}}]}}\n"
        f"targets:\n  - {{name: t, contract: provider, service: port, interval: 1s, stale_after: 5m, "
        f"tcp: {{host: 127.0.0.1, port: {target.port}}}}}\n"
    )

    def mails() -> list[bytes]:
        return [one for one in mail.dovecot.mailbox("sink") if b"provider/port/" in one]

    try:
        daemon.start()
        daemon.until(lambda: daemon.metric('slaproof_service_up{contract="provider",service="port"}') == 1)
        assert mails() == []
        target.close()
        daemon.until(lambda: len(mails()) == 1)
        assert b"connection refused" in mails()[0]
        daemon.stop(signal.SIGKILL)
        daemon.start()
        daemon.until(lambda: daemon.metric('slaproof_service_up{contract="provider",service="port"}') == 0)
        daemon.stop()
        assert len(mails()) == 1
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.stop(signal.SIGKILL)
        target.close()
        reference.close()
