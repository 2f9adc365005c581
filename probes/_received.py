"""What a message that arrived tells of its way: hops and their times, and what a bounce says. Pure.

The times are those of the servers on the way, each by its own clock: they show where a message waited, and prove
nothing to the second.
"""

import email.message
import email.parser
import email.policy
import email.utils
import re
from typing import NamedTuple

HEADER_BYTES = 65_536
"""The most of a message's head that is read."""
_MOST_HOPS = 50
_PART = re.compile(r"\b(from|by|with|id|for)\s+([^\s;()]+)")
_COMMENT = re.compile(r"\([^()]*\)")
_STATUS = re.compile(r"(?im)^Status:\s*([245]\.\d+\.\d+)")
_DIAGNOSTIC = re.compile(r"(?im)^Diagnostic-Code:\s*(.{1,400}(?:\r?\n[ \t].{1,200}){0,3})")


class Hop(NamedTuple):
    """One server on the way: who gave the message, who took it, what it calls it, and when by its clock (s, UTC)."""

    sender: str
    by: str
    id: str
    at: int | None


class Bounce(NamedTuple):
    """What a report of non-delivery says (RFC 3464): enhanced status and diagnostic."""

    status: str
    diagnostic: str


def head(raw: bytes) -> email.message.Message:
    """The header of a message; whatever the bytes are."""
    return email.parser.BytesParser(policy=email.policy.compat32).parsebytes(raw[:HEADER_BYTES], headersonly=True)


def hops(message: email.message.Message) -> list[Hop]:
    """The servers on the way, the first one first (RFC 5321 §4.4: each puts its line above the others)."""
    found = []
    for line in reversed(message.get_all("Received", [])[-_MOST_HOPS:]):
        text = " ".join(str(line).split())
        way, _, date = text.rpartition(";")
        parts = dict(reversed(_PART.findall(_COMMENT.sub(" ", way or text))))
        found.append(Hop(parts.get("from", ""), parts.get("by", ""), parts.get("id", ""), _instant(date)))
    return found


def _instant(date: str) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(date.strip()).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def as_evidence(way: list[Hop], sent_at: int) -> list[dict[str, object]]:
    """The hops as plain values, each with the seconds since the one before (the first: since ``sent_at``, s UTC)."""
    out: list[dict[str, object]] = []
    before = sent_at
    for hop in way:
        entry: dict[str, object] = {"from": hop.sender, "by": hop.by, "id": hop.id, "at": hop.at}
        if hop.at is not None:
            entry["after_s"] = hop.at - before
            before = hop.at
        out.append(entry)
    return out


def slowest(way: list[dict[str, object]]) -> str:
    """Where the message waited longest, as a remark; empty where no time was told."""
    timed = [(int(str(hop["after_s"])), str(hop["by"])) for hop in way if "after_s" in hop]
    if not timed:
        return ""
    seconds, by = max(timed)
    return f"{by} after {seconds} s"


def bounce(raw: bytes, token: str) -> Bounce | None:
    """What this message says if it is a report that ours, which bears ``token``, was not delivered; else None."""
    text = raw.decode("utf-8", "replace")
    if token not in text or not (found := _STATUS.search(text)):
        return None
    diagnostic = _DIAGNOSTIC.search(text)
    return Bounce(found[1], " ".join(diagnostic[1].split()) if diagnostic else "")
