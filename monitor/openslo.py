"""Contracts as OpenSLO v1 documents, so that Sloth, Pyrra and others can take them on. Pure.

OpenSLO knows ratios of good to all and calendar windows; it knows no maintenance, no quorum and no credits. What it
cannot say stands in the annotations, and the figures of slaproof stay those of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.sla.contract import Contract, Service, Terms
from monitor.sla.instants import local_datetime
from monitor.sla.period import bounds

_API = "openslo/v1"
_CANNOT = (
    "OpenSLO has no words for: maintenance left out, exclusions, confirmation, credits. The contract's own count is "
    "slaproof's: slaproof_availability_ratio."
)


def documents(terms: Terms, targets: Mapping[str, Sequence[str]], period: str) -> list[dict[str, Any]]:
    """The Service and SLO documents of one contract, as values for YAML.

    `targets`: service to the names of the targets that watch it. `period` (like 2026-10) is where the windows begin.
    A service without a promise, or one that nothing watches, has no SLO.
    """
    found: list[dict[str, Any]] = []
    for service in terms.contract.services:
        names = targets.get(service.name, ())
        if service.target is None or not names:
            continue
        name = _dns(f"{terms.name}-{service.name}")
        found.append(
            {
                "apiVersion": _API,
                "kind": "Service",
                "metadata": {"name": name, "displayName": f"{terms.name} {service.name}"},
                "spec": {"description": terms.contract.title or terms.name},
            }
        )
        found.append(_slo(terms, service, name, names, period))
    return found


def _slo(terms: Terms, service: Service, name: str, names: Sequence[str], period: str) -> dict[str, Any]:
    contract = terms.contract
    assert service.target is not None
    return {
        "apiVersion": _API,
        "kind": "SLO",
        "metadata": {
            "name": name,
            "displayName": f"{terms.name} {service.name}: {service.target_text}",
            "labels": {"contract": terms.name, "service": service.name},
            "annotations": {"slaproof/unit": contract.availability.unit, "slaproof/note": _CANNOT},
        },
        "spec": {
            "description": f"{contract.title or terms.name}: {service.name} at {service.target_text}",
            "service": name,
            "indicator": {"metadata": {"name": f"{name}-probes"}, "spec": {"ratioMetric": _ratio(names)}},
            "timeWindow": [_window(contract, terms.billing_day, period)],
            "budgetingMethod": "Occurrences" if contract.availability.unit == "check" else "Timeslices",
            "objectives": [_objective(service, contract)],
        },
    }


def _ratio(names: Sequence[str]) -> dict[str, Any]:
    chosen = f'target=~"{"|".join(names)}"'
    return {
        "counter": False,
        "good": _query(f"sum(sum_over_time(probe_success{{{chosen}}}[{{{{.window}}}}]))"),
        "total": _query(f"sum(count_over_time(probe_success{{{chosen}}}[{{{{.window}}}}]))"),
    }


def _query(text: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": text}}}


def _objective(service: Service, contract: Contract) -> dict[str, Any]:
    assert service.target is not None
    # A document's target is a number below 1: what is written as 100% is all but what OpenSLO cannot say.
    target = float(min(service.target, 1 - type(service.target)(1, 10**9)))
    objective: dict[str, Any] = {"displayName": service.target_text, "target": target}
    if contract.availability.unit != "check":
        objective |= {"timeSliceTarget": 1.0, "timeSliceWindow": "1m"}
    return objective


def _window(contract: Contract, billing_day: int, period: str) -> dict[str, Any]:
    start, _ = bounds(contract.period, contract.timezone, billing_day, period)
    begins = local_datetime(contract.timezone, start).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "duration": "1M",
        "isRolling": False,
        "calendar": {"startTime": begins, "timeZone": contract.timezone},
    }


def _dns(text: str) -> str:
    """A name as OpenSLO wants it: lower case, digits and hyphens (RFC 1123)."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower()).strip("-")
