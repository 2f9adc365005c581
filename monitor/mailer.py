"""One mail over a relay of one's own: sent once, with the relay's answer; and whether a failure may have sent it.

1. Nothing is tried twice here: who asks decides, and is told whether the message may have gone out all the same.
2. From the moment at which the message's last byte may have reached the relay until its answer, nobody can know.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.message
import email.policy
import email.utils
import ssl
from collections.abc import Sequence
from typing import Literal, NamedTuple

import aiosmtplib
from pydantic import Field, model_validator

from probes._fields import Port
from probes._smtp import mail_address
from probes._tls import TlsSettings, context

TIMEOUT_S = 30.0
"""How long one mail may take, from the connection to the relay's answer."""


class Relay(TlsSettings):
    """A relay that sends mail for us. Without ``tls`` it is implicit at port 465 and starttls at any other."""

    host: str
    port: Port = 587
    tls: Literal["none", "starttls", "implicit"] | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    sender: str = Field(alias="from", description="the address that mail comes from")

    @model_validator(mode="after")
    def _whole(self) -> Relay:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; write both or neither")
        mail_address(bare(self.sender))
        return self

    @property
    def encryption(self) -> str:
        """``none``, ``starttls`` or ``implicit``."""
        return self.tls or ("implicit" if self.port == 465 else "starttls")

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


class Sent(NamedTuple):
    """What the relay answered, and what the message is called."""

    answer: str
    message_id: str
    relay: str
    refused: tuple[str, ...] = ()
    """Recipients that the relay refused while it took others."""


class NotSent(Exception):
    """The relay did not take the message, or nobody knows; the text says why.

    ``for_good``: trying again would not help. ``unsure``: the relay may have taken it, so that a second attempt could
    send it twice.
    """

    def __init__(self, why: str, *, for_good: bool = False, unsure: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good
        self.unsure = unsure


def bare(sender: str) -> str:
    """The address alone, of ``Name <address>`` too."""
    return email.utils.parseaddr(sender)[1]


async def send(
    relay: Relay, message: email.message.EmailMessage, recipients: Sequence[str], *, timeout_s: float = TIMEOUT_S
) -> Sent:
    """Hands the message to the relay. Raises NotSent."""
    line = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        # The default is the machine's name, looked up in the DNS, which may be what is down.
        local_hostname="slaproof.invalid",
        timeout=timeout_s,
        use_tls=relay.encryption == "implicit",
        start_tls=relay.encryption == "starttls",
        tls_context=None if relay.encryption == "none" else context(relay),
    )
    giving = _Giving()
    try:
        async with asyncio.timeout(timeout_s):
            return await _hand_over(line, relay, message, recipients, giving)
    except aiosmtplib.SMTPResponseException as error:
        said = f"{relay.address}: {error.code} {error.message}"
        raise NotSent(said, for_good=500 <= error.code < 600) from None
    except (aiosmtplib.SMTPException, ssl.SSLError, OSError, EOFError) as error:
        said = f"{relay.address}: {error or type(error).__name__}"
        raise NotSent(said, unsure=giving.begun) from None
    finally:
        line.close()


class _Giving:
    """Whether the message itself is on its way."""

    begun = False


async def _hand_over(
    line: aiosmtplib.SMTP,
    relay: Relay,
    message: email.message.EmailMessage,
    recipients: Sequence[str],
    giving: _Giving,
) -> Sent:
    data = message.as_bytes(policy=email.policy.SMTP)
    await line.connect()
    if relay.username is not None and relay.password is not None:
        await line.login(relay.username, relay.password)
    else:
        await line.ehlo()
    eight = not data.isascii() and line.supports_extension("8bitmime")
    await line.mail(bare(relay.sender), options=["BODY=8BITMIME"] if eight else [])
    refused: list[aiosmtplib.SMTPRecipientRefused] = []
    for recipient in recipients:
        try:
            await line.rcpt(recipient)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused.append(error)
    if len(refused) == len(recipients):
        said = "; ".join(f"{error.recipient}: {error.code} {error.message}" for error in refused)
        raise NotSent(f"{relay.address}: {said}", for_good=all(error.code >= 500 for error in refused))
    giving.begun = True
    answer = await line.data(data)
    # The relay has answered for the message; how it takes leave is no matter.
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await line.quit()
    return Sent(
        answer=f"{answer.code} {answer.message}",
        message_id=str(message["Message-ID"]),
        relay=relay.address,
        refused=tuple(error.recipient for error in refused),
    )
