"""Measures slaproof beside Prometheus with blackbox_exporter: the same nginx, the same targets, one after the other.

What is measured, for both in the same way:

- CPU: user and system time of all its processes, over the measured seconds, for each probe that it recorded in them.
- Memory: the highest resident size (VmHWM) of each of its processes, added up.
- Disk: what its data takes once its journal is folded in (a checkpoint of SQLite, a snapshot of Prometheus), for each
  probe that it recorded in all.
- Lateness: nginx notes when each request came. A target's requests should be one interval apart; a request is late by
  what it is behind the grid of its target's earliest. (Not its first: that one may have been late itself.)
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.servers import HOST, ROOT, Process, Server, descendants, free_port, need
from tests.servers.prometheus import Blackbox, Prometheus

_TICK = os.sysconf("SC_CLK_TCK")
_READINGS = 5
_NGINX = """
user root; worker_processes 1; worker_rlimit_nofile 65536; daemon off;
pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 32768; }}
http {{
    log_format when '$msec $status $uri';
    access_log {folder}/access.log when buffer=64k flush=1s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_timeout 0;
    server {{ listen {host}:{port} backlog=65535 reuseport; location / {{ return 200 '{{"state": "ok"}}'; }} }}
}}
"""
_BLACKBOX = """
modules:
  plain:
    prober: http
    timeout: 5s
    http: {preferred_ip_protocol: ip4, valid_status_codes: [200], fail_if_body_not_matches_regexp: ['"ok"']}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many targets, each probed every so many seconds."""

    targets: int
    interval_s: int

    @property
    def rate(self) -> float:
        """Probes a second."""
        return self.targets / self.interval_s

    def __str__(self) -> str:
        return f"{self.targets:,} targets every {self.interval_s} s ({self.rate:,.0f}/s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of one product under one load."""

    product: str
    load: Load
    recorded: int
    expected: float
    failed: int
    cpu_ms: float
    memory_mib: float
    disk_bytes: float
    late_p50_ms: float
    late_p99_ms: float
    reading_ms: float
    """CPU of reading its page of metrics once; nobody reads that of Prometheus."""


class Target(Server):
    """The nginx that both probe."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.log = folder / "access.log"
        conf = folder / "nginx.conf"
        conf.write_text(_NGINX.format(folder=folder, host=HOST, port=self.port))
        self.processes = [
            Process([need("nginx"), "-e", folder / "error.log", "-c", conf], log=folder / "out", ports=[self.port])
        ]

    def requests(self, start: float, end: float) -> dict[str, list[float]]:
        """The moments at which each target was asked between two moments (seconds since the epoch)."""
        time.sleep(1.2)  # nginx writes its log once a second
        found: dict[str, list[float]] = defaultdict(list)
        with self.log.open() as lines:
            for line in lines:
                moment, _, path = line.split()
                if start <= float(moment) < end:
                    found[path].append(float(moment))
        return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and of their children that have ended."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICK


def peak_mib(pids: Iterable[int]) -> float:
    """The highest resident size of these processes, added up."""
    total = 0
    for pid in pids:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        total += int(found[1]) if found else 0
    return total / 1024


def disk_bytes(folder: Path) -> int:
    """What all files below this folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def lateness_ms(requests: dict[str, list[float]], interval_s: int) -> list[float]:
    """How late each request was, sorted; see the head of this file."""
    late: list[float] = []
    for moments in requests.values():
        if len(moments) < 2:
            continue
        rest = [(moment - number * interval_s) for number, moment in enumerate(sorted(moments))]
        late += [(one - min(rest)) * 1000 for one in rest]
    return sorted(late)


def percentile(values: list[float], share: float) -> float:
    """A value of a sorted list; NaN of an empty one."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def _measure(
    product: str,
    load: Load,
    target: Target,
    server: Server,
    seconds: float,
    recorded: Callable[[float, float], tuple[int, int, int]],
    read: Callable[[], None],
    stored: Callable[[], int],
) -> Figures:
    """Wait for the load to be steady, measure for so long, stop, and count."""
    # A start asks everybody once beside the grid, within half a minute; then one whole interval passes.
    time.sleep(35 + load.interval_s)
    pids = [pid for process in server.processes for pid in descendants(process.pid)]
    start, before = time.time(), cpu_seconds(pids)
    time.sleep(seconds)
    end, after, memory = time.time(), cpu_seconds(pids), peak_mib(pids)
    # From one interval before: at long intervals the time measured holds one request of each target alone.
    late = lateness_ms(target.requests(start - load.interval_s, end), load.interval_s)
    count, failed, total = recorded(start, end)
    quiet, idle = cpu_seconds(pids), time.time()
    for _ in range(_READINGS):
        read()
    reading = cpu_seconds(pids) - quiet - (after - before) / (end - start) * (time.time() - idle)
    size = stored()
    return Figures(
        product=product,
        load=load,
        recorded=count,
        expected=load.rate * (end - start),
        failed=failed,
        cpu_ms=(after - before) * 1000 / max(count, 1),
        memory_mib=memory,
        disk_bytes=size / max(total, 1),
        late_p50_ms=percentile(late, 0.5),
        late_p99_ms=percentile(late, 0.99),
        reading_ms=max(reading, 0.0) * 1000 / _READINGS,
    )


class _Slaproof(Server):
    def __init__(self, folder: Path, load: Load, target: Target) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.data = folder / "data"
        self.data.mkdir()
        config = {
            "location": "bench",
            "storage": str(self.data / "slaproof.db"),
            "listen": f"{HOST}:{self.port}",
            "targets": [
                {
                    "name": f"t{number}",
                    "interval": f"{load.interval_s}s",
                    "timeout": "5s" if load.interval_s > 5 else "900ms",
                    "http": {
                        "url": f"http://{HOST}:{target.port}/{number}",
                        "expect": {"status": [200], "body": '"ok"'},
                    },
                }
                for number in range(load.targets)
            ],
        }
        path = folder / "monitor.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        self.processes = [
            Process(
                [sys.executable, "-m", "monitor", "run", "--config", path],
                log=folder / "log",
                cwd=ROOT,
                within=120,
                ready=self._ready,
                patience=20,
            )
        ]

    def _ready(self) -> bool:
        return self._get("/-/healthy") is not None

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=10) as response:
            text: bytes = response.read()
        return text.decode()

    def scrape(self) -> None:
        """Read the metrics, as its Prometheus would."""
        self._get("/metrics")

    def recorded(self, start: float, end: float) -> tuple[int, int, int]:
        """Recorded between two moments; how many of those not ok; recorded in all."""
        time.sleep(1)
        with sqlite3.connect(f"file:{self.data / 'slaproof.db'}?mode=ro", uri=True) as db:
            inside = db.execute(
                "SELECT count(*), coalesce(sum(outcome <> 'ok'), 0) FROM v_observations WHERE at_ms >= ? AND at_ms < ?",
                (int(start * 1000), int(end * 1000)),
            ).fetchone()
            total = db.execute("SELECT count(*) FROM observations").fetchone()
        db.close()
        return int(inside[0]), int(inside[1]), int(total[0])

    def stored(self) -> int:
        """Bytes of the database, after it was stopped and its journal folded in."""
        self.stop()
        path = self.data / "slaproof.db"
        db = sqlite3.connect(path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        return path.stat().st_size


class _Peers(Server):
    def __init__(self, folder: Path, load: Load, target: Target) -> None:
        super().__init__(folder)
        self.blackbox = Blackbox(folder / "blackbox", _BLACKBOX)
        addresses = [f"http://{HOST}:{target.port}/{number}" for number in range(load.targets)]
        (folder / "targets.json").write_text(json.dumps([{"targets": addresses}]))
        interval = f"{load.interval_s}s"
        timeout = f"{min(5, load.interval_s)}s"
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": timeout},
            "scrape_configs": [
                {
                    "job_name": "probe",
                    "metrics_path": "/probe",
                    "params": {"module": ["plain"]},
                    "file_sd_configs": [{"files": [str(folder / "targets.json")]}],
                    "relabel_configs": [
                        {"source_labels": ["__address__"], "target_label": "__param_target"},
                        {"source_labels": ["__param_target"], "target_label": "instance"},
                        {"target_label": "__address__", "replacement": f"{HOST}:{self.blackbox.port}"},
                    ],
                }
            ],
        }
        self.prometheus = Prometheus(folder / "prometheus", json.dumps(config), extra=["--web.enable-admin-api"])
        self.processes = [*self.blackbox.processes, *self.prometheus.processes]

    def recorded(self, start: float, end: float) -> tuple[int, int, int]:
        """As of slaproof: from the samples of probe_success."""
        seconds = max(1, round(end - start))
        at = str(end)

        def value(query: str) -> int:
            found = self.prometheus.api("query", query=query, time=at)["result"]
            return int(float(found[0]["value"][1])) if found else 0

        inside = value(f"sum(count_over_time(probe_success[{seconds}s]))")
        good = value(f"sum(sum_over_time(probe_success[{seconds}s]))")
        total = value("sum(count_over_time(probe_success[1h]))")
        return inside, inside - good, total

    def stored(self) -> int:
        """Bytes of a snapshot: one block of all that was recorded, without the journal."""
        post = urllib.request.Request(self.prometheus.url("/api/v1/admin/tsdb/snapshot"), method="POST")
        with urllib.request.urlopen(post, timeout=120) as response:
            name = json.load(response)["data"]["name"]
        return disk_bytes(self.prometheus.data / "snapshots" / name)


def run_load(folder: Path, load: Load, seconds: float) -> list[Figures]:
    """Both products under one load, one after the other."""
    with Target(folder / "nginx") as target:
        with _Slaproof(folder / "slaproof", load, target) as one:
            ours = _measure("slaproof", load, target, one, seconds, one.recorded, one.scrape, one.stored)
        with _Peers(folder / "peers", load, target) as other:
            theirs = _measure(
                "Prometheus + blackbox_exporter", load, target, other, seconds, other.recorded, _nothing, other.stored
            )
    return [ours, theirs]


def _nothing() -> None:
    pass
