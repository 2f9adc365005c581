"""How everything stands, on a terminal: what is up, what is down, what is left of each budget, what is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.durations import say_duration
from monitor.judgement.standing import ContractStanding, Deadline, ServiceStanding, Standing, TargetStanding
from monitor.sla.evaluation import amount_text, plain
from monitor.sla.instants import write_instant
from monitor.terminal.report_text import VERDICTS, percent, watched, when

DOTS = {"up": ("●", "green"), "down": ("●", "bold red"), "unknown": ("○", "yellow")}
VERDICT_STYLES = {"met": "green", "breached": "red", "unproven": "yellow", "no_target": "dim"}
BAR = 10
NARROW = 60
"""Where the terminal has fewer columns, what there is no room for is left out, so that the rest can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known of the monitor itself from its database."""

    location: str
    daemon: int | None
    """The process that holds the database; None where none does."""
    newest: int | None
    """When the newest observation was made."""


def brief(ms: int) -> str:
    """A length of time in its two largest units, cut: `3 d 4 h`, `2 min 10 s`, `0 s`."""
    parts = say_duration(max(0, ms) // 1000 * 1000).split(" ")
    return " ".join(parts[:4])


def render(standing: Standing, watch: Watch, *, width: int = 120) -> RenderableType:
    """The whole picture."""
    parts: list[RenderableType] = [_head(standing, watch, width), ""]
    if standing.contracts:
        parts.append(_services(standing, width))
    alone = [one for one in standing.targets if one.contract is None]
    if alone:
        parts += ["", _alone(alone, standing.at, width)]
    failing = [one for one in standing.targets if one.state != "up" and one.at is not None]
    if failing:
        parts += ["", _failing(failing, standing.at, width)]
    if standing.deadlines:
        parts += ["", _deadlines(standing.deadlines, standing.at)]
    return Group(*parts)


def _head(standing: Standing, watch: Watch, width: int) -> Text:
    services = [service for contract in standing.contracts for service in contract.services if _seen(service)]
    down = sum(service.state == "down" for service in services)
    if down:
        text = Text.assemble((f" {down} of {len(services)} services down ", "bold white on red"))
    elif services and all(service.state == "up" for service in services):
        text = Text.assemble((f" all {len(services)} services up ", "bold white on green"))
    else:
        up = sum(service.state == "up" for service in services)
        said = f" {up} of {len(services)} services up, the others unknown "
        text = Text.assemble((said, "bold black on yellow"))
    text.append("  " if width >= 100 else "\n ")
    text.append(f"{watch.location}, {when(standing.at)[:19]} UTC  ")
    if watch.newest is None:
        text.append("nothing observed yet", style="yellow")
    else:
        age = brief(standing.at - watch.newest)
        if watch.daemon is None:
            text.append(f"no daemon runs; last probe {age} ago", style="yellow")
        else:
            daemon = f"daemon {watch.daemon}, " if width >= 100 else ""
            text.append(f"{daemon}last probe {age} ago", style="dim")
    return text


def _seen(service: ServiceStanding) -> bool:
    return watched(service.current) or service.previous is not None


def _plain_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    for name in columns:
        right = name in ("Availability", "Target", "Burn 1h", "Coverage", "Took")
        least = {"Availability": 12, "Target": 6, "Error budget left": 20}.get(name)
        fold = name in ("What", "What it found")
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=not fold,
            overflow="fold" if fold else "ellipsis",
            min_width=least,
        )
    return table


def _services(standing: Standing, width: int) -> Table:
    columns = ["Service", "State", "Availability", "Target", "Error budget left"]
    if width < NARROW:
        columns = columns[:3]
    columns += ["Period before"] if width >= 130 else []
    columns += ["Burn 1h", "Coverage"] if width >= 150 else []
    table = _plain_table(*columns)
    for index, contract in enumerate(standing.contracts):
        if index:
            table.add_section()
        period = contract.evaluation.period
        left = Text(f"{brief(period.end - standing.at)} to go", style="dim")
        rows: list[tuple[Text, ...]] = [
            (Text(contract.name, style="bold"), Text(period.name, style="dim"), Text(), Text(), left)
        ]
        rows += [tuple(_cells(service, standing.at, width)) for service in contract.services]
        for row in rows:
            table.add_row(*row[: len(columns)])
    return table


def _cells(service: ServiceStanding, now: int, width: int) -> Iterator[Text]:
    mark, style = DOTS[service.state]
    if not _seen(service):
        yield Text(f"  ○ {service.service}", style="dim")
        yield Text("not watched", style="dim")
        return
    yield Text.assemble(("  " + mark, style), f" {service.service}")
    state = Text(
        "DOWN" if service.state == "down" else service.state, style=style if service.state != "up" else "green"
    )
    if service.since is not None and width >= NARROW:
        state.append(f" {brief(now - service.since)}", style="none")
    if service.outage is not None and service.outage.outcome and width >= 100:
        state.append(f" {service.outage.outcome}", style="red")
    yield state
    yield Text(percent(service.current.availability) if watched(service.current) else "-", style=_colour(service))
    yield Text(service.target_text or "", style="dim")
    yield _budget(service, width)
    if width >= 130:
        before = service.previous
        if before is None:
            yield Text("")
        else:
            yield Text.assemble(
                (percent(before.availability), "dim"), " ", (VERDICTS[before.verdict], VERDICT_STYLES[before.verdict])
            )
    if width >= 150:
        yield _burn(service.burn.get("1h"))
        yield Text(percent(service.current.coverage), style="dim")


def _colour(service: ServiceStanding) -> str:
    if service.target is None or service.current.availability is None:
        return "none"
    return {"met": "green", "breached": "bold red"}.get(service.current.verdict, "yellow")


def _budget(service: ServiceStanding, width: int) -> Text:
    budget = service.budget
    if budget is None:
        return Text("")
    share = budget.left_ratio
    checks = service.current.unit == "check"
    cells = BAR if width >= 100 else BAR // 2

    def amount(value: Fraction) -> str:
        return amount_text("check", int(value)) if checks else brief(int(value))

    if share is None:  # nothing may fail
        over = f"spent, {amount(Fraction(budget.used))} over"
        return Text(over, style="red") if budget.used else Text("none is allowed", style="dim")
    if share < 0:
        return Text.assemble(("░" * cells, "red"), (f" over by {amount(-budget.left)}", "red"))
    full = -(-int(share * cells * 8) // 8)
    style = "green" if share > Fraction(1, 2) else "yellow" if share > Fraction(1, 10) else "red"
    text = Text.assemble(("█" * full, style), ("░" * (cells - full), "dim"), f" {amount(budget.left)}")
    if width >= 100:
        text.append(f" of {int(budget.allowed):,}" if checks else f" of {amount(budget.allowed)}", style="dim")
    return text


def _burn(rate: Fraction | None) -> Text:
    if rate is None:
        return Text("")
    tenths = int(rate * 10)
    style = "dim" if rate < 1 else "yellow" if rate < 6 else "bold red"
    return Text(f"{tenths // 10:,}.{tenths % 10}x", style=style)


def _alone(targets: list[TargetStanding], now: int, width: int) -> Table:
    columns = ["Watched for its own sake", "State", "Last probe", "Took"]
    table = _plain_table(*(columns if width >= NARROW else ["Others", "State"]))
    for one in targets:
        mark, style = DOTS[one.state]
        times = (
            "never" if one.at is None else f"{brief(now - one.at)} ago",
            "" if one.duration_ms is None else f"{one.duration_ms:,} ms",
        )
        table.add_row(
            Text.assemble(("  " + mark, style), f" {one.target}"),
            Text(one.state if one.since is None else f"{one.state} {brief(now - one.since)}", style=style),
            *(times if width >= NARROW else ()),
        )
    return table


def _failing(targets: list[TargetStanding], now: int, width: int) -> Table:
    columns = ["Not up now", "Since (UTC)", "Last probe", "What it found"]
    table = _plain_table(*(columns if width >= NARROW else [columns[0], columns[3]]))
    for one in targets:
        found = Text(one.outcome or "", style=DOTS[one.state][1])
        if one.outcome == "ok":
            found = Text("nothing since; the last one was good", style="yellow")
        elif one.detail:
            found.append(f": {one.detail}", style="none")
        since = "" if one.since is None else when(one.since)[:19]
        times = (since, f"{brief(now - (one.at or now))} ago") if width >= NARROW else ()
        table.add_row(f"  {one.target}", *times, found)
    return table


def _deadlines(deadlines: tuple[Deadline, ...], now: int) -> Table:
    table = _plain_table("Due (UTC)", "In", "What")
    for one in deadlines:
        left = one.at - now
        style = "bold red" if left < 86_400_000 else "yellow" if left < 7 * 86_400_000 else "none"
        table.add_row(f"  {when(one.at)[:16]}", Text(brief(left), style=style), _due(one))
    return table


def _due(one: Deadline) -> str:
    if one.credit is not None:
        money = "" if one.credit.amount is None else f", {one.credit.amount:f} {one.credit.currency}"
        return f"claim {plain(one.credit.percent)} % of {one.contract}'s fee for {one.period}{money}"
    assert one.ticket is not None
    return f"{one.contract} ticket {one.ticket.ticket.id}: {one.ticket.rule.milestone}"


# -- as JSON -----------------------------------------------------------------------------------------------------------


def to_json(standing: Standing, watch: Watch) -> dict[str, Any]:
    """The same as plain JSON: ratios as in arithmetic §9, instants as RFC 3339, lengths in ms."""
    return {
        "at": write_instant(standing.at),
        "location": watch.location,
        "daemon": watch.daemon,
        "newest": _instant(watch.newest),
        "contracts": [_contract_json(one) for one in standing.contracts],
        "targets": [
            {
                "target": one.target,
                "location": one.location,
                "contract": one.contract,
                "service": one.service,
                "state": one.state,
                "since": _instant(one.since),
                "at": _instant(one.at),
                "outcome": one.outcome,
                "duration_ms": one.duration_ms,
                "detail": one.detail,
            }
            for one in standing.targets
        ],
        "deadlines": [
            {
                "at": write_instant(one.at),
                "kind": one.kind,
                "contract": one.contract,
                "period": one.period,
                "what": _due(one),
            }
            for one in standing.deadlines
        ],
    }


def _contract_json(contract: ContractStanding) -> dict[str, Any]:
    answer = contract.evaluation.answer()
    return {
        "contract": contract.name,
        "period": answer["period"],
        "credit": answer["credit"],
        "services": [
            {
                **line,
                "state": service.state,
                "since": _instant(service.since),
                "outage": None if service.outage is None else service.outage.id,
                "budget": None
                if service.budget is None
                else {
                    "allowed": int(service.budget.allowed),
                    "used": service.budget.used,
                    "left": int(service.budget.left),
                },
                "burn": {
                    name: None if rate is None else f"{int(rate * 1000) / 1000:.3f}"
                    for name, rate in service.burn.items()
                },
                "previous": None if service.previous is None else service.previous.answer(),
            }
            for service, line in zip(contract.services, answer["services"], strict=True)
        ],
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else write_instant(at)
