"""A report as a page of plain text that one would paste into a mail: at most 78 columns, every ratio cut."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction

from monitor.durations import say_duration
from monitor.judgement.gap_text import say_gap
from monitor.judgement.report import GENERATED, ContractReport, GapReport, OutageReport, Report
from monitor.sla.contract import Terms
from monitor.sla.evaluation import (
    CreditResult,
    Evaluation,
    Excuse,
    ServiceResult,
    TicketResult,
    amount_text,
    percent_text,
    plain,
)
from monitor.sla.instants import DAY_MS, local_date, write_instant
from monitor.store import Row

WIDTH = 78
MANY = 12
"""More gaps of one reason than this are told in one line."""

VERDICTS = {
    "met": "met",
    "breached": "BREACHED",
    "unproven": "unproven",
    "no_target": "no target",
}


def write(report: Report) -> str:
    """The whole page."""
    lines: list[str] = [GENERATED, ""] if report.generated else []
    for index, part in enumerate(report.contracts):
        if index:
            lines += ["", ""]
        lines += _contract(part)
    made = f"Made {when(report.made_at)} UTC by slaproof from probes at “{report.location}”. Times are UTC."
    cut = "Percentages are cut, never rounded up. “Worst case” takes what was not seen as down."
    lines += ["", rule("-"), *textwrap.wrap(f"{made} {cut}", WIDTH)]
    return "\n".join(line.rstrip() for line in lines)


def when(at: int, *, day: bool = True) -> str:
    """An instant as people read it, to the second, with milliseconds where there are any."""
    text = write_instant(at).replace("T", " ").removesuffix("Z").removesuffix(".000")
    return text if day else text[11:]


def rule(mark: str) -> str:
    """A line across the page."""
    return mark * WIDTH


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """Columns, the first row being the head; those in `right` are set to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "   ".join(cells)).rstrip())
    lines.insert(1, indent + "   ".join("-" * width for width in widths))
    return lines


def _contract(part: ContractReport) -> Iterator[str]:
    evaluation = part.evaluation
    period, terms = evaluation.period, evaluation.terms
    title = terms.contract.title or terms.name
    yield rule("=")
    head = f"UPTIME {period.name}"
    yield f"{head}  {title}"[:WIDTH] if len(f"{head}  {title}") <= WIDTH else head
    if len(f"{head}  {title}") > WIDTH:
        yield from textwrap.wrap(title, WIDTH)
    yield rule("=")
    span = f"{when(period.start)} to {when(period.end)} UTC ({say_duration(period.end - period.start)})"
    yield f"{'Contract ' + terms.name if terms.name else 'No contract'}, {span}"
    if zone := _local(terms, period.start, period.end):
        yield from textwrap.wrap(zone, WIDTH, break_on_hyphens=False)
    if not period.complete:
        yield f"The period is still running: judged until {when(period.to)}."
    if evaluation.services:
        yield ""
        yield from _summary(evaluation.services)
    for result in evaluation.services:
        yield from _service(result, part.outages[result.service], evaluation)
    if evaluation.credit is not None:
        yield ""
        yield "Credit"
        yield from credit_steps(terms, evaluation.credit)
    if evaluation.tickets:
        yield ""
        yield "Tickets"
        for id, what, due, reached, verdict in map(ticket_row, evaluation.tickets):
            text = f"{id}  {what} due {due}, {'not reached' if reached == '-' else f'reached {reached}'}: {verdict}"
            yield from _wrapped("  ", text, hang="      ")
    if evaluation.holidays is not None:
        yield ""
        yield holidays(evaluation.holidays)
    yield from _monitor(part)


TICKET_COLUMNS = ("Ticket", "Rule", "Due", "Reached", "Verdict")


def ticket_row(one: TicketResult) -> tuple[str, ...]:
    """A ticket under one rule; a rule to which another channel led says so."""
    return (
        one.ticket.id,
        f"{one.rule.name}{' (other channel)' if one.otherwise else ''}: {one.rule.milestone}",
        "-" if one.due is None else when(one.due),
        "-" if one.reached is None else when(one.reached),
        one.verdict.upper() if one.verdict == "breached" else one.verdict,
    )


def holidays(version: str) -> str:
    """Whose holidays they are: the package's dates change with its version (arithmetic §7)."""
    return f"Holidays are those of the package holidays {version}."


def _local(terms: Terms, start: int, end: int) -> str | None:
    zone = terms.contract.timezone
    if zone in ("UTC", "+00:00"):
        return None
    first, last = local_date(zone, start), local_date(zone, end - 1)
    return f"By the contract's clock ({zone}): {first.isoformat()} to {last.isoformat()}, both included."


def percent(ratio: Fraction | None) -> str:
    """A ratio as a percentage, cut; a dash where there is none."""
    return "-" if ratio is None else percent_text(ratio)


def _summary(services: Sequence[ServiceResult]) -> list[str]:
    rows = [("Service", "Target", "Availability", "Worst case", "Coverage", "Verdict")]
    rows += [
        (
            one.service,
            one.target_text or "-",
            percent(one.availability) if watched(one) else "-",
            percent(one.worst_case),
            percent(one.coverage),
            VERDICTS[one.verdict],
        )
        for one in services
    ]
    return table(rows, right=(1, 2, 3, 4))


def amount(result: ServiceResult, value: int) -> str:
    """A counted value in its unit."""
    return amount_text(result.unit, value)


def _service(result: ServiceResult, outages: Sequence[OutageReport], evaluation: Evaluation) -> Iterator[str]:
    if not watched(result):
        yield ""
        yield f"{result.service}: {VERDICTS[result.verdict]}; nothing was observed of it"
        return
    if not outages and result.verdict in ("met", "no_target") and not any(one.down_ms for one in result.excuses):
        return  # the table has said it all
    yield ""
    yield f"{result.service}: {VERDICTS[result.verdict]}"
    rows = [("Counted downtime", f"{amount(result, result.counted)} of {amount(result, result.out_of)}")]
    if result.budget is not None:
        allowed = int(result.budget.allowed)
        rows.append(("Allowed in all", amount(result, allowed)))
    rows.append(("Excluded downtime", say_duration(result.excluded_ms)))
    rows.append(("Not known", amount(result, result.unknown)))
    for name, value in rows:
        yield f"  {name:<20}{value}"
    for number, one in enumerate(outages, 1):
        yield from _outage(number, one, result, evaluation)
    for excuse in result.excuses:
        yield from _excuse(excuse)


def watched(result: ServiceResult) -> bool:
    """Whether anything was observed of a service."""
    return any(state != "unknown" for _, _, state in result.states)


def _outage(number: int, one: OutageReport, result: ServiceResult, evaluation: Evaluation) -> Iterator[str]:
    outage = one.outage
    length = say_duration(outage.end - outage.start)
    same = outage.start // DAY_MS == outage.end // DAY_MS
    yield f"  Outage {number}: {when(outage.start)} to {when(outage.end, day=not same)}, {length}"
    if outage.whole_start < outage.start:
        yield f"      it began before the period, at {when(outage.whole_start)}"
    if outage.whole_end > outage.end and not evaluation.period.complete:
        yield "      it was not over yet"
    elif outage.whole_end > outage.end:
        yield f"      it goes on beyond, until {when(outage.whole_end)} as far as was seen"
    counted = amount(result, outage.counted) if outage.counted else "nothing of it"
    reported = f"; reported {when(outage.reported)}" if outage.reported is not None else ""
    if not outage.counted and outage.reported is None and evaluation.terms.contract.availability.needs_report:
        reported = ", as it was not reported while it lasted"
    yield f"      counted      {counted}{reported}"
    if one.first is not None:
        yield from _wrapped("      first probe  ", _probe(one.first))
    if one.last is not None and outage.failures > 1:
        yield from _wrapped("      last probe   ", _probe(one.last))
    yield f"      failed       {outage.failures} probe{'' if outage.failures == 1 else 's'}"
    if outage.claim_by is not None:
        yield f"      claim by     {when(outage.claim_by)}"


def _probe(row: Row) -> str:
    code = "" if row.code is None or str(row.code) in row.detail else f" {row.code}"
    detail = f": {row.detail}" if row.detail else ""
    return f"{when(row.at, day=False)} {row.target} {row.outcome}{code}{detail}"


def _excuse(excuse: Excuse) -> Iterator[str]:
    what = f"{excuse.what} {excuse.source}" if excuse.source == "maintenance" else f"Exclusion, {excuse.what}"
    text = f"{what[:1].upper()}{what[1:]} {when(excuse.start)} to {when(excuse.end)}: {excuse.text}"
    announced = f", announced {when(excuse.announced)}" if excuse.announced is not None else ""
    note = f" ({excuse.note})" if excuse.note else ""
    yield from _wrapped(
        "  ", f"{text}{announced}; {say_duration(excuse.down_ms)} of downtime in it{note}", hang="      "
    )


def credit_steps(terms: Terms, credit: CreditResult, indent: str = "  ") -> list[str]:
    """The arithmetic of a credit, a line a step (arithmetic §6)."""
    rules = terms.contract.credit
    lines = [f"counted downtime of all services together: {say_duration(credit.counted_exact)}"]
    if credit.counted != credit.counted_exact:
        lines.append(f"rounded as the contract does: {say_duration(credit.counted)}")
    if rules is not None and rules.blocks is not None:
        blocks = rules.blocks
        lines.append(
            f"allowed first: {blocks.after_text} of {say_duration(credit.out_of)} = {_exact(credit.allowance_ms)}"
        )
        lines.append(f"beyond that: {_exact(credit.beyond_ms)}")
        kind = "begun" if blocks.partial else "whole"
        lines.append(
            f"{kind} blocks of {say_duration(blocks.each_ms)}: {credit.blocks} x {plain(blocks.credit)} %"
            f" = {plain(credit.percent_before_cap)} %"
        )
    elif credit.availability is not None:
        text = f"availability: 1 - {say_duration(credit.counted)} / {say_duration(credit.out_of)}"
        lines.append(f"{text} = {percent_text(credit.availability)}")
        if credit.tier is None:
            lines.append("below no tier: 0 %")
        else:
            lines.append(f"below {credit.tier.below_text}: {plain(credit.tier.credit)} %")
    if credit.percent != credit.percent_before_cap:
        lines.append(f"capped at {plain(credit.percent)} %")
    if credit.fee is not None and credit.amount_before_cap is not None:
        fee = f"{credit.fee:f} {terms.currency}"
        lines.append(f"{plain(credit.percent)} % of {fee} = {credit.amount_before_cap:f} {terms.currency}")
        if credit.amount is not None and credit.amount != credit.amount_before_cap:
            lines.append(f"capped at {credit.amount:f} {credit.currency}")
    due = (
        f"{credit.amount:f} {credit.currency}" if credit.amount is not None else f"{plain(credit.percent)} % of the fee"
    )
    last = "no credit is due" if not credit.percent else f"due: {due}"
    if credit.claim_by is not None and credit.percent:
        last += f", to be claimed before {when(credit.claim_by)}"
        if terms.contract.claim is not None and terms.contract.claim.kind == "after_outage" and len(credit.pieces) > 1:
            last += " (the first time limit; each outage has its own)"
    return [line for text in [*lines, last] for line in _wrapped(indent, text, hang=indent + "  ")]


def _exact(ms: Fraction) -> str:
    whole = say_duration(int(ms))
    return whole if ms.denominator == 1 else f"{whole} (and a part of a millisecond)"


def _monitor(part: ContractReport) -> Iterator[str]:
    yield ""
    yield "The monitor itself"
    if not part.gaps:
        yield "  No gap: no slot was missed."
    by_reason: dict[str, list[GapReport]] = {}
    for gap in part.gaps:
        by_reason.setdefault(gap.reason, []).append(gap)
    for reason, gaps in by_reason.items():
        said = say_gap(reason)
        if len(gaps) > MANY:
            slots = sum(gap.slots for gap in gaps)
            text = (
                f"{len(gaps)} gaps from {when(gaps[0].start)} to {when(gaps[-1].end)}: {said}; {slots:,} probes missed"
            )
            yield from _wrapped("  ", text, hang="      ")
            continue
        for gap in gaps:
            yield from _gap(gap, said)
    if part.left:
        yield from _wrapped("  ", say_left(part.left), hang="      ")
    off = [one for one in part.balances if one.difference]
    for one in off:
        yield from _wrapped(
            "  ", f"DOES NOT BALANCE: {one.target} from {one.location}: {one.sentence()}", hang="      "
        )
    due = [one for one in part.balances if one.expected]
    if due and not off:
        expected, observed = sum(one.expected for one in due), sum(one.observed for one in due)
        missed = sum(one.missed for one in due)
        yield from _wrapped("  ", f"It balances: {expected:,} probes due = {observed:,} made + {missed:,} missed.")
    extra = sum(one.extra for one in part.balances)
    if extra:
        yield f"  Beside the schedule: {extra:,} observations."


def say_left(names: Sequence[str]) -> str:
    """That there are observations which this report leaves out."""
    return f"Observed in this period and not judged, for the configuration no longer names it: {', '.join(names)}"


def _gap(gap: GapReport, said: str) -> Iterator[str]:
    names = [name for name, _ in gap.targets]
    who = ", ".join(names) if len(names) <= 3 else f"{len(names)} targets"
    same = gap.start // DAY_MS == gap.end // DAY_MS
    length = say_duration(gap.end - gap.start)
    missed = f"{gap.slots:,} probe{'' if gap.slots == 1 else 's'} missed"
    text = f"{when(gap.start)} to {when(gap.end, day=not same)}, {length}: {said}; {missed} ({who})"
    yield from _wrapped("  ", text, hang="      ")


def _wrapped(head: str, text: str, *, hang: str | None = None) -> list[str]:
    rest = " " * len(head) if hang is None else hang
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=rest, break_on_hyphens=False)
