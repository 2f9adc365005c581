"""Whether this location is online: hosts that have nothing to do with any provider are asked to take a connection.

1. One host that answers is enough: we are online. All silent: we are not, and no failure seen then is the provider's.
2. They are asked regularly, and again when a probe fails; failures at the same time share one question.
3. A failed probe is judged by every answer that falls into its own time, and by one not older than it: a link that
   came back just before the end of a probe does not turn our outage into the provider's.
4. No reference hosts: nothing is known, and nothing is blamed on the link.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from monitor.clock import Clock
from monitor.config.models import ReferenceSettings, split_host_port

Ask = Callable[[str, int, float], Awaitable[str]]
"""Takes host, port and seconds; gives an empty text if the host took the connection, else why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One round of questions. Times are monotonic seconds."""

    start: float
    end: float
    online: bool
    hosts: tuple[tuple[str, str], ...]
    """Each host with an empty text, or with why it did not answer."""

    def as_evidence(self) -> dict[str, str]:
        """For what is kept of a failed probe."""
        return {host: why or "answered" for host, why in self.hosts}


async def tcp_answers(host: str, port: int, timeout_s: float) -> str:
    """Connect and let go. A refusal counts as silence: whoever cuts a line may well refuse in its place."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    writer.transport.abort()
    return ""


class Reference:
    """The reference hosts and what they last said."""

    def __init__(self, hosts: Sequence[str], settings: ReferenceSettings, clock: Clock, ask: Ask = tcp_answers) -> None:
        self._hosts = tuple((text, *split_host_port(text)) for text in hosts)
        self._settings = settings
        self._clock = clock
        self._ask = ask
        self._answers: deque[Answer] = deque(maxlen=256)
        self._round: asyncio.Task[Answer] | None = None

    @property
    def configured(self) -> bool:
        """Whether there are any."""
        return bool(self._hosts)

    @property
    def online(self) -> bool | None:
        """What the last round said; None where nothing is known."""
        return self._answers[-1].online if self._answers else None

    @property
    def last(self) -> Answer | None:
        """The last round."""
        return self._answers[-1] if self._answers else None

    @property
    def due_in_s(self) -> float:
        """Seconds until the next regular round; while offline they are asked every second."""
        if not self._hosts:
            return 3600.0
        if self._round is not None or not self._answers:
            return 0.0 if self._round is None else 0.1
        interval = self._settings.interval / 1000 if self._answers[-1].online else 1.0
        return self._answers[-1].start + interval - self._clock.monotonic()

    async def check(self) -> bool | None:
        """Ask now, or join those who are asking; None where there is nobody to ask."""
        if not self._hosts:
            return None
        return (await self._asked()).online

    async def offline_during(self, start: float) -> Answer | None:
        """The round that tells that we were offline at some time since ``start`` (monotonic); None if none does."""
        if not self._hosts:
            return None
        fresh = self._clock.monotonic() - self._settings.fresh / 1000
        if not self._answers or self._answers[-1].start < max(fresh, start) or self._round is not None:
            await self._asked()
        for answer in reversed(self._answers):
            if answer.end < start:
                break
            if not answer.online:
                return answer
        return None

    async def _asked(self) -> Answer:
        """One round for everybody who wants one now; a caller that is cancelled does not end it for the others."""
        if self._round is None:
            self._round = asyncio.get_running_loop().create_task(self._ask_all())
            self._round.add_done_callback(self._ended)
        return await asyncio.shield(self._round)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._round = None
        if not task.cancelled() and task.exception() is None:
            self._answers.append(task.result())

    async def _ask_all(self) -> Answer:
        start = self._clock.monotonic()
        timeout_s = self._settings.timeout / 1000
        tasks = {
            asyncio.get_running_loop().create_task(_one(self._ask, host, port, timeout_s)): name
            for name, host, port in self._hosts
        }
        seen: dict[str, str] = {}
        online = False
        waiting = set(tasks)
        try:
            while waiting and not online:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    seen[tasks[task]] = task.result()
                    online = online or not task.result()
        finally:
            for task in waiting:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        hosts = tuple((name, seen.get(name, "not waited for")) for name, _, _ in self._hosts)
        return Answer(start=start, end=self._clock.monotonic(), online=online, hosts=hosts)


async def _one(ask: Ask, host: str, port: int, timeout_s: float) -> str:
    """What one host says; a fault of ours (no descriptors) is no answer either, nor is a name that cannot be asked for.

    Nothing else may come of it: a failure that could not be judged would be recorded by nobody.
    """
    try:
        return await ask(host, port, timeout_s)
    except (OSError, ValueError) as error:  # a label of more than 63 letters is a UnicodeError
        return str(error)
