"""The single checks of ``verify``: each says in sentences what it found, and where."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.proof.chain_checks import ChainChecks
from monitor.proof.container import BundleError, Container, read_json
from monitor.proof.content_checks import ContentChecks
from monitor.proof.findings import MOST, Say
from monitor.proof.keyring import Keyring, parse_rfc3339
from monitor.proof.note import VerifierKey
from monitor.proof.proven import Proven
from monitor.proof.verdict import BAD, BUT, GOOD


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
            raise BundleError(f"evaluation.json.z: {name}", "the evaluation is of another contract or period")
    if proven.about["origin"] != proven.container.origin:
        raise BundleError("about.json: origin", "the origin is another one than the head's")


def not_cut_short(proven: Proven) -> None:
    """Where later observations are withheld, none of them can matter (format §8.10). BundleError if one can."""
    last = proven.about["days"][1]
    if all(entry.day <= last for entry in proven.entries):
        return
    groups = [group for entry in proven.entries if entry.day == last for group in entry.groups.values()]
    there = {(one.segment.target, one.segment.location) for group in groups for one in group.segments}
    for series, rows in proven.observations():
        if (series.target, series.location) in there and len(rows) and rows.kinds[rows.kind[-1]].outcome != "ok":
            place = f"{last}, {series.target} from {series.location}"
            raise BundleError(place, "the days after an observation that failed are withheld, and may count")


class Checker(ChainChecks, ContentChecks):
    """All checks of one bundle."""


__all__ = ["MOST", "Checker", "keyring", "not_cut_short", "same_month", "trust"]
