"""The single checks of ``verify``: each says in sentences what it found, and where."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.proof.bundle import BundleError, Container, read_json
from monitor.proof.chain_checks import ChainChecks
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


class Checker(ChainChecks, ContentChecks):
    """All checks of one bundle."""


__all__ = ["MOST", "Checker", "keyring", "same_month", "trust"]
