"""The checks of ``verify`` that look at what was sealed: trees, heartbeats, balance, configuration."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate

from monitor.proof import merkle
from monitor.proof.canonical import JSON, parse_canonical, sha256
from monitor.proof.findings import Findings, some
from monitor.proof.keyring import parse_rfc3339
from monitor.proof.ledger import (
    COMMON,
    NOTHING_EARLIER,
    HeartbeatGroup,
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
from monitor.proof.proven import Entry, ShownGroup, ShownSegment
from monitor.proof.segment import DAY_MS, UNACCOUNTED, Gap, SegmentError, balance, check_order, row_digests
from monitor.proof.segment import segment_digest as digest_of
from monitor.proof.verdict import BUT, GOOD, NOTE


class ContentChecks(Findings):
    """Observations, events and configurations against the entries."""

    def trees(self) -> None:
        """Format §8.6."""
        self._told = 0
        ids: set[str] = set()
        self._earlier(ids)
        rows = events = segments = 0
        withheld: set[str] = set()
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
                    f"Of {entry.day} something is not what was sealed: the observations of {some(what)}, or one "
                    f"of {many} events, or the configuration.",
                    entry.place,
                )
            for group in entry.groups.values():
                self._contents(entry, group, ids)
                rows += sum(len(one.rows) for one in group.segments)
                segments += len(group.segments)
                events += len(group.events)
                if group.withheld:
                    withheld.add(entry.day)
        if not self._told:
            self._say(
                "trees",
                GOOD,
                f"{rows} observations in {segments} segments and {events} events are in the trees of their "
                "days; none is left out, none is twice.",
            )
            if withheld:
                self._say(
                    "trees",
                    NOTE,
                    f"The observations of {len(withheld)} later day{'' if len(withheld) == 1 else 's'} are withheld, "
                    f"{min(withheld)} to {max(withheld)}: only their digests are here. No event of them is withheld.",
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
        digests += group.withheld or [digest_of(one.header, one.lines) for one in group.segments]
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
        later = start > day_start(self.proven.about["days"][1])
        if later != (group.withheld is not None):
            what = "are shown of a day" if later else "are withheld of a day, or of a supplement to one,"
            unlike = "did not look at" if later else "looked at"
            self.bad("trees", f"Observations {what} that the evaluation {unlike}.", entry.place)
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
            if later and len(group.withheld or ()) == len(due):
                return
            if due != set(there) or len(there) != len(due):
                other = sorted(f"{target} from {location}" for target, location in due ^ set(there))
                self.bad("trees", f"The targets sealed are not those configured: {some(other)}.", entry.place)

    def _segment(self, entry: Entry, one: ShownSegment, configs: list[JSON]) -> None:
        said = one.segment
        whole = replace(said, rows=one.rows)
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
            self._say("balance", BUT, f"The monitor cannot account for some slots: {some(admitted)}.")
        if not self._told:
            self._say(
                "balance",
                GOOD,
                f"{expected} slots were expected: {seen} observations, {missed} slots in gaps with a reason.",
            )

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
