"""Measurements of other monitors become a results file, their gaps gaps, and can be judged."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from monitor.importers.results import CannotImport, Naming, outcome_of, series, tidy
from monitor.sla.instants import parse_instant, write_instant
from monitor.sla.values import Observation
from tests.servers.prometheus import Prometheus, run_tool

T0 = parse_instant("2026-10-01T00:00:00Z")
MINUTE, HOUR = 60_000, 3_600_000


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, arguments)])


def rows(result: Result) -> list[dict[str, str]]:
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.mark.parametrize(
    ("text", "status", "outcome"),
    [
        ("timeout of 48000ms exceeded", None, "timeout"),
        ("connect ECONNREFUSED 192.0.2.1:443", None, "refused"),
        ("Request failed with status code 503", None, "server_error"),
        ("Request failed with status code 404", None, "rejected"),
        ("getaddrinfo ENOTFOUND sms.example", None, "dns"),
        ("Client network socket disconnected before secure TLS connection was established", None, "tls"),
        ("read ECONNRESET", None, "reset"),
        ("connect ETIMEDOUT 192.0.2.1:443", None, "connect_timeout"),
        ('Get "https://x": context deadline exceeded (Client.Timeout exceeded)', 0, "timeout"),
        ("dial tcp: lookup x.example: no such host", 0, "dns"),
        ("tls: failed to verify certificate: x509: certificate has expired", 0, "tls"),
        ("", 503, "server_error"),
        ("", 429, "throttled"),
        ("", 200, "wrong_answer"),
        ("connect EHOSTUNREACH", None, "network"),
        ("keyword not found", None, "wrong_answer"),
    ],
)
def test_a_failure_is_named_after_its_cause(text, status, outcome):
    """What the other monitor wrote down of a failure tells whose it was."""
    assert outcome_of(text, status, "wrong_answer") == outcome


def make_kuma(path: Path) -> None:
    """A database of Uptime Kuma's shape: an hour of checks, a failure tried again, a maintenance, a restart."""
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(
            """CREATE TABLE monitor (id INTEGER PRIMARY KEY, name VARCHAR(150), active BOOLEAN, interval INTEGER);
            CREATE TABLE heartbeat (id INTEGER PRIMARY KEY, important BOOLEAN, monitor_id INTEGER, status SMALLINT,
              msg TEXT, time DATETIME, ping INTEGER, duration INTEGER);"""
        )
        conn.execute("INSERT INTO monitor VALUES (1, 'SMS gateway', 1, 60), (2, 'web', 1, 60), (3, 'web', 1, 60)")
        for minute in range(60):
            at = write_instant(T0 + minute * MINUTE + 123).replace("T", " ").removesuffix("Z")
            status, text = 1, "200 - OK"
            if minute in (10, 11):
                status, text = 2, "timeout of 48000ms exceeded"
            elif minute in (12, 13):
                status, text = 0, "Request failed with status code 503"
            elif 20 <= minute < 30:
                status, text = 3, "Monitor under maintenance"
            elif 40 <= minute < 45:
                continue
            insert = "INSERT INTO heartbeat (monitor_id, status, msg, time, ping) VALUES (?, ?, ?, ?, ?)"
            conn.execute(insert, (1, status, text, at, 35 if status == 1 else None))
            conn.execute(insert, (2, 1, "", at, 1.5))
            conn.execute(insert, (3, 1, "", at, 1))
        conn.commit()


def test_uptime_kuma(tmp_path):
    """Retries are failures, its maintenance and its own absence are gaps."""
    make_kuma(tmp_path / "kuma.db")
    result = call("kuma", tmp_path / "kuma.db", "--target", "SMS gateway=sms", "--location", "office")
    found = rows(result)
    assert len(found) == 45
    assert found[0] == {
        "at": "2026-10-01T00:00:00.123Z", "target": "sms", "location": "office", "scheduled": "true", "outcome": "ok",
        "duration_ms": "35",
    }  # fmt: skip
    failed = [(row["at"][14:16], row["outcome"], row["scheduled"]) for row in found if row["outcome"] != "ok"]
    assert failed == [
        ("10", "timeout", "true"), ("11", "timeout", "false"), ("12", "server_error", "false"),
        ("13", "server_error", "true"),
    ]  # fmt: skip
    assert "2 gaps, 17 min in all" in result.stderr
    assert {row["target"] for row in rows(call("kuma", tmp_path / "kuma.db"))} == {"SMS-gateway", "web", "web-3"}
    wrong = call("kuma", tmp_path / "kuma.db", "--target", "SMS gatevay=sms")
    assert "did you mean “SMS gateway”?" in str(wrong.exception)


def test_gatus(tmp_path):
    """Times as Go's driver writes them, durations in nanoseconds, causes from status and errors."""
    with closing(sqlite3.connect(tmp_path / "gatus.db")) as conn:
        conn.executescript(
            """CREATE TABLE endpoints (endpoint_id INTEGER PRIMARY KEY, endpoint_key TEXT UNIQUE, endpoint_name TEXT,
              endpoint_group TEXT);
            CREATE TABLE endpoint_results (endpoint_result_id INTEGER PRIMARY KEY, endpoint_id INTEGER, success INTEGER,
              errors TEXT, connected INTEGER, status INTEGER, duration INTEGER, timestamp TIMESTAMP);
            INSERT INTO endpoints VALUES (1, 'core_api', 'api', 'core');
            INSERT INTO endpoint_results VALUES
              (1, 1, 1, '', 1, 200, 45123456, '2026-10-01 00:00:00.123456789 +0000 UTC'),
              (2, 1, 0, 'Get "https://x": dial tcp: connection refused', 0, 0, 1000000, '2026-10-01T00:01:00+00:00'),
              (3, 1, 0, '', 1, 502, 9999999, '2026-10-01 02:02:00 +0200 CEST'),
              (4, 7, 1, '', 1, 200, 1, '2026-10-01 00:03:00 +0000 UTC');"""
        )
        conn.commit()
    found = rows(call("gatus", tmp_path / "gatus.db", "--target", "core_api=api"))
    assert [(row["at"], row["outcome"], row["duration_ms"]) for row in found] == [
        ("2026-10-01T00:00:00.123Z", "ok", "45"), ("2026-10-01T00:01:00.000Z", "refused", "1"),
        ("2026-10-01T00:02:00.000Z", "server_error", "9"),
    ]  # fmt: skip


def test_a_database_of_another_program(tmp_path):
    """It is told what is missing."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as conn:
        conn.execute("CREATE TABLE monitor (id INTEGER)")
        conn.commit()
    assert "no column name in “monitor”" in str(call("kuma", tmp_path / "x.db").exception)
    assert "no table “endpoints”" in str(call("gatus", tmp_path / "x.db").exception)
    (tmp_path / "y.db").write_text("hello")
    assert "cannot be read as a SQLite database" in str(call("kuma", tmp_path / "y.db").exception)


def test_any_csv(tmp_path):
    """Usual names of columns are found, others can be named; times may be seconds or milliseconds."""
    file = tmp_path / "m.csv"
    file.write_text(
        "timestamp,name,status,response_time,error\n"
        "1790812800,api,up,12.7,\n1790812860000,api,DOWN,,connection refused\n2026-10-01T02:02:00+02:00,api,503,,\n"
    )
    found = rows(call("csv", file, "--location", "home"))
    assert [(row["at"], row["outcome"], row["duration_ms"], row["location"]) for row in found] == [
        ("2026-10-01T00:00:00.000Z", "ok", "12", "home"), ("2026-10-01T00:01:00.000Z", "refused", "0", "home"),
        ("2026-10-01T00:02:00.000Z", "server_error", "0", "home"),
    ]  # fmt: skip
    file.write_text("wann,gut\n2026-10-01,true\n2026-10-01T00:01:00Z,vielleicht\n")
    assert "name it with --at-column" in str(call("csv", file, "--name", "x").exception)
    said = str(call("csv", file, "--at-column", "wann", "--result-column", "gut", "--name", "x").exception)
    assert "m.csv:3: “vielleicht” is no result that is known" in said
    assert "did you mean “wann”?" in str(call("csv", file, "--at-column", "wan", "--name", "x").exception)


def test_a_csv_of_another_countrys_spreadsheet(tmp_path):
    """Semicolons and tabs separate as well as commas; “offline” in a column of theirs is the service's state."""
    rows = ["time,name,status", "2026-10-01T00:00:00Z,a,offline", "2026-10-01T00:01:00Z,a,up"]
    for mark in ",;\t":
        (tmp_path / "t.csv").write_text("\n".join(row.replace(",", mark) for row in rows) + "\n")
        done = CliRunner().invoke(cli, ["import", "csv", str(tmp_path / "t.csv"), "-o", "-"])
        assert done.exit_code == 0, done.output
        assert [line.split(",")[4] for line in done.stdout.splitlines()] == ["outcome", "wrong_answer", "ok"]
    (tmp_path / "t.csv").write_text("\n".join(rows).replace("status", "outcome") + "\n")
    done = CliRunner().invoke(cli, ["import", "csv", str(tmp_path / "t.csv")])
    assert done.stdout.splitlines()[1].split(",")[4] == "offline"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"time,name,status\nInfinity,a,up\n", ":2: “Infinity” is no time."),
        (b"time,name,status\n1e99,a,up\n", ":2: “1e99” is no time."),
        (b"time,name,status\n2026-10-01T00:00:00Z,M\xfcnchen,up\n", " is not UTF-8: save the file as UTF-8."),
        (b"time,name,status\n2026-10-01T00:00:00Z," + b"a" * 200_000 + b",up\n", " is not CSV: field larger than"),
        (b"", " is empty: its first line names the columns"),
        (b"when,name,status\n", " is known to say when it was (when, name, status): name it with --at-column"),
        (b"time,name,status\n2026-10-01T00:00:00Z,a,perhaps\n", ":2: “perhaps” is no result that is known"),
    ],
)
def test_a_csv_that_cannot_be_read_is_said_to_be(content, said, tmp_path):
    """What is wrong is a sentence with the file, and never a traceback."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    done = CliRunner().invoke(cli, ["import", "csv", str(path)])
    assert isinstance(done.exception, CannotImport)
    assert f"{path}{said}" in str(done.exception)


def test_two_series_of_one_name_that_differ_are_refused():
    """Two things that were measured must not become one."""
    one = Observation(T0, "a", "main", True, "ok", 1)
    assert tidy([one, None, one._replace(duration_ms=2)]) == [one]
    with pytest.raises(CannotImport, match="Two series are both called “a”"):
        tidy([one, one._replace(outcome="timeout")])
    assert [found.text for found in series([one])] == [
        f"a from main: 1 observations, {write_instant(T0)} to {write_instant(T0)}, about every 0 s; none failed"
    ]
    assert Naming().target("https://x.example/a b") == "https-x.example-a-b"


CONFIG = """
contracts: {clicksend: {preset: clicksend, fee: {amount: 200, currency: USD}}}
targets:
  - {name: sms, contract: clicksend, service: sms_gateway, interval: 60s, http: {url: "https://127.0.0.1:9/"}}
"""


@pytest.fixture
def prometheus(tmp_path):
    """A real Prometheus that holds two days of a minute's probes, with a gap of an hour and two failures."""
    lines = {"probe_success": [], "probe_http_status_code": []}
    for minute in range(2 * 24 * 60):
        if 600 <= minute < 660:
            continue
        at = (T0 + minute * MINUTE) / 1000 + 0.25
        bad = minute in (100, 101) or minute == 2000
        lines["probe_success"].append(f'probe_success{{instance="sms.example",job="b"}} {int(not bad)} {at:.3f}')
        code = 404 if minute == 2000 else 503 if bad else 200
        lines["probe_http_status_code"].append(
            f'probe_http_status_code{{instance="sms.example",job="b"}} {code} {at:.3f}'
        )
    text = "".join(f"# TYPE {name} gauge\n" + "\n".join(found) + "\n" for name, found in lines.items()) + "# EOF\n"
    folder = tmp_path / "prometheus"
    (folder / "data").mkdir(parents=True)
    (folder / "months.om").write_text(text)
    done = run_tool("promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "months.om", folder / "data")
    assert done.returncode == 0, done.stderr
    with Prometheus(folder, "global: {}\n", extra=["--storage.tsdb.retention.time=100y"]) as server:
        yield server


def test_a_real_prometheus(prometheus, tmp_path):
    """Every sample at its own time, the hour without samples a gap, the failures named by their status; and judged."""
    span = ("--start", "2026-10-01", "--end", "2026-10-03")
    results = tmp_path / "results.csv"
    result = call("prometheus", prometheus.url(), *span, "--target", "sms.example=sms", "-o", results)
    assert result.exit_code == 0, result.output + repr(result.exception)
    found = list(csv.DictReader(io.StringIO(results.read_text())))
    assert len(found) == 2 * 24 * 60 - 60
    assert found[0]["at"] == "2026-10-01T00:00:00.250Z"
    assert [(row["at"][11:16], row["outcome"]) for row in found if row["outcome"] != "ok"] == [
        ("01:40", "server_error"), ("01:41", "server_error"), ("09:20", "rejected"),
    ]  # fmt: skip
    assert "1 gap, 1 h 1 min in all" in result.stderr
    stepped = rows(call("prometheus", prometheus.url(), *span, "--step", "60s", "--target", "sms.example=sms"))
    # The first minute's sample is seen a step later; what is merely repeated in the gap is left out.
    assert [row["at"] for row in stepped] == [row["at"] for row in found][: len(stepped)]
    assert len(stepped) == len(found) - 1
    (tmp_path / "m.yaml").write_text(CONFIG)
    (tmp_path / "events.yaml").write_text("reports: [{at: 2026-10-01T01:40:30Z}]\n")
    judged = CliRunner().invoke(
        cli,
        ["evaluate", "--config", str(tmp_path / "m.yaml"), "--contract", "clicksend", "--results", str(results),
         "--events", str(tmp_path / "events.yaml"), "--period", "2026-10", "--now", "2026-10-03T00:00:00Z", "--json"],
    )  # fmt: skip
    assert judged.exit_code == 0, judged.output
    (service,) = json.loads(judged.stdout)["services"]
    assert [(one["start"], one["counted_ms"]) for one in service["outages"]] == [("2026-10-01T01:40:00.250Z", 90_250)]
    assert service["unknown"] >= 58 * MINUTE


def test_a_prometheus_that_refuses(prometheus):
    """What it says is told; so are a wrong label and an address where nothing answers."""
    span = ("--start", "2026-10-01", "--end", "2026-10-01T01:00:00Z")
    assert "parse error" in str(call("prometheus", prometheus.url(), *span, "--query", "up{").exception)
    assert "no label “target”" in str(call("prometheus", prometheus.url(), *span, "--target-label", "target").exception)
    assert "gave no answer" in str(call("prometheus", "http://127.0.0.1:9", *span).exception)
    assert "did you mean “sms.example”?" in str(
        call("prometheus", prometheus.url(), *span, "--target", "sms.exmaple").exception
    )
    assert "There are no measurements" in str(call("prometheus", prometheus.url(), *span, "--query", "up").exception)
    assert "say from when on" in call("prometheus", prometheus.url()).output
