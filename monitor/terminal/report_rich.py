"""The same report on a terminal, with tables and colours."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from monitor.durations import say_duration
from monitor.judgement.gap_text import say_gap
from monitor.judgement.report import GENERATED, ContractReport, Report
from monitor.judgement.standing import budget_now
from monitor.sla.evaluation import Excuse, amount_text
from monitor.terminal.report_text import (
    TICKET_COLUMNS,
    VERDICTS,
    amount,
    credit_steps,
    holidays,
    percent,
    say_left,
    ticket_row,
    watched,
    when,
)

WIDE = 112
"""From so many columns on a service's figures stand on one line."""
STYLES = {"met": "green", "breached": "bold red", "unproven": "yellow", "no_target": "dim"}


def show(report: Report, console: Console | None = None) -> None:
    """Print it."""
    console = console or Console()
    if report.generated:
        console.print(Text(GENERATED, style="bold reverse"))
    for part in report.contracts:
        console.print(_contract(part, console.width))
    console.print(
        Text(
            f"Made {when(report.made_at)} UTC from probes at {report.location}. Percentages are cut, never rounded up; "
            "the worst case takes what was not seen as down.",
            style="dim",
        )
    )


def _contract(part: ContractReport, width: int) -> RenderableType:
    evaluation = part.evaluation
    period = evaluation.period
    parts: list[RenderableType] = [_services(part, width)] if evaluation.services else []
    wide = width >= WIDE
    if any(part.outages.values()):
        parts += ["", _outages(part)]
    left_out = [(one.service, excuse) for one in evaluation.services for excuse in one.excuses]
    if left_out:
        parts += ["", _windows(left_out)]
    if evaluation.credit is not None:
        parts += ["", Text("Credit", style="bold")]
        parts += [Text(line) for line in credit_steps(evaluation.terms, evaluation.credit)]
    if evaluation.tickets:
        tickets = _table("Tickets", *TICKET_COLUMNS)
        for one in evaluation.tickets:
            style = {"breached": "bold red", "met": "green"}.get(one.verdict, "")
            *cells, verdict = ticket_row(one)
            tickets.add_row(*cells, Text(verdict, style=style))
        parts += ["", tickets]
    if evaluation.holidays is not None:
        parts += ["", Text(holidays(evaluation.holidays), style="dim")]
    parts += ["", *_monitor(part)]
    state = "" if period.complete else f"   running, judged until {when(period.to)}"
    span = f"{when(period.start)} to {when(period.end)} UTC{state}"
    if not wide:  # a frame cuts what is longer than itself
        parts[:0] = [Text(span, style="dim"), ""]
    return Panel(
        Group(*parts),
        title=Text(f" {evaluation.terms.contract.title or part.name} · {period.name} ", style="bold"),
        subtitle=Text(f" {span} ", style="dim") if wide else None,
        box=box.ROUNDED,
        padding=(1, 2) if wide else (1, 1),
    )


def _table(title: str | None, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0), header_style="dim",
    )  # fmt: skip
    for column in columns:
        right = column in _RIGHT
        table.add_column(
            column, justify="right" if right else "left", no_wrap=right or column in _WHOLE, overflow="fold"
        )
    return table


_RIGHT = {"Target", "Availability", "Worst case", "Coverage", "Counted", "Budget left", "Lasted", "Downtime", "Missed"}
_WHOLE = {"Verdict", "Claim by"}


def _span(start: int, end: int) -> str:
    """From when to when, the day once where it is the same."""
    first, last = when(start), when(end)
    return f"{first} to {last[11:] if first[:10] == last[:10] else last}"


def _below(first: str, *lines: Text | str) -> Text:
    """A cell with further lines below the first."""
    text = Text(first)
    for line in lines:
        text.append("\n")
        text.append_text(line if isinstance(line, Text) else Text(line, style="dim"))
    return text


def _services(part: ContractReport, width: int) -> Table:
    """One line for each, or three where the terminal is narrow."""
    wide = width >= WIDE
    table = _table(
        None, "Service", "Target", "Availability", *(("Worst case", "Coverage") if wide else ()), "Counted",
        *(("Budget left",) if wide else ()), "Verdict",
    )  # fmt: skip
    for result in part.evaluation.services:
        style = STYLES[result.verdict]
        budget = budget_now(part.evaluation, result)
        left = "" if budget is None or not watched(result) else amount(result, int(budget.left))
        reached = Text(percent(result.availability) if watched(result) else "nothing seen", style=style)
        worst, coverage, counted = percent(result.worst_case), percent(result.coverage), amount(result, result.counted)
        verdict = Text(VERDICTS[result.verdict], style=style)
        target = result.target_text or ""
        if wide:
            table.add_row(result.service, target, reached, worst, coverage, counted, left, verdict)
        else:
            rest = Text(f"\nat worst {worst}\ncoverage {coverage}", style="dim")
            spent = _below(counted, f"left {left}") if left else counted
            table.add_row(result.service, target, Text.assemble(reached, rest), spent, verdict)
    return table


def _outages(part: ContractReport) -> Table:
    """Each with its first failing probe below."""
    table = _table("Outages", "Service", "When (UTC)", "Counted", "Claim by")
    for service, outages in part.outages.items():
        for one in outages:
            seen = Text.assemble((one.outage.outcome or "", "red"))
            if one.first is not None:
                seen.append(f" {one.first.target}: {one.first.detail}", style="dim")
            lasted, counted = one.outage.end - one.outage.start, one.outage.counted
            said = amount_text(part.evaluation.terms.contract.availability.unit, counted)
            table.add_row(
                service,
                _below(_span(one.outage.start, one.outage.end), seen),
                said if counted == lasted else _below(said, _of(lasted)),
                "" if one.outage.claim_by is None else when(one.outage.claim_by)[:16],
            )
    return table


def _of(lasted: int) -> str:
    return f"of {say_duration(lasted)}"


def _windows(left_out: Sequence[tuple[str, Excuse]]) -> Table:
    """Each window once, with the services for which it was judged alike."""
    table = _table("Maintenance and exclusions", "Services", "When (UTC)", "Downtime")
    alike: dict[tuple[object, ...], list[tuple[str, Excuse]]] = {}
    for service, excuse in left_out:
        key = (excuse.what, excuse.start, excuse.end, excuse.down_ms, excuse.applied, excuse.text)
        alike.setdefault(key, []).append((service, excuse))
    for found in sorted(alike.values(), key=lambda one: one[0][1].start):
        excuse = found[0][1]
        judged = Text(f"{excuse.what.replace('_', ' ')}, {excuse.text}", style="dim" if excuse.applied else "yellow")
        table.add_row(
            ", ".join(service for service, _ in found),
            _below(_span(excuse.start, excuse.end), judged),
            say_duration(excuse.down_ms),
        )
    return table


def _monitor(part: ContractReport) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if part.gaps:
        table = _table("Gaps of the monitor", "When (UTC)", "Lasted", "Missed")
        for gap in part.gaps:
            names = (
                ", ".join(name for name, _ in gap.targets) if len(gap.targets) < 4 else f"{len(gap.targets)} targets"
            )
            said = say_gap(gap.reason)
            told = _below(_span(gap.start, gap.end), f"{said}: {names}")
            table.add_row(told, say_duration(gap.end - gap.start), f"{gap.slots:,}")
        lines.append(table)
    if part.left:
        lines.append(Text(say_left(part.left), style="yellow"))
    due = [one for one in part.balances if one.expected]
    off = [one for one in part.balances if one.difference]
    lines += [
        Text(f"Does not balance: {one.target} from {one.location}: {one.sentence()}", style="bold red") for one in off
    ]
    if due and not off:
        expected, observed = sum(one.expected for one in due), sum(one.observed for one in due)
        missed = sum(one.missed for one in due)
        lines.append(Text(f"It balances: {expected:,} probes due = {observed:,} made + {missed:,} missed", style="dim"))
    return lines
