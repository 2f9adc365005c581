"""``slaproof ticket``: what support was asked, and when it answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands._options import config_option, echo_json, json_option
from monitor.commands._stating import (
    BadCall,
    Field,
    Form,
    Instant,
    add_common,
    checked_event,
    entering,
    given,
    said_of,
    sentence,
    show_corrections,
    statements,
    tell_entered,
)
from monitor.commands._store import Here, opened
from monitor.sla.values import MILESTONES
from monitor.times import iso, short

if TYPE_CHECKING:
    from monitor.judgement.events import Statement
    from monitor.sla.evaluation import TicketResult
    from monitor.sla.values import Ticket

FORM = Form(
    kind="ticket",
    title="ticket",
    kinds=("ticket", "ticket_reached", "ticket_waiting"),
    fields=(
        Field(key="id", help="The provider's number of it."),
        Field(key="opened", kind="instant", default="now", help="When it was opened; now where nothing is said."),
        Field(key="severity", help="How severe it is, as the contract names it."),
        Field(key="channel", help="The way it came, as the contract names it."),
        Field(key="plan", help="The plan under which it was opened, where it is not the configuration's."),
        Field(key="note", help="Anything else."),
    ),
)
_CSV = Form(
    kind="ticket",
    title="ticket",
    kinds=FORM.kinds,
    fields=(*FORM.fields, *(Field(key=name, kind="instant", help="when it was reached") for name in MILESTONES)),
)


@click.group()
def ticket() -> None:
    """Open support tickets, and note when they were answered and when the provider waited for you."""


@ticket.command("open")
@click.argument("contract")
@click.argument("id")
@click.option("--severity", required=True, help="How severe it is, as the contract names it.")
@click.option("--opened", type=Instant(), default="now", help="When it was opened; now where nothing is said.")
@click.option("--channel", help="The way it came, as the contract names it.")
@click.option("--plan", help="The plan under which it was opened, where it is not the configuration's.")
@click.option("--note", help="Anything else.")
@config_option
@json_option
def open_(contract: str, id: str, config_path: Path | None, as_json: bool, **values: Any) -> None:
    """Enter the ticket ID that was opened with CONTRACT's provider, and say when an answer is due."""
    with entering(config_path) as here:
        event = checked_event(here, "ticket", {"contract": contract, "id": id, **given(FORM, values)})
        if any(one.id == id for one in here.judge.stated(contract).events.tickets):
            raise BadCall(f"The ticket '{id}' of {contract} was opened before; “slaproof ticket correct” changes it.")
        entered = here.store.writer.enter(event)
        tell_entered(entered, as_json, said_of(entered.data))
        if not as_json:
            for one in _judged(here, contract, id):
                click.echo(f"  {_line(one)}")


@ticket.command()
@click.argument("id")
@click.argument("milestone", type=click.Choice(MILESTONES))
@click.option("--at", type=Instant(), default="now", help="When; now where nothing is said.")
@click.option("--contract", metavar="NAME", help="Whose ticket, where two contracts have one of that number.")
@click.option("--note", help="Anything else.")
@config_option
@json_option
def reach(
    id: str, milestone: str, at: str, contract: str | None, note: str | None, config_path: Path | None, as_json: bool
) -> None:
    """Note that the ticket ID reached a milestone: acted, responded or resolved."""
    with entering(config_path) as here:
        name, found = _ticket(here, id, contract)
        if iso(found.opened) > at:
            raise BadCall(f"The ticket '{id}' was opened at {short(found.opened)}, and this is before it.")
        if milestone in found.reached:
            before = short(found.reached[milestone])
            click.echo(f"note: '{id}' was {milestone} at {before} already; the earlier of both stands", err=True)
        data = {"contract": name, "id": id, "milestone": milestone, "at": at, "note": note}
        entered = here.store.writer.enter(checked_event(here, "ticket_reached", data))
        tell_entered(entered, as_json, said_of(entered.data))
        if not as_json:
            for one in _judged(here, name, id):
                click.echo(f"  {_line(one)}")


@ticket.command()
@click.argument("id")
@click.option("--since", type=Instant(), help="From when; now, or where the waiting under way began.")
@click.option("--until", type=Instant(), help="Until when: your answer; nothing said: waiting still.")
@click.option("--contract", metavar="NAME", help="Whose ticket, where two contracts have one of that number.")
@click.option("--note", help="Anything else.")
@config_option
@json_option
def wait(
    id: str, since: str | None, until: str | None, contract: str | None, note: str | None, config_path: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Note that the provider waits for you about the ticket ID, or (--until) that you answered."""
    with entering(config_path) as here:
        name, found = _ticket(here, id, contract)
        running = [start for start, end in found.waiting if end is None]
        if since is None and until is not None:
            if not running:
                raise BadCall(f"Nobody waits about '{id}': say since when, with --since.")
            since = iso(running[-1])
        elif until is None and running:
            # A second one would go on for ever: the end that is entered is that of the last.
            raise BadCall(f"The provider waits about '{id}' since {short(running[-1])}: end it with --until now.")
        since = since or iso(here.clock.now_ms())
        data = {"contract": name, "id": id, "start": since, "end": until, "note": note}
        entered = here.store.writer.enter(checked_event(here, "ticket_waiting", data))
        tell_entered(entered, as_json, said_of(entered.data))


@ticket.command("list")
@click.option("--contract", metavar="NAME", help="Only this contract's.")
@click.option("--open", "only_open", is_flag=True, help="Only those of which something is still due.")
@config_option
@json_option
def list_(contract: str | None, only_open: bool, config_path: Path | None, as_json: bool) -> None:
    """List the tickets: what is due and when, what was reached, and every correction."""
    with opened(config_path) as here:
        answer = []
        for name, one in statements(here, contract):
            if one.event.kind != "ticket":
                continue
            results = [] if one.data is None else _judged(here, name, one.data["id"])
            if only_open and not any(result.verdict == "pending" for result in results):
                continue
            answer.append((name, one, results))
        if as_json:
            from monitor.commands._stating import statement_json

            echo_json(
                [
                    {
                        **statement_json(here, name, one),
                        "results": [
                            {**result.answer(), "severity": result.rule.severity, "otherwise": result.otherwise}
                            for result in results
                        ],
                        "waiting": [
                            [iso(start), None if end is None else iso(end)]
                            for result in results[:1]
                            for start, end in result.ticket.waiting
                        ],
                    }
                    for name, one, results in answer
                ]
            )
            return
        for name, one, results in answer:
            data = one.data if one.data is not None else one.event.data
            click.echo(f"{one.event.id}  {said_of(data)}")
            click.echo(f"    entered {short(one.event.entered_at)} by {one.event.source}")
            for result in results:
                click.echo(f"    {_line(result)}")
            for other in _notes(here, name, str(data["id"])):
                click.echo(f"    {other.event.id}  {said_of({**(other.data or other.event.data), 'id': None})}")
                show_corrections(other, "        ")
            show_corrections(one)
            if not results and not one.withdrawn:
                click.echo(f"    {name} has no rule for it")
        if not answer:
            click.echo("No ticket was entered.")


def _ticket(here: Here, id: str, contract: str | None) -> tuple[str, Ticket]:
    """A ticket by the provider's number. Raises BadCall."""
    from monitor.judgement.stating import wrong_name

    if contract is not None and contract not in here.config.contracts:
        raise BadCall(sentence(wrong_name("contract", contract, list(here.config.contracts))))
    names = [contract] if contract is not None else list(here.config.contracts)
    every = [(name, one) for name in names for one in here.judge.stated(name).events.tickets]
    found = [(name, one) for name, one in every if one.id == id]
    if not found:
        raise BadCall(sentence(wrong_name("ticket", id, [one.id for _, one in every][-8:])))
    if len(found) > 1:
        raise BadCall(f"{' and '.join(name for name, _ in found)} both have a ticket '{id}': name one with --contract.")
    return found[0]


def _judged(here: Here, contract: str, id: str) -> list[TicketResult]:
    from monitor.sla.response import judge_ticket

    terms = here.config.contracts[contract].terms
    for one in here.judge.stated(contract).events.tickets:
        if one.id == id:
            return list(judge_ticket(terms.contract, one, terms.plan, here.clock.now_ms()))
    return []


def _notes(here: Here, contract: str, id: str) -> list[Statement]:
    """What was noted of a ticket: milestones reached, and spans of waiting."""
    return [
        one
        for one in here.judge.stated(contract).statements
        if one.event.kind in ("ticket_reached", "ticket_waiting") and one.event.data.get("id") == id
    ]


def _line(result: TicketResult) -> str:
    due = "never" if result.due is None else f"{short(result.due)} UTC"
    reached = "" if result.reached is None else f", {result.rule.milestone} {short(result.reached)} UTC"
    instead = f" (judged as {result.rule.severity})" if result.otherwise else ""
    return f"{result.rule.milestone} due {due}{instead}{reached}: {result.verdict}"


add_common(ticket, _CSV)
ticket.add_command(list_, "list")  # in place of the common one
