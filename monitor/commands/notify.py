"""``slaproof notify``: try the channels, and see what was sent and what waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monitor.clock import SystemClock
from monitor.commands._options import config_option, echo_json, json_option, load_config
from monitor.errors import Refused


@click.group()
def notify() -> None:
    """Try the channels of messages, and see what was sent and what waits."""


@notify.command()
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@config_option
@json_option
@click.pass_context
def test(context: click.Context, channels: tuple[str, ...], config_path: Path | None, as_json: bool) -> None:
    """Send a test message over each CHANNEL (all, where none is named), and show what the other side answered.

    Ends with 1 where one of them was not taken.
    """
    from monitor.notify.conditions import Condition
    from monitor.notify.senders import NotTaken, sender
    from monitor.notify.settings import NotifySettings
    from monitor.notify.text import compose

    config = load_config(config_path, secrets="needed")
    settings = config.section(NotifySettings)
    known = {channel.name: channel for channel in settings.channels}
    if not known:
        raise Refused("No channel is configured; name some under notify: channels: in the configuration.")
    if unknown := [name for name in channels if name not in known]:
        raise Refused(f"There is no channel {unknown[0]!r}; there are: {', '.join(known)}.")
    now = SystemClock().now_ms()
    condition = Condition(
        kind="outage",
        key=f"test/{now}",
        since=now - 60_000,
        contract="example",
        service="api",
        facts={
            "outcome": "server_error",
            "detail": "HTTP 503 Service Unavailable",
            "budget": "2 min of 4 min 19 s left",
        },
    )
    text = compose("test", condition.as_json(), now, settings.link)
    told = []

    async def send(name: str) -> str:
        body = {"change": "test", "at": now, "condition": condition.as_json()}
        return await sender(known[name]).send(text, id=f"test/{name}/{now}", at=now, messages=[body])

    for name in channels or tuple(known):
        try:
            taken, said = True, asyncio.run(send(name))
        except NotTaken as error:
            taken, said = False, str(error)
        said = config.redactor(said)  # the other side may send back what it was sent
        told.append({"channel": name, "taken": taken, "answer": said})
        if not as_json:
            click.echo(f"{name}: {said if taken else f'not taken: {said}'}")
    if as_json:
        echo_json(told)
    context.exit(0 if all(one["taken"] for one in told) else 1)


@notify.command("list")
@click.option("--waiting", is_flag=True, help="Only those that are not delivered yet.")
@config_option
@json_option
def list_(waiting: bool, config_path: Path | None, as_json: bool) -> None:
    """List the newest messages, and what became of each."""
    from monitor.notify.text import compose
    from monitor.store import open_store
    from monitor.times import iso, parse, short

    config = load_config(config_path)
    store = open_store(config.storage, config.location, SystemClock(), create=False)
    try:
        found = store.outbox.waiting() if waiting else store.outbox.recent()
    finally:
        store.close()
    told = []
    for one in found:
        subject = compose(one.body["change"], one.body["condition"], one.body["at"], None).subject
        state = "sent" if one.sent_at else "given up" if one.given_up_at else f"waiting, tried {one.attempts} times"
        told.append(
            {
                "at": iso(one.created_at),
                "channel": one.channel,
                "subject": subject,
                "state": state,
                "answer": one.receipt or one.last_error or "",
            }
        )
    if as_json:
        echo_json(told)
        return
    if not told:
        click.echo("No message waits." if waiting else "No message was made yet.")
    for line in told:
        click.echo(f"{short(parse(line['at']))}  {line['channel']:<12} {line['state']:<10}  {line['subject']}")
