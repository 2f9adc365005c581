"""One mail over a relay: what it answered, and whether a failure may have sent it."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.mailer import NotSent, Relay, send
from monitor.notify.senders import MailSender, NotTaken
from monitor.notify.settings import MailChannel
from monitor.notify.text import Text
from tests.servers import eventually, free_port
from tests.servers.misbehaving import Misbehaving
from tests.servers.postfix import Postfix


def message(subject: str = "x", text: str = "grüezi\n") -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Probe <probe@example>"
    made["To"] = "sink@example"
    made["Subject"] = subject
    made["Message-ID"] = f"<{subject}@example>"
    made.set_content(text)
    return made


def relay(port: int, **more: Any) -> Relay:
    return Relay.model_validate({"host": "localhost", "port": port, "tls": "none", "from": "probe@example", **more})


LOGIN = {"username": "probe", "password": "probe-secret"}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_mail_arrives(mail: Postfix, ca_file: Path, tls: str) -> None:
    """The relay's answer names its queue, and the message lies in the mailbox under its Message-ID."""
    port = mail.port if tls == "starttls" else mail.smtps_port
    sent = await send(relay(port, tls=tls, ca=str(ca_file), **LOGIN), message(f"arrives-{tls}"), ["sink@example"])
    assert sent.answer.startswith("250 2.0.0 Ok: queued as ")
    assert sent.answer.split()[-1] in mail.log
    assert sent.message_id == f"<arrives-{tls}@example>"
    eventually(lambda: any(f"<arrives-{tls}@example>".encode() in one for one in mail.dovecot.mailbox("sink")))
    found = next(one for one in mail.dovecot.mailbox("sink") if f"<arrives-{tls}@example>".encode() in one)
    assert "grüezi".encode() in found


async def test_refusals_are_told_apart(mail: Postfix, ca_file: Path) -> None:
    """A refusal for good, one for now, and one recipient of two."""
    good = relay(mail.port, tls="starttls", ca=str(ca_file), **LOGIN)
    with pytest.raises(NotSent, match=r"5\.7\.8") as wrong:
        await send(good.model_copy(update={"password": "wrong"}), message(), ["sink@example"])
    assert (wrong.value.for_good, wrong.value.unsure) == (True, False)
    with pytest.raises(NotSent, match="nobody@example") as unknown:
        await send(good, message(), ["nobody@example"])
    assert unknown.value.for_good
    mail.policy["RCPT"] = "450 4.2.0 later"
    with pytest.raises(NotSent) as later:
        await send(good, message(), ["sink@example"])
    mail.policy.clear()
    assert (later.value.for_good, later.value.unsure) == (False, False)
    sent = await send(good, message("partly"), ["nobody@example", "sink@example"])
    assert sent.refused == ("nobody@example",)


@pytest.mark.parametrize("how", ["close", "reset", "silent", "truncate"])
@pytest.mark.parametrize("at", range(6))
async def test_whether_a_failure_may_have_sent_it(how: str, at: int) -> None:
    """Banner, EHLO, MAIL, RCPT: certainly not sent. From DATA on: nobody knows."""
    with Misbehaving("smtp", how, at=at) as server, pytest.raises(NotSent) as failed:
        await send(relay(server.port), message(), ["sink@example.com"], timeout_s=0.6)
    assert failed.value.unsure is (at >= 4)


async def test_what_never_reached_a_relay(ca_file: Path) -> None:
    """No relay, or one whose certificate does not hold: not sent."""
    with pytest.raises(NotSent) as refused:
        await send(relay(free_port()), message(), ["sink@example.com"])
    assert not refused.value.unsure
    with Misbehaving("smtp_starttls", "cert_expired") as server, pytest.raises(NotSent, match="expired") as expired:
        await send(relay(server.port, tls="starttls", ca=str(ca_file)), message(), ["sink@example.com"])
    assert not expired.value.unsure


async def test_a_farewell_is_no_matter() -> None:
    """What the relay does after its answer for the message changes nothing."""
    with Misbehaving("smtp", "reset", at=6) as server:
        sent = await send(relay(server.port), message(), ["sink@example.com"])
    assert sent.answer == "250 2.0.0 Ok: queued as 4F1A2B3C"


@pytest.mark.parametrize(
    ("change", "what"), [({"username": "u"}, "belong together"), ({"from": "nobody"}, "mail address")]
)
def test_mistakes_in_the_settings(change: dict[str, str], what: str) -> None:
    """What cannot work is refused when the configuration is read."""
    with pytest.raises(ValidationError, match=what):
        relay(25, **change)


async def test_messages_and_statements_go_the_same_way(mail: Postfix, ca_file: Path) -> None:
    """A channel of messages is such a relay with recipients; its mail bears an identifier that stays the same."""
    channel = {"host": "localhost", "port": mail.port, "ca": str(ca_file), "tls": "starttls", **LOGIN}
    sender = MailSender(MailChannel.model_validate({**channel, "from": "Probe <probe@example>", "to": "sink@example"}))
    text = Text(subject="an outage began", lines=("api is down",))
    first = await sender.send(text, id="one", at=1_790_812_800_000, messages=[])
    again = await sender.send(text, id="one", at=1_790_812_800_000, messages=[])
    assert first.startswith("250 2.0.0 Ok: queued as ")
    assert first.split()[-1] == again.split()[-1]
    eventually(lambda: any(first.split()[-1].encode() in one for one in mail.dovecot.mailbox("sink")))
    wrong = MailChannel.model_validate({**channel, "password": "wrong", "from": "probe@example", "to": "sink@example"})
    with pytest.raises(NotTaken, match="535") as refused:
        await MailSender(wrong).send(text, id="two", at=0, messages=[])
    assert refused.value.for_good
