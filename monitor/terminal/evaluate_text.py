"""An evaluation as text for a terminal: every availability with its coverage, every figure cut and never rounded up."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.durations import say_duration
from monitor.sla.contract import Contract
from monitor.sla.evaluation import (
    CreditResult,
    Evaluation,
    ServiceResult,
    TicketResult,
    amount_text,
    percent_text,
    plain,
)
from monitor.sla.instants import write_instant
from monitor.terminal.contract_text import percentage
from monitor.terminal.report_text import holidays

_VERDICTS = {
    "met": "met",
    "breached": "BREACHED",
    "unproven": "unproven: too little was seen to say",
    "no_target": "no target",
}


def write_evaluation(evaluation: Evaluation) -> str:
    """Write the whole evaluation."""
    period = evaluation.period
    state = "" if period.complete else f", still running: judged to {_when(period.to)}"
    lines = [
        f"{evaluation.terms.contract.title or evaluation.terms.name}",
        f"{evaluation.terms.name}, period {period.name}: {_when(period.start)} to {_when(period.end)} UTC{state}",
    ]
    for service in evaluation.services:
        lines += ["", *_service(service, evaluation.terms.contract)]
    if evaluation.credit is not None:
        lines += ["", *_credit(evaluation.credit)]
    if evaluation.tickets:
        lines += ["", *_tickets(evaluation.tickets)]
    if evaluation.holidays is not None:
        lines += ["", holidays(evaluation.holidays)]
    return "\n".join(lines)


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Lay out rows in columns, the first row being the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def _when(at: int) -> str:
    text = write_instant(at).replace("T", " ").removesuffix("Z")
    return text.removesuffix(".000")


_BY = {"time": "", "minute": " by the minute", "second": " by the second"}


def _counted(service: ServiceResult) -> str:
    if service.unit == "check":
        return f"{service.counted:,} of {service.out_of:,} checks, unknown {service.unknown:,}"
    out_of, unknown = say_duration(service.out_of), say_duration(service.unknown)
    return f"{say_duration(service.counted)} of {out_of}{_BY[service.unit]}, unknown {unknown}"


def _service(service: ServiceResult, contract: Contract) -> list[str]:
    shown = "no data" if service.availability is None else percent_text(service.availability)
    worst = "" if service.worst_case is None else f", at worst {percent_text(service.worst_case)}"
    of = "checks" if service.unit == "check" else "time"
    coverage = "" if service.coverage is None else f", seen {percent_text(service.coverage)} of the {of}"
    target = "" if service.target_text is None else f" ({percentage(service.target_text)} promised)"
    lines = [
        f"{service.service}: {shown}{target}{worst}{coverage}: {_VERDICTS[service.verdict]}",
        f"  counted {_counted(service)}, left out {say_duration(service.excluded_ms)} of down time",
    ]
    if service.outages:
        rows = [("from (UTC)", "to", "lasted", "counted", "first seen", "claim by")]
        rows += [
            (
                _when(outage.start),
                _when(outage.end),
                say_duration(outage.end - outage.start),
                amount_text(service.unit, outage.counted),
                outage.outcome or "-",
                "-" if outage.claim_by is None else _when(outage.claim_by),
            )
            for outage in service.outages
        ]
        lines += table(rows)
    if contract.availability.needs_report and any(one.reported is None for one in service.outages):
        lines.append("  what was not reported to the provider while it lasted does not count")
    for excuse in service.excuses:
        lines.append(
            f"  {excuse.source} ({excuse.what}) {_when(excuse.start)} to {_when(excuse.end)}: {excuse.text}"
            f" ({say_duration(excuse.down_ms)} of down time in it)"
        )
    return lines


def _credit(credit: CreditResult) -> list[str]:
    money = "" if credit.amount is None else f", {credit.amount:f} {credit.currency}"
    lines = [
        f"Credit: {plain(credit.percent)} % of the fee{money}",
        f"  counted {say_duration(credit.counted)} of {say_duration(credit.out_of)} over all services together",
    ]
    if credit.tier is not None:
        assert credit.availability is not None
        lines.append(f"  {percent_text(credit.availability)} is below {percentage(credit.tier.below_text)}")
    if credit.beyond_ms or credit.blocks:
        lines.append(
            f"  allowance {say_duration(int(credit.allowance_ms))}, beyond it {say_duration(int(credit.beyond_ms))}:"
            f" {credit.blocks} block{'' if credit.blocks == 1 else 's'}"
        )
    if credit.percent != credit.percent_before_cap:
        lines.append(f"  {plain(credit.percent_before_cap)} % before the cap")
    if credit.amount is not None and credit.amount != credit.amount_before_cap:
        lines.append(f"  {credit.amount_before_cap:f} {credit.currency} before the cap")
    if credit.claim_by is not None:
        lines.append(f"  to be claimed before {_when(credit.claim_by)} UTC")
    return lines


def _tickets(tickets: Sequence[TicketResult]) -> list[str]:
    rows = [("ticket", "rule", "milestone", "due (UTC)", "reached", "verdict")]
    rows += [
        (
            result.ticket.id,
            result.rule.name + (" (other channel)" if result.otherwise else ""),
            result.rule.milestone,
            "-" if result.due is None else _when(result.due),
            "-" if result.reached is None else _when(result.reached),
            result.verdict.upper() if result.verdict == "breached" else result.verdict,
        )
        for result in tickets
    ]
    return ["Tickets", *table(rows)]
