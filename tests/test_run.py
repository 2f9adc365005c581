"""The daemon as a process: started, asked, reloaded, killed, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from monitor.clock import SystemClock
from monitor.probing.slots import count_slots, offset_ms
from monitor.store import open_store
from monitor.store.sqlite import integrity
from tests.servers import free_port, need, need_root

ROOT = Path(__file__).parent.parent


OURS = {"local", "offline", "loop_stalled", "overrun", "shutdown"}
"""What a machine under load may add to any of these tests: its own faults, accounted for, and no provider's."""


class Listener:
    """A port that takes every connection; `closed` stops it."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(512)
        self.port: int = self.socket.getsockname()[1]

    def close(self) -> None:
        self.socket.close()


class Process:
    """`slaproof run` over one configuration."""

    def __init__(self, folder: Path, listener: Listener) -> None:
        self.folder = folder
        self.listener = listener
        self.port = free_port()
        self.config = folder / "monitor.yaml"
        self.process: subprocess.Popen[bytes] | None = None
        self.write()

    def write(
        self, targets: int = 3, interval: str = "1s", more: str = "", timeout: str = "900ms", host: str = "127.0.0.1"
    ) -> None:
        lines = "".join(
            f"  - {{name: t{n}, interval: {interval}, timeout: {timeout}, "
            f"tcp: {{host: {host.format(name=f't{n}')}, port: {self.listener.port}}}}}\n"
            for n in range(targets)
        )
        top = f"listen: 127.0.0.1:{self.port}\nreference_hosts: ['127.0.0.1:{self.listener.port}']\n"
        self.config.write_text(f"{top}{more}\ntargets:\n{lines}")

    def start(self, *before: str, environment: Mapping[str, str] | None = None, wait: bool = True) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "monitor", "run", "--config", str(self.config)],
                cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        if wait:
            self.until(lambda: self.get("/-/ready") == (200, "ok\n"))

    def until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.log()
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except (OSError, ConnectionError):
            return 0, ""

    def metric(self, name: str) -> float | None:
        for line in self.get("/metrics")[1].splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return None

    def send(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def slaproof(tmp_path: Path) -> Iterator[Process]:
    listener = Listener()
    process = Process(tmp_path, listener)
    yield process
    if process.process is not None and process.process.poll() is None:
        process.process.kill()
        process.process.wait(10)
    listener.close()


def balance(process: Process, targets: int = 3, interval: int = 1_000) -> dict[str, int]:
    """Over the stored life of the daemon slots = observations + gaps for each target; the outcomes and reasons seen."""
    path = process.folder / "slaproof.db"
    seen: dict[str, int] = {}
    with open_store(path, "main", SystemClock(), create=False) as store:
        reader = store.reader
        begun = reader.events(kinds=["config"])[0].at
        ended = reader.events(kinds=["stop"])[-1].at
        for n in range(targets):
            name, offset = f"t{n}", offset_ms(f"t{n}", interval)
            rows = reader.rows(begun, ended, targets=[name])
            scheduled = [row for row in rows if row.scheduled]
            gaps = reader.gaps(begun, ended, targets=[name])
            missed = sum(count_slots(max(begun, g.start), min(ended, g.end), interval, offset) for g in gaps if g.slots)
            assert len(scheduled) + missed == count_slots(begun, ended, interval, offset), name
            for row in rows:
                seen[row.outcome] = seen.get(row.outcome, 0) + 1
            for gap in gaps:
                seen[gap.reason] = seen.get(gap.reason, 0) + gap.slots
    assert integrity(path) == []
    return seen


def test_it_starts_probes_shows_and_stops(slaproof: Process) -> None:
    """Ready within seconds, probes durable and shown, SIGTERM ends it in order, and the book balances."""
    slaproof.start()
    name = 'probe_success{target="t0",kind="tcp",location="main"}'
    slaproof.until(lambda: slaproof.metric(name) == 1)
    assert slaproof.get("/-/healthy") == (200, "ok\n")
    assert slaproof.stop() == 0
    seen = balance(slaproof)
    assert seen["ok"] > 0
    assert set(seen) <= {"ok"} | OURS
    assert "its pages are at http://127.0.0.1:" in slaproof.log()
    assert "Traceback" not in slaproof.log()


def test_a_reload_takes_the_new_file_and_keeps_the_old_when_it_is_wrong(slaproof: Process) -> None:
    """SIGHUP and POST /-/reload; an invalid file changes nothing and says so."""
    slaproof.start()
    assert slaproof.metric("slaproof_targets") == 3
    slaproof.write(targets=5)
    slaproof.send(signal.SIGHUP)
    slaproof.until(lambda: slaproof.metric("slaproof_targets") == 5)
    slaproof.write(targets=2, more="lisen: 3")
    status, text = slaproof.get("/-/reload", "POST")
    assert status == 500
    assert "'lisen' is not known here: did you mean 'listen'?" in text
    assert slaproof.metric("slaproof_config_last_reload_successful") == 0
    assert slaproof.metric("slaproof_targets") == 5
    assert "'lisen' is not known here" in slaproof.log()
    slaproof.write(targets=2)
    assert slaproof.get("/-/reload", "POST")[0] == 200
    assert slaproof.metric("slaproof_config_last_reload_successful") == 1
    assert slaproof.metric("slaproof_targets") == 2
    slaproof.write(targets=2, more="location: elsewhere")
    assert "'location' was changed, which needs a restart" in slaproof.get("/-/reload", "POST")[1]
    assert slaproof.stop() == 0


def test_killed_and_started_again_it_accounts_for_the_time_between(slaproof: Process) -> None:
    """kill -9 leaves nothing unexplained: the next start finds the gap."""
    slaproof.start()
    slaproof.until(lambda: (slaproof.metric('slaproof_probes_total{kind="tcp",outcome="ok"}') or 0) >= 6)
    slaproof.stop(signal.SIGKILL)
    time.sleep(1.5)
    slaproof.start()
    slaproof.until(lambda: (slaproof.metric('slaproof_probes_total{kind="tcp",outcome="ok"}') or 0) >= 3)
    assert slaproof.stop() == 0
    seen = balance(slaproof)
    assert seen["not_running"] >= 3
    assert set(seen) <= {"ok", "not_running"} | OURS


def test_a_second_daemon_is_refused(slaproof: Process) -> None:
    """One database, one daemon; the second says why and ends with 1."""
    slaproof.start()
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "run", "--config", str(slaproof.config)],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "slaproof.db" in done.stderr
    assert slaproof.stop() == 0


def test_stopped_for_a_while_it_blames_nobody(slaproof: Process) -> None:
    """SIGSTOP for some seconds: the slots are gaps of ours, and no provider outcome was invented."""
    slaproof.start()
    ok = 'slaproof_probes_total{kind="tcp",outcome="ok"}'
    slaproof.until(lambda: (slaproof.metric(ok) or 0) >= 3)
    slaproof.send(signal.SIGSTOP)
    time.sleep(4)
    slaproof.send(signal.SIGCONT)
    stalled = 'slaproof_missed_slots_total{reason="loop_stalled"}'
    slaproof.until(lambda: (slaproof.metric(stalled) or 0) >= 9)
    before = slaproof.metric(ok) or 0
    slaproof.until(lambda: (slaproof.metric(ok) or 0) >= before + 3)
    assert slaproof.stop() == 0
    seen = balance(slaproof)
    assert seen["loop_stalled"] >= 9
    assert set(seen) <= {"ok"} | OURS


@pytest.mark.parametrize("minutes", [10, -10])
def test_the_clock_set_by_ten_minutes(slaproof: Process, minutes: int) -> None:
    """libfaketime moves the wall clock under the running daemon: a gap and an event, nothing against a provider."""
    need("faketime")
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))
    rc = slaproof.folder / "faketimerc"
    rc.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(rc),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    slaproof.start(environment=environment)
    ok = 'slaproof_probes_total{kind="tcp",outcome="ok"}'
    slaproof.until(lambda: (slaproof.metric(ok) or 0) >= 3)
    rc.write_text(f"{minutes * 60:+d}\n")
    slaproof.until(lambda: f"msg=clock_stepped_{'forward' if minutes > 0 else 'back'}" in slaproof.log())
    if minutes < 0:  # the end must stand after what was recorded: let the clock come back
        rc.write_text("+0\n")
        slaproof.until(lambda: "msg=clock_stepped_forward" in slaproof.log())
    before = slaproof.metric(ok) or 0
    slaproof.until(lambda: (slaproof.metric(ok) or 0) >= before + 3)
    assert slaproof.stop() == 0
    seen = balance(slaproof)
    if minutes > 0:
        assert 3 * 590 <= seen["clock_stepped_forward"] <= 3 * 610
    assert set(seen) <= {"ok", "clock_stepped_forward", "clock_stepped_back"} | OURS
    with open_store(slaproof.folder / "slaproof.db", "main", SystemClock(), create=False) as store:
        steps = store.reader.events(kinds=["clock_step"])
        assert steps[0].data["reason"] == ("clock_stepped_forward" if minutes > 0 else "clock_stepped_back")
        assert 595_000 <= steps[0].data["ms"] <= 605_000
        assert {row.outcome for row in store.reader.rows(0, 1 << 60)} <= {"ok"} | OURS


def test_file_descriptors_used_up(slaproof: Process) -> None:
    """With next to no descriptors the daemon lives, records what it can, and blames itself."""
    slaproof.write(targets=3, interval="1s")
    slaproof.start()
    assert slaproof.process is not None
    # Fewer than are open already: nothing more can be opened at all.
    subprocess.run(["prlimit", f"--pid={slaproof.process.pid}", "--nofile=8:"], check=True)
    time.sleep(3)  # nobody can ask it meanwhile
    subprocess.run(["prlimit", f"--pid={slaproof.process.pid}", "--nofile=1024:"], check=True)
    ok = 'slaproof_probes_total{kind="tcp",outcome="ok"}'
    slaproof.until(lambda: (slaproof.metric(ok) or 0) >= 3)
    slaproof.until(lambda: slaproof.get("/-/healthy")[0] == 200)
    assert slaproof.stop() == 0
    seen = balance(slaproof)
    assert seen["local"] >= 3
    assert seen["ok"] >= 3
    assert set(seen) <= {"ok"} | OURS


class NameServer:
    """Says 127.0.0.1 to every name, until it is told to be silent or to go."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.silent = False
        self._ending = False
        self._socket: socket.socket | None = None
        self.open()

    def open(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._socket is not None:
            self._ending = True
            self._thread.join()  # while it waits in the socket, the address would not be free again
            self._socket.close()
            self._socket, self._ending = None, False

    def _serve(self, bound: socket.socket) -> None:
        bound.settimeout(0.2)
        while not self._ending:
            try:
                question, peer = bound.recvfrom(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            if self.silent:
                continue
            query = dns.message.from_wire(question)
            answer = dns.message.make_response(query)
            asked = query.question[0]
            if asked.rdtype == dns.rdatatype.A:
                answer.answer.append(dns.rrset.from_text(asked.name, 5, "IN", "A", "127.0.0.1"))
            elif asked.rdtype == dns.rdatatype.NS:
                answer.answer.append(dns.rrset.from_text(asked.name, 5, "IN", "NS", "a.root-servers.net."))
            with contextlib.suppress(OSError):
                bound.sendto(answer.to_wire(), peer)


@pytest.mark.parametrize("how", ["silent", "gone"])
def test_a_name_server_that_stops_is_not_the_providers_fault(slaproof: Process, how: str) -> None:
    """Names cannot be resolved any more: the outcome is local, and 0 ms are booked on the provider."""
    need_root()
    server = NameServer("127.0.0.97")
    slaproof.write(more="nameservers: [127.0.0.97]", timeout="900ms", host="{name}.provider.example")
    try:
        slaproof.start()
        ok = 'slaproof_probes_total{kind="tcp",outcome="ok"}'
        slaproof.until(lambda: (slaproof.metric(ok) or 0) >= 6)
        if how == "silent":
            server.silent = True
        else:
            server.close()
        local = 'slaproof_probes_total{kind="tcp",outcome="local"}'
        slaproof.until(lambda: (slaproof.metric(local) or 0) >= 9)
        if how == "silent":
            server.silent = False
        else:
            server.open()
        before = slaproof.metric(ok) or 0
        slaproof.until(lambda: (slaproof.metric(ok) or 0) >= before + 6)
        assert slaproof.stop() == 0
    finally:
        server.close()
    seen = balance(slaproof)
    assert {"ok", "local"} <= set(seen)
    assert set(seen) <= {"ok"} | OURS


def test_the_sandbox_comes_along(tmp_path: Path) -> None:
    """`slaproof run --sandbox` watches the sandbox's providers, the shipped way."""
    import shutil

    shutil.copytree(ROOT / "config", tmp_path / "config")
    process = Process(tmp_path, Listener())
    process.config = tmp_path / "config/monitor.yaml"
    text = process.config.read_text().replace("127.0.0.1:9780", f"127.0.0.1:{process.port}")
    process.config.write_text(text)
    with (tmp_path / "log").open("ab") as log:
        process.process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", "--sandbox", "--config", str(process.config)],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        process.until(lambda: process.get("/metrics")[1].count("probe_success{") == 9, seconds=120)
        process.until(lambda: process.get("/metrics")[1].count("slaproof_service_up{") >= 8, seconds=120)
    finally:
        assert process.stop() == 0, process.log()
        process.listener.close()
    assert "Traceback" not in process.log()
