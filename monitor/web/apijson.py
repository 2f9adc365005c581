"""Values of the store and of the judgement as the API's JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import zlib
from typing import Any

from aiohttp import web

from monitor.judgement.standing import BudgetNow
from monitor.sla.evaluation import ServiceResult
from monitor.sla.instants import write_instant
from monitor.sla.values import OUTCOMES
from monitor.store import Event, Gap, Row
from monitor.web.ports import Proof


def answer(value: object, *, status: int = 200) -> web.Response:
    """A JSON answer."""
    response = web.json_response(value, status=status, dumps=lambda v: json.dumps(v, ensure_ascii=False))
    response.enable_compression()
    return response


def refuse(status: int, detail: str) -> web.Response:
    """A problem as JSON (RFC 9457)."""
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


def result(row: Row) -> dict[str, Any]:
    """An observation as JSON."""
    return {
        "at": write_instant(row.at),
        "target": row.target,
        "location": row.location,
        "scheduled": row.scheduled,
        "outcome": row.outcome,
        "fault": OUTCOMES[row.outcome],
        "duration_ms": row.duration_ms,
        "code": row.code,
        "detail": row.detail,
        "phases": {name: round(value, 2) for name, value in row.phases.items()},
        "facts": dict(row.facts),
        "ids": dict(row.ids),
        "probe_id": row.probe_id,
    }


def gap(found: Gap) -> dict[str, Any]:
    """A gap as JSON."""
    return {
        "target": found.target,
        "location": found.location,
        "start": write_instant(found.start),
        "end": write_instant(found.end),
        "slots": found.slots,
        "reason": found.reason,
        "detail": found.detail,
    }


def event(found: Event) -> dict[str, Any]:
    """An event as JSON."""
    return {
        "id": found.id,
        "kind": found.kind,
        "at": write_instant(found.at),
        "entered_at": write_instant(found.entered_at),
        "source": found.source,
        "corrects": found.corrects,
        "data": dict(found.data),
    }


def proof(found: Proof) -> dict[str, Any]:
    """A statement as JSON."""
    return {
        "contract": found.contract,
        "period": found.period,
        "revision": found.revision,
        "made_at": write_instant(found.made_at),
        "sha256": found.sha256,
        "size": found.size,
        "language": found.language,
        "note": found.note,
        "url": f"/api/v1/proofs/{found.period}/{found.contract}.pdf"
        f"?revision={found.revision}&language={found.language}",
    }


def read_evidence(blob: bytes | None) -> Any:
    """What was kept of a failed probe; None where nothing was."""
    return None if blob is None else json.loads(zlib.decompress(blob))


def figures(result: ServiceResult) -> dict[str, Any]:
    """A service's part of the answer without its outages."""
    found: dict[str, Any] = result.answer()
    del found["outages"]
    return found


def cursor_of(row: Row) -> str:
    """Where the next page begins."""
    return f"{max(0, row.at)}:{row.target}:{row.location}"


def result_lines(rows: list[Row]) -> str:
    """Observations as lines of CSV, in the columns that “slaproof evaluate” reads."""
    return "".join(
        f"{write_instant(r.at)},{r.target},{r.location},{str(r.scheduled).lower()},{r.outcome},{r.duration_ms}\r\n"
        for r in rows
    )


def csv_text(columns: list[str], lines: list[dict[str, Any]]) -> str:
    """A table with a head (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def budget(found: BudgetNow) -> dict[str, int]:
    """The error budget of the whole period in whole ms or checks; what is left is cut."""
    return {"allowed": found.allowed.__floor__(), "used": found.used, "left": found.left.__floor__()}
