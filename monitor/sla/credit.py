"""Credit and claim deadlines (arithmetic §6). Pure; money is Decimal, shares are Fraction."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from monitor.sla.contract import Blocks, Claim, Contract, Credit, Terms, Tier
from monitor.sla.count import denominator, rounded
from monitor.sla.evaluation import CreditResult, ServiceResult
from monitor.sla.excuses import left_out
from monitor.sla.intervals import Interval, clip, intersect, total, union
from monitor.sla.period import Period, next_month_end
from monitor.sla.values import Events

_CENT = Decimal("0.01")


def deadline(claim: Claim | None, zone: str, period: Period, outage_end: int) -> int | None:
    """Give until when a counted outage must be claimed; None where the contract does not say."""
    if claim is None:
        return None
    if claim.kind == "next_calendar_month":
        return next_month_end(zone, period.end - 1)
    assert claim.after_ms is not None
    return outage_end + claim.after_ms


def half_up_cents(fee: Decimal, percent: Decimal) -> Decimal:
    """Give fee x percentage, rounded half up to the cent."""
    exact = Fraction(fee) * Fraction(percent)  # in cents: per cent of the fee
    cents = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return Decimal(cents).scaleb(-2).quantize(_CENT)


def best_tier(tiers: Sequence[Tier], availability: Fraction) -> Tier | None:
    """Give the tier with the largest credit whose ``below`` is above the availability."""
    matching = [tier for tier in tiers if tier.below > availability]
    return max(matching, key=lambda tier: tier.credit) if matching else None


def whole_blocks(blocks: Blocks, beyond: Fraction) -> int:
    """Give how many blocks count in the time beyond the allowance."""
    if beyond <= 0:
        return 0
    share = beyond / blocks.each_ms
    return -(-share.numerator // share.denominator) if blocks.partial else share.numerator // share.denominator


def work_out_credit(
    terms: Terms, credit: Credit, period: Period, services: Sequence[ServiceResult], events: Events
) -> CreditResult:
    """Work out the credit over the union of the services' counted downtime (arithmetic §6)."""
    contract = terms.contract
    pieces = union(piece for service in services for piece in service.pieces)
    exact = total(pieces)
    counted = rounded(pieces, contract.availability.round) if contract.availability.unit == "minute" else exact
    out_of = denominator(contract.availability, period.end - period.start, _out_for_all(contract, period, events))
    availability = None if out_of == 0 else max(Fraction(0), 1 - Fraction(counted, out_of))

    tier, allowance, beyond, blocks = None, Fraction(0), Fraction(0), 0
    before = Decimal(0)
    if credit.blocks is not None:
        allowance = credit.blocks.after * out_of
        beyond = max(Fraction(0), counted - allowance)
        blocks = whole_blocks(credit.blocks, beyond)
        before = credit.blocks.credit * blocks
    elif availability is not None:
        tier = best_tier(credit.tiers, availability)
        before = Decimal(0) if tier is None else tier.credit
    percent = min(before, credit.cap_percent)

    amount = uncapped = None
    same_money = credit.cap_amount is None or credit.cap_currency == terms.currency
    if terms.fee is not None and same_money:
        amount = uncapped = half_up_cents(terms.fee, percent)
        if credit.cap_amount is not None:
            amount = min(uncapped, credit.cap_amount.quantize(_CENT, rounding=ROUND_DOWN))
    claims = [outage.claim_by for service in services for outage in service.outages if outage.claim_by is not None]
    return CreditResult(
        counted=counted,
        out_of=out_of,
        percent=percent,
        amount=amount,
        currency=None if amount is None else terms.currency,
        claim_by=min(claims) if claims and percent > 0 else None,
        pieces=tuple(pieces),
        counted_exact=exact,
        availability=availability,
        tier=tier,
        allowance_ms=allowance,
        beyond_ms=beyond,
        blocks=blocks,
        percent_before_cap=before,
        fee=terms.fee,
        amount_before_cap=uncapped,
    )


def _out_for_all(contract: Contract, period: Period, events: Events) -> int:
    """Give the time of the whole period that is left out for every service."""
    common: list[Interval] | None = None
    for service in contract.services:
        out = clip(left_out(contract, service.name, events), period.start, period.end)
        common = out if common is None else intersect(common, out)
    return total(common or [])
