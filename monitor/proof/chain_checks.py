"""The checks of ``verify`` that look at the chain of checkpoints and at what outsiders say of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography import x509

from monitor.proof import cms, merkle
from monitor.proof.checkpoint import Checkpoint
from monitor.proof.container import read_json
from monitor.proof.findings import Findings, some
from monitor.proof.keyring import parse_rfc3339
from monitor.proof.ledger import (
    day_name,
    day_start,
)
from monitor.proof.note import Note, NoteError, VerifierKey
from monitor.proof.proven import Entry
from monitor.proof.segment import DAY_MS
from monitor.proof.verdict import BUT, GOOD, NOTE


class ChainChecks(Findings):
    """Signatures, order, timestamps, received copies, days."""

    def chain(self) -> None:
        """Format §8.4."""
        self._told = 0
        proven, origin = self.proven, self.proven.container.origin
        log = merkle.Log(proven.before["size"], tuple(bytes.fromhex(peak) for peak in proven.before["peaks"]))
        if log.size:
            head = Checkpoint(origin, log.size, log.root())
            self._signed(head, proven.before["signatures"], "the checkpoint before the first entry")
        last_day: str | None = None
        for entry in proven.entries:
            log = log.append(merkle.leaf_hash(entry.line))
            head = Checkpoint(origin, log.size, log.root())
            self.heads.setdefault(origin, {})[log.size] = head.root
            self.notes[entry.index] = self._signed(head, entry.signatures, entry.place, entry.data["sealed"])
            last_day = self._follows(entry, last_day)
        days = [entry.day for entry in proven.entries if entry.data["kind"] == "day"]
        if not self._told and days:
            supplements = len(proven.entries) - len(days)
            more = f" and {supplements} supplements" if supplements else ""
            self._say(
                "chain",
                GOOD,
                f"{len(days)} days{more}, {days[0]} to {days[-1]}, follow one another without a gap; each "
                f"checkpoint is signed and commits to all before it (log size {log.size}).",
            )

    def _follows(self, entry: Entry, last: str | None) -> str | None:
        start, kind = day_start(entry.day), entry.data["kind"]
        if kind == "day":
            if last is not None and start != day_start(last) + DAY_MS:
                self.bad("chain", f"{entry.day} comes after {last}: a day is left out or out of turn.", entry.place)
            if parse_rfc3339(entry.data["sealed"]) < start + DAY_MS:
                self.bad("chain", "A day was sealed before it had ended.", entry.place)
            return entry.day
        if kind != "supplement" or not entry.data["why"] or (last is not None and start > day_start(last)):
            self.bad("chain", "An entry that is neither a day nor a supplement to one.", entry.place)
        return last

    def _signed(
        self, head: Checkpoint, signatures: str, place: str, sealed: str | None = None
    ) -> tuple[str, VerifierKey | None]:
        text = f"{head.text()}\n{signatures}"
        try:
            note = Note.parse(text)
            signers = note.verified_by(self.ring.keys) if note.text == head.text() else ()
        except NoteError as error:
            self.bad("chain", f"A checkpoint is not what was signed: {error}.", place)
            return text, None
        if not signers:
            self.bad("chain", "A checkpoint is not signed by a key of the history.", place)
            return text, None
        replaced = [self.ring.replaced_at(key) for key in signers]
        if sealed is not None and all(at is not None and parse_rfc3339(sealed) > at for at in replaced):
            self.bad("chain", "A checkpoint is signed by a key that had been replaced.", place)
        return text, signers[0]

    def timestamps(self, authorities: Sequence[x509.Certificate]) -> None:
        """Format §8.5."""
        self._told = 0
        tokens = read_json(self.proven.container.members, "timestamps.json.z")
        sizes = {str(index + 1): index for index in self.notes}
        stamped: dict[int, int] = {}
        foreign: set[str] = set()
        for size, encoded in tokens.items():
            if size not in sizes:
                self.bad(
                    "timestamps", f"A timestamp of a checkpoint that is not here: size {size}.", f"timestamp {size}"
                )
                continue
            entry = next(one for one in self.proven.entries if one.index == sizes[size])
            try:
                token = base64.b64decode(encoded, validate=True)
                stamp = cms.open_timestamp(token, self.notes[entry.index][0].encode(), authorities)
            except ValueError as error:
                self.bad("timestamps", f"A timestamp does not hold: {error}.", entry.place)
                continue
            if stamp.at < day_start(entry.day) + DAY_MS - 60_000:
                self.bad("timestamps", "A timestamp is older than the end of the day that it stamps.", entry.place)
            stamped[entry.index] = stamp.at
            if not cms.trusted(stamp.authority, authorities):
                foreign.add(stamp.authority.subject.rfc4514_string())
        self._tell_stamps(stamped, foreign)
        self._revoked(stamped if not foreign else {})

    def _tell_stamps(self, stamped: dict[int, int], foreign: set[str]) -> None:
        days = [entry for entry in self.proven.entries if entry.data["kind"] == "day"]
        missing = [entry.day for entry in days if entry.index not in stamped]
        if self._told:
            return
        if len(missing) == len(days):
            self._say(
                "timestamps",
                BUT,
                "No checkpoint has a timestamp: that the days were sealed when the monitor says rests on "
                "its word and on whoever keeps copies of its checkpoints.",
            )
            return
        if missing:
            self._say("timestamps", BUT, f"{len(missing)} of {len(days)} days have no timestamp: {some(missing)}.")
        text = f"{len(stamped)} checkpoints are stamped"
        if foreign:
            self._say(
                "timestamps", BUT, f"{text}, but by an authority whose certificate was not given: {some(foreign)}."
            )
        elif not missing:
            self._say("timestamps", GOOD, f"{text} by an authority whose certificate was given.")

    def _revoked(self, stamped: dict[int, int]) -> None:
        for key in {key for _, key in self.notes.values() if key is not None}:
            revoked = self.ring.revoked(key)
            if revoked is None:
                continue
            mine = [index for index, (_, signer) in self.notes.items() if signer == key]
            late = [e for e in self.proven.entries if e.index in mine and parse_rfc3339(e.data["sealed"]) >= revoked.at]
            for entry in late:
                self.bad("key", f"Signed by a key that had been revoked: {revoked.reason}.", entry.place)
            told = f"The key {key.id.hex()} was revoked later ({revoked.reason})"
            if all(stamped.get(index, revoked.at) < revoked.at for index in mine):
                self._say("key", NOTE, f"{told}; timestamps show that all this was sealed before.")
            elif not late:
                self._say("key", BUT, f"{told}; no timestamp shows that all this was sealed before.")

    def received(self, notes: Sequence[str]) -> None:
        """Checkpoints that the reader has from elsewhere are those of this chain (format §8.7)."""
        self._told = 0
        for number, note in enumerate(notes, 1):
            place = f"received checkpoint {number}"
            try:
                parsed = Note.parse(note)
                head = Checkpoint.parse(parsed.text)
                signers = parsed.verified_by(self.ring.keys)
            except NoteError as error:
                self.bad("received", f"A checkpoint that was received is malformed or not signed: {error}.", place)
                continue
            name = f"{head.origin}, size {head.size}"
            root = self.heads.get(head.origin, {}).get(head.size)
            if not signers:
                self.bad("received", f"A checkpoint that was received ({name}) is not signed by this monitor.", place)
            elif root is None:
                self._say(
                    "received", NOTE, f"A checkpoint that was received ({name}) is not one that this bundle shows."
                )
            elif root != head.root:
                text = f"The monitor signed something else before: the checkpoint that was received ({name})"
                self.bad("received", f"{text} has another root than the one here.", place)
            else:
                self._say("received", GOOD, f"The checkpoint that was received ({name}) is the one in this chain.")

    def days(self) -> None:
        """Format §8.11."""
        self._told = 0
        about = self.proven.about
        first, last = (day_start(day) for day in about["days"])
        period = about["period"]
        if first > parse_rfc3339(period["start"]) or last + DAY_MS < parse_rfc3339(period["to"]):
            self.bad("days", "The bundle does not look at the whole period.", "about.json: days")
        sealed = {day_start(entry.day) for entry in self.proven.entries if entry.data["kind"] == "day"}
        if any(day < first for day in sealed):
            self.bad("days", "The bundle shows days that the evaluation did not look at.", "ledger.json.z")
        missing = [day_name(day) for day in range(first, last + 1, DAY_MS) if day not in sealed]
        if missing:
            self._say("days", BUT, f"{len(missing)} days are not sealed in this bundle: {some(missing)}.")
        elif not self._told:
            self._say(
                "days", GOOD, f"All {(last - first) // DAY_MS + 1} days that the evaluation looked at are sealed."
            )
        if not period["complete"]:
            self._say("days", BUT, f"The period was still running: it is evaluated up to {period['to']}.")
