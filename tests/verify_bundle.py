"""Verify a slaproof bundle or statement: python3 verify_bundle.py FILE [PUBLIC-KEY ...]

Written from docs/proof-format.md alone, whose §8 gives the steps; needs only Python and `cryptography`. The evaluation
it leaves as it is; of timestamps and a PDF's signature it checks what they cover, not who made them. Ends with 0 for
VALID, 1 for INVALID, 2 for VALID BUT."""

import base64
import hashlib
import hmac
import json
import re
import sys
import zlib
from bisect import bisect_left
from datetime import datetime
from itertools import accumulate, islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DAY, NEVER, ROOM = 86_400_000, 1 << 60, 1 << 20


def need(condition, what, where):
    if not condition:
        raise ValueError(f"{what} [{where}]")


def sha(data):
    return hashlib.sha256(data).digest()


def canon(value):  # the keys that are written here are plain ASCII, which sorts alike by any rule
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def ms(text):  # of an instant, or of the start of a day
    return round(datetime.fromisoformat(text if "T" in text else f"{text}T00Z").timestamp() * 1000)


def root_of(size, shown, proof):  # the root that a multiproof gives (§2)
    rest = iter(proof)

    def walk(low, high, inside):
        if not inside:
            return bytes.fromhex(next(rest))
        if high - low == 1:
            return shown[low]
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        left = walk(low, middle, [i for i in inside if i < middle])
        return sha(b"\x01" + left + walk(middle, high, [i for i in inside if i >= middle]))

    found = walk(0, size, sorted(shown))
    need(next(rest, None) is None and max(shown) < size, "a proof that does not fit", "proof")
    return found


class Log:  # a log from its peaks on (§5)
    def __init__(self, origin, size=0, peaks=(), signatures=None):
        self.origin, self.size, self.peaks = origin, size, [bytes.fromhex(peak) for peak in peaks]
        need(size.bit_count() == len(peaks), "peaks that do not fit", "before")

    def append(self, entry):
        leaf, number = sha(b"\x00" + entry), self.size
        while number & 1:
            leaf, number = sha(b"\x01" + self.peaks.pop() + leaf), number >> 1
        self.size, self.peaks = self.size + 1, [*self.peaks, leaf]

    def root(self):
        return [sha(b""), *accumulate(self.peaks[::-1], lambda right, left: sha(b"\x01" + left + right))][-1]

    def head(self):
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root()).decode()}\n"


def parse_key(text):
    name, ident, encoded = text.split("+", 2)
    data = base64.b64decode(encoded, validate=True)
    need(base64.b64encode(data).decode() == encoded, "base64 with stray bits", "key")
    need(data[0] == 1 and len(data) == 33 and sha(name.encode() + b"\n" + data)[:4].hex() == ident, "no key", text)
    return name, data[1:]


def signers(text, lines, keys, where):  # which of the keys signed the text (§2)
    found = []
    for line in lines.split("\n")[:-1]:  # one that does not end counts for nothing
        dash, name, encoded = line.split(" ")
        data = base64.b64decode(encoded, validate=True)
        need(dash == "—" and base64.b64encode(data) == encoded.encode(), "no signature line", where)
        for key in keys:
            if key[0] == name and sha(name.encode() + b"\n\x01" + key[1])[:4] == data[:4]:
                Ed25519PublicKey.from_public_bytes(key[1]).verify(data[4:], text.encode())
                found.append(key)
    return found


class Keys:  # the history of keys (§5)
    def __init__(self, origin, keys, notes):
        self.keys, self.replaced, self.links, self.revoked = list(map(parse_key, keys)), {}, [], {}
        for text, lines in (note.rsplit("\n\n", 1) for note in notes):
            what, by, one, two, last = text.split("\n")
            pair = [parse_key(one), parse_key(two)] if what == "slaproof key rotation" else []
            signed = signers(text + "\n", lines, pair or self.keys, "keys.json")
            kind = set(signed) == set(pair) if pair else signed and what == "slaproof key revocation"
            need(by == origin and kind, "a note that is none, or not signed as it must be", "keys.json")
            if pair:
                self.replaced[pair[0]] = min(ms(last), self.replaced.get(pair[0], NEVER))
            else:
                self.revoked[parse_key(one)] = ms(two)
            self.links += [set(pair)]
            self.keys += [key for key in pair if key not in self.keys]

    def linked(self, found):
        more = found.union(*(pair for pair in self.links if pair & found))
        return found if more == found else self.linked(more)


def rows_of(head, data):  # the observations of a series: instants and lines (§6)
    def take(count):  # the next column
        nonlocal data
        (base, parts), shift, numbers = next(specs), 0, [0] * count
        for bits in parts:
            size = -(-count * bits // 8)
            plane = (byte >> at & (1 << bits) - 1 for byte in data[:size] for at in range(0, 8, bits))
            numbers = [one + (part << shift) for one, part in zip(numbers, plane, strict=False)]
            data, shift = data[size:], shift + bits
        return [base + one for one in numbers]

    n, specs, lines = head["rows"], iter(head["columns"]), []
    kind = take(n)
    on = [head["kinds"][one][0] for one in kind]
    steps, late, rest, durations = (iter(take(many)) for many in (sum(on), sum(on), n - sum(on), n))
    slot, at = head["first"] - 1, head["first"] * head["step"] + head["phase"]
    tails = [canon(one)[1:].decode() + "\n" for one in head["kinds"]]
    for one, scheduled, duration in zip(kind, on, durations, strict=True):
        move = (z := next(steps if scheduled else rest)) >> 1 ^ -(z & 1)
        slot += (1 + move) * scheduled
        at = slot * head["step"] + head["phase"] + next(late) if scheduled else at + move
        lines.append((at, f"[{at},{duration},{tails[one]}"))
    need(not data and len(lines) == n and next(specs, None) is None, "columns", head["target"])
    return [at for at, _ in lines], [line for _, line in lines]


def bundle_in(pdf):  # the bundle attached to a PDF (§7)
    for match in re.finditer(rb"/EmbeddedFile\b.*?stream\r?\n", pdf, re.DOTALL):
        head, data = pdf[pdf.rindex(b" obj", 0, match.start()) : match.end()], pdf[match.end() :]
        data = data[: int(re.search(rb"/Length\s+(\d+)", head)[1])]
        data = zlib.decompressobj().decompress(data, 100 * len(pdf)) if b"/FlateDecode" in head else data
        if data.startswith(b"slaproof bundle 1\n"):
            return data
    raise ValueError("the PDF has no bundle [PDF]")


def check_pages(pdf, fingerprint):  # what the signature of a PDF covers, and that it names the certificate (§7)
    match = re.search(rb"/ByteRange\s*\[\s*0 +(\d+) +(\d+) +(\d+)\s*\]", pdf)
    need(match, "the pages are not signed", "PDF")
    first, second, length = map(int, match.groups())
    need(second + length == len(pdf), "something was added after the signature", "end of the PDF")
    raw = bytes.fromhex(pdf[first + 1 : second - 1].decode())
    digests = [hashlib.new(name, pdf[:first] + pdf[second:]).digest() for name in ("sha256", "sha384", "sha512")]
    need(any(digest in raw for digest in digests), "the pages are not those that were signed", "PDF")
    ends = ((i, i + 4 + int.from_bytes(raw[i + 2 : i + 4], "big")) for i in range(len(raw)) if raw[i] == 0x30)
    need(fingerprint in [sha(raw[i:end]).hex() for i, end in ends], "another certificate than the bundle names", "PDF")


def check_heartbeats(entry, beats, groups):  # each committed to a beginning of what the day sealed (§5)
    log, at, day = Log(""), ms(entry["day"]), entry["day"]
    for step, lag, leaves, firsts, proof in beats or ():
        at, shown = at + step, {}
        for (name, salt, segments, events), first in zip(groups, firsts, strict=False):
            value = {"at": at, "day": day, "group": name, "kind": "heartbeat", "series": []}
            for said, instants, lines in segments:
                n = bisect_left(instants, at - lag)
                value["series"].append([said["target"], said["location"], n, sha("".join(lines[:n]).encode()).hex()])
            known = [one + b"\n" for one in events if json.loads(one)["entered_at"] < at - lag]
            value["events"] = [len(known), sha(b"".join(known)).hex()]
            shown |= {first: sha(b"\x00" + salt + sha(canon(value)))} if first >= 0 else {}
        value = {"at": at, "day": day, "horizon": at - lag, "kind": "heartbeat", "leaves": leaves}
        log.append(canon({**value, "root": root_of(leaves, shown, proof).hex()}))
    need(beats is None or [log.size, log.root().hex()] == entry["heartbeats"], "other heartbeats", day)


def verify(whole, known=()):  # what is missing, in words; raises whatever what is wrong makes Python raise
    file = bundle_in(whole) if whole.startswith(b"%PDF") else whole
    end = file.index(b"\n", file.index(b"\n\n") + 2) + 1
    text, line = file[:end].decode().split("\n\n")
    (title, origin, *listed), size, data = text.split("\n"), len(file) - end, {}
    need(title == "slaproof bundle 1" and line.count("\n") == 1, "no bundle", "head")
    for digest, many, name in (one.split(" ") for one in listed):
        raw, end, stream = file[end : end + int(many)], end + int(many), zlib.decompressobj()
        need(sha(raw).hex() == digest, "a member is not the one that was signed", name)
        data[name] = stream.decompress(raw, ROOM + 100 * size) if name.endswith(".z") else raw
        need(not name.endswith(".z") or (stream.eof and not stream.unused_data), "a broken stream, or a bomb", name)
    need(end == len(file), "the file does not end with its last member", "end of the file")
    rest = iter(re.findall(b".{1,16}", data["digits"].hex().encode()))
    for name in ("ledger.json.z", "segments.jsonl.z"):
        data[name] = re.sub(rb"[\x01-\x08]", lambda match: b"".join(islice(rest, *match[0])), data[name])
    need(not [*rest], "digits that stand nowhere", "digits")
    names = "about.json", "evaluation.json.z", "ledger.json.z", "series.json.z"
    about, evaluation, ledger, packed = (json.loads(data[name]) for name in names)
    need(sum(abs(one["rows"]) for one in packed) <= ROOM + 10 * size, "too many observations", "series.json.z")
    keys = Keys(origin, **json.loads(data["keys.json"]))
    signed = signers(text + "\n", line, keys.keys, "head")
    need(len(signed) == 1 and set(keys.keys) <= keys.linked({*signed}), "not signed by one key of the history", "head")
    need(not known or {*map(parse_key, known)} & keys.linked({*signed}), "the key is not one that you know", "head")
    need(ms(about["made"]) < keys.revoked.get(signed[0], NEVER), "the key had been revoked", "head")
    configs, past, events, heads = (data[n].split(b"\n")[:-1] for n in sorted(data) if n.endswith(".jsonl.z"))
    series = {(e["target"], e["location"]): rows_of(e, data[f"rows/{i:05d}.z"]) for i, e in enumerate(packed)}
    tokens, log = json.loads(data["timestamps.json.z"]), Log(origin, **ledger["before"])
    need(not log.size or signers(log.head(), ledger["before"]["signatures"], keys.keys, "before"), "unsigned", "before")
    used, days, stamped, parts, in_force = dict.fromkeys(series, 0), [], set(), {}, []
    ids = [json.loads(event)["id"] for event in past + events]
    for one in ledger["entries"]:
        entry, index = json.loads(one["entry"]), log.size
        day, kind, sealed, place = entry["day"], entry["kind"], ms(entry["sealed"]), f"{entry['day']}, entry {index}"
        log.append(one["entry"].encode())
        by = (signers(log.head(), one["signatures"], keys.keys, place) or [None])[0]
        in_use = sealed <= keys.replaced.get(by, NEVER) and sealed < keys.revoked.get(by, NEVER)
        need(by and in_use, "not signed by a key that was in use", place)
        turn = not days or ms(day) == ms(days[-1]) + DAY if kind == "day" else days and day <= days[-1]
        need(turn and sealed >= ms(day) + DAY and (kind == "day" or entry["why"]), "a day out of turn", place)
        days += [day] if kind == "day" else []
        token, stamp = tokens.pop(str(log.size), ""), sha(f"{log.head()}\n{one['signatures']}".encode())
        need(not token or stamp in base64.b64decode(token), "a timestamp of something else", place)
        stamped |= {day} if token else set()
        firsts = dict(entry["groups"])
        need(sorted(firsts.items()) == [tuple(one) for one in entry["groups"]], "groups out of order", place)
        ends, shown, groups, due = [*list(firsts.values())[1:], entry["leaves"]], {}, [], set()
        for name in ("", about["contract"]):
            secret = bytes.fromhex(ledger["secrets"][name])
            salt = hmac.digest(secret, f"salt\n{day}".encode(), "sha256")[:16]
            tag = hmac.digest(secret, f"tag\n{index}".encode(), "sha256")[:8].hex()
            mine = [group for group in one["shown"] if group[0] == name]
            need(len(mine) == (tag in firsts), "what was sealed is not what is shown", place)
            for _, numbers, given, told in mine:
                many, later = (0, given) if day > about["days"][1] else (given, [])
                taken, heads, evs, events = heads[:many], heads[many:], events[:told], events[told:]
                segments, digests = [], [*(sha(configs[n]) for n in numbers), *map(bytes.fromhex, later)]
                for line in taken:
                    said = json.loads(line)
                    key = said["target"], said["location"]
                    start, used[key] = used[key], used[key] + said["rows"]
                    at, lines = (column[start : used[key]] for column in series[key])
                    where = f"{day}, {key[0]} from {key[1]}"
                    need(canon(said) == line and len(at) == said["rows"] and said["day"] == day, "a header", where)
                    plan, seen = said["plan"] or [[0, NEVER, 1, 0]], sum(json.loads(line)[2] for line in lines)
                    slots = sum(max(0, -((a + (phase - a) % step - z) // step)) for a, z, step, phase in said["plan"])
                    inside = not at or plan[0][0] <= at[0] <= at[-1] < plan[-1][1]
                    fits = slots == said["expected"] and seen == said["scheduled"] and inside and at == sorted(at)
                    need(fits and (said["kind"] == "segment") == (kind == "day"), "not as its header says", where)
                    segments.append((said, at, lines))
                    parts.setdefault((day, *key), []).append(said)
                    digests.append(sha(line + b"\n" + "".join(lines).encode()))
                digests += [sha(event) for event in evs]
                chain = accumulate(past if name else [], lambda link, event: sha(link + sha(event)), initial=bytes(32))
                earlier = [len(past if name else []), [*chain][-1].hex()]
                value = {"day": day, "digest": sha(b"".join(digests)).hex(), "earlier": earlier, "group": name}
                leaves = [sha(canon({**value, "kind": "roll", "leaves": len(digests)})), *digests]
                past += evs if name else []
                first, end = firsts[tag], ends[list(firsts).index(tag)]
                need(end - first == len(leaves), "something is left out or added", place)
                shown |= {first + number: sha(b"\x00" + salt + leaf) for number, leaf in enumerate(leaves)}
                groups.append((name, salt, segments, evs))
                in_force += [(json.loads(configs[n])["since"], sha(configs[n]).hex()) for n in numbers if name]
                targets = [t for n in numbers for t in json.loads(configs[n])["targets"]]
                due |= {(day, t["name"], where) for t in targets for where in t["locations"]}
        need(root_of(entry["leaves"], shown, one["proof"]).hex() == entry["root"], "not what was sealed", place)
        same = len(later) == len(due) if later else {key for key in parts if key[0] == day} == due
        need(kind != "day" or same, "not the targets configured", place)
        check_heartbeats(entry, one["heartbeats"], groups)
    need(len(set(ids)) == len(ids), "an event stands twice", "events.jsonl.z")
    need(not (heads or events or tokens or any(used[k] < len(series[k][0]) for k in series)), "left over", "bundle")
    for (day, target, location), said in parts.items():
        slots = said[0]["expected"] + sum(one["surplus"] for one in said) - sum(one["scheduled"] for one in said)
        need(slots == sum(gap[2] for gap in said[-1]["gaps"]), "slots are missing", f"{day}, {target} from {location}")
    first, end, period = *map(ms, about["days"]), about["period"]
    need(max(c for c in in_force if c[0] < ms(period["end"]))[1] == about["config"], "other terms", "about.json")
    same = origin == about["origin"] and all(evaluation[name] == about[name] for name in ("contract", "period"))
    need(same and "inputs.json.z" in data, "another month", "evaluation.json.z")
    need(first <= min(map(ms, [period["start"], *days])) and ms(period["to"]) <= end + DAY, "other days", "about.json")
    if file is not whole:
        check_pages(whole, about["pdf_signer"])
    missing = {
        "a key to compare with": not known,
        "timestamps": set(days) - stamped,
        "days that are sealed": sum(ms(day) <= end for day in days) * DAY < end - first + DAY,
        "an account of all slots": b'"unaccounted"]' in data["segments.jsonl.z"],
        "the rest of the period": not period["complete"],
        "a key that was not revoked": keys.revoked,
    }
    return [what for what, is_missing in missing.items() if is_missing]


if __name__ == "__main__":
    try:
        lacking = verify(Path(sys.argv[1]).read_bytes(), sys.argv[2:])
    except Exception as error:
        sys.exit(f"INVALID: {type(error).__name__}: {error}")
    print("VALID" + f" BUT for want of {', '.join(lacking)}" * bool(lacking), "(the evaluation was not counted anew)")
    sys.exit(2 if lacking else 0)
