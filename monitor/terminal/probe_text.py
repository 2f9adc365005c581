"""One probe's result as a person reads it: what came of it, each step with its time, what was said, the evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.config.describe import place
from monitor.config.load import TargetConfig
from monitor.times import iso, short
from probes._outcome import Fault, Line, Phase, Result

_COLOUR = {
    Fault.NONE: "green",
    Fault.PROVIDER: "red",
    Fault.CUSTOMER: "yellow",
    Fault.NETWORK: "magenta",
    Fault.MONITOR: "cyan",
}
_WHOSE = {
    Fault.PROVIDER: "the provider's fault",
    Fault.CUSTOMER: "ours to mend: the service refused us",
    Fault.NETWORK: "the network's fault",
    Fault.MONITOR: "this monitor's own fault",
}
_BAR = 40


def as_json(target: TargetConfig, at: int, result: Result, online: bool | None) -> dict[str, Any]:
    """The result as one object."""
    from monitor.probing.rows import evidence_of

    whole = evidence_of(result, None)
    return {
        "target": target.name,
        "kind": target.kind,
        "at": iso(at),
        "outcome": result.outcome.value,
        "fault": result.fault.value,
        "duration_ms": result.duration_ms,
        "phases": {phase.name: round(phase.duration_ms, 3) for phase in result.phases},
        "detail": result.detail,
        "advice": result.advice,
        "online": online,
        **{key: whole[key] for key in ("code", "peer", "facts", "ids", "probe_id", "transcript", "evidence")},
        "tls": whole.get("tls"),
    }


def show(
    console: Console,
    target: TargetConfig,
    at: int,
    result: Result,
    online: bool | None,
    redact: Callable[[str], str] = str,
) -> None:
    """Print everything that is known of one probe; ``redact`` hides what of the target's address is a secret."""
    console.print(_head(target, at, result, redact(place(target))))
    if result.outcome.value != "ok":
        _say(console, result.detail)
        _say(console, f"→ {result.advice}" if result.advice else "")
        if online is None:
            _say(console, "No reference hosts are configured: whether this machine is online is not known.")
    show_steps(console, at, result)


def show_steps(console: Console, at: int, result: Result) -> None:
    """Print the parts below the head: the steps with their times, what was seen and said, the evidence."""
    if result.phases:
        _section(console, "Steps", _phases(result.phases, result.duration_ms, console.width))
    facts = _facts(result)
    if facts:
        _section(console, "Seen", _pairs(facts))
    if result.tls is not None:
        _section(console, "Certificate", _pairs(_certificate(result, at)))
    if result.transcript:
        _section(console, "Said", _transcript(result.transcript))
    if result.evidence:
        _section(console, "Evidence", Group(*_tree(result.evidence)))


def _head(target: TargetConfig, at: int, result: Result, where: str) -> Text:
    fault = result.fault
    text = Text()
    text.append(f" {result.outcome.value} ", style=f"bold white on {_COLOUR[fault]}" if fault else "bold")
    text.append(f"  {target.name}", style="bold")
    text.append(f"  {target.kind} {where}\n{short(at)} UTC, took {_ms(result.duration_ms)}")
    if fault is not Fault.NONE:
        text.append(f"; {_WHOSE[fault]}", style=_COLOUR[fault])
    return text


def _say(console: Console, text: str) -> None:
    if text:
        console.print(Padding(Text(text), (0, 0, 0, 0)))


def _section(console: Console, title: str, body: RenderableType) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    console.print(Padding(body, (0, 0, 0, 2)))


def _ms(ms: float) -> str:
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms" if ms >= 1 else f"{ms:.2f} ms"


def _phases(phases: Sequence[Phase], duration_ms: int, width: int) -> Table:
    """Each phase as a bar on the probe's own time, as long as the terminal lets it be."""
    room = max(1, min(_BAR, width - 10 - max(len(phase.name) + len(_ms(phase.duration_ms)) for phase in phases)))
    whole = max([float(duration_ms), *(phase.start_ms + phase.duration_ms for phase in phases), 0.001])
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    for phase in phases:
        begin = min(round(phase.start_ms / whole * room), room - 1)
        length = max(1, round(phase.duration_ms / whole * room))
        bar = Text(" " * begin)
        bar.append("━" * min(length, room - begin), style="blue")
        table.add_row(phase.name, _ms(phase.duration_ms), bar)
    return table


def _facts(result: Result) -> dict[str, str]:
    facts: dict[str, str] = {}
    if result.peer:
        facts["peer"] = result.peer
    if result.code is not None:
        facts["code"] = str(result.code)
    facts |= {name: str(value) for name, value in result.facts.items()}
    facts |= {f"their {name}": value for name, value in result.ids.items()}
    facts["our id"] = result.probe_id
    return facts


def _certificate(result: Result, at: int) -> dict[str, str]:
    tls = result.tls
    assert tls is not None
    seen = {"protocol": f"{tls.version} {tls.cipher}"}
    if tls.subject:
        seen["subject"] = tls.subject
    if tls.issuer:
        seen["issuer"] = tls.issuer
    if tls.names:
        seen["names"] = ", ".join(tls.names)
    if tls.not_before is not None:
        seen["valid from"] = f"{short(tls.not_before * 1000)} UTC"
    if tls.not_after is not None:
        days = (tls.not_after * 1000 - at) // 86_400_000
        left = f"{days} days left" if days >= 0 else f"ended {-days} days ago"
        seen["valid until"] = f"{short(tls.not_after * 1000)} UTC, {left}"
    seen["verified"] = "yes" if tls.verified else "no"
    return seen


def _pairs(pairs: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(name, Text(value))
    return table


_MARKS = {">": ("→", "blue"), "<": ("←", "green"), "*": ("·", "dim")}


def _transcript(lines: Sequence[Line]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        arrow, style = _MARKS.get(line.mark, (line.mark, ""))
        for number, part in enumerate(line.text.splitlines() or [""]):
            when = f"{line.at_ms:.1f}" if number == 0 else ""
            table.add_row(when, Text(arrow if number == 0 else " ", style=style), Text(part))
    return table


def _tree(evidence: Mapping[str, object]) -> list[RenderableType]:
    """Evidence under its names, a line for each thing; certificates' bytes are left to ``--json``."""
    found: list[RenderableType] = []
    for name, value in evidence.items():
        found.append(Text(name, style="dim"))
        items = value if isinstance(value, list | tuple) else [value]
        found.extend(Padding(Text(_one(item)), (0, 0, 0, 2)) for item in items)
    return found


def _one(value: object) -> str:
    if isinstance(value, Mapping):
        shown = {key: item for key, item in value.items() if key != "pem"}
        return ", ".join(f"{key} {_one(item)}" for key, item in shown.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
