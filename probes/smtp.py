"""A mail relay over SMTP: greets, encrypts, logs in and offers a message, but never sends one.

Goes through banner, EHLO, STARTTLS and EHLO again, AUTH, MAIL FROM, RCPT TO, RSET and QUIT, as far as the settings
ask for it: without ``to`` it ends after MAIL FROM, without ``from`` after AUTH.
"""

from pydantic import Field, model_validator

from probes._fields import ProbeTarget
from probes._smtp import MailAddress, Sender, SmtpServer, session
from probes._trace import Trace


class Target(ProbeTarget, SmtpServer):
    """A relay, and the envelope that it must accept."""

    sender: Sender | None = Field(default=None, alias="from", description="the address for MAIL FROM, or <>")
    recipient: MailAddress | None = Field(default=None, alias="to", description="the address for RCPT TO")

    @model_validator(mode="after")
    def _envelope(self) -> "Target":
        if self.recipient is not None and self.sender is None:
            raise ValueError("to: needs from: as well; write the address that the probe sends as, or <>")
        return self


async def probe(target: Target, trace: Trace) -> None:
    """Holds one session and resets it before there is a message."""
    async with session(trace, target, ip=target.ip) as smtp:
        if target.sender is not None:
            await smtp.mail(target.sender)
            if target.recipient is not None:
                await smtp.rcpt(target.recipient)
            await smtp.rset()
        await smtp.quit()
