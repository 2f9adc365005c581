"""What Prometheus reads: right names, no number that is not known, none before it is durable."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

from monitor.config.load import Config, load
from monitor.judgement.judge import Judge
from monitor.metrics.exposition import labels, ratio, seconds
from monitor.metrics.page import Metrics, Vitals
from monitor.probing.adjtime import ClockState
from monitor.store import Gap, Row, open_store
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock
from tests.servers import need

CONFIG = """
contracts: {mine: {file: contract.yaml, fee: {amount: 90, currency: USD}}}
reference_hosts: ["192.0.2.1:443"]
targets:
  - {name: mail-api, contract: mine, service: api, interval: 60s, http: {url: "https://api.example/"}}
  - {name: relay, contract: mine, service: smtp, interval: 60s, tcp: {host: smtp.example, port: 25}}
"""
CONTRACT = """
name: mine
services:
  api: {target: 99.9%}
  smtp: {target: 100%}
  other: {}
credit:
  tiers: [{below: 99.9%, credit: 10%}]
"""


class World:
    """A store, a judge and the metrics of one small configuration."""

    def __init__(self, folder: Path) -> None:
        (folder / "contract.yaml").write_text(CONTRACT)
        (folder / "m.yaml").write_text(CONFIG)
        self.config: Config = load(folder / "m.yaml", environment={})
        self.clock = FakeClock()
        self.store: SqliteStore = open_store(folder / "s.db", "main", self.clock)
        self.judge = Judge(self.store.reader, self.config, self.clock, live=True)
        self.metrics = Metrics(
            self.config, judge=self.judge, reader=self.store.reader, writer=self.store.writer, clock=self.clock
        )

    def row(self, target: str = "mail-api", outcome: str = "ok", **more: object) -> Row:
        given: dict[str, object] = {"duration_ms": 30, "scheduled": True, "location": "main"} | more
        return Row(at=self.clock.now_ms(), target=target, outcome=outcome, **given)  # type: ignore[arg-type]

    async def keep(self, *rows: Row) -> None:
        futures = [self.store.writer.put_row(row) for row in rows]
        for future in futures:
            await future
        self.judge.fed(rows)
        self.metrics.committed(rows, (), ())

    def samples(self) -> dict[str, float]:
        body, kind = self.metrics.render()
        assert kind.startswith("text/plain; version=0.0.4")
        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
        assert len(found) == len(lines), "a sample stands twice"
        return found


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = World(tmp_path)
    yield made
    made.store.close()


MINE = 'contract="mine",service="api"'


async def test_nothing_is_said_before_anything_is_known(world: World) -> None:
    """After a start there is no availability and no probe_success: neither 0 nor 1."""
    assert not [name for name in world.samples() if name.startswith(("probe_", "slaproof_availability"))]
    world.judge.load()
    names = {name.partition("{")[0] for name in world.samples()}
    assert not names & {
        "probe_success",
        "slaproof_availability_ratio",
        "slaproof_availability_worst_case_ratio",
        "slaproof_service_up",
        "slaproof_verdict",
        "slaproof_downtime_seconds",
        "slaproof_error_budget_remaining_ratio",
        "slaproof_credit_due_ratio",
        "slaproof_online",
        "slaproof_store_last_commit_seconds",
    }
    assert world.samples()[f"slaproof_sla_target_ratio{{{MINE}}}"] == 0.999
    assert 'slaproof_sla_target_ratio{contract="mine",service="other"}' not in world.samples()


async def test_the_last_probe_stands_under_blackbox_exporters_names(world: World) -> None:
    """Success, duration, phases, status, certificate, TLS and address family of the last committed probe."""
    facts = {"peer": "192.0.2.7:443", "tls_version": "TLSv1.3", "cert_not_after": 1_800_000_000, "http_version": "1.1",
             "body_bytes": 79}  # fmt: skip
    phases = {"resolve": 1.5, "connect": 2.0, "tls": 14.9, "processing": 3.25, "transfer": 0.5}
    await world.keep(world.row(code=200, facts=facts, phases=phases))
    found = world.samples()
    who = 'target="mail-api",kind="http",location="main"'
    assert found[f"probe_success{{{who}}}"] == 1
    assert found[f"probe_duration_seconds{{{who}}}"] == 0.03
    assert found[f"probe_dns_lookup_time_seconds{{{who}}}"] == 0.0015
    assert found[f'probe_http_duration_seconds{{{who},phase="processing"}}'] == 0.00325
    assert found[f"probe_http_status_code{{{who}}}"] == 200
    assert found[f"probe_http_ssl{{{who}}}"] == 1
    assert found[f"probe_http_version{{{who}}}"] == 1.1
    assert found[f"probe_http_content_length{{{who}}}"] == 79
    assert found[f"probe_ip_protocol{{{who}}}"] == 4
    assert found[f"probe_ssl_earliest_cert_expiry{{{who}}}"] == 1_800_000_000
    assert found[f'probe_tls_version_info{{{who},version="TLSv1.3"}}'] == 1
    assert found['slaproof_probes_total{kind="http",outcome="ok"}'] == 1


async def test_a_fault_of_ours_is_no_failed_probe(world: World) -> None:
    """Offline and local say nothing about the service; an alert on probe_success stays quiet."""
    await world.keep(world.row(outcome="offline"))
    found = world.samples()
    who = 'target="mail-api",kind="http",location="main"'
    assert f"probe_success{{{who}}}" not in found
    assert found[f'slaproof_probe_outcome_info{{{who},outcome="offline",fault="monitor"}}'] == 1
    world.clock.tick(60)
    await world.keep(world.row(outcome="refused"))
    assert world.samples()[f"probe_success{{{who}}}"] == 0


async def test_what_is_too_old_is_absent(world: World) -> None:
    """A target that was not probed for twice its interval shows nothing."""
    await world.keep(world.row())
    world.clock.tick(121)
    assert not [name for name in world.samples() if name.startswith("probe_")]


async def test_contracts_read_as_the_judge_says(world: World) -> None:
    """Availability, worst case, coverage, downtime, budget, burn rate, state, verdict and credit from one judgement."""
    world.judge.load()
    rows = []
    for minute in range(60):
        rows += [world.row(outcome="server_error" if 20 <= minute < 30 else "ok"), world.row("relay")]
        world.clock.tick(60)
    await world.keep(*rows)
    found = world.samples()
    current = f'{MINE},period="current"'
    result = world.judge.evaluate("mine").service("api")
    assert result.counted == 600_000
    assert found[f"slaproof_downtime_seconds{{{current}}}"] == 600
    assert found[f"slaproof_availability_ratio{{{current}}}"] == float(ratio(result.availability or 0))  # type: ignore[arg-type]
    assert found[f"slaproof_availability_ratio{{{current}}}"] < 1
    assert found[f"slaproof_availability_worst_case_ratio{{{current}}}"] <= 0.834
    assert found[f"slaproof_coverage_ratio{{{current}}}"] == 1
    assert found[f"slaproof_service_up{{{MINE}}}"] == 1
    assert found[f'slaproof_verdict{{{current},verdict="breached"}}'] == 1
    assert found[f'slaproof_verdict{{{current},verdict="met"}}'] == 0
    assert found[f"slaproof_error_budget_remaining_ratio{{{MINE}}}"] == pytest.approx(1 - 600 / (31 * 86.4), rel=1e-9)
    assert found[f'slaproof_error_budget_burn_rate{{{MINE},window="1h"}}'] == pytest.approx(1 / 6 / 0.001)
    assert found[f'slaproof_error_budget_burn_rate{{{MINE},window="5m"}}'] == 0
    assert found['slaproof_credit_due_ratio{contract="mine",period="current"}'] == 0
    # Of a target of 100 % no budget is left over to burn, and of a service that nobody watches nothing is known.
    assert not [n for n in found if 'service="smtp"' in n and "budget" in n]
    assert not [n for n in found if 'service="other"' in n]
    assert not [n for n in found if 'period="previous"' in n]


async def test_of_itself(world: World) -> None:
    """Queue, commits, missed slots, lateness, clock, reload and build are there."""
    world.metrics.vitals = lambda: Vitals(
        running=3,
        online=False,
        clock=ClockState(offset_s=-0.002, estimated_error_s=0, max_error_s=0.5, synchronised=True),
        started_at=1,
    )
    world.metrics.started(0.004)
    world.metrics.missed(Gap(target="relay", location="main", start=0, end=1, slots=7, reason="suspended"))
    await world.keep(world.row())
    found = world.samples()
    assert found["slaproof_online"] == 0
    assert found["slaproof_clock_offset_seconds"] == -0.002
    assert found["slaproof_probes_running"] == 3
    assert found['slaproof_missed_slots_total{reason="suspended"}'] == 7
    assert found['slaproof_probe_lateness_seconds_bucket{le="0.005"}'] == 1
    assert world.metrics.lateness_ms(0.99) == 5
    assert found["slaproof_store_queue_length"] == 0
    assert found["slaproof_store_commits_total"] >= 1
    assert found["slaproof_database_size_bytes"] > 4096
    assert found["slaproof_config_last_reload_successful"] == 1
    world.metrics.reloaded(None)
    assert world.samples()["slaproof_config_last_reload_successful"] == 0
    assert any(name.startswith("slaproof_build_info{version=") for name in found)
    assert not [name for name in found if name.endswith("_created")]


async def test_a_part_that_cannot_be_read_takes_no_other_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that cannot be read leaves its numbers absent; what the monitor says of itself stands, and the log."""
    world.judge.load()
    await world.keep(world.row())
    world.clock.step(5)

    def unreadable(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    world.metrics.more["broken"] = unreadable
    with monkeypatch.context() as patched:
        patched.setattr(world.judge, "current", unreadable)
        found = world.samples() and world.samples()
    assert found["slaproof_store_writable"] == 1
    assert found['probe_success{target="mail-api",kind="http",location="main"}'] == 1
    assert not [name for name in found if name.startswith("slaproof_availability")]
    told = [record.__dict__["part"] for record in caplog.records if "metrics" in record.message]
    assert told == ["judgement", "broken"]
    assert f'slaproof_availability_ratio{{{MINE},period="current"}}' in world.samples()


def test_numbers_are_exact_and_cut() -> None:
    """A ratio never reads better than it is, and labels are escaped."""
    from fractions import Fraction

    assert ratio(Fraction(1)) == "1"
    assert ratio(Fraction(9999, 10_000)) == "0.9999"
    assert ratio(Fraction(10**20 - 1, 10**20)) == "0.99999999999999"
    assert seconds(1_795_298_112_561) == "1795298112.561"
    assert seconds(0) == "0"
    assert labels(a='x"y\\z\n') == '{a="x\\"y\\\\z\\n"}'


async def test_promtool_finds_nothing(world: World) -> None:
    """`promtool check metrics` is clean, with everything on the page."""
    need("promtool")
    world.judge.load()
    facts = {"peer": "[2001:db8::1]:443", "tls_version": "TLSv1.3", "cert_not_after": 1_800_000_000}
    for outcome in ("ok", "server_error", "offline"):
        await world.keep(
            world.row(outcome=outcome, code=200, facts=facts, phases={"resolve": 1.0, "connect": 1.0}),
            world.row("relay", outcome=outcome),
        )
        world.clock.tick(60)
    world.metrics.vitals = lambda: Vitals(
        running=0,
        online=True,
        clock=ClockState(offset_s=0, estimated_error_s=0, max_error_s=0.5, synchronised=True),
        started_at=1,
    )
    world.metrics.started(0.1)
    body, _ = world.metrics.render()
    assert promtool(body) == (0, b"", b"")


def promtool(body: bytes) -> tuple[int, bytes, bytes]:
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_every_gauge_stands_in_the_documentation() -> None:
    """docs/metrics.md names every family that the code can write."""
    root = Path(__file__).parents[2]
    code = "".join(
        (root / "monitor" / f"{name}.py").read_text()
        for name in ("metrics/page", "metrics/probes", "metrics/contracts", "feeds/service")
    )
    names = set(re.findall(r'"((?:slaproof|probe)_[a-z_]+)"', code))
    names = {name if name != "slaproof_missed_slots" else "slaproof_missed_slots_total" for name in names}
    documented = set(re.findall(r"`((?:slaproof|probe)_[a-z_]+)", (root / "docs/metrics.md").read_text()))
    assert names == documented
