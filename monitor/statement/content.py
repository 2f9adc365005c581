"""From facts to the words and figures of every page: a plain JSON value that the template only lays out. Pure.

Whatever is printed passes through here, so that a verifier who recomputes this value has read the pages.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monitor.sla.contract import Credit, Terms
from monitor.sla.evaluation import CreditResult, Excuse, Outage, ServiceResult, cut, plain
from monitor.sla.instants import local_instant
from monitor.statement.facts import Balance, Probe, StatementFacts
from monitor.statement.method import method
from monitor.statement.words import Speaker

Content = dict[str, Any]

SHOWN_PROBES = 14
"""How many probes an outage's table shows at the most; the rest is in the evidence."""
_MARGIN_MS = 120_000
"""What an outage's timeline shows before and after it, at least."""


def content(facts: StatementFacts, language: str) -> Content:
    """Every word and figure of the statement in this language. Raises ValueError for a language without words."""
    judged = facts.evaluation
    say = Speaker(language, judged.terms.contract.timezone)
    period = judged.period
    return {
        "lang": language,
        "title": say("title"),
        "mark": say("generated") if facts.generated else "",
        "words": {key: say(key) for key in _LABELS},
        "heading": say.month(period.name),
        "contract": judged.terms.contract.title or judged.terms.name,
        "contract_name": judged.terms.name,
        "customer": facts.customer,
        "period": _period(facts, say),
        "running": "" if period.complete else say("running", to=say.moment(period.to) + " UTC"),
        "locations": ", ".join(facts.locations),
        "sentences": [{"verdict": s.verdict, "text": _sentence(s, say)} for s in judged.services],
        "services": [_service(s, say) for s in judged.services],
        "credit": _credit(judged.credit, judged.terms, say),
        "verify": say("verify_text", file=facts.file_name or "FILE.pdf"),
        "seal": {
            "key": facts.seal.key,
            "checkpoint": facts.seal.checkpoint,
            "evidence": facts.seal.evidence_sha256,
            "signer": facts.seal.signer,
            "days": str(facts.seal.days),
            "timestamps": str(facts.seal.timestamps or say("signed_none")),
            "program": facts.program,
        },
        "weekdays": list(say.weekdays()),
        "calendar_note": say("calendar_note", timezone=say.zone_name),
        "calendars": [_calendar(s, facts, say) for s in judged.services if s.coverage],
        "outages": [_outage(s, o, facts, say) for s in judged.services for o in s.outages],
        "excuses": _excuses(facts, say),
        "holes": [
            [h.target, say.moment(h.start), say.moment(h.end), say.number(h.slots), say.gap(h.reason)]
            for h in facts.holes
        ],
        "balances": [
            [b.target, b.location, *(say.number(n) for n in (b.expected, b.observed, b.gaps)), _difference(b, say)]
            for b in facts.balances
        ],
        "responses": [[r.target, *(say.number(n) for n in r[1:])] for r in facts.responses],
        "tickets": [
            [
                t.ticket.id,
                t.rule.name,
                say(f"milestone_{t.rule.milestone}"),
                say.moment(t.ticket.opened, seconds=False),
                say.moment(t.due, seconds=False),
                say.moment(t.reached, seconds=False) if t.reached is not None else say("not_reached"),
                say(f"ticket_{t.verdict}"),
            ]
            for t in judged.tickets
        ],
        "method": method(judged, facts.targets, say),
        "clock": _clock(facts, say),
        "corrections": list(facts.corrections),
        "revision": _revision(facts, say),
    }


_LABELS = (
    "contract", "period", "customer", "verdict_heading", "service", "target", "availability", "worst", "coverage",
    "counted", "verdict", "cut_note", "credit_heading", "verify_heading", "key", "checkpoint", "evidence", "location",
    "calendar_heading", "legend_up", "legend_down", "legend_excluded", "legend_unknown", "outages_heading",
    "outages_none", "time", "probe_target", "outcome", "detail", "excuses_heading", "excuses_none", "what", "announced",
    "downtime_inside", "treatment", "gaps_heading", "gaps_none", "gap_target", "gap_slots", "gap_reason",
    "balance_heading", "balance_text", "expected", "observed", "gaps", "difference", "response_heading",
    "response_text", "probes", "median", "p95", "p99", "max", "tickets_heading", "ticket", "rule", "milestone",
    "opened", "due", "reached", "method_heading", "clock_heading", "clock_text", "clock_none", "corrections_heading",
    "signed_heading", "signed_by", "signed_key", "signed_seals", "signed_timestamps", "signed_version", "outage_from",
    "outage_to",
)  # fmt: skip


def _period(facts: StatementFacts, say: Speaker) -> str:
    judged = facts.evaluation
    kind = say(judged.terms.contract.period)
    first, last = say.day(judged.period.start), say.day(judged.period.end - 1)
    return f"{first} – {last} ({kind}, {say.zone_name})"


def _share(ratio: Fraction | None, say: Speaker, digits: int = 4) -> str:
    return "–" if ratio is None else say.percent(cut(ratio * 100, digits))


def _sentence(service: ServiceResult, say: Speaker) -> str:
    name = say.service(service.service)
    if service.availability is None:
        return say("say_nothing", service=name)
    if not service.coverage:
        return say("say_unseen", service=name)
    return say(
        f"say_{service.verdict}",
        service=name,
        whole=say("whole_check" if service.unit == "check" else "whole_time"),
        availability=_share(service.availability, say),
        target=say.percent(service.target_text or ""),
        worst=_share(service.worst_case, say),
    )


def _counted(service: ServiceResult, say: Speaker) -> str:
    return say("checks", n=say.number(service.counted)) if service.unit == "check" else say.span(service.counted)


def _service(service: ServiceResult, say: Speaker) -> Content:
    return {
        "name": say.service(service.service),
        "target": say.percent(service.target_text) if service.target_text else "–",
        # What nobody observed has no availability that one could quote, though the arithmetic counts it as up.
        "availability": _share(service.availability if service.coverage else None, say),
        "worst": _share(service.worst_case, say),
        "coverage": _share(service.coverage, say),
        "counted": _counted(service, say),
        "verdict": service.verdict,
        "verdict_text": say(service.verdict),
    }


def _credit(credit: CreditResult | None, terms: Terms, say: Speaker) -> Content:
    if credit is None:
        return {"due": False, "text": say("credit_absent"), "steps": [], "note": ""}
    percent = say.percent(plain(credit.percent))
    money = _money(credit.amount, credit.currency, say)
    if credit.percent == 0:
        text = say("credit_none")
    else:
        amount = say("credit_amount", amount=money) if money else ""
        deadline = say.moment(credit.claim_by, local=True, seconds=False) + f" ({say.zone_name})"
        key = "credit_due" if credit.claim_by is not None else "credit_due_open"
        text = say(key, percent=percent, amount=amount, deadline=deadline)
    exact = "" if credit.counted == credit.counted_exact else say("credit_exact", exact=say.span(credit.counted_exact))
    steps = [(say("credit_counted"), f"{say.span(credit.counted)}{f' ({exact})' if exact else ''}")]
    steps += [(say("credit_out_of"), say.span(credit.out_of)), *_credit_rule(credit, terms.contract.credit, say)]
    steps.append((say("credit_percent"), percent))
    if credit.fee is not None:
        fee = _money(credit.fee, credit.currency, say)
        steps += [(say("credit_fee"), fee)] if fee else []
        if credit.amount_before_cap is not None and credit.amount_before_cap != credit.amount:
            before = _money(credit.amount_before_cap, credit.currency, say)
            steps += [(say("credit_before_cap_amount"), before)] if before else []
    if money:
        steps.append((say("credit_result"), money))
    if credit.claim_by is not None:
        steps.append((say("credit_deadline"), f"{say.moment(credit.claim_by)} UTC"))
    note = "" if terms.fee is not None or credit.percent == 0 else say("no_fee")
    return {"due": credit.percent > 0, "text": text, "steps": [list(step) for step in steps], "note": note}


def _credit_rule(credit: CreditResult, terms: Credit | None, say: Speaker) -> list[tuple[str, str]]:
    steps = []
    if terms is not None and terms.blocks is not None:
        blocks = terms.blocks
        share = say.percent(blocks.after_text)
        steps.append((say("credit_allowance", share=share), _fraction_ms(credit.allowance_ms, say)))
        steps.append((say("credit_beyond"), _fraction_ms(max(credit.beyond_ms, Fraction(0)), say)))
        label = say("credit_blocks", each=say.span(blocks.each_ms), credit=say.percent(plain(blocks.credit)))
        steps.append((label, say("credit_begun" if blocks.partial else "credit_whole", n=credit.blocks)))
    else:
        steps.append((say("credit_availability"), _share(credit.availability, say)))
        tier = credit.tier
        value = say("credit_tier_none")
        if tier is not None:
            value = say("credit_tier_value", below=say.percent(tier.below_text), credit=say.percent(plain(tier.credit)))
        steps.append((say("credit_tier"), value))
    if credit.percent_before_cap != credit.percent:
        steps.append((say("credit_before_cap"), say.percent(plain(credit.percent_before_cap))))
    return steps


def _fraction_ms(value: Fraction, say: Speaker) -> str:
    """A length that need not be whole milliseconds, cut to the millisecond."""
    return say.span(value.numerator // value.denominator)


def _money(amount: Decimal | None, currency: str | None, say: Speaker) -> str:
    if amount is None or currency is None:
        return ""
    text = f"{amount:.2f}"
    return f"{text.replace('.', ',') if say.language == 'de' else text} {currency}"


# --- the calendar ---------------------------------------------------------------------------------------------------


def _layers(service: ServiceResult) -> list[tuple[int, int, str]]:
    """Everything that a bar shows, later ones over earlier ones."""
    states = [(start, end, kind) for start, end, kind in service.states if kind != "up"]
    return [*states, *((start, end, "excluded") for start, end in service.left_out)]


def _bars(layers: list[tuple[int, int, str]], start: int, end: int) -> list[list[Any]]:
    """The parts of [start, end) that are not plainly up: from and to as shares of it in millionths, and what."""
    length = max(end - start, 1)
    bars = []
    for first, last, kind in layers:
        if first < end and last > start:
            left, right = max(first, start) - start, min(last, end) - start
            bars.append([left * 1_000_000 // length, right * 1_000_000 // length, kind])
    return bars


def _inside(spans: list[tuple[int, int]], start: int, end: int) -> int:
    return sum(max(0, min(b, end) - max(a, start)) for a, b in spans)


def _calendar(service: ServiceResult, facts: StatementFacts, say: Speaker) -> Content:
    period = facts.evaluation.period
    zone = facts.evaluation.terms.contract.timezone
    first = dt.datetime.fromtimestamp(period.start // 1000, say.zone).date()
    last = dt.datetime.fromtimestamp((period.end - 1) // 1000, say.zone).date()
    layers = _layers(service)
    down = [(a, b) for a, b, kind in service.states if kind == "down"]
    unknown = list(service.unknown_spans)
    weeks: list[list[Content]] = []
    day = first - dt.timedelta(days=first.weekday())
    days_down = days_unknown = 0
    worst: tuple[int, str] = (0, "")
    while day <= last:
        week = []
        for _ in range(7):
            start, end = local_instant(zone, day, 0), local_instant(zone, day + dt.timedelta(days=1), 0)
            inside = first <= day <= last
            lost = _inside(down, start, end) if inside else 0
            unseen = _inside(unknown, start, end) if inside else 0
            days_down += lost > 0
            days_unknown += unseen > 0
            if lost > worst[0]:
                worst = (lost, say.day(start))
            week.append(
                {
                    "day": str(day.day),
                    "inside": inside,
                    "future": start >= period.to,
                    "down": say.span(lost - lost % 1000 or lost) if lost else "",
                    "bars": _bars(layers, start, min(end, period.to)) if inside and start < period.to else [],
                    "share": min(1_000_000, max(0, period.to - start) * 1_000_000 // (end - start)),
                }
            )
            day += dt.timedelta(days=1)
        weeks.append(week)
    tail = say("calendar_alt_worst", day=worst[1], down=say.span(worst[0])) if worst[0] else say("calendar_alt_clean")
    name = say.service(service.service)
    alt = say("calendar_alt", service=name, days_down=days_down, days_unknown=days_unknown, worst=tail)
    return {"service": name, "alt": alt, "weeks": weeks}


# --- outages --------------------------------------------------------------------------------------------------------


def margin_ms(outage: Outage) -> int:
    """How much of the time before and after an outage its timeline shows, ms."""
    return max(_MARGIN_MS, (outage.end - outage.start) // 6)


def _outage(service: ServiceResult, outage: Outage, facts: StatementFacts, say: Speaker) -> Content:
    name = say.service(service.service)
    probes = facts.probes.get((service.service, outage.start), ())
    margin = margin_ms(outage)
    left, right = outage.start - margin, outage.end + margin
    marks = [
        [(p.at - left) * 1_000_000 // (right - left), p.outcome == "ok", p.scheduled]
        for p in probes
        if left <= p.at <= right
    ]
    failures = sum(1 for p in probes if p.outcome != "ok")
    alt = say(
        "outage_alt",
        start=say.moment(left),
        end=say.moment(right),
        down=say.moment(outage.start),
        up=say.moment(outage.end),
        failures=failures,
        ok=len(probes) - failures,
    )
    first, last, more = _shown(probes, outage)
    figures = [
        (say("outage_from"), _both(outage.start, say)),
        (say("outage_to"), _both(outage.end, say)),
        (say("outage_lasted"), say.span(outage.end - outage.start)),
        # Where checks or seconds are counted, an outage has no share of its own in what is counted.
        *([(say("outage_counted"), say.span(outage.counted_ms))] if service.unit in ("time", "minute") else []),
        (say("outage_cause"), f"{say.outcome(outage.outcome)} · {say('outage_failures', n=outage.failures)}"),
    ]
    if facts.evaluation.terms.contract.availability.counts_from == "report":
        reported = f"{say.moment(outage.reported)} UTC" if outage.reported else say("outage_not_reported")
        figures.append((say("outage_reported"), reported))
    if outage.claim_by is not None:
        figures.append((say("outage_claim"), f"{say.moment(outage.claim_by)} UTC"))
    return {
        "title": say("outage_title", service=name, start=f"{say.moment(outage.start)} UTC"),
        "figures": [list(f) for f in figures],
        "alt": alt,
        "bars": _bars(_layers(service), left, right),
        "from": say.moment(left),
        "to": say.moment(right),
        "marks": marks,
        "probes": [
            [
                say.moment(p.at),
                p.target,
                say("scheduled" if p.scheduled else "followup"),
                say.outcome(p.outcome),
                p.detail,
            ]
            for p in (*first, *last)
        ],
        "more_after": len(first) if more else -1,
        "more": say("outage_more", n=say.number(more)) if more else "",
    }


def _both(at: int, say: Speaker) -> str:
    """An instant in UTC and, where it differs, as the contract's clocks show it."""
    utc = f"{say.moment(at)} UTC"
    return utc if say.timezone == "UTC" else f"{utc} · {say.moment(at, local=True)} {say.zone_name}"


def _shown(probes: Sequence[Probe], outage: Outage) -> tuple[list[Probe], list[Probe], int]:
    """The probes that the table shows, those before and those after what is left out, and how many that is.

    Two from before the outage, its first and its last, and two from after it.
    """
    before = [p for p in probes if p.at < outage.start][-2:]
    inside = [p for p in probes if outage.start <= p.at < outage.end]
    after = [p for p in probes if p.at >= outage.end][:2]
    half = (SHOWN_PROBES - 4) // 2
    if len(inside) <= 2 * half:
        return [*before, *inside, *after], [], 0
    return [*before, *inside[:half]], [*inside[-half:], *after], len(inside) - 2 * half


def _excuses(facts: StatementFacts, say: Speaker) -> list[list[str]]:
    """One row a window and way of treating it, with the services that are treated so."""
    rows: dict[tuple[object, ...], tuple[Excuse, list[str], list[str]]] = {}
    for service in facts.evaluation.services:
        for excuse in service.excuses:
            key = (excuse.event_id, excuse.start, excuse.end, excuse.source, excuse.what, excuse.why)
            _, names, downs = rows.setdefault(key, (excuse, [], []))
            names.append(say.service(service.service))
            if excuse.down_ms:
                downs.append(f"{say.service(service.service)} {say.span(excuse.down_ms)}")
    out = []
    for excuse, names, downs in sorted(rows.values(), key=lambda row: (row[0].start, row[0].end, row[0].why)):
        what = say(f"kind_{excuse.what}") if excuse.source == "maintenance" else say.reason(excuse.what)
        out.append(
            [
                f"{what}{f': {excuse.note}' if excuse.note else ''}",
                say("everywhere") if len(names) == len(facts.evaluation.services) > 1 else ", ".join(names),
                say.moment(excuse.start, seconds=False),
                say.moment(excuse.end, seconds=False),
                say.moment(excuse.announced, seconds=False),
                ", ".join(downs) or "–",
                say(f"why_{excuse.why}"),
            ]
        )
    return out


# --- the rest -------------------------------------------------------------------------------------------------------


def _difference(balance: Balance, say: Speaker) -> str:
    return say.number(balance.expected - balance.observed - balance.gaps)


def _clock(facts: StatementFacts, say: Speaker) -> list[list[str]]:
    clock = facts.clock
    if not clock.samples and not clock.steps:
        return []
    worst = "–" if clock.worst_us is None else _thousandths(clock.worst_us, say)
    rows = [[say("clock_samples"), say.number(clock.samples)], [say("clock_worst"), worst]]
    if clock.unsynchronised:
        rows.append([say("clock_unsynced"), say.number(clock.unsynchronised)])
    steps = ", ".join(f"{say.moment(at)} ({'+' if by > 0 else ''}{say.span(by)})" for at, by in clock.steps[:6])
    rows.append([say("clock_steps"), steps or say("none")])
    return rows


def _thousandths(us: int, say: Speaker) -> str:
    """Microseconds as milliseconds with three decimals."""
    text = f"{'-' if us < 0 else ''}{abs(us) // 1000}.{abs(us) % 1000:03d} ms"
    return text.replace(".", ",") if say.language == "de" else text


def _revision(facts: StatementFacts, say: Speaker) -> Content | None:
    if facts.revision.number <= 1:
        return None
    return {
        "heading": say("revision_heading", n=facts.revision.number),
        "text": say("revision_text", before=facts.revision.number - 1),
        "changes": list(facts.revision.changes),
    }
