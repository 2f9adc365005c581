"""Sealing and proving beside the probing: days, witnesses, months, mail, and rows that may go.

Each of these is tried again at the next round; none holds up another, and none holds up the probing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from monitor.context import Context
from monitor.errors import Refused
from monitor.judgement.events import make
from monitor.notify.senders import Attachment, MailSender, NotTaken
from monitor.notify.text import Text
from monitor.proof.ledger import day_name, day_start
from monitor.proof.segment import DAY_MS
from monitor.proving.prover import CannotProve
from monitor.proving.settings import Witness
from monitor.proving.workshop import Workshop
from monitor.sealing.sealer import Sealer
from monitor.sealing.witnesses import WitnessFailed, copy_to, stamp_entries
from monitor.sla.period import Period, containing, resolve
from monitor.statement.render import CannotTypeset
from monitor.statement.sign import CannotSign
from monitor.store import StoreError
from monitor.store.proofs import ProofRecord
from monitor.times import short

log = logging.getLogger(__name__)

ROUND_S = 30.0
"""How often it is looked whether something is due."""
_TROUBLE = (CannotProve, CannotSign, CannotTypeset, Refused, StoreError, OSError, NotTaken, WitnessFailed)


async def serve(context: Context) -> None:
    """Runs until it is cancelled."""
    rounds = Rounds(context)
    context.on_reload.append(lambda _config: rounds.configure())
    while True:
        await rounds.once()
        await context.clock.sleep(ROUND_S)


class Rounds:
    """One round after another."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told: dict[str, str] = {}
        self._ring = ""
        self.configure()

    def configure(self) -> None:
        """Takes the configuration in force."""
        context = self._context
        self.workshop = Workshop.of(context.config)
        settings = self.workshop.settings
        self.sealer = Sealer(
            context.store,
            context.clock,
            self.workshop.keys,
            seal_after_ms=settings.seal_after,
            heartbeat_ms=settings.heartbeat,
        )

    async def once(self) -> None:
        """Everything that is due now."""
        settings = self.workshop.settings
        steps: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("key", self._note_key),
            ("seal", self.sealer.step),
            ("timestamps", self._stamps),
            *((f"witness {one.name}", partial(self._copies, one)) for one in settings.witnesses),
        ]
        if settings.automatic == "yes":
            steps += [("prove", self._months), ("mail", self._mail)]
        steps.append(("retention", self._retire))
        for name, step in steps:
            try:
                await step()
            except _TROUBLE as error:
                if self._told.get(name) != str(error):
                    log.warning("%s: %s", name, error)
                self._told[name] = str(error)
            else:
                self._told.pop(name, None)

    async def _note_key(self) -> None:
        """Records a key that was made, rotated or revoked since it was looked at last."""
        keys = await asyncio.to_thread(self.workshop.keys)
        ring = keys.ring.to_text()
        if ring == self._ring:
            return
        digest = hashlib.sha256(ring.encode()).hexdigest()
        store = self._context.store
        known = await store.run(store.reader.events, kinds=["key"])
        if not known or known[-1].data.get("history_sha256") != digest:
            data = {"key": str(keys.signer.key), "keys": len(keys.ring.keys), "history_sha256": digest}
            await store.writer.put_event(make("key", data, source="monitor", at=self._context.clock.now_ms()))
        self._ring = ring

    async def _stamps(self) -> None:
        settings, store = self.workshop.settings.timestamps, self._context.store
        if settings is None:
            return
        first = day_name(self._context.clock.now_ms() - 40 * DAY_MS)
        entries = await store.run(store.ledger.entries, first_day=first)
        await stamp_entries(settings, store.ledger, entries, self._context.clock)

    async def _copies(self, witness: Witness) -> None:
        await copy_to(witness, self._context.store.ledger, self._context.clock, base=self.workshop.storage.parent)

    # --- months -----------------------------------------------------------------------------------------------------

    async def _months(self) -> None:
        """Proves the period before the running one of each contract, once it has settled and is sealed."""
        settings, store = self.workshop.settings, self._context.store
        now = self._context.clock.now_ms()
        last = await store.run(store.ledger.last)
        if last is None:
            return
        for name, contract in self._context.config.contracts.items():
            if settings.contracts and name not in settings.contracts:
                continue
            terms = contract.terms
            kind, zone, day = terms.contract.period, terms.contract.timezone, terms.billing_day
            running = resolve(kind, zone, day, containing(kind, zone, day, now), now)
            period = resolve(kind, zone, day, containing(kind, zone, day, running.start - 1), now)
            sealed_until = day_start(last.day) + DAY_MS
            if now < period.end + settings.settle or sealed_until < period.end:
                continue
            for language in settings.languages:
                there = await store.run(store.proofs.latest, name, period.name, language)
                if there is None and await self._seen(name, period):
                    await self.workshop.prove(
                        store, self._context.clock, self.workshop.wanted(name, period.name, language)
                    )

    async def _seen(self, contract: str, period: Period) -> bool:
        """Whether anything of the contract was probed in the period."""
        names = [target.name for target in self._context.config.targets_of(contract)]
        store = self._context.store
        return bool(names) and bool(await store.run(store.reader.counts, period.start, period.end, targets=names))

    # --- mail -------------------------------------------------------------------------------------------------------

    async def _mail(self) -> None:
        """Mails each finished statement once. A resend after a death bears the same Message-ID."""
        settings, store = self.workshop.settings, self._context.store
        if settings.mail is None:
            return
        sender = MailSender(settings.mail)
        for record in await store.run(store.proofs.all):
            key = f"proof_mail/{record.contract}/{record.period}/{record.revision}/{record.language}"
            if await store.run(store.outbox.recall, key) is not None:
                continue
            path = Path(record.path)
            if not await asyncio.to_thread(path.is_file):
                await store.outbox.remember(key, {"skipped": "the file is gone"})
                continue
            pdf = Attachment(path.name, "application", "pdf", await asyncio.to_thread(path.read_bytes))
            receipt = await sender.send(
                _letter(record), id=key, at=self._context.clock.now_ms(), messages=[], attachments=[pdf]
            )
            await store.outbox.remember(key, {"at": self._context.clock.now_ms(), "receipt": receipt})
            log.info("mailed %s: %s", path.name, receipt)

    # --- retention --------------------------------------------------------------------------------------------------

    async def _retire(self) -> None:
        """Removes raw rows that are older than `keep_rows`, sealed, and in a statement that is kept."""
        settings, store = self.workshop.settings, self._context.store
        if settings.keep_rows is None:
            return
        limit = self._context.clock.now_ms() - settings.keep_rows
        removed = await store.run(store.retention.removed)
        for record in await store.run(store.proofs.all):
            contract = self._context.config.contracts.get(record.contract)
            if contract is None or not await asyncio.to_thread(Path(record.path).is_file):
                continue
            terms = contract.terms
            period = resolve(terms.contract.period, terms.contract.timezone, terms.billing_day, record.period, None)
            for target in self._context.config.targets_of(record.contract):
                for start in range(period.start // DAY_MS * DAY_MS, min(period.end, limit) - DAY_MS + 1, DAY_MS):
                    key = (target.name, self.workshop.location, day_name(start))
                    if start >= period.start and key not in removed and await self._wholly_sealed(key, start):
                        gone = await store.retention.remove(*key, export=record.path, at=self._context.clock.now_ms())
                        if gone:
                            data = {"contract": record.contract, "target": target.name, "day": key[2], "rows": gone}
                            event = make("retention", data, source="monitor", at=self._context.clock.now_ms())
                            await store.writer.put_event(event)

    async def _wholly_sealed(self, key: tuple[str, str, str], start: int) -> bool:
        """Whether every observation of the target's day is in the ledger."""
        target, location, day = key
        store = self._context.store
        sealed = await store.run(store.ledger.sealed, day)
        counts = await store.run(store.reader.counts, start, start + DAY_MS, targets=[target])
        return 0 < sum(counts.values()) == sealed.get((target, location), 0)


def _letter(record: ProofRecord) -> Text:
    revision = f", revision {record.revision}" if record.revision > 1 else ""
    lines = [
        f"The statement of {record.contract} for {record.period}{revision} is attached.",
        f"Made {short(record.made_at)} UTC, SHA-256 {record.sha256}.",
        "",
        "It carries its evidence; check it with: slaproof verify FILE",
    ]
    if record.note:
        lines += ["", "What changed since the revision before:", *(f"  {one}" for one in record.note.split("; "))]
    return Text(f"Statement of availability: {record.contract} {record.period}{revision}", tuple(lines))
