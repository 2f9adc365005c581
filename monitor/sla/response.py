"""Tickets under the rules of a contract (arithmetic §7). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from monitor.sla.calendars import ALWAYS_CALENDAR, after_open_time, begins_on, next_open, open_time
from monitor.sla.contract import ALWAYS, Calendar, Contract, Rule
from monitor.sla.evaluation import TicketResult
from monitor.sla.instants import local_datetime, local_instant
from monitor.sla.intervals import Interval, clip, union
from monitor.sla.period import Period
from monitor.sla.values import Ticket

_SEARCH_DAYS = 20 * 366


def rules_for(contract: Contract, ticket: Ticket, plan: str | None) -> list[tuple[Rule, bool]]:
    """Give the rules that judge a ticket, in the contract's order, and whether each does so by ``otherwise``.

    ``plan`` is the configuration's; the ticket's own goes first.
    """
    chosen = ticket.plan if ticket.plan is not None else plan
    judging: dict[int, bool] = {}

    def fits(rule: Rule, severity: str) -> bool:
        return rule.severity == severity and (rule.plan is None or rule.plan == chosen)

    for index, rule in enumerate(contract.rules):
        if not fits(rule, ticket.severity):
            continue
        if not rule.channels or ticket.channel in rule.channels:
            judging[index] = False
        elif rule.otherwise is not None:
            for other, instead in enumerate(contract.rules):
                if fits(instead, rule.otherwise):
                    judging.setdefault(other, True)
    return [(contract.rules[index], judging[index]) for index in sorted(judging)]


def calendar_named(contract: Contract, name: str) -> Calendar:
    """Give a calendar of the contract, or ``always``. Raises KeyError."""
    if name == ALWAYS:
        return ALWAYS_CALENDAR
    for calendar in contract.calendars:
        if calendar.name == name:
            return calendar
    raise KeyError(name)


def due_instant(contract: Contract, rule: Rule, opened: int, waiting: list[Interval]) -> tuple[int | None, int | None]:
    """Give when a ticket's time begins to run and when it is due; ``waiting`` is a union of spans."""
    clock = calendar_named(contract, rule.clock)
    start = next_open(clock if rule.accepts is None else calendar_named(contract, rule.accepts), opened)
    if start is None:
        return None, None
    if rule.within_workdays is None:
        assert rule.within_ms is not None
        return start, after_open_time(clock, start, rule.within_ms, waiting)
    instant = _after_workdays(clock, start, rule.within_workdays)
    if instant is None:
        return start, None
    return start, after_open_time(clock, instant, open_time(clock, clip(waiting, start, instant)))


def _after_workdays(clock: Calendar, start: int, count: int) -> int | None:
    """Give the same local time of day on the count-th date after the start's on which a window begins."""
    zone = clock.windows[0].timezone
    local = local_datetime(zone, start)
    time_ms = ((local.hour * 60 + local.minute) * 60 + local.second) * 1000 + local.microsecond // 1000
    day = local.date()
    for _ in range(_SEARCH_DAYS):
        day += timedelta(days=1)
        if begins_on(clock, day):
            count -= 1
            if count == 0:
                return local_instant(zone, day, time_ms)
    return None


def judge_ticket(contract: Contract, ticket: Ticket, plan: str | None, now: int) -> Iterator[TicketResult]:
    """Judge one ticket at ``now`` under every rule for it, in the contract's order."""
    # A span that has not ended waits at least until now.
    waiting = union((start, max(start, now) if end is None else end) for start, end in ticket.waiting)
    for rule, otherwise in rules_for(contract, ticket, plan):
        starts, due = due_instant(contract, rule, ticket.opened, waiting)
        reached = ticket.reached.get(rule.milestone)
        if reached is not None and reached > now:
            reached = None
        if reached is not None:
            verdict = "breached" if due is not None and reached > due else "met"
        else:
            verdict = "breached" if due is not None and due < now else "pending"
        yield TicketResult(
            ticket=ticket,
            rule=rule,
            starts=starts,
            due=due,
            reached=reached,
            verdict=verdict,
            otherwise=otherwise,
        )


def judge_tickets(
    contract: Contract, tickets: tuple[Ticket, ...], plan: str | None, period: Period, now: int
) -> tuple[TicketResult, ...]:
    """Judge the tickets opened in the period, in the order given, then the rules'."""
    return tuple(
        result
        for ticket in tickets
        if period.start <= ticket.opened < period.to
        for result in judge_ticket(contract, ticket, plan, now)
    )
