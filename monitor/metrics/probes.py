"""The last probe of each target as gauges, under blackbox_exporter's names where they exist.

1. A gauge speaks of a committed observation and of no other.
2. A result that says nothing about the service (the fault was ours) leaves ``probe_success`` absent.
3. What is older than it may hold is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from monitor.config.load import Config, TargetConfig
from monitor.metrics.exposition import Page, Sample, labels, seconds
from monitor.store import Row, Series
from probes._outcome import FAULTS, Fault, Outcome

HTTP_KINDS = frozenset({"http", "page", "sms", "steps", "delivery"})

_FAULT = {outcome.value: fault for outcome, fault in FAULTS.items()}


class LastProbes:
    """The newest committed observation of each target and location."""

    def __init__(self, config: Config) -> None:
        self._rows: dict[Series, Row] = {}
        self._labels: dict[Series, str] = {}
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Speak of another configuration's targets from now on."""
        self._targets = {target.name: (target, target.spec.hold_ms) for target in config.targets}
        self._labels.clear()
        for series in [series for series in self._rows if series.target not in self._targets]:
            del self._rows[series]

    def update(self, rows: Sequence[Row]) -> None:
        """Take note of a commit."""
        for row in rows:
            series = Series(row.target, row.location)
            before = self._rows.get(series)
            if before is None or before.at <= row.at:
                self._rows[series] = row

    def write(self, page: Page, now: int) -> None:
        """Add the gauges to a page."""
        found: dict[str, list[Sample]] = {name: [] for name in _FAMILIES}
        for series, row in sorted(self._rows.copy().items()):
            target, hold_ms = self._targets.get(series.target, (None, 0))
            if target is not None and 0 <= now - row.at <= hold_ms:
                _samples(found, row, target, self._label(series, target))
        for name, samples in found.items():
            page.gauge(name, _FAMILIES[name], samples)

    def _label(self, series: Series, target: TargetConfig) -> str:
        known = self._labels.get(series)
        if known is None:
            known = labels(target=series.target, kind=target.kind, location=series.location)
            self._labels[series] = known
        return known


_FAMILIES = {
    "probe_success": "Whether the last probe found the service doing what was asked; absent where the fault was ours",
    "probe_duration_seconds": "How long the last probe took",
    "probe_dns_lookup_time_seconds": "How long the name's resolution took",
    "probe_http_duration_seconds": "How long each phase of the last HTTP request took",
    "probe_http_status_code": "The last HTTP status code",
    "probe_http_version": "The HTTP version of the last answer",
    "probe_http_content_length": "Bytes of the last HTTP body",
    "probe_http_ssl": "Whether TLS was used for the last HTTP request",
    "probe_ip_protocol": "The IP version of the last connection",
    "probe_ssl_earliest_cert_expiry": "When the first certificate of the chain ends, as Unix time",
    "probe_tls_version_info": "The TLS version of the last connection",
    "probe_icmp_duration_seconds": "How long each phase of the last ping took",
    "slaproof_probe_phase_duration_seconds": "How long each phase of the last probe took, of any kind",
    "slaproof_probe_outcome_info": "The outcome of the last probe and whose fault it was",
    "slaproof_probe_timestamp_seconds": "When the last recorded probe started",
}


def _samples(found: Mapping[str, list[Sample]], row: Row, target: TargetConfig, label: str) -> None:
    """One row's samples."""
    fault = _FAULT[row.outcome]
    if fault is not Fault.MONITOR:
        found["probe_success"].append((label, int(row.outcome == Outcome.OK)))
        found["probe_duration_seconds"].append((label, seconds(row.duration_ms)))
    found["slaproof_probe_outcome_info"].append((_with(_with(label, "outcome", row.outcome), "fault", fault.value), 1))
    found["slaproof_probe_timestamp_seconds"].append((label, seconds(row.at)))
    http = target.kind in HTTP_KINDS
    for phase, took in row.phases.items():
        here = _with(label, "phase", phase)
        text = seconds(took)
        found["slaproof_probe_phase_duration_seconds"].append((here, text))
        if http:
            found["probe_http_duration_seconds"].append((here, text))
        elif target.kind == "icmp":
            found["probe_icmp_duration_seconds"].append((here, text))
        if phase == "resolve":
            found["probe_dns_lookup_time_seconds"].append((label, text))
    _facts(found, row, label, http)


def _facts(found: Mapping[str, list[Sample]], row: Row, label: str, http: bool) -> None:
    facts: Mapping[str, Any] = row.facts
    peer = facts.get("peer")
    if isinstance(peer, str) and peer:
        found["probe_ip_protocol"].append((label, 6 if peer.count(":") > 1 else 4))
    if (ends := facts.get("cert_not_after")) is not None:
        found["probe_ssl_earliest_cert_expiry"].append((label, int(ends)))
    version = facts.get("tls_version")
    if version:
        found["probe_tls_version_info"].append((_with(label, "version", str(version)), 1))
    if not http:
        return
    if row.code is not None:
        found["probe_http_status_code"].append((label, row.code))
        found["probe_http_ssl"].append((label, int(bool(version))))
    if (spoken := facts.get("http_version")) is not None:
        found["probe_http_version"].append((label, str(spoken).upper().removeprefix("HTTP/")))
    if (size := facts.get("body_bytes")) is not None:
        found["probe_http_content_length"].append((label, int(size)))


@lru_cache(maxsize=1 << 18)
def _with(label: str, name: str, value: str) -> str:
    """A label set with one more label; the same ones come back at every scrape."""
    return f"{label[:-1]},{labels(**{name: value})[1:]}"
