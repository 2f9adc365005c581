"""From what a probe found to what is kept of it. Pure but for compression."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from monitor.store import Row
from probes._outcome import Line, Outcome, Phase, Result, TlsFacts


def facts_of(result: Result) -> dict[str, Any]:
    """The facts that are kept of every probe: peer, TLS, and what the kind itself notes."""
    facts: dict[str, Any] = {}
    if result.peer is not None:
        facts["peer"] = result.peer
    tls = result.tls
    if tls is not None:
        facts["tls_version"] = tls.version
        facts["tls_cipher"] = tls.cipher
        if tls.not_after is not None:
            facts["cert_not_after"] = tls.not_after
            facts["cert_subject"] = tls.subject
            facts["cert_issuer"] = tls.issuer
    if result.facts:
        facts.update(result.facts)
        # Within what a Date header can tell it is noise, which would make every row's facts its own.
        if abs(facts.get("clock_offset_ms", 0)) < 2_000:
            facts.pop("clock_offset_ms", None)
    return facts


def phases_of(result: Result) -> dict[str, float]:
    """Milliseconds of each phase by name; a phase that came several times (redirects, steps) is their sum."""
    spent: dict[str, float] = {}
    for phase in result.phases:
        spent[phase.name] = round(spent.get(phase.name, 0.0) + phase.duration_ms, 3)
    return spent


def row_of(
    result: Result, *, at: int, target: str, location: str, scheduled: bool, online: Mapping[str, str] | None
) -> Row:
    """The row of one probe; a failed one takes its evidence along, with what the reference hosts said (``online``)."""
    ok = result.outcome is Outcome.OK
    return Row(
        at=at,
        target=target,
        location=location,
        scheduled=scheduled,
        outcome=result.outcome.value,
        duration_ms=result.duration_ms,
        code=result.code,
        detail=result.detail,
        phases=phases_of(result),
        facts=facts_of(result),
        ids=result.ids,
        probe_id=result.probe_id,
        evidence=None if ok else pack(evidence_of(result, online)),
    )


def as_offline(result: Result, hosts: Mapping[str, str]) -> Result:
    """The same failure, seen while no reference host answered: this location's, and nobody else's."""
    said = f"; {result.outcome.value}: {result.detail}" if result.detail else f"; {result.outcome.value}"
    return replace(
        result,
        outcome=Outcome.OFFLINE,
        detail=f"none of the {len(hosts)} reference hosts answered at that time{said}",
        advice="this location had no network; the provider is not blamed",
    )


def evidence_of(result: Result, reference: Mapping[str, str] | None) -> dict[str, Any]:
    """Everything about a result as JSON-able values; ``reference`` is what the reference hosts said."""
    whole: dict[str, Any] = {
        "outcome": result.outcome.value,
        "detail": result.detail,
        "advice": result.advice,
        "duration_ms": result.duration_ms,
        "code": result.code,
        "peer": result.peer,
        "phases": [[p.name, round(p.start_ms, 2), round(p.duration_ms, 2)] for p in result.phases],
        "facts": dict(result.facts),
        "ids": dict(result.ids),
        "transcript": [[round(line.at_ms, 2), line.mark, line.text] for line in result.transcript],
        "evidence": dict(result.evidence),
        "probe_id": result.probe_id,
    }
    tls = result.tls
    if tls is not None:
        whole["tls"] = {
            "version": tls.version,
            "cipher": tls.cipher,
            "not_before": tls.not_before,
            "not_after": tls.not_after,
            "subject": tls.subject,
            "issuer": tls.issuer,
            "names": list(tls.names),
            "verified": tls.verified,
        }
    if reference is not None:
        whole["reference_hosts"] = dict(reference)
    return whole


def result_of(row: Row) -> Result:
    """A kept probe as the probe found it: a good one by its row, a failed one with all its evidence."""
    known: dict[str, Any] = unpack(row.evidence) if row.evidence is not None else {}
    phases, start = [], 0.0
    for name, begin, duration in known.get("phases") or [(name, None, ms) for name, ms in row.phases.items()]:
        begin = (
            start if begin is None else begin
        )  # the start of a good probe's steps is not kept: one follows the other
        phases.append(Phase(name=name, start_ms=begin, duration_ms=duration))
        start = begin + duration
    facts = {key: value for key, value in row.facts.items() if key not in _TOLD}
    tls = known.get("tls")
    if tls is None and "tls_version" in row.facts:
        tls = {
            "version": row.facts["tls_version"],
            "cipher": row.facts.get("tls_cipher", ""),
            "not_after": row.facts.get("cert_not_after"),
            "subject": row.facts.get("cert_subject", ""),
            "issuer": row.facts.get("cert_issuer", ""),
        }
    return Result(
        outcome=Outcome(row.outcome),
        detail=row.detail,
        advice=str(known.get("advice", "")),
        duration_ms=row.duration_ms,
        phases=tuple(phases),
        peer=row.facts.get("peer"),
        code=row.code,
        tls=None if tls is None else TlsFacts(**{**tls, "names": tuple(tls.get("names", ()))}),
        facts=known.get("facts", facts),
        ids=row.ids,
        transcript=tuple(Line(at_ms=at, mark=mark, text=text) for at, mark, text in known.get("transcript", ())),
        evidence=known.get("evidence", {}),
        probe_id=row.probe_id,
    )


_TOLD = frozenset({"peer", "tls_version", "tls_cipher", "cert_not_after", "cert_subject", "cert_issuer"})


def pack(evidence: Mapping[str, Any]) -> bytes:
    """Evidence as it is kept: canonical JSON, compressed."""
    text = json.dumps(evidence, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return zlib.compress(text.encode(), 6)


def unpack(blob: bytes) -> dict[str, Any]:
    """The evidence that `pack` wrote."""
    found = json.loads(zlib.decompress(blob))
    assert isinstance(found, dict)
    return found
