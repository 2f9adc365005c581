"""Running one probe in a test, and showing what it saw."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import probes
from probes._outcome import Result
from probes._redact import Redactor
from probes._run import run

PROBE_ID = "0123456789abcdef"


async def probe(
    kind: str, settings: dict[str, Any], *, timeout: float = 2.0, secrets: Iterable[str] = (), **more: Any
) -> Result:
    """The result of one probe with these settings, as the configuration would give them."""
    target = probes.load(kind).Target.model_validate(settings)
    return await run(
        kind,
        target,
        timeout_s=timeout,
        probe_id=more.pop("probe_id", PROBE_ID),
        now_ms=time.time_ns() // 1_000_000,
        redactor=Redactor(secrets),
        **more,
    )


async def ask(kind: str, timeout: float = 5.0, *, secrets: Iterable[str] = (), **settings: Any) -> Result:
    """The same, with the settings as keywords."""
    return await probe(kind, settings, timeout=timeout, secrets=secrets)


def told(result: Result) -> str:
    """The transcript as text."""
    return "\n".join(f"{line.mark} {line.text}" for line in result.transcript)


def shown(result: Result) -> str:
    """The result as a person would read it, for messages of failing tests."""
    lines = [f"{result.outcome} after {result.duration_ms} ms, code {result.code}: {result.detail}"]
    lines += [f"  {phase.name}: {phase.duration_ms:.1f} ms" for phase in result.phases]
    lines += [f"  {line.mark} {line.text}" for line in result.transcript]
    return "\n".join([*lines, f"  facts {dict(result.facts)}, ids {dict(result.ids)}"])


def names(result: Result) -> list[str]:
    """The names of the phases, in order."""
    return [phase.name for phase in result.phases]
