"""What a message says: what happened, since when, what it costs in budget, and where to look. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.durations import say_duration
from monitor.sla.evaluation import amount_text
from monitor.sla.instants import write_instant
from monitor.times import short, span


@dataclass(frozen=True, slots=True)
class Text:
    """A message in words: one line for a subject, and the lines of its body."""

    subject: str
    lines: tuple[str, ...]

    @property
    def body(self) -> str:
        """The body as one text."""
        return "\n".join(self.lines) + "\n"


def compose(change: str, condition: Mapping[str, Any], at: int, link: str | None) -> Text:
    """The words for one change of one condition (as JSON: kind, since, contract, service, facts, path)."""
    kind, facts = condition["kind"], condition["facts"]
    where = " ".join(part for part in (condition["contract"], condition["service"]) if part)
    subject, lines = _SAY[kind](where, condition["since"], facts)
    if change == "ended" and kind == "outage" and ("ended" in facts or "withdrawn" in facts):
        subject, lines = _outage_over(where, condition["since"], facts)
    elif change == "ended":
        lasted = max(at - condition["since"], 0)
        subject = f"Over: {subject}"
        lines = (f"Over since {short(at)} UTC, after {span(lasted // 1000 * 1000)}.", *lines)
    elif change == "escalated":
        subject = f"Still: {subject}"
        lines = (f"Still standing after {span((at - condition['since']) // 1000 * 1000)}.", *lines)
    elif change == "test":
        subject = f"Test: {subject}"
        lines = ("This is a test; nothing has happened.", *lines)
    if budget := facts.get("budget"):
        lines = (*lines, f"Error budget: {budget}.")
    if link:
        lines = (*lines, "", f"{link.rstrip('/')}{condition['path']}")
    return Text(subject, lines)


def together(texts: Sequence[Text]) -> Text:
    """Several messages in one."""
    if len(texts) == 1:
        return texts[0]
    lines: list[str] = []
    for text in texts:
        lines += [*([""] if lines else []), text.subject, "-" * min(len(text.subject), 72), *text.lines]
    return Text(f"{texts[0].subject} (and {len(texts) - 1} more)", tuple(lines))


_Said = tuple[str, tuple[str, ...]]


def _outage(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    lines = [f"{where} has been down since {_exactly(since)} UTC.", *_first_seen(facts)]
    if facts.get("counted_checks", facts.get("counted_ms")):
        lines.append(f"Counted so far: {_counted(facts)}.")
    return f"{where} is down", tuple(lines)


def _outage_over(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    if facts.get("withdrawn"):
        return f"Withdrawn: {where} is down", (
            f"The outage of {where} that was told to begin at {_exactly(since)} UTC stands no more:",
            "what was seen, stated or configured since has changed the judgement.",
        )
    end = facts["ended"]
    if facts.get("unseen"):
        return f"Out of sight: {where} was down for {span((end - since) // 1000 * 1000)}", (
            f"Down since: {_exactly(since)} UTC",
            f"Seen down until: {_exactly(end)} UTC, after {say_duration(end - since)}; then nothing was known of it.",
            "Nobody saw it up again. Should it be seen down again, that is another outage.",
            f"Counted under the contract: {_counted(facts)}",
            *_first_seen(facts),
        )
    lines = (
        f"Down since: {_exactly(since)} UTC",
        f"Over since: {_exactly(end)} UTC, after {say_duration(end - since)}",
        f"Counted under the contract: {_counted(facts)}",
        *_first_seen(facts),
    )
    return f"Over: {where} was down for {span((end - since) // 1000 * 1000)}", lines


def _counted(facts: Mapping[str, Any]) -> str:
    checks = facts.get("counted_checks")
    return amount_text("time", facts["counted_ms"]) if checks is None else amount_text("check", checks)


def _first_seen(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    if facts.get("detail"):
        lines.append(f"First seen: {facts['outcome']}: {facts['detail']}")
    if facts.get("target"):
        lines.append(f"Target: {facts['target']}")
    return lines


def _exactly(at: int) -> str:
    """An instant to the millisecond, as reports and statements have it."""
    return write_instant(at).replace("T", " ").removesuffix("Z")


def _budget(where: str, facts: Mapping[str, Any], what: str) -> _Said:
    return f"{where}: {what}", (f"{where}: {what} in {facts.get('period', 'this period')}.",)


_WINDOWS = {"1h": "hour", "6h": "6 hours", "3d": "3 days"}


def _burn(where: str, facts: Mapping[str, Any], pace: str) -> _Said:
    text = f"{where} burns its error budget {pace}"
    window = _WINDOWS.get(facts["window"], facts["window"])
    return text, (f"{text}: {facts['rate']} times the allowed rate over the last {window}.",)


def _certificate(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    name, days = where or facts["target"], facts["days"]
    if days < 0:
        return (
            f"Certificate of {name} has expired",
            (f"The certificate that {facts['target']} shows was valid until {facts['not_after']} UTC.",),
        )
    left = "within a day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
    return (
        f"Certificate of {name} ends {left}",
        (f"The certificate that {facts['target']} shows is valid until {facts['not_after']} UTC.",),
    )


def _claim(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    due = f"{facts['percent']} %" + (f", {facts['amount']} {facts['currency']}," if facts.get("amount") else "")
    return (
        f"Claim {where} {facts['period']} before {facts['deadline']} UTC",
        (
            f"A credit of {due} is due from {where} for {facts['period']}.",
            f"It must be claimed before {facts['deadline']} UTC: slaproof claim {where} {facts['period']}",
        ),
    )


def _ticket(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    return (
        f"Ticket {facts['id']} of {where} is due at {facts['due']} UTC",
        (f"By the rule {facts['rule']} the provider must have {facts['milestone']} by {facts['due']} UTC.",),
    )


def _offline(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    return (
        f"The monitor at {facts['location']} is offline",
        (
            f"No reference host has answered since {short(since)} UTC.",
            "What fails meanwhile is not held against any provider, and is not seen either.",
        ),
    )


def _clock(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    return (
        f"The monitor's clock at {facts['location']} is wrong",
        (f"It is off by {facts['offset']}. Set it (NTP): times in proofs depend on it.",),
    )


def _store(where: str, since: int, facts: Mapping[str, Any]) -> _Said:
    return (
        f"The monitor at {facts['location']} cannot write its results",
        (
            f"Since {short(since)} UTC: {facts['error']}",
            f"{facts['queued']} results wait in memory; {facts['dropped']} had to be dropped and will be gaps.",
        ),
    )


_SAY = {
    "outage": _outage,
    "budget_half": lambda where, since, facts: _budget(where, facts, "half of the error budget is spent"),
    "budget_spent": lambda where, since, facts: _budget(where, facts, "the error budget is spent, the promise broken"),
    "burn_fast": lambda where, since, facts: _burn(where, facts, "fast"),
    "burn_slow": lambda where, since, facts: _burn(where, facts, "slowly"),
    "certificate": _certificate,
    "claim_deadline": _claim,
    "ticket_due": _ticket,
    "monitor_offline": _offline,
    "clock_wrong": _clock,
    "store_failing": _store,
}
