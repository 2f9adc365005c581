"""Ways to falsify a bundle: by whoever has the file alone, and by somebody who can even sign its head anew."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator

from monitor.proof.bundle import head_text
from monitor.proof.canonical import canonical
from monitor.proof.columns import Packed, pack, unpack
from monitor.proof.container import Container, read_container
from monitor.proof.digits import put_back
from monitor.proof.note import sign_note
from monitor.proof.proven import read_proven
from monitor.proof.segment import Row, Rows, segment_digest
from tests.proof.world import SIGNER

Members = dict[str, bytes]


def flips(data: bytes, step: int = 1, start: int = 0) -> Iterator[tuple[str, bytes]]:
    """Each byte flipped in turn: its lowest bit, and the one that makes small letters capitals."""
    for at in range(start, len(data), step):
        bit = 1 if at % 2 else 32
        yield f"byte {at}", data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def cuts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Something cut off or added."""
    yield "last byte gone", data[:-1]
    yield "a byte more", data + b"\n"
    yield "a space in front", b" " + data
    yield "the file twice", data + data
    yield "half of it", data[: len(data) // 2]
    yield "nothing", b""


def edited(data: bytes, edit: Callable[[Members], None]) -> bytes:
    """The bundle with members edited, and its head written and signed anew with the monitor's own key.

    All digits stand in their texts again, so that what is edited there is all that is wrong.
    """
    container: Container = read_container(data)
    members = dict(container.members)
    texts = {name: zlib.decompress(members[name]) for name in ("ledger.json.z", "segments.jsonl.z")}
    members |= {name: zlib.compress(text) for name, text in put_back(texts, members["digits"]).items()}
    members["digits"] = b""
    edit(members)
    return _signed(members)


def _signed(members: Members) -> bytes:
    return sign_note(head_text(SIGNER.key.name, members), SIGNER).encode() + b"".join(members.values())


def _json(members: Members, name: str):
    data = members[name]
    return json.loads(zlib.decompress(data) if name.endswith(".z") else data)


def _put(members: Members, name: str, value) -> None:
    data = canonical(value)
    members[name] = zlib.compress(data) if name.endswith(".z") else data


def _lines(members: Members, name: str) -> list[bytes]:
    return zlib.decompress(members[name]).split(b"\n")[:-1]


def _put_lines(members: Members, name: str, lines: list[bytes]) -> None:
    members[name] = zlib.compress(b"".join(line + b"\n" for line in lines))


def _with_rows(data: bytes, number: int, change: Callable[[list[Row]], int]) -> bytes:
    """Rows changed, and what counts them changed along. ``change`` returns the index of the row it touched."""

    def edit(members: Members) -> None:
        heads = _json(members, "series.json.z")
        head = heads[number]
        rows = list(unpack(Packed(head, members[f"rows/{number:05d}.z"])).rows())
        before = len(rows), sum(row.scheduled for row in rows)
        touched = change(rows)
        more = len(rows) - before[0], sum(row.scheduled for row in rows) - before[1]
        packed = pack(Rows.of(rows), head["step"])
        heads[number] = {**packed.head, "location": head["location"], "target": head["target"]}
        _put(members, "series.json.z", heads)
        members[f"rows/{number:05d}.z"] = packed.data
        lines, at = _lines(members, "segments.jsonl.z"), 0
        for place, line in enumerate(lines):
            said = json.loads(line)
            if (said["target"], said["location"]) != (head["target"], head["location"]):
                continue
            if at <= touched < at + said["rows"]:
                said["rows"] += more[0]
                said["scheduled"] += more[1]
                said["surplus"] += max(0, more[1])
                if more[1] < 0:
                    said["gaps"].append([said["plan"][0][0], said["plan"][0][0], -more[1], "not_running"])
                lines[place] = canonical(said)
                break
            at += said["rows"]
        _put_lines(members, "segments.jsonl.z", lines)

    return edited(data, edit)


def rows(data: bytes, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """Each observation dropped, doubled, swapped with the next, and altered in each of its words."""
    container = read_container(data)
    for number, head in enumerate(json.loads(zlib.decompress(container.members["series.json.z"]))):
        for index in range(0, head["rows"], step):

            def drop(found: list[Row], index: int = index) -> int:
                del found[index]
                return index

            def double(found: list[Row], index: int = index) -> int:
                found.insert(index, found[index])
                return index

            def swap(found: list[Row], index: int = index) -> int:
                other = index + 1 if index + 1 < len(found) else index - 1
                found[index], found[other] = found[other], found[index]
                return index

            yield f"series {number}, observation {index} dropped", _with_rows(data, number, drop)
            yield f"series {number}, observation {index} doubled", _with_rows(data, number, double)
            yield f"series {number}, observation {index} swapped", _with_rows(data, number, swap)
            for word, other in (
                ("at", 1), ("duration_ms", 1), ("outcome", "refused"), ("code", 201), ("detail", "x"),
            ):  # fmt: skip

                def alter(found: list[Row], index: int = index, word: str = word, other=other) -> int:
                    row = found[index]
                    value = getattr(row, word) + other if word in ("at", "duration_ms") else other
                    found[index] = row._replace(**{word: value})
                    return index

                yield f"series {number}, observation {index}: {word}", _with_rows(data, number, alter)


def events(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each event altered, dropped, doubled and swapped with the next, the counts of events changed along."""
    container = read_container(data)
    many = len(zlib.decompress(container.members["events.jsonl.z"]).split(b"\n")) - 1

    def change(name: str, index: int) -> bytes:
        def edit(members: Members) -> None:
            lines = _lines(members, "events.jsonl.z")
            ledger = _json(members, "ledger.json.z")
            more = 0
            if name == "altered":
                said = json.loads(lines[index])
                said["data"] = {**said["data"], "offset_ms": "0.0"}
                lines[index] = canonical(said)
            elif name == "dropped":
                del lines[index]
                more = -1
            elif name == "doubled":
                lines.insert(index, lines[index])
                more = 1
            else:
                other = index + 1 if index + 1 < len(lines) else index - 1
                lines[index], lines[other] = lines[other], lines[index]
            at = 0
            for entry in ledger["entries"]:
                for shown in entry["shown"]:
                    if at <= index < at + shown[3]:
                        shown[3] += more
                        more = 0
                    at += shown[3]
            _put_lines(members, "events.jsonl.z", lines)
            _put(members, "ledger.json.z", ledger)

        return edited(data, edit)

    for index in range(many):
        for name in ("altered", "dropped", "doubled", "swapped"):
            yield f"event {index} {name}", change(name, index)


def chain(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each checkpoint, entry, heartbeat, proof and secret replaced or left out."""
    ledger = _json(dict(read_container(edited(data, lambda _: None)).members), "ledger.json.z")
    many = len(ledger["entries"])

    def change(act: Callable[[dict], None]) -> bytes:
        def edit(members: Members) -> None:
            value = _json(members, "ledger.json.z")
            act(value)
            _put(members, "ledger.json.z", value)

        return edited(data, edit)

    def entry_with(index: int, **words) -> Callable[[dict], None]:
        def act(value: dict) -> None:
            entry = json.loads(value["entries"][index]["entry"])
            value["entries"][index]["entry"] = canonical({**entry, **words}).decode()

        return act

    for i in range(many):
        other = (i + 1) % many
        yield (
            f"checkpoint {i} replaced",
            change(lambda v, i=i, o=other: v["entries"][i].update(signatures=v["entries"][o]["signatures"])),
        )
        yield (
            f"checkpoint {i} forged",
            change(lambda v, i=i: v["entries"][i].update(signatures=_forged(v["entries"][i]["signatures"]))),
        )
        yield f"entry {i} gone", change(lambda v, i=i: v["entries"].pop(i))
        yield f"entry {i} doubled", change(lambda v, i=i: v["entries"].insert(i, v["entries"][i]))
        yield f"entry {i} sealed", change(entry_with(i, sealed="2027-01-01T00:00:00.000Z"))
        yield f"entry {i} root", change(entry_with(i, root="00" * 32))
        yield f"entry {i} day", change(entry_with(i, day="2026-10-09"))
        if ledger["entries"][i]["proof"]:
            yield f"proof {i}", change(lambda v, i=i: v["entries"][i]["proof"].pop())
        for number in range(len(ledger["entries"][i]["heartbeats"] or ())):
            yield f"heartbeat {i}.{number} gone", change(lambda v, i=i, n=number: v["entries"][i]["heartbeats"].pop(n))
            yield f"heartbeat {i}.{number} later", change(lambda v, i=i, n=number: _later(v["entries"][i], n, 0))
            yield f"heartbeat {i}.{number} horizon", change(lambda v, i=i, n=number: _later(v["entries"][i], n, 1))
    yield (
        "checkpoint before",
        change(
            lambda v: (
                v["before"].update(signatures=v["entries"][0]["signatures"])
                if v["before"]["size"]
                else v["entries"].pop()
            )
        ),
    )
    for name in ledger["secrets"]:
        yield f"secret {name!r}", change(lambda v, name=name: v["secrets"].update({name: "11" * 32}))
    yield "the common group hidden", change(lambda v: [one["shown"].pop(0) for one in v["entries"]])
    yield "the contract hidden", change(lambda v: [one["shown"].pop() for one in v["entries"]])


def _later(entry: dict, number: int, part: int) -> None:
    entry["heartbeats"][number][part] += 7_200_000


def _forged(signatures: str) -> str:
    return signatures[:-12] + ("AAAA" if signatures[-12:-8] != "AAAA" else "BBBB") + signatures[-8:]


def withheld(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each digest of later days altered, dropped, doubled; such a day emptied; a day that counts withheld as well."""
    plain = edited(data, lambda _: None)
    entries = _json(dict(read_container(plain).members), "ledger.json.z")["entries"]

    def change(number: int, place: int, act: Callable[[list[str]], list[str]]) -> bytes:
        def edit(members: Members) -> None:
            value = _json(members, "ledger.json.z")
            shown = value["entries"][number]["shown"][place]
            shown[2] = act(shown[2])
            _put(members, "ledger.json.z", value)

        return edited(data, edit)

    for i, entry in enumerate(entries):
        for place, shown in enumerate(entry["shown"]):
            if not isinstance(shown[2], list):
                continue
            yield f"day {i}: the digests of group {place} as their number", change(i, place, len)
            yield f"day {i}: a digest more of group {place}", change(i, place, lambda v: [*v, "00" * 32])
            for n in range(len(shown[2])):
                yield f"digest {i}.{n} altered", change(i, place, lambda v, n=n: [*v[:n], v[n][::-1], *v[n + 1 :]])
                yield f"digest {i}.{n} dropped", change(i, place, lambda v, n=n: [*v[:n], *v[n + 1 :]])
                yield f"digest {i}.{n} doubled", change(i, place, lambda v, n=n: [*v[: n + 1], *v[n:]])
                yield f"digest {i}.{n} shortened", change(i, place, lambda v, n=n: [*v[:n], v[n][2:], *v[n + 1 :]])
    yield "a day that counts is withheld", edited(data, _withhold)


def _withhold(members: Members) -> None:
    """Put digests in the place of the last day's observations, and leave these out everywhere."""
    proven = read_proven(read_container(_signed(members)))
    last = max(i for i, one in enumerate(proven.entries) if one.groups["mailer"].withheld is None)
    hidden = proven.entries[last].groups["mailer"].segments
    value = _json(members, "ledger.json.z")
    value["entries"][last]["shown"][1][2] = [segment_digest(one.header, one.lines).hex() for one in hidden]
    value["entries"][last]["heartbeats"] = None
    _put(members, "ledger.json.z", value)
    _put_lines(members, "segments.jsonl.z", _lines(members, "segments.jsonl.z")[: -len(hidden)])
    heads = _json(members, "series.json.z")
    for number, head in enumerate(heads):
        name = f"rows/{number:05d}.z"
        rows = unpack(Packed(head, members[name]))
        many = sum(len(one.rows) for one in hidden if one.segment.target == head["target"])
        packed = pack(rows.part(0, len(rows) - many), head["step"])
        heads[number] = {**packed.head, "location": head["location"], "target": head["target"]}
        members[name] = packed.data
    _put(members, "series.json.z", heads)


def words(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The configuration, the keys and what the bundle says of itself."""

    def member(name: str, act: Callable[[object], object]) -> bytes:
        def edit(members: Members) -> None:
            _put(members, name, act(_json(members, name)))

        return edited(data, edit)

    def config(members: Members) -> None:
        lines = [json.loads(line) for line in _lines(members, "config.jsonl.z")]
        lines[0]["text"] += "# \n"
        _put_lines(members, "config.jsonl.z", [canonical(line) for line in lines])

    yield "a word of the contract", edited(data, config)
    yield "the period", member("about.json", lambda v: {**v, "period": {**v["period"], "name": "2026-11"}})
    yield "the contract's name", member("about.json", lambda v: {**v, "contract": "other-0"})
    yield "the origin", member("about.json", lambda v: {**v, "origin": "elsewhere"})
    yield "the configuration", member("about.json", lambda v: {**v, "config": "00" * 32})
    yield "fewer days", member("about.json", lambda v: {**v, "days": [v["days"][0], v["days"][0]]})
    yield "no keys", member("keys.json", lambda v: {**v, "keys": []})
    yield "a stranger's key", member("keys.json", lambda v: {**v, "keys": [*v["keys"], STRANGER]})
    for name in read_container(data).members:
        yield f"{name} gone", edited(data, lambda members, name=name: members.pop(name))


def evaluation(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What only counting anew can find."""

    def edit(members: Members) -> None:
        value = _json(members, "evaluation.json.z")
        value["services"] = value["services"][:-1]
        _put(members, "evaluation.json.z", value)

    yield "a service gone from the evaluation", edited(data, edit)


STRANGER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def structured(data: bytes, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """All that somebody with the monitor's key could do to a bundle without its ledger."""
    yield from rows(data, step)
    yield from events(data)
    yield from chain(data)
    yield from withheld(data)
    yield from words(data)
