"""``slaproof claims`` and ``slaproof claim``: credits that are due, and the letter that claims one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands._options import config_option, echo_json, json_option
from monitor.commands._store import Here, opened
from monitor.errors import Refused
from monitor.times import short

if TYPE_CHECKING:
    from monitor.judgement.claims import Claim
    from monitor.letters.case import Case


class _Wrong(Refused):
    exit_code = 2


class _NothingDue(Refused):
    """The period gives no credit."""


@click.command()
@click.option("--all", "every", is_flag=True, help="Those too whose deadline is past.")
@config_option
@json_option
def claims(every: bool, config_path: Path | None, as_json: bool) -> None:
    """List the credits that are due: contract, period, percentage, amount, and until when each can be claimed.

    The running period stands among them with what it has come to so far. “slaproof claim CONTRACT PERIOD” writes the
    letter.
    """
    with opened(config_path) as here:
        found = gather(here, every=every)
    if as_json:
        echo_json([one.answer() for one in found])
        return
    if not found:
        click.echo("No credit is due." if every else "No credit can be claimed now; --all shows those past their time.")
        return
    rows = [_row(one) for one in found]
    head = ("contract", "period", "credit", "amount", "claim before (UTC)", "left", "")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def gather(here: Here, *, every: bool = False) -> list[Claim]:
    """What is due under every contract with a credit."""
    from monitor.judgement.claims import gather as listed

    terms = [entry.terms for entry in here.config.contracts.values()]
    return listed(
        here.judge,
        terms,
        here.clock.now_ms(),
        every=every,
        passed_over=lambda error: click.echo(f"note: {error}", err=True),  # its observations are kept elsewhere
    )


def _row(one: Claim) -> tuple[str, ...]:
    from monitor.sla.evaluation import plain

    amount = "-" if one.credit.amount is None else f"{one.credit.amount:f} {one.credit.currency}"
    if one.days_left is None or one.claim_by is None:
        until, left = "no deadline is named", ""
    else:
        until = short(one.claim_by)
        left = "over" if one.state == "over" else f"{one.days_left} day{'' if one.days_left == 1 else 's'}"
    notes = ["may still grow"] if one.state == "running" else []
    if one.past and one.state != "over":
        notes.append(f"for {one.past} of {one.outages} outages it is too late")
    return (
        one.contract, one.period, f"{plain(one.credit.percent)} %", amount, until, left, "; ".join(notes),
    )  # fmt: skip


@click.command()
@click.argument("contract")
@click.argument("period", default="previous")
@click.option("--lang", metavar="LANGUAGE", help="en, de, sv or es; the contract's language where nothing is said.")
@click.option(
    "--template", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="A template of your own (Jinja2) for this letter.",
)  # fmt: skip
@click.option("--customer", metavar="NAME", help="Who signs; claims.customer of the configuration otherwise.")
@click.option("--timezone", metavar="ZONE", help="The local time beside UTC, such as Europe/Berlin.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there instead."
)
@config_option
@json_option
def claim(
    contract: str, period: str, lang: str | None, template: Path | None, customer: str | None, timezone: str | None,
    output: Path | None, config_path: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the letter that claims the credit of CONTRACT for PERIOD: 2026-10, `previous` (the default) or `current`.

    Plain text of 78 columns, ready to paste into a ticket: which clause, which outages with their evidence, what was
    left out and why, the arithmetic step by step, and what the provider's own status page said.
    """
    from monitor.letters import write
    from monitor.letters.settings import ClaimsSettings
    from monitor.proving.settings import ProofSettings
    from monitor.sla.instants import zone

    with opened(config_path) as here:
        settings = here.config.section(ClaimsSettings)
        signed = customer or settings.customer or here.config.section(ProofSettings).customer
        place = timezone or settings.timezone
        try:
            local = None if place is None else zone(place)
        except ValueError as error:
            raise _Wrong(f"{error}.") from error
        case = make(here, contract, period, signed)
        text = write(case, language=lang, local=local, folder=settings.templates, template=template)
    if case.claim.state == "over":
        click.echo("note: the deadline of this claim is past", err=True)
    if not signed:
        click.echo("note: nobody signs the letter; name the customer under claims.customer", err=True)
    if output is not None:
        output.write_text(text)
    if as_json:
        file = None if output is None else str(output)
        language = lang or case.contract.language
        echo_json(
            {**case.claim.answer(), "customer": signed or None, "language": language, "file": file, "letter": text}
        )
    elif output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{output} written.", err=True)


def make(here: Here, contract: str, period: str, customer: str) -> Case:
    """All that a letter says. Raises _Wrong and _NothingDue."""
    from monitor.judgement.report import gather as report
    from monitor.judgement.stating import wrong_name
    from monitor.letters.case import incidents, make_case
    from monitor.sla.evaluation import percent_text
    from monitor.sla.period import PeriodError

    if contract not in here.config.contracts:
        said = wrong_name("contract", contract, list(here.config.contracts))
        raise _Wrong(f"{said[:1].upper()}{said[1:]}{'' if said.endswith('?') else '.'}")
    reader = here.store.reader
    try:
        (part,) = report(
            here.judge, reader, here.config, here.clock, location=here.config.location, period=period,
            contract=contract,
        ).contracts  # fmt: skip
    except PeriodError as error:
        raise _Wrong(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    read = reader.events(kinds=["feed_page", "feed_incident"])
    case = make_case(
        part.evaluation,
        part.outages,
        part.statements,
        incidents(read, contract),
        targets={
            service.name: [target.name for target in here.config.targets_of(contract, service.name)]
            for service in part.evaluation.terms.contract.services
        },
        followed=any(event.data.get("contract") == contract for event in read),
        customer=customer,
        location=here.config.location,
        now=here.clock.now_ms(),
    )
    if case is None:
        name = part.evaluation.period.name
        if part.evaluation.credit is None:
            raise _NothingDue(f"{contract} grants no credit; “slaproof contract show {contract}” says what it grants.")
        reached = part.evaluation.credit.availability
        said = "" if reached is None else f" (availability {percent_text(reached)})"
        raise _NothingDue(f"No credit is due from {contract} for {name}{said}.")
    return case
