"""One outage in the sandbox, seen everywhere: page, metric, mail, webhook, status, report and API agree.

A real daemon on real sockets, with Postfix and Dovecot for the mail and Chromium for the page; the daemon is stopped
and started in the middle of the outage.
"""

import asyncio
import email
import email.policy
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
from playwright.sync_api import Browser

from monitor.clock import SystemClock
from monitor.sandbox import BASE_PORT, Sandbox
from monitor.sandbox.script import Fault
from monitor.sandbox.stage import NAMES
from monitor.store import open_store
from monitor.store.sqlite import SqliteStore
from monitor.times import parse
from tests.deploy.test_files import DASHBOARDS, queries
from tests.servers import eventually, free_port
from tests.servers.postfix import Postfix
from tests.servers.prometheus import Prometheus, check_metrics

ROOT = Path(__file__).parents[2]
Scene = tuple["Daemon", "Stage", "Hook", Postfix]

_NOTIFY = """
notify:
  group_wait: 1s
  link: http://127.0.0.1:{port}
  channels:
    - {{name: hook, webhook: {{url: "http://127.0.0.1:{hook}/"}}}}
    - {{name: post, mail: {{host: 127.0.0.1, port: {mail}, tls: none, from: slaproof@mail.example, to: sink@example}}}}
"""


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
        return [(one["change"], one["condition"]["key"]) for post in self.taken for one in post["messages"]]

    def told(self, change: str, kind: str) -> dict[str, Any] | None:
        """The first message of that kind."""
        every = (one for post in self.taken for one in post["messages"])
        found = (one for one in every if (one["change"], one["condition"]["kind"]) == (change, kind))
        return next(found, None)


class Daemon:
    """The daemon as a process, with the shipped configuration on other ports and shorter intervals."""

    def __init__(self, folder: Path, stage: Stage, hook: Hook, mail: Postfix) -> None:
        self.folder, self.port = folder, free_port()
        text = (ROOT / "config" / "monitor.yaml").read_text()
        for place, name in enumerate(NAMES):
            text = text.replace(str(BASE_PORT + 1 + place), str(stage.sandbox.ports[name]))
        text = text.replace("127.0.0.1:9780", f"127.0.0.1:{self.port}").replace("interval: 60s", "interval: 15s")
        text += _NOTIFY.format(port=self.port, hook=hook.server_port, mail=mail.plain_port)
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

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self.url(path), timeout=5) as answer:
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
    """Waits until it is true; fails when that takes far too long: a busy machine may take its time."""
    ends = time.monotonic() + 4 * seconds
    while not (found := true()):
        assert time.monotonic() < ends, f"not within {4 * seconds} s"
        time.sleep(0.25)
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Sandbox, webhook, mail and daemon, all working."""
    with Postfix() as mail:
        stage, hook = Stage(), Hook()
        daemon = Daemon(tmp_path_factory.mktemp("scene"), stage, hook, mail)
        daemon.start()
        yield daemon, stage, hook, mail
        daemon.stop()
        hook.shutdown()
        hook.server_close()
        stage.close()


SERVICES = 9


def test_every_service_is_known_soon(scene: Scene) -> None:
    """Within half a minute of the first start /metrics has every service of the sandbox, and promtool likes it."""
    daemon, *_ = scene
    pattern = re.compile(r'^slaproof_availability_ratio\{.*period="current"', re.MULTILINE)
    until(lambda: len(pattern.findall(daemon.get("/metrics"))) >= SERVICES, 60)
    assert check_metrics(daemon.get("/metrics")) == ""


def test_every_query_of_the_dashboards_runs(scene: Scene, tmp_path: Path) -> None:
    """Against a real Prometheus that scrapes the daemon: no query is refused, and nearly each finds something."""
    daemon, *_ = scene
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


def in_ms(text: str) -> int:
    """Milliseconds of a length of time as people read it: ``1 min 5.250 s``."""
    found = re.fullmatch(r"(?:(\d+)\smin)?\s?(?:(\d+)(?:\.(\d+))?\ss)?", text.strip())
    assert found is not None, text
    return int(found[1] or 0) * 60_000 + int(found[2] or 0) * 1000 + int((found[3] or "").ljust(3, "0"))


def mails(mail: Postfix) -> list[tuple[str, str]]:
    """Subject and text of all that has arrived."""
    found = [email.message_from_bytes(one, policy=email.policy.default) for one in mail.dovecot.mailbox("sink")]
    return [(str(one["Subject"]), str(one.get_content())) for one in found]


def mailed(mail: Postfix, pattern: str) -> list[re.Match[str]]:
    """Every place in the mails' texts where it stands."""
    return [found for _, text in mails(mail) for found in re.finditer(pattern, text)]


def test_everybody_says_the_same_of_an_outage(scene: Scene, browser: Browser) -> None:
    """Start, end and downtime; a restart in the middle repeats nothing and forgets nothing."""
    daemon, stage, hook, mail = scene
    labels = 'slaproof_service_up{contract="mailgun",service="api"}'
    until(lambda: daemon.metric(re.escape(labels)) == 1, 30)
    began = time.time() * 1000
    stage.play("mailgun-api", Fault.ERROR)
    broken = time.time() * 1000
    until(lambda: daemon.metric(re.escape(labels)) == 0, 40)
    until(lambda: hook.told("began", "outage"), 20)
    until(lambda: mailed(mail, "mailgun api has been down since"), 20)
    status = daemon.run("status", "--json")
    daemon.stop()
    daemon.start()
    until(lambda: daemon.metric(re.escape(labels)) == 0, 30)
    ended = time.time() * 1000
    stage.play("mailgun-api", None)
    healed = time.time() * 1000
    until(lambda: daemon.metric(re.escape(labels)) == 1, 40)
    until(lambda: hook.told("ended", "outage"), 20)
    until(lambda: mailed(mail, "Over since"), 20)

    report = daemon.run("report", "current", "--contract", "mailgun", "--format", "json")
    service = next(s for s in report["contracts"][0]["services"] if s["service"] == "api")
    assert len(service["outages"]) == 1
    outage = service["outages"][0]
    start, end, counted = parse(outage["start"]), parse(outage["end"]), outage["counted_ms"]
    # However busy the machine: nothing else was seen between the fault and what is called its start, nor at its end.
    with open_store(daemon.folder / "slaproof.db", "main", SystemClock(), create=False) as store:
        probed = [(row.at, row.outcome) for row in store.reader.rows(0, end + 1, targets=["mailgun-api"])]
    assert start == min(at for at, outcome in probed if outcome != "ok" and at >= began), "the first failed probe"
    assert not [at for at, outcome in probed if outcome == "ok" and broken < at < start]
    assert end == min(at for at, outcome in probed if outcome == "ok" and at > start), "the first good one"
    assert end >= ended
    assert not [at for at, outcome in probed if outcome != "ok" and healed < at < end]
    assert counted == end - start == service["counted"]
    balance = [one for contract in report["contracts"] for one in contract.get("balance", [])]
    assert all(one["expected"] == one["observed"] + one["missed"] for one in balance)

    # The API, the metric, the status on a terminal.
    told = json.loads(daemon.get("/api/v1/outages?contract=mailgun"))["items"]
    assert [(one["start"], one["end"], one["counted_ms"]) for one in told] == [
        (outage["start"], outage["end"], counted)
    ]
    seconds = daemon.metric(re.escape('slaproof_downtime_seconds{contract="mailgun",service="api",period="current"}'))
    assert seconds is not None
    assert round(seconds * 1000) == counted
    assert of_mailgun(status)["outage"] == f"mailgun/api/{outage['start']}"
    after = of_mailgun(daemon.run("status", "--json"))
    assert (after["state"], after["since"], after["outage"]) == ("up", outage["end"], None)
    assert after["counted"] == counted
    assert [(one["start"], one["end"], one["counted_ms"]) for one in after["outages"]] == [
        (outage["start"], outage["end"], counted)
    ]

    # The webhook, and the link in it.
    first, last = hook.told("began", "outage"), hook.told("ended", "outage")
    assert first is not None
    assert last is not None
    assert first["condition"]["since"] == last["condition"]["since"] == start
    assert (last["condition"]["facts"]["ended"], last["condition"]["facts"]["counted_ms"]) == (end, counted)

    # The mail: one that says that it began, and one that says all.
    (down,) = mailed(mail, r"mailgun api has been down since (\S+ \S+) UTC\.")
    (over,) = mailed(
        mail,
        r"Down since: (\S+ \S+) UTC\nOver since: (\S+ \S+) UTC, after (.+)\nCounted under the contract: (.+)\n",
    )
    assert [parse(one.replace(" ", "T") + "Z") for one in (down[1], over[1], over[2])] == [start, start, end]
    assert (in_ms(over[3]), in_ms(over[4])) == (end - start, counted)

    # The page to which the mail leads, and the service's own.
    context = browser.new_context(timezone_id="UTC", locale="en-GB")
    page = context.new_page()
    (link,) = {found[1] for found in mailed(mail, r"(http://127\.0\.0\.1\S*/outages/\S+)")}
    page.goto(link)
    shown = page.locator(".lead time")
    assert [parse(one.get_attribute("datetime") or "") for one in shown.all()] == [start, end]
    seen = [one.replace(" UTC", "Z").replace(" ", "T") for one in shown.all_inner_texts()]
    assert [parse(one) for one in seen] == [start, end]
    assert [in_ms(text) for text in page.locator(".facts .big").all_inner_texts()[:2]] == [end - start, counted]
    page.goto(daemon.url("/services/mailgun/api"))
    listed = page.locator(f"a[href='{urllib.parse.urlsplit(link).path}']")
    assert listed.count() > 0, "the service's page leads there too"
    context.close()

    # Another restart, when all is over: nothing is told again, nothing waits, and all that was told has arrived.
    daemon.stop()
    daemon.start()
    until(lambda: daemon.metric(re.escape(labels)) == 1, 40)
    sent = eventually(lambda: delivered(daemon), within=20)
    assert sorted(one for one in sent if one[0] == "hook") == sorted(("hook", *one) for one in hook.messages())
    assert len(set(hook.messages())) == len(hook.messages())
    by_mail = [one for one in sent if one[0] == "post"]
    subjects = [line for subject, text in mails(mail) for line in headings(subject, text)]
    assert len(subjects) == len(set(subjects)) == len(by_mail)


def of_mailgun(status: Any) -> Any:
    """The line of Mailgun's API."""
    contract = next(one for one in status["contracts"] if one["contract"] == "mailgun")
    return next(one for one in contract["services"] if one["service"] == "api")


def delivered(daemon: Daemon) -> list[tuple[str, str, str]]:
    """All that was sent, by channel, change and key; nothing as long as something waits."""
    with SqliteStore.open(daemon.folder / "slaproof.db", "main", SystemClock()) as store:
        if store.outbox.waiting():
            return []
        every = store.outbox.recent(1000)
    assert all(one.sent_at is not None for one in every)
    return [(one.channel, one.body["change"], one.body["condition"]["key"]) for one in every]


def headings(subject: str, text: str) -> list[str]:
    """The messages in a mail: its subject, or where there are several the lines that are underlined."""
    return re.findall(r"^(.+)\n-{3,}$", text, re.MULTILINE) or [subject]
