"""Contracts and services as gauges, from the one judgement. What is not known is absent, never 0 or 1."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from monitor.judgement.standing import ContractStanding, ServiceStanding, Standing
from monitor.metrics.exposition import Page, Sample, labels, ratio, seconds
from monitor.sla.evaluation import Evaluation, ServiceResult

VERDICTS = ("met", "breached", "unproven", "no_target")


def write(page: Page, standing: Standing) -> None:
    """Add everything that is judged to a page."""
    for contract in standing.contracts:
        for service in contract.services:
            _service(page, service)
        for period, evaluation in _periods(contract):
            _money(page, contract.name, period, evaluation)
            _tickets(page, contract.name, period, evaluation)
    page.gauge(
        "slaproof_claim_deadline_timestamp_seconds",
        "Until when a credit can be claimed, as Unix time",
        [
            (labels(contract=d.contract, period=d.period), seconds(d.at))
            for d in standing.deadlines
            if d.kind == "claim"
        ],
    )


def _periods(contract: ContractStanding) -> Iterator[tuple[str, Evaluation]]:
    yield "current", contract.evaluation
    if contract.previous is not None:
        yield "previous", contract.previous


def _service(page: Page, service: ServiceStanding) -> None:
    own = {"contract": service.contract, "service": service.service}
    plain = labels(**own)
    if service.target is not None:
        page.gauge(
            "slaproof_sla_target_ratio", "What the contract promises of the service", [(plain, ratio(service.target))]
        )
    if service.state in ("up", "down"):
        page.gauge(
            "slaproof_service_up",
            "Whether the service is up, as the contract sees it; absent while that is unknown",
            [(plain, int(service.state == "up"))],
        )
    if service.budget is not None and _seen(service.current) and (left := service.budget.left_ratio) is not None:
        page.gauge(
            "slaproof_error_budget_remaining_ratio",
            "What may still fail in the running period, as a share of what the target allows; below 0 when missed",
            [(plain, _cut(left))],
        )
    page.gauge(
        "slaproof_error_budget_burn_rate",
        "How many times faster than allowed the error budget was used, over the window",
        [(labels(**own, window=window), _cut(rate)) for window, rate in service.burn.items() if rate is not None],
    )
    for period, result in (("current", service.current), ("previous", service.previous)):
        if result is not None and _seen(result):
            _result(page, labels(**own, period=period), {**own, "period": period}, result)


def _seen(result: ServiceResult) -> bool:
    """Whether anything at all was seen of the service in the period."""
    return result.coverage is not None and result.coverage > 0


def _result(page: Page, label: str, own: dict[str, str], result: ServiceResult) -> None:
    def one(value: Fraction | None) -> list[Sample]:
        return [] if value is None else [(label, ratio(value))]

    page.gauge(
        "slaproof_availability_ratio",
        "Availability under the contract; what was not seen is taken as up",
        one(result.availability),
    )
    page.gauge(
        "slaproof_availability_worst_case_ratio",
        "Availability under the contract; what was not seen is taken as down",
        one(result.worst_case),
    )
    page.gauge("slaproof_coverage_ratio", "The share of the period that was seen", one(result.coverage))
    counted = sum(end - start for start, end in result.pieces) if result.unit == "check" else result.counted
    page.gauge("slaproof_downtime_seconds", "Downtime that the contract counts", [(label, seconds(counted))])
    page.gauge(
        "slaproof_downtime_excluded_seconds",
        "Downtime that maintenance and exclusions leave out",
        [(label, seconds(result.excluded_ms))],
    )
    page.gauge(
        "slaproof_verdict",
        "1 for the verdict of the period, 0 for the others",
        [(labels(**own, verdict=name), int(result.verdict == name)) for name in VERDICTS],
    )


def _money(page: Page, contract: str, period: str, evaluation: Evaluation) -> None:
    credit = evaluation.credit
    if credit is None or not any(_seen(result) for result in evaluation.services):
        return
    page.gauge(
        "slaproof_credit_due_ratio",
        "The credit that the contract gives, as a share of the fee",
        [(labels(contract=contract, period=period), ratio(Fraction(credit.percent) / 100))],
    )


def _tickets(page: Page, contract: str, period: str, evaluation: Evaluation) -> None:
    counts: dict[str, list[int]] = {}
    for ticket in evaluation.tickets:
        met, judged = counts.setdefault(ticket.rule.name, [0, 0])
        if ticket.verdict != "pending":
            counts[ticket.rule.name] = [met + (ticket.verdict == "met"), judged + 1]
        elif ticket.due is not None:
            page.gauge(
                "slaproof_ticket_due_timestamp_seconds",
                "When a milestone of an open ticket is due, as Unix time",
                [
                    (
                        labels(
                            contract=contract,
                            ticket=ticket.ticket.id,
                            rule=ticket.rule.name,
                            milestone=ticket.rule.milestone,
                        ),
                        seconds(ticket.due),
                    )
                ],
            )
    page.gauge(
        "slaproof_response_compliance_ratio",
        "The share of the period's tickets that were answered in time, by rule",
        [
            (labels(contract=contract, rule=rule, period=period), ratio(Fraction(met, judged)))
            for rule, (met, judged) in counts.items()
            if judged
        ],
    )


def _cut(value: Fraction) -> str:
    """A number that may be below 0, cut away from the good side."""
    return ratio(value) if value >= 0 else f"-{ratio(-value)}"
