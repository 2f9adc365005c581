"""Gets a page, within a time and a size, and only when it changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from monitor.version import version

TIMEOUT_S = 30.0
MOST_BYTES = 4 << 20


class NotRead(Exception):
    """The page could not be got; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A page as it was answered."""

    body: bytes
    content_type: str


class Page:
    """One address, with what its server said last of when it changes."""

    def __init__(self, address: str, base: Path) -> None:
        self.address = address
        self._base = base
        self._asked: dict[str, str] = {}
        self.got: Got | None = None
        """The last answer."""

    async def get(self, session: aiohttp.ClientSession) -> bool:
        """Ask; tells whether the page differs from the last time. Raises NotRead."""
        before = self.got
        if not self.address.startswith(("http://", "https://")):
            self.got = await asyncio.to_thread(self._file)
        else:
            await self._ask(session)
        return self.got != before

    def _file(self) -> Got:
        path = self._base / self.address
        try:
            if path.stat().st_size > MOST_BYTES:
                raise NotRead(f"{path} is larger than {MOST_BYTES >> 20} MiB")
            return Got(body=path.read_bytes(), content_type="text/calendar")
        except OSError as error:
            raise NotRead(f"{path}: {error.strerror or error}") from error

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self.address, headers=self._asked, max_redirects=5) as answer:
                if answer.status == 304 and self.got is not None:
                    return
                if answer.status != 200:
                    raise NotRead(f"{self.address} answered {answer.status}")
                body = bytearray()
                async for chunk in answer.content.iter_chunked(1 << 16):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise NotRead(f"{self.address} is larger than {MOST_BYTES >> 20} MiB")
                said = {"If-None-Match": answer.headers.get("ETag"),
                        "If-Modified-Since": answer.headers.get("Last-Modified")}  # fmt: skip
                self._asked = {name: value for name, value in said.items() if value}
                self.got = Got(body=bytes(body), content_type=answer.headers.get("Content-Type", ""))
        except TimeoutError as error:
            raise NotRead(f"{self.address} did not answer within {TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise NotRead(f"{self.address}: {error or type(error).__name__}") from error

    def forget(self) -> None:
        """Ask for the whole page the next time."""
        self._asked = {}
        self.got = None


def new_session() -> aiohttp.ClientSession:
    """A session for pages; to be closed."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        headers={"User-Agent": f"slaproof/{version()}", "Accept": "application/json, text/calendar;q=0.9, */*;q=0.1"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
