"""Counting by half-seconds, straight from the text of docs/arithmetic.md and with no code of the program.

Slow and simple on purpose: every instant of a short period is looked at alone. Takes the plain data of a contract's
file and gives the plain answer, so that nothing of ``monitor.sla`` is trusted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

STEP = 500
PROVIDER = {
    "timeout", "connect_timeout", "refused", "reset", "tls", "dns", "server_error", "wrong_answer", "protocol",
    "undelivered", "listed",
}  # fmt: skip
Row = tuple[int, str, str, bool, str]
"""at, target, location, scheduled, outcome"""


def percent(text: str) -> Fraction:
    return Fraction(text.rstrip("%")) / 100


def ms(text: str) -> int:
    if text.endswith("ms"):
        return int(text[:-2])
    return int(text[:-1]) * {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[text[-1]]


def iso(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def decimals(ratio: Fraction | None) -> str | None:
    if ratio is None:
        return None
    digits = str(ratio.numerator * 10**14 // ratio.denominator).rjust(15, "0")
    return digits[:-14] + "." + digits[-14:]


def share(part: int, whole: int) -> Fraction | None:
    if whole == 0:
        return None
    value = 1 - Fraction(part) / whole
    return value if value > 0 else Fraction(0)


class Count:
    """One contract in one period."""

    def __init__(
        self,
        contract: dict[str, Any],
        targets: list[dict[str, Any]],
        rows: list[Row],
        events: dict[str, list[dict[str, Any]]],
        period: tuple[int, int, int],
        fee: tuple[str, str] | None,
    ) -> None:
        self.contract, self.targets, self.events, self.fee = contract, targets, events, fee
        self.start, self.end, self.to = period
        self.terms = contract.get("availability", {})
        self.unit = self.terms.get("unit", "time")
        self.counted_outcomes = set(self.terms.get("counted_outcomes", PROVIDER))
        self.series: dict[tuple[str, str], dict[int, tuple[bool, str]]] = {}
        for at, target, location, scheduled, outcome in rows:
            if any(target == one["name"] for one in targets):
                self.series.setdefault((target, location), {})[at] = scheduled, outcome
        every = [at for observations in self.series.values() for at in observations]
        self.low = min([self.start, *every])
        self.high = max([self.end, *every]) + 10 * max([0, *(one["interval"] for one in targets)])
        self.lines = {key: self.line(key) for key in self.series}

    def kind(self, outcome: str) -> str:
        return "up" if outcome == "ok" else "down" if outcome in self.counted_outcomes else "unknown"

    def steps(self, start: int, end: int) -> range:
        return range(start, end, STEP)

    def target(self, name: str) -> dict[str, Any]:
        return next(one for one in self.targets if one["name"] == name)

    def line(self, key: tuple[str, str]) -> dict[int, str]:
        """The state of one location at each step; where there is none it is unknown."""
        observations = self.series[key]
        order = sorted(observations)
        states = [self.kind(observations[at][1]) for at in order]
        confirm = int(self.terms.get("confirm", "1"))
        held = list(states)
        for index, state in enumerate(states):
            if state != "down":
                continue
            first = last = index
            while first > 0 and states[first - 1] == "down":
                first -= 1
            while last + 1 < len(states) and states[last + 1] == "down":
                last += 1
            if last - first + 1 < confirm:
                held[index] = "up"
        target = self.target(key[0])
        stale = max(target["stale"] or 2 * target["interval"], target["interval"])
        line = {}
        for index, at in enumerate(order):
            until = at + stale
            if index + 1 < len(order):
                until = min(until, order[index + 1])
            for step in self.steps(at, until):
                line[step] = held[index]
        return line

    def target_state(self, name: str, at: int) -> str:
        states = [line.get(at, "unknown") for (target, _), line in self.lines.items() if target == name]
        down, up = states.count("down"), states.count("up")
        quorum = self.terms.get("quorum", "majority")
        if quorum == "majority":
            is_down = down * 2 > down + up
        elif quorum == "all":
            is_down = down > 0 and up == 0
        else:
            is_down = down >= (1 if quorum == "any" else int(quorum))
        return "down" if is_down else "up" if up else "unknown"

    def service_state(self, service: str, at: int) -> str:
        states = [self.target_state(one["name"], at) for one in self.targets if one["service"] == service]
        if not states:
            return "unknown"
        if len(states) == 1:
            return states[0]
        if self.contract["services"][service]["down_when"] == "any":
            is_down = "down" in states
        else:
            is_down = all(state == "down" for state in states)
        return "down" if is_down else "up" if "up" in states else "unknown"

    def left_out(self, service: str, at: int) -> bool:
        terms = self.contract.get("maintenance", {})
        for window in self.events["maintenance"]:
            touches = not window["services"] or service in window["services"]
            if not touches or not window["start"] <= at < window["end"]:
                continue
            if service in terms.get("always_counted", []) or terms.get(window["kind"], "counted") != "excluded":
                continue
            if "notice" in terms and window["kind"] == "scheduled":
                announced = window["announced"]
                if announced is None or window["start"] - announced < ms(terms["notice"]):
                    continue
            return True
        return any(
            (not span["services"] or service in span["services"])
            and span["start"] <= at < span["end"]
            and span["reason"] in self.contract.get("exclusions", [])
            for span in self.events["exclusions"]
        )

    def outages(self, states: dict[int, str]) -> list[tuple[int, int]]:
        found, begun = [], None
        for at in self.steps(self.low, self.high + STEP):
            if states.get(at) == "down":
                begun = at if begun is None else begun
            elif begun is not None:
                found.append((begun, at))
                begun = None
        return found

    def minutes(self, length: int) -> int:
        mode = self.terms.get("round", {}).get("mode", "nearest")
        whole, rest = divmod(length, 60_000)
        if rest and (mode == "up" or (mode == "nearest" and rest >= 30_000)):
            whole += 1
        return whole * 60_000

    def rounded(self, instants: set[int]) -> int:
        if self.terms.get("round", {}).get("apply", "total") == "total":
            return self.minutes(len(instants) * STEP)
        total = length = 0
        for at in self.steps(self.start, self.to + STEP):
            if at in instants:
                length += STEP
            else:
                total += self.minutes(length)
                length = 0
        return total

    def denominator(self, length: int, out: int) -> int:
        text = self.terms.get("denominator", "elapsed")
        if text == "elapsed":
            return length
        return length - out if text == "elapsed_minus_excluded" else ms(text)

    def deadline(self, outage_end: int) -> int | None:
        claim = self.contract.get("claim")
        if claim is None:
            return None
        if claim == "next_calendar_month":
            last = datetime.fromtimestamp((self.end - 1) // 1000, UTC)
            month = last.year * 12 + last.month - 1 + 2
            return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000
        return outage_end + ms(claim["after_outage"])

    def answer(self) -> dict[str, Any]:
        services, union = [], set()
        for name in self.contract["services"]:
            one, counted = self.service(name)
            services.append(one)
            union |= counted
        credit = self.credit(union, services) if "credit" in self.contract else None
        return {"services": services, "credit": credit}

    def service(self, name: str) -> tuple[dict[str, Any], set[int]]:
        states = {at: self.service_state(name, at) for at in self.steps(self.low, self.high)}
        period = list(self.steps(self.start, self.to))
        out = {at for at in period if self.left_out(name, at)}
        kept = [at for at in period if at not in out]
        down = {at for at in period if states[at] == "down"}
        countable: set[int] = set()
        listed = []
        reports = [one["at"] for one in self.events["reports"] if not one["services"] or name in one["services"]]
        own = [(key, obs) for key, obs in self.series.items() if self.target(key[0])["service"] == name]
        failures = sorted(
            (at, *key, outcome) for key, obs in own for at, (_, outcome) in obs.items() if self.kind(outcome) == "down"
        )
        for start, end in self.outages(states):
            part = set(self.steps(start, end))
            if self.terms.get("counts_from", "outage") == "report":
                within = [at for at in reports if start <= at < end]
                part = {at for at in part if within and at >= min(within)}
            part = {at for at in part if self.start <= at < self.to and at not in out}
            countable |= part
            shown_start, shown_end = max(start, self.start), min(end, self.to)
            if shown_start < shown_end:
                seen = [failure[3] for failure in failures if shown_start <= failure[0] < shown_end]
                listed.append(
                    {
                        "start": iso(shown_start),
                        "end": iso(shown_end),
                        "counted_ms": len(part) * STEP,
                        "outcome": seen[0] if seen else None,
                        "claim_by": iso(self.deadline(shown_end)) if part else None,
                    }
                )
        unknown = sum(STEP for at in kept if states[at] == "unknown")
        out_of = self.denominator(self.to - self.start, len(out) * STEP)
        if self.unit == "check":
            figures = self.checks(name, own, len(kept) * STEP)
        else:
            if self.unit == "second":
                seconds = self.seconds(name, own)
                counted = len(seconds) * 1000
                unknown = sum(STEP for at in kept if states[at] in ("unknown", "down") and at // 1000 not in seconds)
            elif self.unit == "minute":
                counted = self.rounded(countable)
            else:
                counted = len(countable) * STEP
            figures = (
                counted, out_of, unknown, share(counted, out_of), share(counted + unknown, out_of),
                share(unknown, len(kept) * STEP),
            )  # fmt: skip
        counted, out_of, unknown, availability, worst, coverage = figures
        text = self.contract["services"][name].get("target")
        verdict = "no_target"
        if text is not None:
            verdict = "unproven"
            if availability is not None and availability < percent(text):
                verdict = "breached"
            elif worst is not None and worst >= percent(text):
                verdict = "met"
        result = {
            "service": name,
            "target": text,
            "unit": self.unit,
            "availability": decimals(availability),
            "worst_case": decimals(worst),
            "coverage": decimals(coverage),
            "counted": counted,
            "out_of": out_of,
            "unknown": unknown,
            "excluded_ms": len(down & out) * STEP,
            "verdict": verdict,
            "outages": listed,
        }
        return result, countable

    def seconds(self, name: str, own: list[Any]) -> set[int]:
        found: dict[int, list[tuple[int, str]]] = {}
        for _, observations in own:
            for at, (_, outcome) in observations.items():
                found.setdefault(at // 1000, []).append((at, self.kind(outcome)))
        return {
            second
            for second, seen in found.items()
            if self.start <= second * 1000 < self.to
            and any(self.start <= at < self.to for at, _ in seen)
            and all(kind == "down" for _, kind in seen)
            and not self.left_out(name, second * 1000)
        }

    def checks(self, name: str, own: list[Any], kept: int) -> tuple[Any, ...]:
        up = down = expected = 0
        for key, observations in own:
            expected += kept // self.target(key[0])["interval"]
            for at, (scheduled, outcome) in observations.items():
                if scheduled and self.start <= at < self.to and not self.left_out(name, at):
                    up += self.kind(outcome) == "up"
                    down += self.kind(outcome) == "down"
        unknown = max(0, expected - up - down)
        seen = up + down
        worst = Fraction(up, seen + unknown) if seen + unknown else None
        return down, seen, unknown, share(down, seen), worst, share(unknown, seen + unknown)

    def credit(self, union: set[int], services: list[dict[str, Any]]) -> dict[str, Any]:
        credit = self.contract["credit"]
        counted = self.rounded(union) if self.unit == "minute" else len(union) * STEP
        names = list(self.contract["services"])
        out = sum(STEP for at in self.steps(self.start, self.end) if all(self.left_out(name, at) for name in names))
        out_of = self.denominator(self.end - self.start, out)
        due = Fraction(0)
        if "tiers" in credit:
            reached = share(counted, out_of)
            if reached is not None:
                due = max([due, *(percent(t["credit"]) for t in credit["tiers"] if percent(t["below"]) > reached)])
        else:
            blocks = credit["blocks"]
            beyond = counted - percent(blocks.get("after", "0%")) * out_of
            number, each = 0, ms(blocks["each"])
            while beyond >= each:
                number += 1
                beyond -= each
            if beyond > 0 and blocks.get("partial") == "true":
                number += 1
            due = number * percent(blocks["credit"])
        cap = credit.get("cap", {})
        due = min(due, percent(cap.get("percent", "100%")))
        amount = currency = None
        if self.fee is not None and ("amount" not in cap or cap["currency"] == self.fee[1]):
            exact = Fraction(self.fee[0]) * due
            cents = int((Decimal(exact.numerator) / Decimal(exact.denominator) * 100).to_integral_value(ROUND_HALF_UP))
            money = Decimal(cents) / 100
            if "amount" in cap:
                money = min(money, Decimal(cap["amount"]))
            amount, currency = f"{money:.2f}", self.fee[1]
        deadlines = [o["claim_by"] for s in services for o in s["outages"] if o["claim_by"] is not None]
        shown = due * 100
        text = str(Decimal(shown.numerator) / Decimal(shown.denominator))
        return {
            "counted": counted,
            "out_of": out_of,
            "percent": text.rstrip("0").rstrip(".") if "." in text else text,
            "amount": amount,
            "currency": currency,
            "claim_by": min(deadlines) if deadlines and due > 0 else None,
        }
