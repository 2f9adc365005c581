"""``/probe``: one probe now, with blackbox_exporter's parameters and answers."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from monitor.blackbox import BadQuestion, Exporter, Question, probe_name
from monitor.errors import Refused
from monitor.web.access import Access
from monitor.web.ports import Source
from monitor.web.routes import Route

_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Probing:
    """The route. It is there only where ``web.blackbox`` names the modules: whoever may use it chooses the target."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._exporters: dict[Path, Exporter] = {}

    def routes(self) -> list[Route]:
        """The one route."""
        return [
            Route(
                method="GET",
                path="/probe",
                access=Access.MANAGE,
                handler=self.probe,
                summary="probes `target` now with a `module` of blackbox.yml, as blackbox_exporter does",
            )
        ]

    async def probe(self, request: web.Request) -> web.Response:
        """Probe once and answer with metrics, or with ``debug=true`` with everything seen."""
        path = self._source.settings().blackbox
        if path is None:
            raise KeyError("probe")
        exporter = self._exporters.setdefault(path, Exporter(path))
        given = request.query
        now = self._source.clock.now_ms()
        try:
            text = await exporter.answer(
                Question(
                    target=given.get("target", ""),
                    module=given.get("module", "http_2xx"),
                    hostname=given.get("hostname", ""),
                    debug=given.get("debug") == "true",
                    scrape_timeout_s=_seconds(request.headers.get("X-Prometheus-Scrape-Timeout-Seconds")),
                ),
                probe_id=probe_name(now),
                now_ms=now,
                nameservers=tuple(getattr(self._source.config(), "nameservers", ())),
            )
        except (BadQuestion, Refused) as error:
            return web.Response(text=f"{error}\n", status=400)
        return web.Response(body=text.encode(), headers={"Content-Type": _TYPE, "Cache-Control": "no-store"})


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value < 3600 else None
