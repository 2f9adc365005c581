"""What the sandbox's provider publishes: a status page's JSON (Statuspage v2) and a calendar (RFC 5545)."""

import json

from monitor.sandbox.http import Answer
from monitor.times import iso

_HOUR = 3_600_000
_DAY = 24 * _HOUR


def paths(started: int) -> dict[str, Answer]:
    """The pages, with one maintenance announced in time, one too late, and one incident; `started` in ms.

    They change from day to day (UTC) and not with each start, as a real page would not.
    """
    started -= started % _DAY
    day = iso(started)[:10]
    announced = [
        _maintenance(
            f"m1-{day}", "Database upgrade", started - 9 * _DAY, started + 1 * _DAY, started + 1 * _DAY + 2 * _HOUR
        ),
        _maintenance(
            f"m2-{day}", "Router exchange", started - 1 * _HOUR, started + 2 * _DAY, started + 2 * _DAY + _HOUR
        ),
    ]
    page = {"id": "sandbox", "name": "Sandbox provider", "url": "http://127.0.0.1/", "time_zone": "Etc/UTC"}
    incident = {
        "id": f"i1-{day}",
        "name": "Delayed API responses",
        "status": "resolved",
        "impact": "minor",
        "created_at": iso(started - 2 * _DAY),
        "started_at": iso(started - 2 * _DAY),
        "resolved_at": iso(started - 2 * _DAY + _HOUR),
        "updated_at": iso(started - 2 * _DAY + _HOUR),
        "components": [],
        "incident_updates": [],
    }
    return {
        "/api/v2/scheduled-maintenances.json": _json({"page": page, "scheduled_maintenances": announced}),
        "/api/v2/incidents.json": _json({"page": page, "incidents": [incident]}),
        "/api/v2/summary.json": _json(
            {
                "page": page,
                "status": {"indicator": "none", "description": "All Systems Operational"},
                "components": [],
                "incidents": [],
                "scheduled_maintenances": announced,
            }
        ),
        "/calendar.ics": (200, "text/calendar; charset=utf-8", _calendar(started)),
    }


def _json(value: object) -> Answer:
    return 200, "application/json", json.dumps(value)


def _maintenance(id: str, name: str, created: int, start: int, end: int) -> dict[str, object]:
    return {
        "id": id,
        "name": name,
        "status": "scheduled",
        "impact": "maintenance",
        "created_at": iso(created),
        "updated_at": iso(created),
        "scheduled_for": iso(start),
        "scheduled_until": iso(end),
        "components": [],
        "incident_updates": [],
    }


def _calendar(started: int) -> str:
    def stamp(ms: int) -> str:
        return iso(ms)[:19].replace("-", "").replace(":", "") + "Z"

    start = started + 3 * _DAY
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//slaproof//sandbox//EN",
        "BEGIN:VEVENT",
        f"UID:sandbox-1-{stamp(started)}@slaproof",
        f"DTSTAMP:{stamp(started)}",
        f"CREATED:{stamp(started - 10 * _DAY)}",
        f"DTSTART:{stamp(start)}",
        f"DTEND:{stamp(start + _HOUR)}",
        "SUMMARY:Gateway maintenance",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "\r\n".join(lines) + "\r\n"
