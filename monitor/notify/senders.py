"""The three ways out: mail, webhook, Apprise. Each sends once and says what the other side answered."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, NamedTuple, Protocol

import aiohttp

from monitor import mailer
from monitor.notify.settings import AppriseChannel, Channel, MailChannel, WebhookChannel
from monitor.notify.text import Text
from monitor.sla.instants import utc_datetime
from probes._tls import TlsSettings, context

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
"""How long one delivery may take."""


class NotTaken(Exception):
    """The other side did not take the message; the text says why. `for_good`: trying again would not help."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


class Attachment(NamedTuple):
    """A file that goes along with a mail."""

    name: str
    maintype: str
    subtype: str
    data: bytes


class Sender(Protocol):
    """One channel's way out."""

    async def send(self, text: Text, *, id: str, at: int, messages: Sequence[Mapping[str, Any]]) -> str:
        """Delivers, and returns the other side's answer. `id` is the same when it is tried again. Raises NotTaken."""


def sender(channel: Channel) -> Sender:
    """The way out that the channel's settings name."""
    if channel.mail is not None:
        return MailSender(channel.mail)
    if channel.webhook is not None:
        return WebhookSender(channel.webhook)
    assert channel.apprise is not None
    return AppriseSender(channel.apprise)


class MailSender:
    """Mail. The Message-ID follows from the message's id, so that a mailbox knows it again."""

    def __init__(self, settings: MailChannel) -> None:
        self._settings = settings

    async def send(
        self,
        text: Text,
        *,
        id: str,
        at: int,
        messages: Sequence[Mapping[str, Any]],
        attachments: Sequence[Attachment] = (),
    ) -> str:
        """One mail to all recipients."""
        s = self._settings
        domain = mailer.bare(s.sender).rpartition("@")[2]
        mail = EmailMessage()
        mail["From"] = s.sender
        mail["To"] = ", ".join(s.to)
        mail["Subject"] = text.subject
        mail["Date"] = format_datetime(utc_datetime(at))
        mail["Message-ID"] = f"<{hashlib.sha256(id.encode()).hexdigest()[:32]}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text.body)
        for one in attachments:
            mail.add_attachment(one.data, maintype=one.maintype, subtype=one.subtype, filename=one.name)
        try:
            sent = await mailer.send(s, mail, s.to)
        except mailer.NotSent as error:
            # Where the relay may have taken it, it is sent again all the same: under the same Message-ID.
            raise NotTaken(str(error), for_good=error.for_good) from None
        if sent.refused:
            log.warning("mail relay %s refused %s", s.address, ", ".join(sent.refused))
        return f"{sent.answer} {sent.message_id}"


class WebhookSender:
    """A POST of JSON. The signature covers the time and the body, so that neither can be changed or replayed."""

    def __init__(self, settings: WebhookChannel) -> None:
        self._settings = settings
        self._tls = context(TlsSettings(ca=settings.ca)) if settings.url.startswith("https:") else True

    async def send(self, text: Text, *, id: str, at: int, messages: Sequence[Mapping[str, Any]]) -> str:
        """One POST; any 2xx is delivery."""
        document = {"id": id, "subject": text.subject, "text": text.body, "messages": list(messages)}
        body = json.dumps(document, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": id, "X-Slaproof-Timestamp": str(at)}
        if self._settings.secret:
            headers["X-Slaproof-Signature"] = sign(self._settings.secret, at, body)
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                aiohttp.ClientSession() as session,
                session.post(
                    self._settings.url, data=body, headers=headers, ssl=self._tls, allow_redirects=False
                ) as answer,
            ):
                said = f"HTTP {answer.status} {(await answer.content.read(200)).decode('utf-8', 'replace')}".strip()
                status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            raise NotTaken(f"webhook: {error or type(error).__name__}") from None
        if not 200 <= status < 300:
            raise NotTaken(said, for_good=status in (400, 401, 403, 404, 405, 410, 413, 422))
        return said


def sign(secret: str, at: int, body: bytes) -> str:
    """The signature of a webhook's body: HMAC-SHA256 over ``<timestamp>.<body>``, as ``sha256=<hex>``."""
    return "sha256=" + hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


class AppriseSender:
    """Whatever Apprise speaks. Loaded when first used: it takes most of a second and 25 MB."""

    def __init__(self, settings: AppriseChannel) -> None:
        self._settings = settings

    async def send(self, text: Text, *, id: str, at: int, messages: Sequence[Mapping[str, Any]]) -> str:
        """One notification."""
        apprise = await asyncio.to_thread(__import__, "apprise")
        out = apprise.Apprise()
        if not out.add(self._settings.url):
            raise NotTaken("Apprise does not know this kind of URL; see `apprise --details`", for_good=True)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                good = await out.async_notify(title=text.subject, body=text.body)
        except (OSError, TypeError) as error:
            raise NotTaken(f"apprise: {error or type(error).__name__}") from None
        if not good:
            # What Apprise logs of a failure may show the URL, and with it a secret: it is not repeated here.
            raise NotTaken("Apprise could not deliver it")
        return "delivered by Apprise"
