"""The configuration in plain words: what was understood, so that a mistake shows."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from monitor.config.load import Config, ContractConfig, TargetConfig
from monitor.config.secrets import Source
from monitor.durations import say_duration
from monitor.sla.contract import Terms
from monitor.sla.fields import listing


def describe(config: Config) -> Iterator[str]:
    """Lines for a person to read; no secret is in them."""
    yield f"{config.path}: understood."
    yield ""
    host, port = config.listen
    yield f"Location      {config.location}"
    yield f"Database      {config.storage}"
    yield f"Pages         http://{f'[{host}]' if ':' in host else host}:{port}/{_who_can_see(host)}"
    if config.reference_hosts:
        hosts = ", ".join(config.reference_hosts)
        yield f"Online        while one of {hosts} answers; what fails while none does is our own fault"
    else:
        yield "Online        not known: without reference_hosts a failure of your own line counts as the provider's"
    if config.nameservers:
        yield f"Names         asked of {', '.join(config.nameservers)}"
    yield ""
    if config.contracts:
        yield _heading(len(config.contracts), "contract")
        for contract in config.contracts.values():
            yield f"  {_contract(contract)}"
            for service in contract.terms.contract.services:
                names = [t.name for t in config.targets_of(contract.terms.name, service.name)]
                watched = f"watched by {', '.join(names)}" if names else "not watched"
                yield f"    {service.name} {_promise(service.target_text)}: {watched}"
        yield ""
    yield _heading(len(config.targets), "target")
    for target in config.targets:
        yield f"  {_target(target, config)}"
    per_minute = sum(60_000 / t.interval_ms for t in config.targets)
    if config.targets:
        said = _plain(round(per_minute, 1))
        yield f"  {said} probe{'' if said == '1' else 's'} a minute in all."
    if config.secrets:
        yield ""
        yield _heading(len(config.secrets), "secret")
        for source in config.secrets:
            yield f"  {_where(source, config)}: from {source.name}, {'set' if source.present else 'not set'}"


def _heading(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}:" if count else f"No {word}s."


def _who_can_see(host: str) -> str:
    return " (this machine alone)" if host in ("127.0.0.1", "::1", "localhost") else " (open to the network)"


def _promise(target: str | None) -> str:
    return "without a target" if target is None else f"at {target}"


def _contract(contract: ContractConfig) -> str:
    terms = contract.terms
    period = "the calendar month"
    if terms.contract.period == "billing_month":
        period = f"the month from day {terms.billing_day}"
    fee = f", fee {terms.fee} {terms.currency}" if terms.fee is not None else ", no fee given: credits as percentages"
    credit = terms.contract.credit
    if terms.fee is not None and credit and credit.cap_currency not in (None, terms.currency):
        fee += f" (the cap is in {credit.cap_currency}: credits as percentages)"
    title = terms.contract.title or terms.contract.name
    return f"{terms.name}: {title}, by {period} in {terms.contract.timezone}{fee if credit else ''}{_plan(terms)}"


def _plan(terms: Terms) -> str:
    """The plan, and what of the contract's rules speaks of no such plan."""
    plans = list(dict.fromkeys(rule.plan for rule in terms.contract.rules if rule.plan is not None))
    if terms.plan is None:
        return f", no plan given: no rule for {listing(plans)} applies" if plans else ""
    wrong = bool(plans) and terms.plan not in plans
    return f", plan {terms.plan}" + (f", of which it knows nothing: it has rules for {listing(plans)}" if wrong else "")


def _target(target: TargetConfig, config: Config) -> str:
    what = place(target)
    belongs = f"{target.contract}'s {target.service}" if target.contract else "for its own sake"
    details = [f"fails after {say_duration(target.timeout_ms)}"]
    if target.stale_after_ms is not None:
        details.append(f"a result holds {say_duration(target.stale_after_ms)}")
    if not target.reprobe.enabled:
        details.append("failures are not followed")
    how = config.redactor(f"{target.kind} {what}".strip())
    return f"{target.name}: {how} every {say_duration(target.interval_ms)}, {belongs}; {', '.join(details)}"


def place(target: TargetConfig) -> str:
    """Where a target's probes go: its address, or its host and port."""
    probe: BaseModel = target.probe
    for name in ("url", "target", "address"):
        value = getattr(probe, name, None)
        if value:
            return str(value)
    for name in ("host", "name", "domain"):
        value = getattr(probe, name, None)
        if value:
            port = getattr(probe, "port", None)
            text = f"[{value}]" if port and ":" in str(value) else str(value)
            return f"{text}:{port}" if port else text
    return ""


def _where(source: Source, config: Config) -> str:
    parts = list(source.path)
    if parts[:1] == ["targets"] and len(parts) > 1 and isinstance(parts[1], int) and parts[1] < len(config.targets):
        parts = [config.targets[parts[1]].name, *parts[2:]]
    return ".".join(str(part) for part in parts)


def _plain(number: float) -> str:
    return f"{number:g}"
