"""Delivers what waits in the outbox: messages of one channel that are due together go out together.

1. A message is marked as sent after the other side took it. A death between the two sends it once more, with the
   same id, by which a mailbox or a webhook's receiver knows it again.
2. What is not taken is tried again, after 30 s, 1 min, 2 min ... at most an hour apart, until `give_up_after`.
3. A channel that fails does not hold up another.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence

from monitor.clock import Clock
from monitor.notify.senders import NotTaken, Sender, sender
from monitor.notify.settings import NotifySettings
from monitor.notify.text import compose, together
from monitor.store.outbox import Message, Outbox

log = logging.getLogger(__name__)

_FIRST_RETRY_MS, _LAST_RETRY_MS = 30_000, 3_600_000
MOST_TOGETHER = 20
"""How many messages go into one delivery."""


class Delivery:
    """Sends what is due."""

    def __init__(
        self, settings: NotifySettings, outbox: Outbox, clock: Clock, redact: Callable[[str], str] = str
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        # What the other side answers is kept, and it may repeat what it was sent.
        self._redact = redact
        self._senders: Mapping[str, Sender] = {channel.name: sender(channel) for channel in settings.channels}

    async def deliver(self) -> int:
        """Sends everything that is due; returns how many messages were taken."""
        due = await asyncio.to_thread(self._outbox.due, self._clock.now_ms())
        channels: dict[str, list[Message]] = {}
        for message in due:
            channels.setdefault(message.channel, []).append(message)
        return sum(await asyncio.gather(*(self._channel(name, some) for name, some in channels.items())))

    async def _channel(self, name: str, messages: Sequence[Message]) -> int:
        out = self._senders.get(name)
        if out is None:
            for message in messages:
                await self._outbox.give_up(message.id, at=self._clock.now_ms(), error="the channel is not configured")
            return 0
        taken = 0
        for first in range(0, len(messages), MOST_TOGETHER):
            taken += await self._send(name, out, messages[first : first + MOST_TOGETHER])
        return taken

    async def _send(self, name: str, out: Sender, messages: Sequence[Message]) -> int:
        texts = [compose(m.body["change"], m.body["condition"], m.body["at"], self._settings.link) for m in messages]
        id = hashlib.sha256("\n".join(m.key for m in messages).encode()).hexdigest()[:32]
        now = self._clock.now_ms()
        try:
            receipt = await out.send(together(texts), id=id, at=now, messages=[m.body for m in messages])
        except NotTaken as error:
            await self._not_taken(name, messages, error)
            return 0
        # A death here sends the message once more, with the same id.
        for message in messages:
            await self._outbox.sent(message.id, at=self._clock.now_ms(), receipt=self._redact(receipt))
        log.info("sent %d message(s) over %s: %s", len(messages), name, self._redact(receipt))
        return len(messages)

    async def _not_taken(self, name: str, messages: Sequence[Message], error: NotTaken) -> None:
        now, why = self._clock.now_ms(), self._redact(str(error))
        for message in messages:
            if error.for_good or now - message.created_at >= self._settings.give_up_after:
                await self._outbox.give_up(message.id, at=now, error=why)
                log.error("gave up a message over %s: %s", name, why)
            else:
                wait = min(_FIRST_RETRY_MS << min(message.attempts, 10), _LAST_RETRY_MS)
                await self._outbox.failed(message.id, error=why, retry_at=now + wait)
                log.warning("a message over %s was not taken, next try in %d s: %s", name, wait // 1000, why)
