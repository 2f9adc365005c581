"""What people may state of a contract: checked against what the contract knows, and what it makes of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.judgement.events import BadEvent, Statement
from monitor.sla.contract import Contract, Terms
from monitor.sla.evaluation import WHYS
from monitor.sla.excuses import why_exclusion, why_maintenance
from monitor.sla.fields import Path, nearest
from monitor.sla.values import Events, Exclusion, Maintenance, Ticket


@dataclass(slots=True)
class Checked:
    """What was found out about an event that may be entered."""

    notes: list[str] = field(default_factory=list)
    """What the person may not have meant, though it can be entered."""


def wrong_name(what: str, word: str, known: Collection[str]) -> str:
    """Say that a name is not known, with the nearest right one."""
    near = nearest(word, known)
    are = "there is only" if len(known) == 1 else "there are"
    hint = f"did you mean '{near}'?" if near else f"{are} {', '.join(known)}" if known else "there is none"
    return f"there is no {what} '{word}': {hint}"


def check(contracts: Mapping[str, Terms], kind: str, data: Mapping[str, Any]) -> Checked:
    """See that an event's data speaks of what is there. Raises BadEvent with the nearest right name."""
    name = str(data.get("contract"))
    if name not in contracts:
        raise BadEvent(wrong_name("contract", name, list(contracts)))
    contract = contracts[name].contract
    checked = Checked()
    services = [service.name for service in contract.services]
    for service in data.get("services") or ():
        if service not in services:
            raise BadEvent(wrong_name(f"service of {name}", service, services))
    if kind == "exclusion" and data.get("reason") not in contract.exclusions:
        accepted = ", ".join(contract.exclusions) or "none"
        near = nearest(str(data.get("reason")), contract.exclusions)
        hint = f"did you mean '{near}'? It" if near else "it"
        checked.notes.append(
            f"{name} does not accept the reason '{data.get('reason')}', so the span counts; {hint} accepts {accepted}"
        )
    if kind == "ticket":
        _check_ticket(contracts[name], contract, data, checked)
    return checked


def check_ticket_known(kind: str, data: Mapping[str, Any], tickets: Iterable[Ticket]) -> None:
    """See that a ticket is opened once, and that what is noted of one speaks of one that was. Raises BadEvent."""
    if kind not in ("ticket", "ticket_reached", "ticket_waiting"):
        return
    name, ids, id = data.get("contract"), [one.id for one in tickets], str(data.get("id"))
    if kind == "ticket" and id in ids:
        raise BadEvent(f"the ticket '{id}' of {name} was opened before: correct that event")
    if kind != "ticket" and id not in ids:
        raise BadEvent(wrong_name(f"ticket of {name}", id, ids[-8:]))


def passed_over(terms: Terms, events: Events) -> Iterator[tuple[Path, str]]:
    """Give the places of an events file that name what the contract does not have: there the file says nothing.

    It is no error, for one file may serve several contracts; but a name that was mistyped would go unseen.
    """
    services = [service.name for service in terms.contract.services]
    for key in ("maintenance", "exclusions", "reports"):
        for index, one in enumerate(getattr(events, key)):
            for number, service in enumerate(one.services):
                if service not in services:
                    said = wrong_name(f"service of {terms.name}", service, services)
                    yield (key, index, "services", number), f"passed over: {said}"
    judged = _severities(terms.contract)
    for index, ticket in enumerate(events.tickets):
        if judged and ticket.severity not in judged:
            said = wrong_name(f"severity in {terms.name}", ticket.severity, judged)
            yield ("tickets", index, "severity"), f"not judged: {said}"


def _severities(contract: Contract) -> list[str]:
    """Give the severities that a contract knows, those to which another channel leads among them."""
    named = [rule.severity for rule in contract.rules]
    return list(dict.fromkeys([*named, *(rule.otherwise for rule in contract.rules if rule.otherwise)]))


def _check_ticket(terms: Terms, contract: Contract, data: Mapping[str, Any], checked: Checked) -> None:
    if not contract.rules:
        checked.notes.append(f"{terms.name} promises no response times: the ticket is kept and not judged")
        return
    severities = _severities(contract)
    if data.get("severity") not in severities:
        raise BadEvent(wrong_name(f"severity in {terms.name}", str(data.get("severity")), severities))
    channels = list(dict.fromkeys(channel for rule in contract.rules for channel in rule.channels))
    channel = data.get("channel")
    if channel is not None and channels and channel not in channels:
        near = nearest(channel, channels)
        hint = f"did you mean '{near}'?" if near else f"it names {', '.join(channels)}"
        checked.notes.append(f"{terms.name} names no channel '{channel}': {hint}")
    plans = list(dict.fromkeys(rule.plan for rule in contract.rules if rule.plan is not None))
    plan = data.get("plan")
    if plan is not None and plans and plan not in plans:
        raise BadEvent(wrong_name(f"plan in {terms.name}", plan, plans))


def effects(contract: Contract, statement: Statement) -> dict[str, str]:
    """For each service that a window or an exclusion touches, a key of WHYS; empty for anything else."""
    value = statement.value
    if not isinstance(value, Maintenance | Exclusion):
        return {}
    names = [service.name for service in contract.services if not value.services or service.name in value.services]
    if isinstance(value, Maintenance):
        return {name: why_maintenance(contract, name, value) for name in names}
    return {name: why_exclusion(contract, value) for name in names}


def effect_text(effect: Mapping[str, str]) -> str:
    """What a contract makes of a window, for people: ``left out``, or by service where they differ."""
    by: dict[str, list[str]] = {}
    for service, why in effect.items():
        by.setdefault(why, []).append(service)
    if len(by) == 1:
        return WHYS[next(iter(by))]
    return "; ".join(f"{', '.join(names)} {WHYS[why]}" for why, names in by.items())


def late(effect: Mapping[str, str]) -> bool:
    """Whether a window was announced too late for the contract."""
    return "late" in effect.values()


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None, keys: Iterable[str] = ()) -> bool:
    """Whether two data say the same, what is said about their origin aside; with ``keys`` as far as those go."""
    if one is None or other is None:
        return one is other
    wanted = list(keys) or [key for key in {*one, *other} if key != "about"]
    return all((one.get(key) or None) == (other.get(key) or None) for key in wanted)
