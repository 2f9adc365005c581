"""An SMS gateway over SMPP 3.4: binds, asks enquire_link and unbinds; submits a message only where told to.

With ``deliver: true`` a message with a token goes to a test number, and the probe waits for the receipt that says that
it was delivered: late or never is ``undelivered``. That costs money, so it has a daily ``budget``.
"""

import asyncio
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from probes._classify import failed
from probes._fields import Paid, Port, ProbeTarget
from probes._smpp import Session, session
from probes._smpp_pdu import Receipt, address, same_id, submit_body
from probes._tls import TlsSettings
from probes._trace import Trace

_LEAVE_S = 0.3
_WAITING = ("", "ENROUTE", "ACCEPTD", "UNKNOWN", "SCHEDULED", "BUFFERED")
_REFUSED = ("REJECTD", "REJECTED")

Number = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{3,20}$|^[A-Za-z0-9 ._-]{1,11}$")]


class Target(ProbeTarget, Paid):
    """How to bind, and which message to send where ``deliver`` asks for one."""

    host: str
    port: Port = 2775
    tls: bool | TlsSettings = False
    system_id: Annotated[str, StringConstraints(max_length=15)]
    password: str = Field(default="", repr=False, max_length=64)
    system_type: Annotated[str, StringConstraints(max_length=12)] = ""
    bind: Literal["transceiver", "transmitter", "receiver"] = "transceiver"
    deliver: bool = Field(default=False, description="submit a message and await its receipt: costs money")
    sender: Number | None = Field(default=None, alias="from", description="the number or name that sends")
    recipient: Number | None = Field(default=None, alias="to", description="the test number that receives")
    text: Annotated[str, StringConstraints(max_length=120)] = Field(
        default="{id} slaproof", description="the message; {id} stands for the probe's identifier, best at its head"
    )
    service_type: Annotated[str, StringConstraints(max_length=5)] = ""

    @model_validator(mode="after")
    def _whole(self) -> "Target":
        if self.deliver and (self.recipient is None or self.sender is None):
            raise ValueError("deliver: true needs from: and to:, the sender and a test number of your own")
        if self.deliver and self.bind != "transceiver":
            raise ValueError("deliver: true needs bind: transceiver, since the receipt comes over the same session")
        return self

    @property
    def costs_money(self) -> bool:
        """Whether a message is sent."""
        return self.deliver


async def probe(target: Target, trace: Trace) -> None:
    """Holds one session: bind, enquire_link, where asked submit and receipt, unbind."""
    tls = TlsSettings() if target.tls is True else target.tls or None
    async with session(trace, target.host, target.port, ip=target.ip, tls=tls) as smpp:
        with trace.phase("bind"):
            name = await smpp.bind(target.bind, target.system_id, target.password, target.system_type, "")
        trace.fact("smsc", name[:65])
        with trace.phase("enquire_link"):
            await smpp.enquire_link()
        if target.deliver:
            await _deliver(target, trace, smpp)
        with trace.phase("unbind"):
            await smpp.unbind()


async def _deliver(target: Target, trace: Trace, smpp: Session) -> None:
    source, destination = address(target.sender or ""), address(target.recipient or "")
    text = target.text.replace("{id}", trace.probe_id)
    body = submit_body(source, destination, text.encode("ascii", "replace"), target.service_type)
    with trace.phase("submit"):
        message_id = await smpp.submit(body, f"from {source.number!r} to {destination.number!r}: {text!r}")
    trace.identify("message_id", message_id)
    seen: list[str] = []
    with trace.phase("receipt"):
        try:
            async with asyncio.timeout(max(0.0, trace.remaining() - min(_LEAVE_S, trace.remaining() * 0.2))):
                final = await _final(trace, smpp, message_id, seen)
        except TimeoutError:
            states = f"; last state {seen[-1]}" if seen else ""
            raise failed(
                "smpp", "receipt", "no_receipt", f"accepted as {message_id!r}, but no receipt in time{states}"
            ) from None
    trace.fact("receipt_state", final.state)
    if final.state in _REFUSED:
        raise failed(
            "smpp", "receipt", "refused_later", f"the receipt of {message_id!r} says {final.state}, err {final.error}"
        )
    if final.state != "DELIVRD":
        raise failed(
            "smpp", "receipt", "not_delivered", f"the receipt of {message_id!r} says {final.state}, err {final.error}"
        )


async def _final(trace: Trace, smpp: Session, message_id: str, seen: list[str]) -> Receipt:
    """The receipt that tells the end of our message; those of others and of states on the way are passed over."""
    while True:
        receipt = await smpp.receipt()
        if not (same_id(message_id, receipt.message_id) or trace.probe_id[:16] in receipt.text):
            trace.note(f"a receipt of another message, {receipt.message_id!r}")
            continue
        if receipt.state not in _WAITING:
            return receipt
        seen.append(receipt.state)
