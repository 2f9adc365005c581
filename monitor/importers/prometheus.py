"""Prometheus' HTTP API: the samples of ``probe_success`` (or what stands for it), at the times at which they were made.

Samples are asked for as they were scraped (a range vector), so that a gap is a gap: the steps of a range query repeat
the last sample for five minutes. With a step, for expressions, a range query is made, and what it repeats is left out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp

from monitor.importers.results import CannotImport, Naming, outcome_of_status
from monitor.sla.values import Observation

CHUNK_MS = 6 * 3_600_000
_POINTS = 10_000
"""Prometheus gives at most 11,000 points a series."""
_NAME = re.compile(r"^\s*probe_success\b")

Points = dict[int, Decimal]
Matrix = list[tuple[dict[str, str], Points]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked."""

    url: str
    query: str = "probe_success"
    start: int
    end: int
    step_ms: int | None = None
    target_label: str = "instance"
    location_label: str | None = None
    token: str | None = None


def read(wanted: Wanted, naming: Naming) -> Iterator[Observation | None]:
    """The observations. Raises CannotImport."""
    values, codes = asyncio.run(_fetch(wanted))
    known = {_key(metric): points for metric, points in codes}
    for metric, points in values:
        theirs = metric.get(wanted.target_label)
        if theirs is None:
            raise CannotImport(
                f"A series has no label “{wanted.target_label}” (it has {', '.join(sorted(metric)) or 'none'}): "
                "name another with --target-label."
            )
        place = metric.get(wanted.location_label) if wanted.location_label is not None else None
        status = known.get(_key(metric), {})
        for at, value in sorted(points.items()):
            if value.is_nan():
                continue
            code = status.get(at)
            found = None if code is None or code.is_nan() else outcome_of_status(int(code))
            outcome = "ok" if value > 0 else found or naming.failed_as
            yield naming.observation(at, theirs, outcome, location=place)


async def _fetch(wanted: Wanted) -> tuple[Matrix, Matrix]:
    headers = {} if wanted.token is None else {"Authorization": f"Bearer {wanted.token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=120)) as session:
        codes: Matrix = []
        if wanted.step_ms is not None:
            return await _steps(session, wanted, wanted.query), codes
        values = await _samples(session, wanted, wanted.query)
        if _NAME.match(wanted.query):
            codes = await _samples(session, wanted, _NAME.sub("probe_http_status_code", wanted.query))
        return values, codes


async def _samples(session: aiohttp.ClientSession, wanted: Wanted, query: str) -> Matrix:
    """The samples in [start, end) as they were scraped."""
    found: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], Points]] = {}
    end = wanted.start
    while end < wanted.end:
        start, end = end, min(end + CHUNK_MS, wanted.end)
        # One millisecond more: whether the left end belongs to a range depends on Prometheus' version.
        parameters = {"query": f"{query}[{end - start + 1}ms]", "time": _seconds(end)}
        for series in await _ask(session, wanted, "query", parameters):
            _add(found, series, series["values"])
    return list(found.values())


async def _steps(session: aiohttp.ClientSession, wanted: Wanted, query: str) -> Matrix:
    """An expression at each step; a sample that a step merely repeats is left out."""
    step = wanted.step_ms or 60_000
    found: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], Points]] = {}
    times: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], Points]] = {}
    start = wanted.start
    while start < wanted.end:
        end = min(start + (_POINTS - 1) * step, wanted.end - 1)
        parameters = {"start": _seconds(start), "end": _seconds(end), "step": f"{step}ms"}
        for expression, into in ((query, found), (f"timestamp({query})", times)):
            for series in await _ask(session, wanted, "query_range", {**parameters, "query": expression}):
                _add(into, series, series["values"])
        start = end + step - (end - start) % step
    kept: Matrix = []
    for key, (metric, points) in found.items():
        made = times.get(tuple(pair for pair in key if pair[0] != "__name__"), ({}, {}))[1]
        last: Decimal | None = None
        own: Points = {}
        for at, value in sorted(points.items()):
            when = made.get(at)
            if when is None or when != last:
                own[at if when is None else int(when * 1000)] = value
            last = when
        kept.append((metric, own))
    return kept


def _add(
    found: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], Points]], series: Any, values: list[Any]
) -> None:
    metric = {str(name): str(value) for name, value in series["metric"].items()}
    _, points = found.setdefault(tuple(sorted(metric.items())), (metric, {}))
    for at, value in values:
        points[int(Decimal(str(at)) * 1000)] = Decimal(str(value))


async def _ask(session: aiohttp.ClientSession, wanted: Wanted, path: str, parameters: dict[str, str]) -> list[Any]:
    address = f"{wanted.url.rstrip('/')}/api/v1/{path}"
    try:
        async with session.post(address, data=parameters) as answer:
            data = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        raise CannotImport(f"{address} gave no answer that can be read: {error or type(error).__name__}.") from error
    if not isinstance(data, dict) or data.get("status") != "success":
        why = data.get("error", "no reason was given") if isinstance(data, dict) else "it is no Prometheus"
        raise CannotImport(f"{address} refused “{parameters['query']}”: {why}.")
    result = data["data"]
    if result.get("resultType") != "matrix":
        raise CannotImport(f"“{parameters['query']}” gives a {result.get('resultType')} and no series.")
    return list(result["result"])


def _key(metric: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in metric.items() if pair[0] != "__name__"))


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"
