"""Outage reports: the mail that starts a contract's clock, sent at the moment the outage is confirmed.

1. Off unless configured. At most one mail goes out for each outage, also across restarts: the intent is durable before
   the first byte leaves, and an attempt whose end nobody knows counts as sent.
2. It never goes through the service that is down: a relay that is a target of the contract, or of any target that is
   down, or that says that it belongs to the contract, is passed over.
3. What the relay answered, the Message-ID and the mail itself are kept in an event; with it the `report` event is
   entered, at the instant of the relay's answer: from there the contract may count.
4. An outage is what the arithmetic calls one (§2): one that is seen again after a time in which nothing was known is
   another, and needs a report of its own to be counted.
5. A failure that certainly sent nothing is tried again as long as the outage lasts: at the next relay, then later.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from pydantic import BaseModel

from monitor.config.load import Config, TargetConfig
from monitor.context import Context
from monitor.judgement.events import make
from monitor.judgement.standing import OutageRef, Standing
from monitor.mailer import NotSent, Sent, bare, send
from monitor.outage_reports.settings import OutageReportSettings, ReportRelay, ReportTo
from monitor.sla.instants import utc_datetime, write_instant
from monitor.store import Event, Gap, Row, StoreError

log = logging.getLogger(__name__)

KIND = "outage_report_mail"
SENDING, SENT, UNSURE, FAILED, WITHHELD = "sending", "sent", "unsure", "failed", "withheld"
RETRY_MS = (10_000, 30_000, 60_000, 300_000)
"""How long after each failure the next attempt is made; the last one repeats."""
_LOADING_S = 1.0
_GATHER_S = 0.2
_RESOLVE_S = 2.0


async def serve(context: Context) -> None:
    """Runs beside the probing until cancelled."""
    await OutageReports(context).run()


class OutageReports:
    """Watches for confirmed outages and reports them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records: list[Event] = []
        self._wake = asyncio.Event()

    @property
    def _settings(self) -> OutageReportSettings:
        return self._context.config.section(OutageReportSettings)

    async def run(self) -> None:
        """Look at every commit of a failure, and when a failed attempt is due again."""
        context = self._context
        self._records = await context.store.run(lambda: context.store.reader.events(kinds=[KIND]))
        await self._after_a_death()
        context.subscribe(self._told)
        try:
            while True:
                self._wake.clear()
                due_s = await self.look() if self._settings.reports else None
                await self._sleep(due_s)
                # Failures come in bursts, and each look judges everything: one look for a burst.
                await context.clock.sleep(_GATHER_S)
        finally:
            context.told.remove(self._told)

    def _told(self, rows: Sequence[Row], gaps: Sequence[Gap], events: Sequence[Event]) -> None:
        if any(row.outcome != "ok" for row in rows):
            self._wake.set()

    async def _sleep(self, due_s: float | None) -> None:
        waking = asyncio.ensure_future(self._wake.wait())
        waits: list[asyncio.Future[Any]] = [waking]
        if due_s is not None:
            waits.append(asyncio.ensure_future(self._context.clock.sleep(due_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _after_a_death(self) -> None:
        """A death between intent and answer leaves `sending` alone: the mail may be out, so none follows it."""
        ended = {event.data.get("attempt") for event in self._records if event.data.get("state") != SENDING}
        for event in list(self._records):
            if event.data.get("state") == SENDING and event.data.get("attempt") not in ended:
                log.warning(
                    "an outage report may have been sent before a restart", extra={"outage": event.data["outage"]}
                )
                why = "the daemon ended before the relay's answer was kept: the mail may have been sent"
                await self._keep({**event.data, "state": UNSURE, "why": why})

    async def look(self) -> float | None:
        """Report what is down, confirmed and not reported yet; the seconds until something is due again, or None."""
        context = self._context
        standing = await context.store.run(context.judge.current)
        if standing is None:
            return _LOADING_S
        now = context.clock.now_ms()
        due: list[int] = []
        for outage in running(standing):
            report = self._settings.wanted(outage.contract, outage.service)
            if report is None or any(part.reported is not None for _, part in outage.parts):
                continue
            at = next_attempt(outage, self._records)
            if at is not None and at <= now:
                await self._report(outage, report, standing)
                at = next_attempt(outage, self._records)
            if at is not None:
                due.append(at)
        return max(0.1, (min(due) - context.clock.now_ms()) / 1000) if due else None

    async def _report(self, outage: OutageRef, report: ReportTo, standing: Standing) -> None:
        relays = [relay for relay in self._settings.relays if not await self._is_down(relay, outage, standing)]
        mail = await self._mail(outage, report)
        attempt = f"{outage.id} {len(self._records)}"
        base: dict[str, Any] = {
            "contract": outage.contract,
            "service": outage.service,
            "outage": outage.id,
            "attempt": attempt,
            "to": list(report.to),
        }
        if not relays:
            why = "every relay belongs to the service that is down, or to another that is: nothing was sent"
            log.error("an outage cannot be reported", extra={"outage": outage.id, "why": why})
            await self._keep({**base, "state": WITHHELD, "why": why})
            return
        for number, relay in enumerate(relays):
            facts = {**base, "attempt": f"{attempt}.{number}", "relay": relay.address}
            if not await self._try(relay, report, outage, mail, facts):
                return

    async def _try(
        self, relay: ReportRelay, report: ReportTo, outage: OutageRef, mail: EmailMessage, facts: dict[str, Any]
    ) -> bool:
        """One attempt over one relay; True where another relay may be asked."""
        del mail["From"]
        mail["From"] = relay.sender
        del mail["Message-ID"]
        mail["Message-ID"] = message_id(outage, relay)
        facts["message_id"] = str(mail["Message-ID"])
        # A death from here on leaves an intent without an end: taken as sent (rule 1).
        if not await self._keep({**facts, "state": SENDING}):
            return False
        try:
            sent = await send(relay, mail, report.to)
        except NotSent as error:
            state = UNSURE if error.unsure else FAILED
            log.error("an outage report was not sent", extra={"outage": outage.id, "state": state, "why": str(error)})
            # A relay may repeat what it was sent, the credentials among it.
            why: str = self._hide(str(error))
            await self._keep({**facts, "state": state, "why": why[:2000]})
            return not error.unsure
        await self._sent(sent, outage, mail, facts)
        return False

    async def _sent(self, sent: Sent, outage: OutageRef, mail: EmailMessage, facts: dict[str, Any]) -> None:
        at = self._context.clock.now_ms()
        log.info("an outage was reported", extra={"outage": outage.id, "relay": sent.relay, "answer": sent.answer})
        answer = {"answer": sent.answer[:2000], "mail": mail.as_string()[:20_000]}
        if sent.refused:
            answer["refused"] = ", ".join(sent.refused)
        await self._keep({**facts, **answer, "state": SENT}, at=at)
        about = {"message_id": sent.message_id, "relay": sent.relay, "outage": outage.id}
        about["answer"] = self._hide(sent.answer[:500])
        data = {"contract": outage.contract, "at": at, "services": [outage.service], "about": about}
        try:
            await self._context.store.writer.put_event(make("report", data, source="monitor"))
        except StoreError as error:
            log.error(
                "the report of an outage was sent and not entered", extra={"outage": outage.id, "why": str(error)}
            )

    async def _keep(self, data: dict[str, Any], at: int | None = None) -> bool:
        """Make a record durable; False where it cannot be kept."""
        data = {key: self._hide(value) for key, value in data.items()}
        event = make(KIND, data, source="monitor", at=self._context.clock.now_ms() if at is None else at)
        try:
            kept = await self._context.store.writer.put_event(event)
        except StoreError as error:
            log.error("an outage report was not recorded", extra={"outage": data["outage"], "why": str(error)})
            return False
        self._records.append(kept)
        return True

    def _hide(self, value: Any) -> Any:
        """Without the configuration's secrets: what a relay says is kept, and may repeat what it was told."""
        return self._context.config.redactor.deep(value)

    # -- the mail --------------------------------------------------------------------------------------------------

    async def _mail(self, outage: OutageRef, report: ReportTo) -> EmailMessage:
        context = self._context
        targets = [
            t.name for t in context.config.targets if (t.contract, t.service) == (outage.contract, outage.service)
        ]
        now = context.clock.now_ms()
        rows = await context.store.run(
            lambda: context.store.reader.rows(outage.start, now + 1, targets=targets, limit=1000)
        )
        title = context.config.contracts[outage.contract].terms.contract.title or outage.contract
        mail = EmailMessage()
        mail["To"] = ", ".join(report.to)
        mail["Subject"] = f"Outage report: {outage.service} since {write_instant(outage.start)}"
        mail["Date"] = format_datetime(utc_datetime(now))
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Slaproof-Outage"] = outage.id
        mail.set_content(text(outage, report, title, [row for row in rows if row.outcome != "ok"], now))
        return mail

    # -- never through the service that is down --------------------------------------------------------------------

    async def _is_down(self, relay: ReportRelay, outage: OutageRef, standing: Standing) -> bool:
        if outage.contract in relay.contracts:
            return True
        down = {target.target for target in standing.targets if target.state == "down"}
        others = [t for t in self._context.config.targets if t.contract == outage.contract or t.name in down]
        if any(same_place(relay.host, relay.port, host, port) for host, port in places(others)):
            return True
        candidates = [host for host, port in places(others) if port in (None, relay.port)]
        ours, *theirs = await asyncio.gather(*(_addresses(host) for host in (relay.host, *candidates)))
        return any(ours & addresses for addresses in theirs)


def running(standing: Standing) -> Iterator[OutageRef]:
    """The outages that last."""
    for contract in standing.contracts:
        for service in contract.services:
            if service.outage is not None and service.outage.running:
                yield service.outage


def next_attempt(outage: OutageRef, records: Iterable[Event]) -> int | None:
    """When this outage may be reported, ms (0: at once); None where it was, or may have been, or cannot be.

    A record belongs to the outage whose name it bears, and to the one during which it was made: an outage whose start
    turned out to be another is not reported again.
    """
    failures: list[int] = []
    for event in records:
        data = event.data
        if (data.get("contract"), data.get("service")) != (outage.contract, outage.service):
            continue
        if data.get("outage") != outage.id and event.at < outage.start:
            continue
        if data.get("state") in (SENT, UNSURE, WITHHELD):
            return None
        if data.get("state") == FAILED:
            failures.append(event.at)
    if not failures:
        return 0
    return max(failures) + RETRY_MS[min(len(failures), len(RETRY_MS)) - 1]


def message_id(outage: OutageRef, relay: ReportRelay) -> str:
    """The Message-ID follows from the outage, so that a second copy would be known as one."""
    digest = hashlib.sha256(outage.id.encode()).hexdigest()[:32]
    return f"<outage-{digest}@{bare(relay.sender).rpartition('@')[2]}>"


def text(outage: OutageRef, report: ReportTo, title: str, failed: Sequence[Row], now: int) -> str:
    """What the mail says."""
    facts = [("Contract", title)]
    if report.account:
        facts.append(("Our account", report.account))
    facts += [("Service", outage.service), ("Down since", f"{write_instant(outage.start)} (UTC)")]
    facts.append(("Reported", f"{write_instant(now)} (UTC)"))
    for name, row in (("First failure", failed[0]), ("Last failure", failed[-1])) if failed else ():
        facts.append((name, f"{write_instant(row.at)} {row.outcome}: {' '.join(row.detail.split())[:200]}"))
        if row.probe_id:
            facts.append(("", f"our probe {row.probe_id}"))
        facts += [("", f"your {key} {value}") for key, value in list(row.ids.items())[:3]]
    facts += [("Failed probes", str(len(failed))), ("Our reference", outage.id)]
    width = max(len(name) for name, _ in facts) + 2
    lines = [f"{name + ':' if name else '':<{width}}{value}" for name, value in facts]
    more = f"\n{report.text.strip()}\n" if report.text else ""
    return (
        f"We report an outage of your service.\n\n{chr(10).join(lines)}\n{more}\n"
        "This report was sent by our monitoring at the moment the outage was confirmed.\n"
        "Please acknowledge it and tell us your ticket's number.\n"
    )


# --- where things are ------------------------------------------------------------------------------------------------


def places(targets: Iterable[TargetConfig]) -> list[tuple[str, int | None]]:
    """Hosts and ports of these targets."""
    return list(dict.fromkeys(place for target in targets for place in _places(target.probe)))


def _places(settings: BaseModel) -> Iterator[tuple[str, int | None]]:
    host, url = getattr(settings, "host", None), getattr(settings, "url", None)
    if isinstance(host, str):
        yield host.strip("[]").lower(), getattr(settings, "port", None)
    if isinstance(url, str):
        authority = url.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()
        name, colon, port = authority.rpartition(":")
        whole = (name, int(port)) if colon and port.isdigit() else (authority, 443 if url.startswith("https") else 80)
        yield whole[0].strip("[]"), whole[1]
    for name in type(settings).model_fields:
        for value in _each(getattr(settings, name)):
            # The mailbox where a delivery probe looks is ours, and no part of the service.
            if isinstance(value, BaseModel) and name not in ("imap", "receive"):
                yield from _places(value)


def _each(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else (value,)


def same_place(host: str, port: int, other: str, other_port: int | None) -> bool:
    """Whether both are one service: the same name on any port; on this machine itself the port decides."""
    if host.strip("[]").lower().rstrip(".") != other.rstrip("."):
        return False
    return port == other_port if _is_local(host) else True


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def _addresses(host: str) -> frozenset[str]:
    """What the name leads to; nothing where that cannot be told soon: then the names alone decide."""
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return frozenset()
    return frozenset(str(entry[4][0]) for entry in found)


__all__ = ["Config", "OutageReports", "next_attempt", "places", "running", "same_place", "serve", "text"]
