"""Makes the proof of a month: bundle, pages, signature, file.

1. Everything comes from the ledger: what is not sealed yet is not proved, and what was sealed stays provable when the
   observations themselves are gone.
2. The same ledger, key and time make the same bundle and the same pages, to the byte, before the signature.
3. A statement that says what the one before said is not made again. One that says something else is a new revision,
   which names the one before and what changed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monitor.keys import Keys
from monitor.proof import merkle, pdf
from monitor.proof.bundle import (
    Amendment,
    BundleInput,
    PackedSeries,
    SealedEntry,
    SealedHeartbeat,
    Shown,
    amends_json,
    build_bundle,
)
from monitor.proof.canonical import JSON, canonical, parse_canonical, sha256
from monitor.proof.container import read_container, read_json
from monitor.proof.ledger import COMMON, LogState, day_name, day_start, group_secret
from monitor.proof.proven import Proven, read_proven
from monitor.proof.segment import DAY_MS, Segment
from monitor.proving.inputs import events_of, inputs_of
from monitor.proving.pages import Dress, statement, words_of
from monitor.proving.recount import evaluation_of, terms_of
from monitor.sealing.packing import unpack_events, unpack_groups
from monitor.sla.evaluation import Evaluation
from monitor.sla.period import Period, resolve
from monitor.statement.content import Content
from monitor.statement.render import render
from monitor.statement.sign import PageIdentity, sign_pages
from monitor.store.ledger import LedgerEntry
from monitor.store.proofs import ProofRecord
from monitor.store.sqlite import SqliteStore
from monitor.times import iso
from monitor.version import program

log = logging.getLogger(__name__)


class CannotProve(Exception):
    """There is nothing to prove, or not yet; the text says what is missing and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be proved, and how the pages are dressed."""

    contract: str
    period: str
    language: str = "en"
    customer: str = ""
    why: str = ""
    """With a revision: why it is made."""
    tsa: str | None = None
    heartbeats: bool = False
    """Whether the bundle opens the heartbeats: each costs a hash for every doubling of the contracts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished proof."""

    pdf: bytes
    bundle: bytes
    evaluation: Evaluation
    revision: int
    file_name: str
    content_sha256: str
    changes: tuple[str, ...]
    unsealed_events: int
    """Events of the contract that were entered after the last seal: they are not in it."""


class Prover:
    """Proves contracts' months from the ledger of a store. Blocking: call it in a thread."""

    def __init__(self, store: SqliteStore, keys: Keys, identity: PageIdentity, ledger_secret: bytes) -> None:
        self._store = store
        self._keys = keys
        self._identity = identity
        self._secret = ledger_secret

    def prove(self, wanted: Wanted, now: int) -> Made | ProofRecord:
        """The proof, or the record of the one that says the same already. Raises CannotProve, CannotSign."""
        entries = self._entries(wanted)
        last = self._store.proofs.latest(wanted.contract, wanted.period, wanted.language)
        packed: PackedSeries = {}
        given, judged, content_hash, bare = self._input(wanted, entries, now, packed)
        if last is not None and last.content_sha256 == content_hash and Path(last.path).is_file():
            return last
        changes: tuple[str, ...] = ()
        if last is not None:
            changes = self._changes(last, given)
            why = wanted.why or "Something that it rests on has become known since."
            amendment = Amendment(of=last.bundle_sha256, why=why, changes=changes)
            given = replace(given, revision=last.revision + 1, amends=amendment)
        tail = f"-r{given.revision}" if given.revision > 1 else ""
        name = f"{wanted.contract}-{wanted.period}{tail}"
        file = f"{name}.pdf" if wanted.language == "en" else f"{name}-{wanted.language}.pdf"
        dress = Dress(
            language=wanted.language,
            customer=wanted.customer,
            signer=self._identity.name,
            program=program(),
            file=file,
        )
        # The words are made from the bundle as a reader has it, so that a reader can make them anew.
        bare.about |= {"revision": given.revision, "amends": amends_json(given.amends)}
        words = words_of(bare, judged, dress)
        bundle = build_bundle(replace(given, statement=statement(dress, words)), self._keys.signer, packed)
        pages = self._pages(words, given.made_at, bundle, f"{name}.slaproof")
        signed = sign_pages(pages, self._identity, reason=str(words["title"]), tsa=wanted.tsa)
        return Made(
            pdf=signed,
            bundle=bundle,
            evaluation=judged,
            revision=given.revision,
            file_name=file,
            content_sha256=content_hash,
            changes=changes,
            unsealed_events=self._unsealed(wanted.contract, entries),
        )

    @staticmethod
    def _pages(words: Content, made_at: int, bundle: bytes, name: str) -> bytes:
        pages = {**words, "seal": {**words["seal"], "evidence": sha256(bundle).hex()}}
        return render(pages, made_at=made_at, evidence=bundle, evidence_name=name)

    # --- from the ledger --------------------------------------------------------------------------------------------

    def _entries(self, wanted: Wanted) -> list[LedgerEntry]:
        """The entries that the proof shows: from the day before the period on to the last."""
        ledger = self._store.ledger
        last = ledger.last()
        if last is None:
            raise CannotProve(
                "Nothing is sealed yet, so nothing can be proved. The daemon seals each day a few minutes after its "
                "end (UTC); “slaproof seal” does it by hand."
            )
        config = self._config_in_force(wanted, ledger.entries())
        contract = terms_of(config).contract
        period = resolve(contract.period, contract.timezone, int(config["billing_day"]), wanted.period, last.sealed_at)
        first_day = day_name(period.start - DAY_MS)
        entries = [one for one in ledger.entries(first_day=first_day) if one.index <= last.index]
        if not any(period.start - DAY_MS < day_start(one.day) < period.end for one in entries):
            raise CannotProve(f"No day of {wanted.period} is sealed.")
        # Supplements of earlier days may stand in between: whatever follows the first entry belongs to the chain.
        chain = [ledger.entry(index) for index in range(entries[0].index, last.index + 1)]
        return [one for one in chain if one is not None]

    def _config_in_force(self, wanted: Wanted, entries: Sequence[LedgerEntry]) -> Any:
        """The last configuration of the contract that any seal shows."""
        for entry in reversed(entries):
            shown = self._shown(entry, wanted.contract).get(wanted.contract)
            if shown is not None and shown.configs:
                return max((parse_canonical(one) for one in shown.configs), key=lambda one: int(one["since"]))
        raise CannotProve(f"No sealed day shows a contract called {wanted.contract!r}.")

    def _shown(self, entry: LedgerEntry, contract: str) -> dict[str, Shown]:
        contents = unpack_groups(self._store.ledger.contents(entry.index, (COMMON, contract)))
        there = {name: Shown() for name in (COMMON, contract) if name in entry.first}
        return {**there, **contents}

    def _input(
        self, wanted: Wanted, entries: Sequence[LedgerEntry], now: int, packed: PackedSeries
    ) -> tuple[BundleInput, Evaluation, str, Proven]:
        sealed = [self._sealed(entry, wanted) for entry in entries]
        days = [entry.day for entry in entries if entry.kind == "day"]
        config = self._config(sealed, wanted)
        terms = terms_of(parse_canonical(config))
        contract = terms.contract
        period = resolve(contract.period, contract.timezone, terms.billing_day, wanted.period, now)
        seen_until = day_start(days[-1]) + DAY_MS
        if not period.complete or seen_until < period.end:
            now = min(now, seen_until)
            period = resolve(contract.period, contract.timezone, terms.billing_day, wanted.period, now)
        earlier = unpack_events(self._store.ledger.events_before(entries[0].index, wanted.contract))
        contents = [*earlier, *(c for one in sealed if (shown := one.shown.get(wanted.contract)) for c in shown.events)]
        before, before_note = self._log_before(entries[0])
        last = last_shown(sealed, wanted.contract, period.end)
        given = BundleInput(
            origin=self._keys.signer.key.name,
            contract=wanted.contract,
            period=_period(period),
            days=(min(days[0], day_name(period.start)), max(last, day_name(period.to - 1))),
            made_at=now,
            now=now,
            secrets={name: group_secret(self._secret, name) for name in (COMMON, wanted.contract)},
            config=config,
            before=before,
            before_note=before_note,
            entries=tuple(sealed),
            earlier=earlier,
            evaluation={},
            inputs=inputs_of(events_of(contents), wanted.contract),
            keys=self._keys.ring,
            timestamps={
                entry.index + 1: stamps[-1].token
                for entry in entries
                if (stamps := self._store.ledger.timestamps(f"log/{entry.index}"))
            },
            pdf_signer=self._identity.fingerprint,
        )
        bare = read_proven(read_container(build_bundle(given, self._keys.signer, packed)))
        judged = evaluation_of(bare)
        given = replace(given, evaluation=judged.answer())
        told = canonical({"answer": given.evaluation, "config": sha256(config).hex(), "inputs": given.inputs})
        return given, judged, sha256(told).hex(), bare

    def _sealed(self, entry: LedgerEntry, wanted: Wanted) -> SealedEntry:
        opened = entry.kind == "day" and (wanted.heartbeats or not parse_canonical(entry.entry)["heartbeats"][0])
        beats = self._store.ledger.heartbeats(entry.day) if opened else []
        return SealedEntry(
            entry=entry.entry,
            note=entry.note,
            leaves=entry.leaves,
            shown=self._shown(entry, wanted.contract),
            heartbeats=tuple(SealedHeartbeat(entry=beat.entry, leaves=beat.leaves, first=beat.first) for beat in beats)
            if opened
            else None,
        )

    def _log_before(self, first: LedgerEntry) -> tuple[merkle.Log, str | None]:
        """The log before the first entry shown, and its signed checkpoint."""
        before = self._store.ledger.entry(first.index - 1) if first.index else None
        return (merkle.Log(), None) if before is None else (LogState.from_json(before.state).log, before.note)

    @staticmethod
    def _config(sealed: Sequence[SealedEntry], wanted: Wanted) -> bytes:
        """The configuration that the evaluation is made under: the last one in force before the period's end."""
        known = {
            content: parse_canonical(content)
            for entry in sealed
            if (shown := entry.shown.get(wanted.contract)) is not None
            for content in shown.configs
        }
        ordered = sorted((int(value["since"]), content) for content, value in known.items())
        if not ordered:
            raise CannotProve(f"No sealed day of {wanted.period} shows the contract {wanted.contract!r}.")
        terms = terms_of(known[ordered[-1][1]])
        period = resolve(terms.contract.period, terms.contract.timezone, terms.billing_day, wanted.period, None)
        in_force = [one for one in ordered if one[0] < period.end] or ordered[:1]
        return in_force[-1][1]

    def _unsealed(self, contract: str, entries: Sequence[LedgerEntry]) -> int:
        sealed_until = max(day_start(entry.day) + DAY_MS for entry in entries)
        later = self._store.reader.events(entered_from=sealed_until)
        return sum(1 for event in later if event.data.get("contract") == contract or event.corrects)

    # --- revisions --------------------------------------------------------------------------------------------------

    def _changes(self, last: ProofRecord, given: BundleInput) -> tuple[str, ...]:
        """What differs from the revision before, in sentences; as far as its file still stands where it was kept."""
        try:
            members = read_container(pdf.bundle_of(Path(last.path).read_bytes())).members
            before, inputs = read_json(members, "evaluation.json.z"), read_json(members, "inputs.json.z")
        except (OSError, ValueError) as error:
            log.warning("revision %d cannot be compared with: %s", last.revision, error)
            return ()
        return (*_service_changes(before, given.evaluation), *_input_changes(inputs, given.inputs))


def last_shown(entries: Sequence[SealedEntry], contract: str, end: int) -> str:
    """The last day whose observations a statement of a period with that end shows; entries from its start on.

    It is the period's last day, or the first after it at whose end every series of that day had last seen its target
    well: nothing that was observed later can change what the evaluation says of the period.
    """
    days: dict[str, list[Segment]] = {}
    for entry in entries:
        shown = entry.shown.get(contract, Shown())
        days.setdefault(parse_canonical(entry.entry)["day"], []).extend(shown.segments)
    latest: dict[tuple[str, str], tuple[int, bool]] = {}
    last, well = "", False
    for day, segments in sorted(days.items()):
        if day_start(day) >= end and well:
            break
        for one in segments:
            key = one.target, one.location
            if len(one.rows) and one.rows.at[-1] >= latest.get(key, (0, True))[0]:
                latest[key] = one.rows.at[-1], one.rows.kinds[one.rows.kind[-1]].outcome == "ok"
        last, well = day, all(latest.get((one.target, one.location), (0, True))[1] for one in segments)
    return last


def _period(period: Period) -> dict[str, JSON]:
    return {
        "name": period.name,
        "start": iso(period.start),
        "end": iso(period.end),
        "to": iso(period.to),
        "complete": period.complete,
    }


def _service_changes(before: JSON, after: JSON) -> list[str]:
    old = {one["service"]: one for one in before["services"]}
    found = [
        f"{one['service']}: {field} was {was[field]}, is {one[field]}"
        for one in after["services"]
        for field in ("availability", "verdict", "counted", "excluded_ms")
        if (was := old.get(one["service"])) is not None and was[field] != one[field]
    ]
    old_credit, credit = before["credit"] or {}, after["credit"] or {}
    return found + [
        f"credit: {field} was {old_credit.get(field)}, is {credit.get(field)}"
        for field in ("percent", "amount", "claim_by")
        if old_credit.get(field) != credit.get(field)
    ]


def _input_changes(before: JSON, after: JSON) -> list[str]:
    found = []
    for kind in ("maintenance", "exclusions", "reports", "tickets"):
        old = {canonical(one) for one in before.get(kind, ())}
        new = {canonical(one) for one in after.get(kind, ())}
        if gone := len(old - new):
            found.append(f"{kind}: {gone} no longer stand as they did")
        if more := len(new - old):
            found.append(f"{kind}: {more} were added or changed")
    return found
