"""The same report on a terminal, with tables and colours."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from monitor.durations import say_duration
from monitor.report import GENERATED, ContractReport, Report
from monitor.report_text import REASONS, VERDICTS, amount, credit_steps, percent, watched, when
from monitor.standing import budget_now

STYLES = {"met": "green", "breached": "bold red", "unproven": "yellow", "no_target": "dim"}


def show(report: Report, console: Console | None = None) -> None:
    """Print it."""
    console = console or Console()
    if report.generated:
        console.print(Text(GENERATED, style="bold reverse"))
    for part in report.contracts:
        console.print(_contract(part))
    console.print(
        Text(
            f"Made {when(report.made_at)} UTC from probes at {report.location}. Percentages are cut, never rounded up; "
            "the worst case takes what was not seen as down.",
            style="dim",
        )
    )


def _contract(part: ContractReport) -> RenderableType:
    evaluation = part.evaluation
    period = evaluation.period
    parts: list[RenderableType] = [_services(part)]
    if any(part.outages.values()):
        parts += ["", _outages(part)]
    left_out = [(one.service, excuse) for one in evaluation.services for excuse in one.excuses]
    if left_out:
        table = _table("Maintenance and exclusions", "Service", "What", "From (UTC)", "To", "Downtime in it", "")
        for service, excuse in left_out:
            style = "" if excuse.applied else "yellow"
            table.add_row(
                service, excuse.what, when(excuse.start), when(excuse.end), say_duration(excuse.down_ms),
                Text(excuse.text, style=style),
            )  # fmt: skip
        parts += ["", table]
    if evaluation.credit is not None:
        parts += ["", Text("Credit", style="bold")]
        parts += [Text(line) for line in credit_steps(evaluation.terms, evaluation.credit)]
    parts += ["", *_monitor(part)]
    state = "" if period.complete else f"   running, judged until {when(period.to)}"
    return Panel(
        Group(*parts),
        title=Text(f" {evaluation.terms.contract.title or part.name} · {period.name} ", style="bold"),
        subtitle=Text(f" {when(period.start)} to {when(period.end)} UTC{state} ", style="dim"),
        box=box.ROUNDED,
        padding=(1, 2),
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _services(part: ContractReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Service", "Target", "Availability", "Worst case", "Coverage", "Counted", "Budget left", "Verdict"):
        right = name not in ("Service", "Verdict")
        table.add_column(name, justify="right" if right else "left", no_wrap=name in ("Service", "Availability"))
    for result in part.evaluation.services:
        style = STYLES[result.verdict]
        budget = budget_now(part.evaluation, result)
        left = "" if budget is None else amount(result, int(budget.left))
        table.add_row(
            result.service,
            result.target_text or "",
            Text(percent(result.availability) if watched(result) else "nothing observed", style=style),
            percent(result.worst_case),
            percent(result.coverage),
            amount(result, result.counted),
            left,
            Text(VERDICTS[result.verdict], style=style),
        )
    return table


def _outages(part: ContractReport) -> Table:
    table = _table("Outages", "Service", "From (UTC)", "To", "Lasted", "Counted", "First failing probe", "Claim by")
    for service, outages in part.outages.items():
        for one in outages:
            row = one.first
            outcome = one.outage.outcome or ""
            first = Text(outcome, style="red") if row is None else Text.assemble(
                (outcome, "red"), f" {row.target}: {row.detail}"
            )  # fmt: skip
            table.add_row(
                service,
                when(one.outage.start),
                when(one.outage.end),
                say_duration(one.outage.end - one.outage.start),
                say_duration(one.outage.counted_ms),
                first,
                "" if one.outage.claim_by is None else when(one.outage.claim_by)[:10],
            )
    return table


def _monitor(part: ContractReport) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if part.gaps:
        table = _table("Gaps of the monitor", "From (UTC)", "To", "Lasted", "Missed", "Why", "Targets")
        for gap in part.gaps:
            names = ", ".join(name for name, _ in gap.targets) if len(gap.targets) < 4 else str(len(gap.targets))
            said = REASONS.get(gap.reason, gap.reason.replace("_", " "))
            table.add_row(
                when(gap.start), when(gap.end), say_duration(gap.end - gap.start), f"{gap.slots:,}", said, names
            )
        lines.append(table)
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
