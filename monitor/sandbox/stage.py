"""All providers of the sandbox together, and the director who makes them fail."""

import asyncio
import contextlib
import datetime as dt
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.clock import Clock, SystemClock
from monitor.sandbox import statuspage
from monitor.sandbox.certs import server_context
from monitor.sandbox.http import HttpProvider, as_json, as_page
from monitor.sandbox.provider import Port, Provider
from monitor.sandbox.script import SHOW, Script
from monitor.sandbox.smpp import SmppProvider
from monitor.sandbox.smtp import SmtpProvider

BASE_PORT = 19780
"""The shipped configuration expects the providers on the ports that follow this one."""
PASSWORD = "s4ndb0x8"  # noqa: S105 - known to all; a word would be blotted out wherever a log says it
NAMES = (
    "mailgun-api",
    "mailgun-smtp",
    "clicksend-sms",
    "sparkpost-api",
    "mailpro-website",
    "mailpro-apps",
    "mailpro-api",
    "mailpro-smtp",
    "mailpro-sms",
    "status",
    "reference-1",
    "reference-2",
)
"""Every provider; its port is `BASE_PORT` + 1 + its place here."""


class Sandbox:
    """`async with Sandbox() as sandbox:` has the providers listening and failing by the script.

    With `base_port` 0 the system chooses the ports; `ports` tells them. Raises OSError where a port is taken.
    """

    def __init__(self, *, base_port: int = BASE_PORT, script: Script | None = SHOW, clock: Clock | None = None) -> None:
        self._base = base_port
        self._script = script
        self._clock = clock or SystemClock()
        self._folder = tempfile.TemporaryDirectory(prefix="slaproof-sandbox-")
        self._director: asyncio.Task[None] | None = None
        self.providers: dict[str, Provider] = {}

    @property
    def ports(self) -> dict[str, int]:
        """The port of each provider."""
        return {name: provider.port for name, provider in self.providers.items()}

    async def __aenter__(self) -> Self:
        self.providers = {provider.name: provider for provider in self._cast()}
        try:
            for provider in self.providers.values():
                await provider.listen()
        except OSError:
            await self._close()
            raise
        if self._script is not None:
            self._director = asyncio.get_running_loop().create_task(self._direct(self._script))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._director is not None:
            self._director.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._director
        await self._close()

    async def _close(self) -> None:
        for provider in self.providers.values():
            await provider.close()
        self._folder.cleanup()

    async def _direct(self, script: Script) -> None:
        began = self._clock.monotonic()
        while True:
            elapsed = self._clock.monotonic() - began
            playing = script.playing(elapsed)
            for name, provider in self.providers.items():
                if provider.fault != playing.get(name):
                    await provider.play(playing.get(name))
            # A little late rather than a little early: an edge must have passed when it is looked at.
            await asyncio.sleep(script.next_change(self._clock.monotonic() - began) + 0.01)

    def _cast(self) -> list[Provider]:
        folder = Path(self._folder.name)
        now = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, dt.UTC)
        good, bad = server_context(folder, now), server_context(folder, now, good=False)
        port = {name: self._base + 1 + place if self._base else 0 for place, name in enumerate(NAMES)}
        domains = as_json({"total_count": 1, "items": [{"name": "mg.example", "state": "active"}]})
        sign_in = as_page("Sign in", '<form method="post"><input name="user"><input name="password"></form>')
        return [
            HttpProvider(
                "mailgun-api", port["mailgun-api"], {"/v3/domains": domains}, password=PASSWORD, tls=good, bad_tls=bad
            ),
            SmtpProvider("mailgun-smtp", port["mailgun-smtp"], password=PASSWORD, tls=good, bad_tls=bad, starttls=True),
            HttpProvider(
                "clicksend-sms",
                port["clicksend-sms"],
                {
                    "/v3/sms/price": as_json(
                        {"http_code": 200, "response_code": "SUCCESS", "data": {"total_price": 0.05}}
                    )
                },
                password=PASSWORD,
                tls=good,
                bad_tls=bad,
            ),
            HttpProvider(
                "sparkpost-api",
                port["sparkpost-api"],
                {
                    "/api/v1/sending-domains": as_json(
                        {"results": [{"domain": "sp.example", "status": {"ownership_verified": True}}]}
                    )
                },
                password=PASSWORD,
                tls=good,
                bad_tls=bad,
            ),
            HttpProvider(
                "mailpro-website",
                port["mailpro-website"],
                {"/": as_page("Mail for professionals", "<a href='/faq'>FAQ</a> <a href='/login'>Sign in</a>")},
                tls=good,
                bad_tls=bad,
            ),
            HttpProvider("mailpro-apps", port["mailpro-apps"], {"/login": sign_in}, tls=good, bad_tls=bad),
            HttpProvider(
                "mailpro-api",
                port["mailpro-api"],
                {"/v3/status": as_json({"state": "ok", "credits": 4200})},
                password=PASSWORD,
                tls=good,
                bad_tls=bad,
            ),
            SmtpProvider(
                "mailpro-smtp", port["mailpro-smtp"], password=PASSWORD, tls=good, bad_tls=bad, starttls=False
            ),
            SmppProvider("mailpro-sms", port["mailpro-sms"], password=PASSWORD),
            HttpProvider("status", port["status"], statuspage.paths(self._clock.now_ms())),
            Port("reference-1", port["reference-1"]),
            Port("reference-2", port["reference-2"]),
        ]
