"""What the contract leaves out for a service: maintenance and exclusions (arithmetic §4). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.sla.contract import Contract
from monitor.sla.evaluation import Excuse
from monitor.sla.intervals import Interval, clip, total, union
from monitor.sla.values import Events, Exclusion, Maintenance


def why_maintenance(contract: Contract, service: str, window: Maintenance) -> str:
    """Give the code (a key of WHYS) that says whether a window is left out for a service; ``excluded``: it is."""
    terms = contract.maintenance
    rule = terms.emergency if window.kind == "emergency" else terms.scheduled
    if service in terms.always_counted:
        return "always_counted"
    if rule != "excluded":
        return "kind_counted"
    if terms.notice_ms is not None and window.kind == "scheduled":
        if window.announced is None:
            return "unannounced"
        if window.start - window.announced < terms.notice_ms:
            return "late"
    return "excluded"


def why_exclusion(contract: Contract, exclusion: Exclusion) -> str:
    """Give the code that says whether an exclusion is left out."""
    return "excluded" if exclusion.reason in contract.exclusions else "reason_not_accepted"


def left_out(contract: Contract, service: str, events: Events) -> list[Interval]:
    """Give the union of all windows and exclusions that are left out for a service, whatever the period."""
    spans = [
        (window.start, window.end)
        for window in events.maintenance
        if (not window.services or service in window.services)
        and why_maintenance(contract, service, window) == "excluded"
    ]
    spans += [
        (exclusion.start, exclusion.end)
        for exclusion in events.exclusions
        if (not exclusion.services or service in exclusion.services)
        and why_exclusion(contract, exclusion) == "excluded"
    ]
    return union(spans)


def excuses(
    contract: Contract, service: str, events: Events, within: Interval, down: Sequence[Interval]
) -> tuple[Excuse, ...]:
    """Give every window and exclusion for a service that touches ``within``, applied or not, by start."""
    found = []
    for window in events.maintenance:
        if window.services and service not in window.services:
            continue
        why = why_maintenance(contract, service, window)
        found.append(
            Excuse(
                start=window.start,
                end=window.end,
                source="maintenance",
                what=window.kind,
                applied=why == "excluded",
                why=why,
                announced=window.announced,
                event_id=window.id,
                note=window.note,
                down_ms=total(clip(down, window.start, window.end)),
            )
        )
    for exclusion in events.exclusions:
        if exclusion.services and service not in exclusion.services:
            continue
        why = why_exclusion(contract, exclusion)
        found.append(
            Excuse(
                start=exclusion.start,
                end=exclusion.end,
                source="exclusion",
                what=exclusion.reason,
                applied=why == "excluded",
                why=why,
                event_id=exclusion.id,
                note=exclusion.note,
                down_ms=total(clip(down, exclusion.start, exclusion.end)),
            )
        )
    touching = [excuse for excuse in found if excuse.start < within[1] and within[0] < excuse.end]
    return tuple(sorted(touching, key=lambda excuse: (excuse.start, excuse.end)))
