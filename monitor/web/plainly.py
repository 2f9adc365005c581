"""A contract in plain words, in the reader's language: the same statements as “slaproof contract show” makes."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.sla.contract import ALWAYS, Calendar, Contract, Rule, Window
from monitor.sla.values import PROVIDER_OUTCOMES
from monitor.web.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a contract."""

    key: str
    """Of its heading: ``plain.<key>``."""
    sentences: tuple[str, ...]
    clauses: tuple[str, ...]
    """Where in the text it stands."""


def parts(contract: Contract, w: Words) -> list[Part]:
    """The contract part by part; a part of which it says nothing is left away."""
    found = [
        ("services", _services(contract, w), ("services",)),
        ("period", _period(contract, w), ("period",)),
        ("counting", _counting(contract, w), ("availability", "counts_from")),
        ("left_out", _left_out(contract, w), ("maintenance", "exclusions")),
        ("credit", _credit(contract, w), ("credit", "cap")),
        ("claim", _claim(contract, w), ("claim",)),
        ("hours", [_calendar(each, w) for each in contract.calendars], ("support",)),
        ("response", [_rule(rule, w) for rule in contract.rules], ("rules",)),
    ]
    return [
        Part(
            key=key,
            sentences=tuple(sentences),
            clauses=tuple(dict.fromkeys(contract.clauses[c] for c in clauses if c in contract.clauses)),
        )
        for key, sentences, clauses in found
        if sentences
    ]


def _services(contract: Contract, w: Words) -> list[str]:
    if not contract.services:
        return [w.t("plain.no_services")]
    found = []
    for service in contract.services:
        if service.target_text is None:
            text = w.t("plain.service_bare", name=service.name)
        else:
            text = w.t("plain.service", name=service.name, target=w.plain_percent(service.target_text))
        if service.down_when is not None:
            text += " " + w.t(f"plain.down_{service.down_when}")
        found.append(text)
    return found


def _period(contract: Contract, w: Words) -> list[str]:
    return [w.t(f"plain.{contract.period}", zone=contract.timezone)] if contract.services else []


def _counting(contract: Contract, w: Words) -> list[str]:
    if not contract.services:
        return []
    terms = contract.availability
    found = [w.t(f"plain.unit_{terms.unit}")]
    if terms.unit == "minute":
        found.append(w.t(f"plain.round_{terms.round.mode}_{terms.round.apply}"))
    if terms.unit != "check":
        length = w.span(terms.fixed_ms, parts=4) if terms.fixed_ms is not None else ""
        found.append(w.t(f"plain.out_of_{terms.denominator}", length=length))
    if terms.unit in ("time", "minute"):
        if terms.confirm > 1:
            found.append(w.t("plain.confirm", n=w.number(terms.confirm)))
        key = terms.quorum if isinstance(terms.quorum, str) else "number"
        found.append(w.t(f"plain.quorum_{key}", n=terms.quorum))
        found.append(w.t(f"plain.from_{terms.counts_from}"))
    if terms.counted_outcomes == PROVIDER_OUTCOMES:
        found.append(w.t("plain.outcomes_all"))
    else:
        names = ", ".join(w.name("outcome", name) for name in sorted(terms.counted_outcomes))
        found.append(w.t("plain.outcomes_some", names=names))
    return found


def _left_out(contract: Contract, w: Words) -> list[str]:
    if not contract.services:
        return []
    terms = contract.maintenance
    found = [w.t(f"plain.scheduled_{terms.scheduled}")]
    if terms.notice_ms is not None and terms.scheduled == "excluded":
        found[0] += " " + w.t("plain.notice", time=w.span(terms.notice_ms, parts=4))
    found.append(w.t(f"plain.emergency_{terms.emergency}"))
    if terms.always_counted:
        found.append(w.t("plain.always_counted", names=", ".join(terms.always_counted)))
    if contract.exclusions:
        names = ", ".join(w.name("window", reason) for reason in contract.exclusions)
        found.append(w.t("plain.exclusions", names=names))
    else:
        found.append(w.t("plain.no_exclusions"))
    return found


def _credit(contract: Contract, w: Words) -> list[str]:
    credit = contract.credit
    if credit is None:
        return [w.t("plain.no_credit")] if contract.services else []
    found = []
    if credit.blocks is not None:
        each = credit.blocks
        found.append(
            w.t(
                f"plain.blocks{'_partial' if each.partial else ''}",
                credit=w.plain_percent(each.credit),
                each=w.span(each.each_ms, parts=4),
                after=w.plain_percent(each.after_text),
            )
        )
    found += [
        w.t("plain.tier", below=w.plain_percent(tier.below_text), credit=w.plain_percent(tier.credit))
        for tier in credit.tiers
    ]
    found.append(w.t("plain.cap_percent", cap=w.plain_percent(credit.cap_percent)))
    if credit.cap_amount is not None:
        found.append(w.t("plain.cap_amount", cap=w.money(credit.cap_amount, credit.cap_currency)))
    return found


def _claim(contract: Contract, w: Words) -> list[str]:
    if contract.claim is None:
        return []
    if contract.claim.after_ms is not None:
        return [w.t("plain.claim_after", time=w.span(contract.claim.after_ms, parts=4))]
    return [w.t("plain.claim_month")]


def _calendar(calendar: Calendar, w: Words) -> str:
    return f"{calendar.name}: " + "; ".join(_window(window, w) for window in calendar.windows)


def _window(window: Window, w: Words) -> str:
    if window.days == tuple(range(7)):
        days = w.t("plain.every_day")
    elif list(window.days) == list(range(window.days[0], window.days[-1] + 1)) and len(window.days) > 1:
        days = f"{w.weekday(window.days[0])}–{w.weekday(window.days[-1])}"
    else:
        days = ", ".join(w.weekday(day) for day in window.days)
    text = f"{days} {_clock(window.start_ms)}–{_clock(window.end_ms)} ({window.timezone})"
    return text if window.holidays is None else text + ", " + w.t("plain.but_holidays", place=window.holidays)


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}"


def _rule(rule: Rule, w: Words) -> str:
    within = (
        w.n("plain.workdays", rule.within_workdays)
        if rule.within_workdays is not None
        else w.span(rule.within_ms or 0, parts=4)
    )
    clock = w.t("plain.always") if rule.clock == ALWAYS else rule.clock
    text = w.t(
        "plain.rule", severity=rule.severity, milestone=w.name("milestone", rule.milestone), within=within, clock=clock
    )
    if rule.plan is not None:
        text += " " + w.t("plain.rule_plan", plan=rule.plan)
    if rule.accepts is not None and rule.accepts != rule.clock:
        text += " " + w.t("plain.rule_accepts", calendar=rule.accepts)
    if rule.channels:
        text += " " + w.t("plain.rule_channels", names=", ".join(rule.channels))
    if rule.otherwise is not None:
        text += " " + w.t("plain.rule_otherwise", severity=rule.otherwise)
    return text
