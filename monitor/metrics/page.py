"""What Prometheus reads at /metrics: targets, contracts, and the monitor itself.

Counters and the histogram are prometheus-client's; what there is much of is written by `monitor.metrics.exposition` at
the moment of the scrape, from committed rows and the one judgement. `render` may be called from any thread.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from monitor.clock import Clock
from monitor.config.load import Config
from monitor.judgement.standing import Standing
from monitor.metrics import contracts as metrics_contracts
from monitor.metrics.exposition import Page, labels, seconds
from monitor.metrics.probes import LastProbes
from monitor.probing.adjtime import ClockState
from monitor.store import Event, Gap, Row, WriterState
from monitor.version import version

disable_created_metrics()  # type: ignore[no-untyped-call]  # they are gauges that promtool rightly finds odd

log = logging.getLogger(__name__)

LATENESS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class _Judge(Protocol):
    def current(self) -> Standing | None:
        """How everything stands; None while not loaded."""


class _Reader(Protocol):
    def size_bytes(self) -> int:
        """The database on disk."""


class _Writer(Protocol):
    @property
    def state(self) -> WriterState:
        """How the writing goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How the daemon is, as of a scrape."""

    running: int
    online: bool | None
    clock: ClockState | None
    started_at: int


class Metrics:
    """Hears of everything and renders the page. `monitor.probing.daemon` has it as its observer."""

    def __init__(self, config: Config, *, judge: _Judge, reader: _Reader, writer: _Writer, clock: Clock) -> None:
        self._judge = judge
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._lock = threading.Lock()
        self.last = LastProbes(config)
        self._config = config
        self._kinds = {target.name: target.kind for target in config.targets}
        self.vitals: Callable[[], Vitals] | None = None
        """Asked at each scrape; None before the daemon runs."""
        self.more: dict[str, Callable[[Page], None]] = {}
        """What the parts add at each scrape, by the part's name."""
        self._reload_ok = True
        self._reloaded_at = clock.now_ms()
        self._counts: dict[tuple[str, str], int] = {}
        self._absent: set[str] = set()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._late = Histogram(
            "slaproof_probe_lateness_seconds",
            "How long after their slots scheduled probes started",
            buckets=LATENESS_S,
            registry=registry,
        )
        self._missed = Counter(
            "slaproof_missed_slots", "Scheduled probes that were not made", ["reason"], registry=registry
        )
        self._observe = self._late.observe

    # -- what it hears -----------------------------------------------------------------------------------------------

    def started(self, late_s: float) -> None:
        """A scheduled probe started so late."""
        self._observe(late_s)

    def missed(self, gap: Gap) -> None:
        """Slots were missed."""
        if gap.slots:
            self._missed.labels(reason=gap.reason).inc(gap.slots)

    def committed(self, rows: Sequence[Row], _gaps: Sequence[Gap], _events: Sequence[Event]) -> None:
        """Rows became durable: now they may be shown."""
        self.last.update(rows)
        counts, kinds = self._counts, self._kinds
        for row in rows:
            key = (kinds.get(row.target, "unknown"), row.outcome)
            counts[key] = counts.get(key, 0) + 1

    def reloaded(self, config: Config | None) -> None:
        """A reload ended: with another configuration, or (None) with the old one kept."""
        self._reload_ok = config is not None
        if config is not None:
            self._reloaded_at = self._clock.now_ms()
            self._config = config
            self._kinds = {target.name: target.kind for target in config.targets}
            self.last.configure(config)

    @property
    def reload_ok(self) -> bool:
        """Whether the last reload succeeded."""
        return self._reload_ok

    @property
    def reloaded_at(self) -> int:
        """When the configuration in force was read, ms."""
        return self._reloaded_at

    def lateness_ms(self, quantile: float) -> float | None:
        """An upper bound of the lateness of that share of the scheduled probes; None before the first."""
        buckets = next(iter(self._late.collect())).samples
        counts = [(float(s.labels["le"]), s.value) for s in buckets if s.name.endswith("_bucket")]
        if not counts or not counts[-1][1]:
            return None
        for bound, count in counts:
            if count >= quantile * counts[-1][1]:
                return bound * 1000
        return None

    # -- what it shows -----------------------------------------------------------------------------------------------

    def render(self, _accept: str = "") -> tuple[bytes, str]:
        """The page, and its content type: the plain text format, which every Prometheus reads."""
        with self._lock:  # two scrapes at once would do the work twice
            page = Page()
            self._part("judgement", page, self._judged)
            self.last.write(page, self._clock.now_ms())
            self._own(page)
            for name, add in list(self.more.items()):
                self._part(name, page, add)
            return page.text().encode() + generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def _judged(self, page: Page) -> None:
        standing = self._judge.current()
        if standing is not None:
            metrics_contracts.write(page, standing)

    def _part(self, name: str, page: Page, add: Callable[[Page], None]) -> None:
        """Add a part; one that cannot be read just now is absent, and the page says the more of what is wrong."""
        try:
            add(page)
        except Exception:
            if name not in self._absent:
                log.exception("a part of the metrics is absent", extra={"part": name})
            self._absent.add(name)
        else:
            self._absent.discard(name)

    def _own(self, page: Page) -> None:
        page.add(
            "slaproof_probes_total",
            "counter",
            "Recorded probes by outcome",
            [(labels(kind=k, outcome=o), n) for (k, o), n in sorted(self._counts.copy().items())],
        )
        page.gauge("slaproof_targets", "Targets of the configuration in force", len(self._config.targets))
        page.gauge("slaproof_reference_hosts", "Configured reference hosts", len(self._config.reference_hosts))
        page.gauge(
            "slaproof_build_info",
            "Which slaproof this is",
            [(labels(version=version(), python=platform.python_version(), location=self._config.location), 1)],
        )
        page.gauge(
            "slaproof_config_last_reload_successful",
            "Whether the configuration file could be used when it was last read",
            int(self._reload_ok),
        )
        page.gauge(
            "slaproof_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, as Unix time",
            seconds(self._reloaded_at),
        )
        self._store(page)
        if self.vitals is not None:
            self._vital(page, self.vitals())

    def _store(self, page: Page) -> None:
        state = self._writer.state
        page.gauge("slaproof_store_queue_length", "Records that wait to be written", state.queued)
        page.add("slaproof_store_commits_total", "counter", "Groups of records made durable", [("", state.commits)])
        page.add("slaproof_store_dropped_total", "counter", "Results given up for want of room", [("", state.dropped)])
        page.gauge(
            "slaproof_store_writable", "0 while nothing can be written", 0 if state.failing_since is not None else 1
        )
        if state.last_commit_at is not None:
            page.gauge(
                "slaproof_store_last_commit_seconds", "How long the last commit took", round(state.last_commit_s, 6)
            )
            page.gauge(
                "slaproof_store_last_commit_timestamp_seconds",
                "When records were last made durable, as Unix time",
                seconds(state.last_commit_at),
            )
        page.gauge("slaproof_database_size_bytes", "The database on disk, with its log", self._reader.size_bytes())

    @staticmethod
    def _vital(page: Page, vitals: Vitals) -> None:
        page.gauge("slaproof_probes_running", "Probes under way", vitals.running)
        if vitals.online is not None:
            page.gauge("slaproof_online", "Whether a reference host answers", int(vitals.online))
        if vitals.clock is not None:
            page.gauge("slaproof_clock_offset_seconds", "What the kernel has still to correct", vitals.clock.offset_s)
            page.gauge(
                "slaproof_clock_max_error_seconds", "The most that the clock may be wrong by", vitals.clock.max_error_s
            )
            page.gauge(
                "slaproof_clock_synchronised", "Whether the clock is disciplined", int(vitals.clock.synchronised)
            )
