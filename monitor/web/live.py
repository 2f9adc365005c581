"""Live updates by server-sent events: one watcher of the store for all pages that listen."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from monitor.web.ports import Source

LISTENERS = 100
"""So many pages may listen at a time; the next one is told to come back later."""
BEAT_S = 25.0


class Live:
    """Tells each listening page that something that is judged was added, at most every `refresh` seconds."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listeners: set[asyncio.Queue[str]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """An event stream that ends when either side goes away."""
        if len(self._listeners) >= LISTENERS:
            return web.Response(status=503, headers={"Retry-After": "60"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        self._listeners.add(queue)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching())
        try:
            await response.prepare(request)
            await response.write(b"retry: 5000\n\n")
            while True:
                try:
                    version = await asyncio.wait_for(queue.get(), BEAT_S)
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                if version == _END:
                    break
                await response.write(f"event: change\ndata: {version}\n\n".encode())
        except (ConnectionResetError, ConnectionError):
            pass  # the page was closed
        finally:
            self._listeners.discard(queue)
        return response

    async def _watching(self) -> None:
        """Ends by itself when nobody listens any more."""
        seen = await self._source.run(self._source.reader.version)
        while self._listeners:
            await asyncio.sleep(self._source.settings().refresh)
            version = await self._source.run(self._source.reader.version)
            if version != seen:
                seen = version
                self._tell(version)

    def _tell(self, version: str) -> None:
        for queue in self._listeners:
            with contextlib.suppress(asyncio.QueueFull):  # it has not taken the last one yet: that one says the same
                queue.put_nowait(version)

    async def close(self, _app: web.Application | None = None) -> None:
        """End every stream, so that a shutdown need not wait for them."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(_END)


_END = "\0"
