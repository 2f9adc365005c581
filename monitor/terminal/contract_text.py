"""What a contract says in plain words, so that a lawyer can lay it beside the text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from monitor.durations import say_duration
from monitor.sla.contract import ALWAYS, Contract, Credit, Rule, Terms, Window
from monitor.sla.evaluation import plain
from monitor.sla.instants import DAY_MS
from monitor.sla.reading_support import DAYS
from monitor.sla.values import PROVIDER_OUTCOMES

WIDTH = 96
_LANGUAGES = {"en": "English", "de": "German", "sv": "Swedish", "es": "Spanish"}
_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MILESTONES = {"acted": "acted on", "responded": "answered", "resolved": "resolved"}


def describe(contract: Contract, terms: Terms | None = None, *, width: int = WIDTH) -> str:
    """Write what a contract says, with the clause of its text beside each part where the contract names it.

    ``terms`` adds what is the customer's own: the fee, the billing day, the plan.
    """
    parts = [_head(contract)]
    for title, where, sentences in _parts(contract, terms):
        head = title + (f"  (text: {'; '.join(where)})" if where else "")
        body = [
            textwrap.fill(sentence, width, break_on_hyphens=False, initial_indent="  - ", subsequent_indent="    ")
            for sentence in sentences
        ]
        parts.append("\n".join([head, *body]))
    return "\n\n".join(parts)


def to_json(contract: Contract, terms: Terms | None = None) -> dict[str, Any]:
    """The same as plain JSON: the terms as values, what is the customer's own beside them, and the sentences.

    Shares and lengths of time that the contract writes down stand as it writes them, and lengths in ms too.
    """
    own = None
    if terms is not None:
        own = {"name": terms.name, "fee": _value(terms.fee), "currency": terms.currency,
               "billing_day": terms.billing_day, "plan": terms.plan}  # fmt: skip
    says = [
        {"part": title, "clauses": where, "sentences": sentences} for title, where, sentences in _parts(contract, terms)
    ]
    return {"contract": _value(contract), "own": own, "says": says}


def _value(value: Any) -> Any:
    """A part of a contract as plain JSON; where there is the text of a number, that text is its value."""
    if is_dataclass(value):
        every = {field.name: getattr(value, field.name) for field in fields(value)}
        written = {name.removesuffix("_text"): text for name, text in every.items() if name.endswith("_text")}
        return {
            name: _value(written.get(name, one)) for name, one in every.items() if not name.endswith("_text")
        } | written
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return {name: _value(one) for name, one in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_value(one) for one in value] if isinstance(value, tuple) else value


def _parts(contract: Contract, terms: Terms | None) -> Iterator[tuple[str, list[str], list[str]]]:
    """What a contract says by parts: title, clauses of its text, sentences."""
    for title, clauses, sentences in (
        ("Services", ("services",), _services(contract)),
        ("Period", ("period",), _period(contract)),
        ("Counting", ("availability", "counts_from"), _counting(contract)),
        ("Left out", ("maintenance", "exclusions"), _left_out(contract)),
        ("Credit", ("credit", "cap"), _credit(contract)),
        ("Claims", ("claim",), _claims(contract)),
        ("Support hours", ("support",), _calendars(contract)),
        ("Response times", ("rules",), _rules(contract)),
        ("In your configuration", (), [] if terms is None else _own(terms)),
    ):
        if sentences:
            yield (
                title,
                list(dict.fromkeys(contract.clauses[key] for key in clauses if key in contract.clauses)),
                sentences,
            )


def _head(contract: Contract) -> str:
    source = f", read from {contract.source}" if contract.source else ""
    return (
        f"{contract.title or contract.name}\n"
        f"contract {contract.name}{source}; letters in {_LANGUAGES[contract.language]}"
    )


def _own(terms: Terms) -> list[str]:
    sentences = [f"It is called {terms.name}."]
    if terms.contract.period == "billing_month":
        sentences.append(f"A billing month begins on day {terms.billing_day}.")
    if terms.fee is not None:
        sentences.append(f"The fee of a period is {plain(terms.fee)} {terms.currency}.")
    elif terms.contract.credit is not None:
        sentences.append("No fee is named: a credit has a percentage and no amount.")
    if terms.plan is not None:
        sentences.append(f"The plan is {terms.plan}.")
    return sentences


def _services(contract: Contract) -> list[str]:
    if not contract.services:
        return ["The contract promises no availability."]
    sentences = []
    for service in contract.services:
        promise = (
            "no figure is promised"
            if service.target_text is None
            else f"promised to be available {percentage(service.target_text)}"
        )
        several = {None: "", "any": "; with several targets it is down when any of them is", "all":
                   "; with several targets it is down when all of them are"}[service.down_when]  # fmt: skip
        sentences.append(f"{service.name}: {promise}{several}.")
    return sentences


def percentage(text: str) -> str:
    """Write a percentage of the contract as all others are written: ``99.9 %``."""
    return f"{text.replace('%', '').strip()} %"


def _length(text: str) -> str:
    """Write a length of time in the unit that the contract chose: ``24 h`` of a calendar are not a day."""
    parts = re.findall(r"([0-9.]+)\s*([a-z]+)", text)
    return " ".join(f"{number} {'min' if unit == 'm' else unit}" for number, unit in parts)


def _fixed(contract: Contract) -> str:
    """Write the fixed length with which down time is compared."""
    return say_duration(contract.availability.fixed_ms or 0)


def _period(contract: Contract) -> list[str]:
    zone = f"midnight in {contract.timezone}"
    if contract.period == "billing_month":
        day = "the billing day of the configuration" if contract.billing_day is None else f"day {contract.billing_day}"
        return [
            f"A billing month: from {zone} on {day} to the same in the next month; a short month's last day stands in."
        ]
    return [f"A calendar month, from {zone} to {zone}."]


def _counting(contract: Contract) -> list[str]:
    if not contract.services:
        return []
    terms = contract.availability
    if terms.counted_outcomes == PROVIDER_OUTCOMES:
        failing = (
            "Every failure that is the provider's counts as down. What the customer, the network or the monitor itself"
            " is at fault for counts neither as down nor as seen."
        )
    else:
        failing = f"Only these failures count as down: {', '.join(sorted(terms.counted_outcomes)) or 'none'}."
    unit = {
        "time": "Down time is counted to the millisecond, from the first failed probe to the next good one.",
        "minute": f"Down time is rounded to whole minutes, {_rounding(contract)}.",
        "second": "A second counts as down when there was a probe in it and every probe in it failed; one whose"
        " beginning is left out does not count.",
        "check": "The probes on schedule are counted: those that failed, out of those that failed or succeeded,"
        " without what is left out.",
    }[terms.unit]
    sentences = [failing, unit]
    if terms.unit != "check" or contract.credit is not None:
        compared = "It is" if terms.unit != "check" else "For the credit, down time in milliseconds is"
        length = {
            "elapsed": "the length of the whole period",
            "elapsed_minus_excluded": "the length of the period less what is left out",
            "fixed": f"{_fixed(contract)}, whatever the length of the period",
        }[terms.denominator]
        sentences.append(f"{compared} compared with {length}.")
    # In these units the observations are counted as they are: what follows shapes the outages alone (§4).
    outages = "For the outages and the credit, " if terms.unit in ("second", "check") else ""
    subject = f"{outages}a" if outages else "A"
    if terms.confirm > 1:
        sentences.append(
            f"{subject} failure counts only as part of {terms.confirm} or more in a row, as one location sees them;"
            " then from the first of them on."
        )
    quorum = {"majority": "more than half", "all": "all", "any": "any one"}.get(
        str(terms.quorum), f"at least {terms.quorum}"
    )
    see = "sees" if terms.quorum in ("any", 1) else "see"
    sentences.append(f"{subject} target is down when {quorum} of the locations that have a result {see} it down.")
    if terms.counts_from == "report":
        sentences.append(
            "An outage counts only from the moment at which it was reported to the provider while it lasted; one never"
            " reported does not count."
        )
    return sentences


def _rounding(contract: Contract) -> str:
    rounding = contract.availability.round
    mode = {"nearest": "to the nearest, a half going up", "up": "up", "down": "down"}[rounding.mode]
    return f"{mode}, {'each counted piece alone' if rounding.apply == 'each' else 'the sum of it'}"


def _left_out(contract: Contract) -> list[str]:
    if not contract.services:
        return []
    terms = contract.maintenance
    notice = "" if terms.notice_ms is None else f" if it was announced {say_duration(terms.notice_ms)} or more before"
    scheduled = f"is left out{notice}" if terms.scheduled == "excluded" else "counts as down time"
    emergency = "is left out" if terms.emergency == "excluded" else "counts as down time"
    sentences = [f"Scheduled maintenance {scheduled}; emergency maintenance {emergency}."]
    if terms.always_counted:
        sentences.append(f"Maintenance never excuses {', '.join(terms.always_counted)}.")
    if contract.exclusions:
        sentences.append(f"Spans with these reasons are left out: {', '.join(contract.exclusions)}.")
    else:
        sentences.append("No other reason is accepted for leaving anything out.")
    return sentences


def _credit(contract: Contract) -> list[str]:
    credit = contract.credit
    if credit is None:
        return ["The contract grants no credit."]
    if credit.blocks is not None:
        blocks = credit.blocks
        begun = "each block begun counts" if blocks.partial else "only whole blocks count"
        base = {
            "elapsed": " of the period",
            "elapsed_minus_excluded": " of the period less what is left out for every service",
            "fixed": f" of {_fixed(contract)}",
        }[contract.availability.denominator]
        after = f" beyond the first {percentage(blocks.after_text)}{base}" if blocks.after else ""
        sentences = [
            f"{plain(blocks.credit)} % of the fee for each {say_duration(blocks.each_ms)} of down time{after}; {begun}."
        ]
    else:
        sentences = [
            f"Below {percentage(tier.below_text)} availability: {plain(tier.credit)} % of the fee."
            for tier in credit.tiers
        ]
        sentences.append("The largest that applies is due, once.")
    sentences.append("Two services down together are down once.")
    return [*sentences, *_caps(credit)]


def _caps(credit: Credit) -> list[str]:
    caps = [f"{plain(credit.cap_percent)} % of the fee"]
    if credit.cap_amount is not None:
        caps.append(f"{plain(credit.cap_amount)} {credit.cap_currency}")
    return [f"Never more than {' and never more than '.join(caps)}."]


def _claims(contract: Contract) -> list[str]:
    if contract.claim is None:
        return [] if contract.credit is None else ["No time is named by which a credit must be claimed."]
    if contract.claim.kind == "next_calendar_month":
        return ["A credit must be claimed by the end of the calendar month after the one in which the period ends."]
    assert contract.claim.after_ms is not None
    return [f"A credit must be claimed within {say_duration(contract.claim.after_ms)} after the end of each outage."]


def _calendars(contract: Contract) -> list[str]:
    return [
        f"{calendar.name}: {'; and '.join(_window(window) for window in calendar.windows)}."
        for calendar in contract.calendars
    ]


def days_text(days: tuple[int, ...]) -> str:
    """Write weekdays: ``Monday to Friday``, ``Monday, Wednesday``."""
    if len(days) == len(DAYS):
        return "every day"
    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):
        return f"{_DAY_NAMES[days[0]]} to {_DAY_NAMES[days[-1]]}"
    return ", ".join(_DAY_NAMES[day] for day in days)


def _window(window: Window) -> str:
    holidays = "" if window.holidays is None else f", not on public holidays of {window.holidays}"
    if window.start_ms == 0 and window.end_ms == DAY_MS:
        hours = "all day"
    else:
        next_day = " on the next day" if window.end_ms <= window.start_ms else ""
        hours = f"{_clock(window.start_ms)} to {_clock(window.end_ms)}{next_day}"
    return f"{days_text(window.days)}, {hours}, by the clocks of {window.timezone}{holidays}"


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}"


def _rules(contract: Contract) -> list[str]:
    sentences = [_rule(contract, rule) for rule in contract.rules]
    if sentences:
        sentences.append("While a ticket waits for the customer, its time stands still.")
    return sentences


def _rule(contract: Contract, rule: Rule) -> str:
    plan = "" if rule.plan is None else f", on the plan {rule.plan}"
    by = f" that came by {' or '.join(rule.channels)}" if rule.channels else ""
    of = "" if rule.clock == ALWAYS else f" of the calendar “{rule.clock}”"
    if rule.within_workdays is not None:
        within = f"{rule.within_workdays} workday{'' if rule.within_workdays == 1 else 's'}{of}"
    elif rule.clock == ALWAYS:
        within = f"{_length(rule.within_text)}, at any hour"
    else:
        within = f"{_length(rule.within_text)} of the opening time{of}"
    sentence = f"{rule.severity}{plan}: a ticket{by} must be {_MILESTONES[rule.milestone]} within {within}."
    if rule.within_workdays is not None:
        sentence += " The day on which it starts is none of them; on the last it is due by the same time of day."
    if rule.accepts not in (None, ALWAYS, rule.clock):  # “always” is never closed
        sentence += f" One opened while “{rule.accepts}” is closed starts when that next opens."
    if rule.otherwise is not None:
        known = any(other.severity == rule.otherwise for other in contract.rules)
        sentence += f" One that came otherwise is judged as {rule.otherwise}"
        sentence += "." if known else ", for which there is no rule."
    elif rule.channels:
        sentence += " One that came otherwise is not judged by this rule."
    return sentence
