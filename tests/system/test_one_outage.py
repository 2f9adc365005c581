"""One outage in the sandbox, seen everywhere: metric, status, report, API, Prometheus, mail and webhook agree.

A real daemon on real sockets; it is stopped and started in the middle of the outage.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitor.sandbox import BASE_PORT, Sandbox
from monitor.sandbox.script import Fault
from monitor.sandbox.stage import NAMES
from monitor.times import parse
from tests.deploy.test_files import DASHBOARDS, queries
from tests.servers import free_port
from tests.servers.prometheus import Prometheus, check_metrics

ROOT = Path(__file__).parents[2]


class Stage:
    """The sandbox in a thread of its own, failing when it is told to."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.sandbox = Sandbox(base_port=0, script=None)
        self.do(self.sandbox.__aenter__())

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def play(self, name: str, fault: Fault | None) -> None:
        self.do(self.sandbox.providers[name].play(fault))

    def close(self) -> None:
        self.do(self.sandbox.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class Hook(ThreadingHTTPServer):
    """Takes webhooks and keeps them."""

    def __init__(self) -> None:
        taken: list[dict[str, Any]] = []

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Take)
        self.taken = taken
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def messages(self) -> list[tuple[str, str]]:
        return [(one["change"], one["condition"]["kind"]) for post in self.taken for one in post["messages"]]


class Daemon:
    """The daemon as a process, with the shipped configuration on other ports and shorter intervals."""

    def __init__(self, folder: Path, stage: Stage, hook: Hook) -> None:
        self.folder, self.port = folder, free_port()
        text = (ROOT / "config" / "monitor.yaml").read_text()
        for place, name in enumerate(NAMES):
            text = text.replace(str(BASE_PORT + 1 + place), str(stage.sandbox.ports[name]))
        text = text.replace("127.0.0.1:9780", f"127.0.0.1:{self.port}").replace("interval: 60s", "interval: 15s")
        text += f"\nnotify:\n  group_wait: 1s\n  channels: [{{name: hook, webhook: {{url: 'http://127.0.0.1:{hook.server_port}/'}}}}]\n"
        for name in ("sandbox-ca.pem", "sandbox-password"):
            (folder / name).write_bytes((ROOT / "config" / name).read_bytes())
        self.config = folder / "monitor.yaml"
        self.config.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monitor", "run", "--config", str(self.config)],
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        until(lambda: self.get("/-/ready"), 60)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def run(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "monitor", *arguments, "--config", str(self.config)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    def metric(self, pattern: str) -> float | None:
        found = re.search(rf"^{pattern} (\S+)$", self.get("/metrics"), re.MULTILINE)
        return float(found[1]) if found else None


def until(true: Callable[[], Any], seconds: float) -> Any:
    """Waits until it is true; fails when that takes too long."""
    ends = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < ends, f"not within {seconds} s"
        time.sleep(0.25)
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Stage, Hook]]:
    """Sandbox, webhook and daemon, all working."""
    stage, hook = Stage(), Hook()
    daemon = Daemon(tmp_path_factory.mktemp("scene"), stage, hook)
    daemon.start()
    yield daemon, stage, hook
    daemon.stop()
    hook.shutdown()
    hook.server_close()
    stage.close()


SERVICES = 9


def test_every_service_is_known_soon(scene: tuple[Daemon, Stage, Hook]) -> None:
    """Within half a minute of the first start /metrics has every service of the sandbox, and promtool likes it."""
    daemon, _, _ = scene
    pattern = re.compile(r'^slaproof_availability_ratio\{.*period="current"', re.MULTILINE)
    until(lambda: len(pattern.findall(daemon.get("/metrics"))) >= SERVICES, 60)
    assert check_metrics(daemon.get("/metrics")) == ""


def test_every_query_of_the_dashboards_runs(scene: tuple[Daemon, Stage, Hook], tmp_path: Path) -> None:
    """Against a real Prometheus that scrapes the daemon: no query is refused, and nearly each finds something."""
    daemon, _, _ = scene
    config = f"""
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: slaproof, static_configs: [{{targets: ["127.0.0.1:{daemon.port}"]}}]}}]
"""
    with Prometheus(tmp_path, config) as prometheus:

        def ask(query: str) -> list[Any]:
            url = prometheus.url(f"/api/v1/query?query={urllib.parse.quote(query)}")
            with urllib.request.urlopen(url, timeout=10) as answer:
                told = json.load(answer)
            assert told["status"] == "success", (query, told)
            return list(told["data"]["result"])

        until(lambda: len(ask("rate(process_cpu_seconds_total[5m])")), 60)
        empty = [query for dashboard in DASHBOARDS for query in queries(dashboard) if not ask(query)]
    # What has not happened here has no series: no credit is due, no slot was missed, nobody keeps this clock.
    may_be_empty = ("credit_due", "claim_deadline", "missed_slots", "clock_offset", "burn_rate")
    assert [query for query in empty if not any(name in query for name in may_be_empty)] == []


def test_everybody_says_the_same_of_an_outage(scene: tuple[Daemon, Stage, Hook]) -> None:
    """Start, end and downtime; a restart in the middle repeats nothing and forgets nothing."""
    daemon, stage, hook = scene
    labels = 'slaproof_service_up{contract="mailgun",service="api"}'
    until(lambda: daemon.metric(re.escape(labels)) == 1, 30)
    stage.play("mailgun-api", Fault.ERROR)
    began = time.time() * 1000
    until(lambda: daemon.metric(re.escape(labels)) == 0, 40)
    until(lambda: ("began", "outage") in hook.messages(), 20)
    status = daemon.run("status", "--json")
    daemon.stop()
    daemon.start()
    until(lambda: daemon.metric(re.escape(labels)) == 0, 30)
    stage.play("mailgun-api", None)
    ended = time.time() * 1000
    until(lambda: daemon.metric(re.escape(labels)) == 1, 40)
    until(lambda: ("ended", "outage") in hook.messages(), 20)
    assert hook.messages().count(("began", "outage")) == 1
    assert hook.messages().count(("ended", "outage")) == 1

    report = daemon.run("report", "current", "--contract", "mailgun", "--format", "json")
    service = next(s for s in report["contracts"][0]["services"] if s["service"] == "api")
    assert len(service["outages"]) == 1
    outage = service["outages"][0]
    start, end = parse(outage["start"]), parse(outage["end"])
    assert 0 <= start - began <= 16_000, "the first failed probe, at the latest one interval after the fault"
    assert 0 <= end - ended <= 16_500, "the first good one"
    assert outage["counted_ms"] == end - start == service["counted"]

    told = json.loads(daemon.get("/api/v1/outages?contract=mailgun"))
    flat = json.dumps(told)
    assert outage["start"] in flat
    assert outage["end"] in flat
    assert outage["start"] in json.dumps(status)
    seconds = daemon.metric(re.escape('slaproof_downtime_seconds{contract="mailgun",service="api",period="current"}'))
    assert seconds is not None
    assert round(seconds * 1000) == outage["counted_ms"]
    posted = next(m for post in hook.taken for m in post["messages"] if m["change"] == "began")
    assert posted["condition"]["since"] == start
    balance = [one for contract in report["contracts"] for one in contract.get("balance", [])]
    assert all(one["expected"] == one["observed"] + one["missed"] for one in balance)
