"""Messages on their way: a real relay and mailbox, a webhook that checks the signature, Apprise, a flaky channel."""

import asyncio
import email
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monitor.notify.conditions import Condition
from monitor.notify.delivery import Delivery
from monitor.notify.engine import Telling
from monitor.notify.senders import NotTaken, sender, sign
from monitor.notify.settings import NotifySettings
from monitor.notify.text import Text
from monitor.store import open_store
from monitor.store.sqlite import SqliteStore
from monitor.times import parse
from tests.fakes import FakeClock
from tests.servers import eventually, free_port
from tests.servers.postfix import Postfix

NOW = parse("2026-10-09T23:30:00Z")
CONDITION = Condition(
    kind="outage", key="outage/mailgun/api/1", since=NOW - 5_000, contract="mailgun", service="api",
    facts={"outcome": "server_error", "detail": "HTTP 503", "budget": "1 min of 4 min 19 s left"},
)  # fmt: skip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "s.db", "main", clock) as made:
        yield made


class Hook:
    """A receiver of webhooks that answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.status = 204

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status)


@pytest.fixture
async def hook() -> AsyncIterator[tuple[Hook, str]]:
    made, port = Hook(), free_port()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield made, f"http://127.0.0.1:{port}/hook"
    await runner.cleanup()


def settings(*channels: dict[str, Any], **more: Any) -> NotifySettings:
    return NotifySettings.model_validate({"channels": list(channels), **more})


async def queue(store: SqliteStore, channel: str, change: str = "began", key: str = "1") -> None:
    body = {"change": change, "at": NOW, "condition": CONDITION.as_json()}
    await store.outbox.add(f"{channel}/{change}/{key}", channel, "outage", body, now=NOW)


async def test_a_mail_arrives_once_with_everything_in_it(mail: Postfix, store: SqliteStore, clock: FakeClock) -> None:
    """Over Postfix into Dovecot; two messages that are due together are one mail; what was sent is not sent again."""
    relay = {
        "host": "127.0.0.1",
        "port": mail.plain_port,
        "tls": "none",
        "from": "slaproof@mail.example",
        "to": "sink@example",
    }
    delivery = Delivery(settings({"name": "ops", "mail": relay}, link="https://status.example"), store.outbox, clock)
    before = len(mail.dovecot.mailbox("sink"))
    await queue(store, "ops")
    await queue(store, "ops", "ended")
    assert await delivery.deliver() == 2
    assert await delivery.deliver() == 0
    arrived = await asyncio.to_thread(eventually, lambda: mail.dovecot.mailbox("sink")[before:])
    assert len(arrived) == 1
    message = email.message_from_bytes(arrived[0])
    assert message["Subject"] == "mailgun api is down (and 1 more)"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "since 2026-10-09 23:29:55.000 UTC" in text
    assert "1 min of 4 min 19 s left" in text
    assert "https://status.example/" in text
    assert [one.receipt is not None for one in store.outbox.recent()] == [True, True]


async def test_a_webhook_is_signed(store: SqliteStore, clock: FakeClock, hook: tuple[Hook, str]) -> None:
    """Time and body are under the signature; the id says when it is the same again."""
    received, url = hook
    delivery = Delivery(settings({"name": "hook", "webhook": {"url": url, "secret": "s3cret"}}), store.outbox, clock)
    await queue(store, "hook")
    assert await delivery.deliver() == 1
    headers, body = received.taken[0]
    assert headers["X-Slaproof-Signature"] == sign("s3cret", int(headers["X-Slaproof-Timestamp"]), body)
    assert sign("other", NOW, body) != headers["X-Slaproof-Signature"]
    assert json.loads(body)["messages"][0]["condition"]["key"] == CONDITION.key
    assert headers["Idempotency-Key"]


async def test_what_is_not_taken_waits_longer_each_time(
    store: SqliteStore, clock: FakeClock, hook: tuple[Hook, str]
) -> None:
    """After 30 s, a minute, two; given up after its time; a mistake of ours at once."""
    received, url = hook
    received.status = 503
    chosen = settings({"name": "hook", "webhook": {"url": url}}, give_up_after="10m")
    delivery = Delivery(chosen, store.outbox, clock)
    await queue(store, "hook")
    waits = []
    while message := store.outbox.by_key("hook/began/1"):
        if message.given_up_at:
            break
        await delivery.deliver()
        again = store.outbox.by_key("hook/began/1")
        assert again is not None
        waits.append(again.not_before - clock.now_ms())
        clock.set_ms(max(again.not_before, clock.now_ms() + 1))
    assert waits[:3] == [30_000, 60_000, 120_000]
    assert len(received.taken) == 6
    received.status = 404
    await queue(store, "hook", key="2")
    await delivery.deliver()
    lost = store.outbox.by_key("hook/began/2")
    assert lost is not None
    assert lost.given_up_at
    assert "404" in (lost.last_error or "")


async def test_one_channel_does_not_hold_up_another(
    store: SqliteStore, clock: FakeClock, hook: tuple[Hook, str]
) -> None:
    """A relay that refuses, a channel that is gone, and one that works."""
    _, url = hook
    dead = {"host": "127.0.0.1", "port": free_port(), "tls": "none", "from": "a@example.org", "to": "b@example.org"}
    chosen = settings({"name": "dead", "mail": dead}, {"name": "hook", "webhook": {"url": url}})
    delivery = Delivery(chosen, store.outbox, clock)
    for channel in ("dead", "gone", "hook"):
        await queue(store, channel)
    assert await delivery.deliver() == 1
    states = {one.channel: (one.sent_at is not None, one.given_up_at is not None) for one in store.outbox.recent()}
    assert states == {"dead": (False, False), "gone": (False, True), "hook": (True, False)}


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
async def test_apprise_speaks_to_what_we_do_not(hook: tuple[Hook, str]) -> None:
    """Its json:// service, against our receiver; of an unknown kind of URL the secret is not repeated."""
    received, url = hook
    received.status = 200
    channel = settings({"name": "a", "apprise": {"url": url.replace("http://", "json://")}}).channels[0]
    assert await sender(channel).send(Text("subject", ("body",)), id="1", at=NOW, messages=[]) == "delivered by Apprise"
    assert json.loads(received.taken[0][1])["title"] == "subject"
    wrong = settings({"name": "a", "apprise": {"url": "nosuch://user:geheim@host"}}).channels[0]
    with pytest.raises(NotTaken) as caught:
        await sender(wrong).send(Text("subject", ("body",)), id="1", at=NOW, messages=[])
    assert caught.value.for_good
    assert "geheim" not in str(caught.value)


def test_a_telling_is_plain() -> None:
    """What the outbox keeps is JSON."""
    one = Telling(key="k", channel="c", change="began", condition=CONDITION, at=NOW, not_before=NOW)
    assert json.loads(json.dumps(one.condition.as_json())) == CONDITION.as_json()
