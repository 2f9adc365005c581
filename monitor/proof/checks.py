"""The single checks of ``verify``: each says in sentences what it found, and where."""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from cryptography import x509

from monitor.proof import cms, merkle
from monitor.proof.bundle import BundleError, Container, read_json
from monitor.proof.canonical import JSON, parse_canonical, sha256
from monitor.proof.checkpoint import Checkpoint
from monitor.proof.keyring import Keyring, parse_rfc3339
from monitor.proof.ledger import (
    COMMON,
    NOTHING_EARLIER,
    HeartbeatGroup,
    day_name,
    day_start,
    group_leaves,
    group_salt,
    group_tag,
    heartbeat_entry,
    heartbeat_log,
    heartbeat_origin,
    leaf,
    more_earlier,
)
from monitor.proof.note import Note, NoteError, VerifierKey
from monitor.proof.proven import Entry, Proven, ShownGroup, ShownSegment
from monitor.proof.segment import DAY_MS, UNACCOUNTED, Gap, Segment, SegmentError, balance, check_order, row_digests
from monitor.proof.segment import segment_digest as digest_of
from monitor.proof.verdict import BAD, BUT, GOOD, NOTE

Say = Callable[..., None]
MOST = 12
"""So many findings of one step are told one by one."""


def keyring(container: Container, notes: Sequence[str]) -> Keyring:
    """The bundle's history of keys, with what the reader knows besides. NoteError or BundleError if it is wrong."""
    data = read_json(container.members, "keys.json")
    keys = [VerifierKey.parse(text) for text in data["keys"]]
    return Keyring.of(keys, [*data["notes"], *notes], container.origin)


def trust(ring: Keyring, signer: VerifierKey, known: Sequence[VerifierKey], proven: Proven | None, say: Say) -> None:
    """Whether the reader has reason to believe in the key."""
    vouched = ring.vouched(known)
    if not known:
        say(
            "key",
            BUT,
            f"Whether the key is really the monitor's was not checked: no key was given to compare with. It reads "
            f"{signer}",
        )
    elif signer in known:
        say("key", GOOD, "The key is the one that was given.")
    elif signer in vouched:
        say("key", GOOD, "The key took over from the one that was given, or the other way round: both signed that.")
    else:
        say("key", BAD, f"The key {signer.id.hex()} is not the one that was given, nor linked to it.", "head")
    if proven is None:
        return
    loose = [str(key.id.hex()) for key in ring.keys if key not in ring.vouched([signer])]
    if loose:
        say("key", BAD, f"Keys in the history that nothing links to the signer's: {', '.join(loose)}.", "keys.json")
    if (revoked := ring.revoked(signer)) is not None and parse_rfc3339(proven.about["made"]) >= revoked.at:
        say("key", BAD, f"The key had been revoked ({revoked.reason}) when the bundle was made.", "head")


def same_month(proven: Proven) -> None:
    """The evaluation is of the contract and the period that the bundle says it is of. BundleError if not."""
    for name in ("contract", "period"):
        if proven.evaluation[name] != proven.about[name]:
            raise BundleError(f"evaluation.json: {name}", "the evaluation is of another contract or period")
    if proven.about["origin"] != proven.container.origin:
        raise BundleError("about.json: origin", "the origin is another one than the head's")


class Checker:
    """The checks of one bundle."""

    def __init__(self, proven: Proven, ring: Keyring, say: Say) -> None:
        self.proven = proven
        self.ring = ring
        self._say = say
        self._told = 0
        self.notes: dict[int, tuple[str, VerifierKey | None]] = {}
        """For each entry its signed checkpoint, and who signed."""
        self.heads: dict[str, dict[int, bytes]] = {}
        """The roots of the log, and of the opened logs of heartbeats, by origin and size."""
        self.earlier = NOTHING_EARLIER
        """The chain of the contract's events in the entries so far."""

    # --- 4

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

    # --- 5

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
            self._say("timestamps", BUT, f"{len(missing)} of {len(days)} days have no timestamp: {_some(missing)}.")
        text = f"{len(stamped)} checkpoints are stamped"
        if foreign:
            self._say(
                "timestamps", BUT, f"{text}, but by an authority whose certificate was not given: {_some(foreign)}."
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

    # --- 6

    def trees(self) -> None:
        """Format §8.6."""
        self._told = 0
        ids: set[str] = set()
        self._earlier(ids)
        rows = events = segments = 0
        for entry in self.proven.entries:
            shown: dict[int, bytes] = {}
            for name in (COMMON, self.proven.contract):
                shown |= self._group(entry, name)
            root = merkle.root_of_proof(entry.data["leaves"], shown, entry.proof)
            if root.hex() != entry.data["root"]:
                what = [
                    f"{s.segment.target} from {s.segment.location}" for g in entry.groups.values() for s in g.segments
                ]
                many = sum(len(group.events) for group in entry.groups.values())
                self.bad(
                    "trees",
                    f"Of {entry.day} something is not what was sealed: the observations of {_some(what)}, or one "
                    f"of {many} events, or the configuration.",
                    entry.place,
                )
            for group in entry.groups.values():
                self._contents(entry, group, ids)
                rows += sum(len(one.rows) for one in group.segments)
                segments += len(group.segments)
                events += len(group.events)
        if not self._told:
            self._say(
                "trees",
                GOOD,
                f"{rows} observations in {segments} segments and {events} events are in the trees of their "
                "days; none is left out, none is twice.",
            )

    def _group(self, entry: Entry, name: str) -> dict[int, bytes]:
        """The leaves of a group by their index."""
        tag = group_tag(self.proven.secrets[name], entry.index)
        tags = [one[0] for one in entry.data["groups"]]
        firsts = [*(one[1] for one in entry.data["groups"]), entry.data["leaves"]]
        who = f"group {name!r}" if name else "the common group"
        if (
            (tag in tags) != (name in entry.groups)
            or tags != sorted(set(tags))
            or firsts != sorted(set(firsts))
            or firsts[0]
        ):
            self.bad(
                "trees", f"What {who} sealed is not shown, or it sealed nothing and something is shown.", entry.place
            )
            return {}
        if tag not in tags:
            return {}
        group, at = entry.groups[name], tags.index(tag)
        digests = [sha256(one) for one in group.configs]
        digests += [digest_of(one.header, one.lines) for one in group.segments]
        digests += [sha256(one) for one in group.events]
        leaves = group_leaves(
            name, self.proven.secrets[name], entry.day, digests, self.earlier if name else NOTHING_EARLIER
        )
        self.earlier = more_earlier(self.earlier, group.events if name else ())
        if firsts[at + 1] - firsts[at] != len(leaves):
            self.bad(
                "trees",
                f"{who.capitalize()} sealed {firsts[at + 1] - firsts[at] - 1} contents on {entry.day}, "
                f"{len(leaves) - 1} are shown.",
                entry.place,
            )
            return {}
        return {firsts[at] + number: one for number, one in enumerate(leaves)}

    def _earlier(self, ids: set[str]) -> None:
        """Events sealed before the first entry: the rolls say that there are these and no others."""
        self.earlier = more_earlier(NOTHING_EARLIER, self.proven.earlier)
        for line in self.proven.earlier:
            event = parse_canonical(line)
            if event["kind"] != "event" or event["group"] != self.proven.contract or event["id"] in ids:
                self.bad(
                    "trees", "An event of another group, or one that stands twice.", f"earlier event {event['id']}"
                )
            ids.add(event["id"])

    def _contents(self, entry: Entry, group: ShownGroup, ids: set[str]) -> None:
        """What was sealed does not contradict itself."""
        start = day_start(entry.day)
        entered = start
        for line in group.events:
            event = parse_canonical(line)
            place = f"{entry.day}, event {event['id']}"
            if event["kind"] != "event" or event["group"] != group.name or event["id"] in ids:
                self.bad("trees", "An event of another group, or one that stands twice.", place)
            in_day = start <= event["entered_at"] < start + DAY_MS
            if event["entered_at"] < entered or (entry.data["kind"] == "day" and not in_day):
                self.bad("trees", "An event out of its order or its day.", place)
            ids.add(event["id"])
            entered = event["entered_at"]
        configs = [parse_canonical(line) for line in group.configs]
        if any(one["kind"] != "config" or one["contract"] != group.name for one in configs):
            self.bad("trees", "A configuration of another contract.", entry.place)
        for one in group.segments:
            self._segment(entry, one, configs)
        if group.name and entry.data["kind"] == "day":
            due = {(t["name"], where) for config in configs for t in config["targets"] for where in t["locations"]}
            there = [(one.segment.target, one.segment.location) for one in group.segments]
            if due != set(there) or len(there) != len(due):
                other = sorted(f"{target} from {location}" for target, location in due ^ set(there))
                self.bad("trees", f"The targets sealed are not those configured: {_some(other)}.", entry.place)

    def _segment(self, entry: Entry, one: ShownSegment, configs: list[JSON]) -> None:
        said = one.segment
        whole = Segment(
            said.day, said.target, said.location, said.plan, said.gaps, one.rows, said.supplement, said.surplus
        )
        place = f"{entry.day}, {said.target} from {said.location}"
        try:
            check_order(whole)
        except SegmentError as error:
            self.bad("trees", f"{error}.", place)
        if (
            said.day != entry.day
            or said.supplement != (entry.data["kind"] == "supplement")
            or whole.header() != one.header
        ):
            self.bad("trees", "A segment's header does not fit its observations or its day.", place)
        known = {t["interval_ms"] for config in configs for t in config["targets"] if t["name"] == said.target}
        start = day_start(entry.day)
        for span in said.plan:
            inside = start <= span.start and span.end <= start + DAY_MS + span.interval_ms
            if not inside or (not said.supplement and span.interval_ms not in known):
                self.bad("trees", "A segment was planned otherwise than the configuration says.", place)

    # --- 7

    def heartbeats(self) -> None:
        """Format §8.7."""
        self._told = 0
        opened = closed = 0
        for entry in self.proven.entries:
            if entry.data["kind"] != "day":
                continue
            count, root = entry.data["heartbeats"]
            if entry.heartbeats is None:
                closed += count
                continue
            lines = self._beats(entry)
            log = heartbeat_log(lines)
            if [log.size, log.root().hex()] != [count, root]:
                self.bad(
                    "heartbeats",
                    "What was recorded by a heartbeat is not a beginning of what the day sealed, or a "
                    f"heartbeat of {entry.day} is altered or missing.",
                    entry.place,
                )
            opened += len(lines)
        if not self._told and (opened or closed):
            text = f"{opened} heartbeats committed to beginnings of what their days sealed" if opened else ""
            text += "; " if opened and closed else ""
            text += f"{closed} are committed to, but not opened here" if closed else ""
            self._say("heartbeats", NOTE if closed else GOOD, f"{text}.")

    def _beats(self, entry: Entry) -> list[bytes]:
        series: dict[str, list[tuple[str, str, list[int], list[str]]]] = {}
        instants = list(accumulate((beat[0] for beat in entry.heartbeats), initial=day_start(entry.day)))[1:]
        horizons = [at - beat[1] for at, beat in zip(instants, entry.heartbeats, strict=True)]
        for name, group in entry.groups.items():
            series[name] = []
            for one in group.segments:
                counts = [bisect_left(one.rows.at, horizon) for horizon in horizons]
                digests = row_digests(one.lines, sorted(counts))
                series[name].append((one.segment.target, one.segment.location, counts, digests))
        entered = {n: [parse_canonical(e)["entered_at"] for e in g.events] for n, g in entry.groups.items()}
        lines: list[bytes] = []
        log = merkle.Log()
        for number, (_, _, leaves, firsts, proof) in enumerate(entry.heartbeats):
            at, horizon = instants[number], horizons[number]
            shown: dict[int, bytes] = {}
            for name, first in zip((COMMON, self.proven.contract), firsts, strict=True):
                if first < 0:
                    continue
                said = tuple((t, loc, counts[number], digests[number]) for t, loc, counts, digests in series[name])
                known = entry.groups[name].events[: bisect_left(entered[name], horizon)]
                digest = sha256(b"".join(event + b"\n" for event in known)).hex()
                secret = self.proven.secrets[name]
                beat = HeartbeatGroup(name=name, secret=secret, series=said, events=(len(known), digest))
                shown[first] = leaf(group_salt(secret, entry.day), sha256(beat.content(entry.day, at)))
            root = merkle.root_of_proof(leaves, shown, [bytes.fromhex(text) for text in proof])
            lines.append(heartbeat_entry(day=entry.day, at=at, horizon=horizon, leaves=leaves, root=root))
            own = self.heads.setdefault(heartbeat_origin(self.proven.container.origin, entry.day), {})
            log = log.append(merkle.leaf_hash(lines[-1]))
            own[log.size] = log.root()
        return lines

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

    # --- 8

    def balance(self) -> None:
        """Format §8.8."""
        self._told = 0
        parts: dict[tuple[str, str, str], list[ShownSegment]] = {}
        for entry in self.proven.entries:
            for group in entry.groups.values():
                for one in group.segments:
                    parts.setdefault((entry.day, one.segment.target, one.segment.location), []).append(one)
        expected = seen = missed = 0
        admitted: list[str] = []
        for (day, target, location), ones in sorted(parts.items()):
            main = [one for one in ones if not one.segment.supplement]
            if len(main) != 1:
                if main or day in {e.day for e in self.proven.entries if e.data["kind"] == "day"}:
                    self.bad(
                        "balance", "A day's observations have no segment, or two.", f"{day}, {target} from {location}"
                    )
                continue
            gaps: Iterable[Gap] = ones[-1].segment.gaps
            slots, surplus = main[0].segment.expected(), sum(one.segment.surplus for one in ones)
            scheduled = sum(one.rows.scheduled() for one in ones)
            if rest := balance(slots, surplus, scheduled, gaps):
                self.bad(
                    "balance",
                    f"{slots} slots were expected, and {abs(rest)} are {'missing' if rest > 0 else 'too many'}: "
                    f"{scheduled} observations, {sum(g.slots for g in gaps)} slots in gaps.",
                    f"{day}, {target} from {location}",
                )
            expected, seen, missed = expected + slots, seen + scheduled, missed + sum(gap.slots for gap in gaps)
            if surplus or any(gap.reason == UNACCOUNTED for gap in gaps):
                admitted.append(f"{day}, {target} from {location}")
        if admitted:
            self._say("balance", BUT, f"The monitor cannot account for some slots: {_some(admitted)}.")
        if not self._told:
            self._say(
                "balance",
                GOOD,
                f"{expected} slots were expected: {seen} observations, {missed} slots in gaps with a reason.",
            )

    # --- 9

    def config(self) -> JSON:
        """The configuration of the evaluation, if it is the one in force; None, having said why, if it is not."""
        self._told = 0
        about = self.proven.about
        end = parse_rfc3339(about["period"]["end"])
        shown = {line for e in self.proven.entries for g in e.groups.values() if g.name for line in g.configs}
        if not shown:
            self._say("contract", BUT, "No sealed day shows the contract.")
            return None
        known = sorted(((parse_canonical(line), line) for line in shown), key=lambda one: int(one[0]["since"]))
        in_force = [one for one in known if one[0]["since"] < end] or known[:1]
        config, line = in_force[-1]
        if sha256(line).hex() != about["config"]:
            self.bad(
                "contract",
                "The evaluation was made under another configuration than the one in force.",
                "about.json: config",
            )
            return None
        if len(in_force) > 1:
            self._say("contract", NOTE, f"The configuration changed {len(in_force) - 1} times; the last one counts.")
        return config

    # --- 11

    def days(self) -> None:
        """Format §8.11."""
        self._told = 0
        about = self.proven.about
        first, last = (day_start(day) for day in about["days"])
        period = about["period"]
        if first > parse_rfc3339(period["start"]) or last + DAY_MS < parse_rfc3339(period["to"]):
            self.bad("days", "The bundle does not look at the whole period.", "about.json: days")
        sealed = {day_start(entry.day) for entry in self.proven.entries if entry.data["kind"] == "day"}
        if any(not first <= day <= last for day in sealed):
            self.bad("days", "The bundle shows days that the evaluation did not look at.", "ledger.json.z")
        missing = [day_name(day) for day in range(first, last + 1, DAY_MS) if day not in sealed]
        if missing:
            self._say("days", BUT, f"{len(missing)} days are not sealed in this bundle: {_some(missing)}.")
        elif not self._told:
            self._say("days", GOOD, f"All {len(sealed)} days that the evaluation looked at are sealed.")
        if not period["complete"]:
            self._say("days", BUT, f"The period was still running: it is evaluated up to {period['to']}.")

    def bad(self, name: str, text: str, place: str) -> None:
        """Something is wrong. Beyond MOST findings of a step only their number grows."""
        self._told += 1
        if self._told <= MOST:
            self._say(name, BAD, text, place)


def _some(names: Iterable[str]) -> str:
    listed = list(names) if not isinstance(names, set) else sorted(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
