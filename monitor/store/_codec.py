"""How a row is packed: small integers, varints for phases, and one shared copy of whatever stays the same.

A good probe of a service costs about forty bytes. What is the same from probe to probe (the code, the names of the
phases, the peer, the TLS facts, the sentence) is one JSON text in `shared`, named by a small integer; what is not
stands in `extra` beside the row. Both are JSON, so that ad-hoc tools can read them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from monitor.sla.values import Observation
from monitor.store import Row, derive_probe_id

OUTCOMES: tuple[tuple[int, str, str | None], ...] = (
    (0, "ok", None),
    (1, "timeout", "provider"),
    (2, "connect_timeout", "provider"),
    (3, "refused", "provider"),
    (4, "reset", "provider"),
    (5, "tls", "provider"),
    (6, "dns", "provider"),
    (7, "server_error", "provider"),
    (8, "wrong_answer", "provider"),
    (9, "protocol", "provider"),
    (10, "undelivered", "provider"),
    (11, "listed", "provider"),
    (12, "rejected", "customer"),
    (13, "throttled", "customer"),
    (14, "network", "network"),
    (15, "local", "monitor"),
    (16, "offline", "monitor"),
)
"""The stored number of each outcome (arithmetic §1). A number is never given twice; new ones are added at the end."""

CODE_OF = {name: code for code, name, _ in OUTCOMES}
NAME_OF = {code: name for code, name, _ in OUTCOMES}

PHASE_UNIT_MS = 0.01
_SHORT_DETAIL = 120


class Packed(NamedTuple):
    """A row as it is bound to the statement."""

    series: int
    at: int
    kind: int
    duration_ms: int
    shared: int | None
    phases: bytes | None
    extra: str | None


def kind_of(outcome: str, scheduled: bool) -> int:
    """Outcome and whether the probe was scheduled, in one integer; 0, which takes no space, is a scheduled ok.

    Raises ValueError for an unknown outcome.
    """
    try:
        return CODE_OF[outcome] * 2 + (not scheduled)
    except KeyError:
        raise ValueError(f"{outcome!r} is no outcome") from None


def canonical(value: object) -> str:
    """JSON in one form only: sorted keys, no spaces, as it is written (no escapes beyond the needed)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _varint(units: int) -> bytes:
    out = bytearray()
    while units > 0x7F:
        out.append(units & 0x7F | 0x80)
        units >>= 7
    out.append(units)
    return bytes(out)


_USUAL = [_varint(units) for units in range(1 << 14)]


def pack_phases(phases: Mapping[str, float]) -> bytes | None:
    """The durations in units of 10 µs, as varints, in order; a negative one is 0."""
    if not phases:
        return None
    whole = [int(duration * 100 + 0.5) for duration in phases.values()]
    return b"".join([_USUAL[units] if 0 <= units < 16384 else _varint(max(0, units)) for units in whole])


def unpack_phases(names: list[str], packed: bytes | None) -> dict[str, float]:
    """The inverse of `pack_phases`."""
    values: list[float] = []
    units = shift = 0
    for byte in packed or b"":
        units |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(units / 100)
            units = shift = 0
    return dict(zip(names, values, strict=True))


class _Known:
    """What one series said last, and how often each thing has changed."""

    __slots__ = ("changes", "code", "detail", "facts", "names", "number", "outcome", "rows", "stable")

    def __init__(self) -> None:
        self.rows = 0
        self.stable = False  # whether the last row was shared wholly, as `number`
        self.number: int | None = None
        self.outcome = ""
        self.code: int | None = None
        self.detail = ""
        self.names: list[str] = []
        self.facts: Mapping[str, Any] = {}
        self.changes: dict[str, int] = {}


class Splitter:
    """Decides what of a row is shared. What changes from probe to probe is learnt by series and key.

    A value that changed in a quarter of the probes is volatile and goes beside the row from then on, so that `shared`
    does not grow with the number of probes.
    """

    __slots__ = ("_known", "_share")

    def __init__(self, share: Callable[[str], int]) -> None:
        """`share` gives the number of a JSON text in `shared`."""
        self._share = share
        self._known: dict[int, _Known] = {}

    def split(self, series: int, row: Row) -> tuple[int | None, str | None]:
        """The number in `shared` and the JSON text for `extra`; None where there is nothing to say."""
        known = self._known.get(series)
        if known is None:
            known = self._known[series] = _Known()
        known.rows += 1
        names = list(row.phases)
        own_id = row.probe_id and row.probe_id != derive_probe_id(row.target, row.location, row.at)
        if (
            known.stable
            and not own_id
            and not row.ids
            and row.code == known.code
            and row.detail == known.detail
            and names == known.names
            and row.facts == known.facts
        ):
            return known.number, None
        extra: dict[str, Any] = {}
        if row.ids:
            extra["ids"] = dict(row.ids)
        if own_id:
            extra["probe_id"] = row.probe_id
        shared, stable = self._learn(known, row, names, extra)
        known.stable = stable
        known.number = self._share(canonical(shared)) if shared else None
        return known.number, (canonical(extra) if extra else None)

    def _learn(self, known: _Known, row: Row, names: list[str], extra: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """What is shared of a row that is not as the last one was, and whether that is all of it."""
        if known.rows >= 1024:  # forget slowly, so that a value may settle again
            known.rows //= 2
            known.changes = {key: count // 2 for key, count in known.changes.items()}
        for key, value in row.facts.items():
            if known.facts and known.facts.get(key) != value:
                known.changes[key] = known.changes.get(key, 0) + 1
        if row.outcome == known.outcome and row.detail != known.detail:
            known.changes[":detail"] = known.changes.get(":detail", 0) + 1
        limit = known.rows + 12
        loose = {key for key, count in known.changes.items() if count * 4 > limit}
        shared: dict[str, Any] = {}
        if row.code is not None:
            shared["code"] = row.code
        if names:
            shared["phases"] = names
        if row.detail:
            own = ":detail" in loose or len(row.detail) > _SHORT_DETAIL
            (extra if own else shared)["detail"] = row.detail
        if kept := {key: value for key, value in row.facts.items() if key not in loose}:
            shared["facts"] = kept
        if beside := {key: value for key, value in row.facts.items() if key in loose}:
            extra["facts"] = beside
        known.outcome, known.code, known.detail, known.names, known.facts = (
            row.outcome, row.code, row.detail, names, row.facts,
        )  # fmt: skip
        return shared, "detail" not in extra and "facts" not in extra


def unpack(
    target: str,
    location: str,
    at: int,
    kind: int,
    duration_ms: int,
    shared: Mapping[str, Any],
    phases: bytes | None,
    extra: str | None,
    evidence: bytes | None = None,
) -> Row:
    """The row as it was put; phases to 10 µs."""
    beside: dict[str, Any] = json.loads(extra) if extra else {}
    return Row(
        at=at,
        target=target,
        location=location,
        scheduled=not kind & 1,
        outcome=NAME_OF[kind >> 1],
        duration_ms=duration_ms,
        code=shared.get("code"),
        detail=beside.get("detail") or shared.get("detail", ""),
        phases=unpack_phases(shared.get("phases", []), phases),
        facts={**shared.get("facts", {}), **beside.get("facts", {})},
        ids=beside.get("ids", {}),
        probe_id=beside.get("probe_id") or derive_probe_id(target, location, at),
        evidence=evidence,
    )


def observation(target: str, location: str, at: int, kind: int, duration_ms: int) -> Observation:
    """The part of a row that the arithmetic counts."""
    return Observation(at, target, location, not kind & 1, NAME_OF[kind >> 1], duration_ms)
