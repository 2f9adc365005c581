"""Verification: a bundle or a statement in, sentences and a verdict out. Needs no daemon, database or network.

The steps, numbered as in docs/proof-format.md §8:

1. *file*: each member has the digest that the head lists, and nothing stands between or after them.
2. *signature*: the head is signed by a key of the bundle's history.
3. *key*: that key, or one linked to it by rotations, is one that the reader knows.
4. *chain*: each checkpoint is signed and commits to the log before it and one entry more; no day is left out.
5. *timestamps*: each checkpoint of a day is stamped by an outside authority.
6. *trees*: every content of the contract's group and the common one is in its entry's tree, and none is left out.
7. *heartbeats*: what a heartbeat committed to is a beginning of what the day sealed; and checkpoints that the reader
   received when they were made (*received*) are those of this chain.
8. *balance*: expected slots = scheduled observations + slots in gaps.
9. *contract*: the configuration is the one sealed as in force, and the text the one that the reader gave.
10. *evaluation*: counted anew from the raw observations, the answer is the same.
11. *days*: every day that the evaluation looked at is sealed.
12. *statement*: the PDF's pages are signed by the certificate that the bundle names.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from monitor.proof import checks, pdf
from monitor.proof.canonical import JSON, sha256
from monitor.proof.container import BundleError, Container, read_container
from monitor.proof.keyring import Keyring
from monitor.proof.note import NoteError, VerifierKey
from monitor.proof.proven import Proven, read_proven
from monitor.proof.verdict import BAD, BUT, GOOD, NOTE, Step, Verdict


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What somebody who knows the arithmetic makes of a bundle's observations."""

    answer: JSON
    """As arithmetic §9."""
    inputs: JSON = None
    """The events as folded anew from the ledger's, in the form of inputs.json.z; None: not folded."""
    statement: JSON = None
    """The dress of the statement and the digest of what it must print; None: not made anew."""
    program: str = ""
    """What made the words anew. Other programs, and other versions of the same, may word the same facts otherwise."""


Recompute = Callable[[Proven], Recomputed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the reader knows from elsewhere."""

    keys: tuple[VerifierKey, ...] = ()
    notes: tuple[str, ...] = ()
    """Rotations and revocations."""
    contract: bytes | None = None
    """The contract's file or text."""
    checkpoints: tuple[str, ...] = ()
    """Signed checkpoints of the ledger or of heartbeats, as they were received when they were made."""
    authorities: tuple[x509.Certificate, ...] = field(default=())
    """Certificates of timestamp authorities, or of who issued theirs."""


def verify(data: bytes, known: Known | None = None, recompute: Recompute | None = None) -> Verdict:
    """Verify a bundle, or a PDF with one attached. Never raises for what is in the file."""
    return _Verification(known or Known(), recompute).run(data)


class _Verification:
    def __init__(self, known: Known, recompute: Recompute | None) -> None:
        self.known = known
        self.recompute = recompute
        self.verdict = Verdict()

    def say(self, name: str, state: str, text: str, place: str | None = None) -> None:
        self.verdict.steps.append(Step(name=name, state=state, text=text, place=place))

    def run(self, data: bytes) -> Verdict:
        whole = data
        if data.startswith(b"%PDF"):
            try:
                data = pdf.bundle_of(data)
            except pdf.PdfError as error:
                self.say("file", BAD, f"There is nothing to verify: {error}.", "PDF")
                return self.verdict
        try:
            container = read_container(data)
        except BundleError as error:
            self.say("file", BAD, f"This is no bundle that can be read: {error}.", error.place)
            return self.verdict
        self.verdict.facts = {"origin": container.origin, "sha256": sha256(data).hex()}
        self.check_file(container)
        try:
            proven = read_proven(container)
        except BundleError as error:
            self.say("trees", BAD, f"The bundle contradicts itself: {error}.", error.place)
            self.check_keys(container, None)
            return self.verdict
        about = proven.about if isinstance(proven.about, dict) else {}
        self.verdict.facts |= {key: about.get(key) for key in ("contract", "period", "revision", "amends", "made")}
        ring = self.check_keys(container, proven)
        checker = checks.Checker(proven, ring, self.say)
        for name, check in (
            ("chain", checker.chain),
            ("timestamps", lambda: checker.timestamps(self.known.authorities)),
            ("trees", checker.trees),
            ("heartbeats", checker.heartbeats),
            ("received", lambda: checker.received(self.known.checkpoints)),
            ("balance", checker.balance),
            ("contract", lambda: self.check_contract(checker)),
            ("evaluation", lambda: self.check_evaluation(proven)),
            ("days", checker.days),
            ("statement", lambda: self.check_pages(proven, whole)),
        ):
            self.guarded(name, check)
        return self.verdict

    def guarded(self, name: str, check: Callable[[], object]) -> None:
        """A bundle that is malformed in a way nobody thought of is wrong, not a crash."""
        try:
            check()
        except BundleError as error:
            self.say(name, BAD, f"{str(error).capitalize()}.", error.place)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            self.say(name, BAD, f"This could not be checked, something in it is malformed: {error!r}.", name)

    def check_file(self, container: Container) -> None:
        for name in container.wrong:
            self.say("file", BAD, f"The member {name} is not the one that was signed.", name)
        if container.trailing:
            many, where = abs(container.trailing), "after its end" if container.trailing > 0 else "missing at its end"
            self.say("file", BAD, f"The file has {many} bytes {where}.", "end of the file")
        if not container.wrong and not container.trailing:
            self.say(
                "file", GOOD, f"The file holds {len(container.members)} members, each with the digest in its head."
            )

    def check_keys(self, container: Container, proven: Proven | None) -> Keyring:
        ring = Keyring(())
        try:
            ring = checks.keyring(container, self.known.notes)
        except (NoteError, BundleError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.say("key", BAD, f"The history of the keys is wrong: {error}.", "keys.json")
        note = container.note
        try:
            signers = note.verified_by([*ring.keys, *(k for k in self.known.keys if k not in ring.keys)])
        except NoteError as error:
            self.say("signature", BAD, f"The head of the bundle is not what was signed: {error}.", "head")
            return ring
        if len(note.signatures) != 1 or len(signers) != 1:
            self.say(
                "signature", BAD, "The head of the bundle is not signed by exactly one key of its history.", "head"
            )
            return ring
        key = signers[0]
        self.say("signature", GOOD, f"The bundle is signed by the key {key.name} ({key.id.hex()}).")
        checks.trust(ring, key, self.known.keys, proven, self.say)
        return ring

    def check_contract(self, checker: checks.Checker) -> None:
        config = checker.config()
        if config is None:
            return
        self.verdict.facts["generated"] = config.get("generated") is True
        given = self.known.contract
        if given is None:
            self.say(
                "contract",
                NOTE,
                f"The contract is the one sealed as in force: {config['contract']}. No text to "
                "compare it with was given.",
            )
            return
        if config.get("source_sha256") == sha256(given).hex():
            self.say("contract", GOOD, "The contract was read from the very text that was given.")
            return
        theirs, ours = (text.replace("\r\n", "\n").rstrip("\n") for text in (config["text"], _decoded(given)))
        if theirs == ours:
            self.say("contract", GOOD, "The contract is, to the letter, the one that was given.")
            return
        changed = next(
            (
                f"line {number}: {line[2:]!r}"
                for number, line in enumerate(_changes(ours, theirs), 1)
                if line[:1] in "-+"
            ),
            "its end",
        )
        self.say("contract", BAD, "The contract in the bundle is not the one that was given.", f"contract, {changed}")

    def check_evaluation(self, proven: Proven) -> None:
        checks.same_month(proven)
        checks.not_cut_short(proven)
        if self.recompute is None:
            self.say("evaluation", NOTE, "The evaluation was not counted anew: this verifier leaves it out.")
            return
        made = self.recompute(proven)
        for name, anew, told in (
            ("inputs.json.z", made.inputs, proven.inputs),
            ("evaluation.json.z", made.answer, proven.evaluation),
            ("statement.json", made.statement, proven.statement),
        ):
            if anew is None:
                continue
            if (where := difference(anew, told)) is not None:
                if name == "statement.json" and (other := str(told.get("program"))) != made.program:
                    self.say(
                        "evaluation",
                        BUT,
                        f"Whether the pages say what the evaluation says was not checked: they were worded by {other}, "
                        f"and {made.program} words them otherwise. The same version checks it.",
                        name,
                    )
                    continue
                self.say("evaluation", BAD, _OTHER[name], f"{name}: {where}")
                return
        services = len(proven.evaluation["services"])
        many = "one service gives" if services == 1 else f"{services} services give"
        self.say("evaluation", GOOD, f"Counted anew from the raw observations, {many} the same answer.")

    def check_pages(self, proven: Proven, whole: bytes) -> None:
        signer = proven.about["pdf_signer"]
        if not whole.startswith(b"%PDF"):
            return
        try:
            found = pdf.signature_of(whole)
        except pdf.PdfError as error:
            self.say("statement", BAD, f"The pages cannot be trusted: {error}.", "PDF")
            return
        certificate = found.signed.certificate
        if signer is None or sha256(certificate.public_bytes(Encoding.DER)).hex() != signer:
            self.say("statement", BAD, "The pages are signed by another certificate than the bundle names.", "PDF")
            return
        if found.added:
            text = f"The pages are signed as the bundle says, but {found.added} bytes were added afterwards."
            self.say("statement", BUT, text, "end of the PDF")
            return
        subject = certificate.subject.rfc4514_string()
        self.say(
            "statement", GOOD, f"The pages are signed, every byte, by the certificate that the bundle names: {subject}."
        )


_OTHER = {
    "inputs.json.z": "The events that the evaluation was given are not those of the ledger.",
    "evaluation.json.z": "Counted anew, the evaluation is another one.",
    "statement.json": "The pages do not say what the evaluation says.",
}


def difference(ours: JSON, theirs: JSON, path: str = "") -> str | None:
    """Where two JSON values differ first, as a path with both values; None where they are the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            inner = f"{path}.{key}" if path else key
            if key not in ours or key not in theirs:
                return f"{inner} stands in one of them alone"
            if (found := difference(ours[key], theirs[key], inner)) is not None:
                return found
        return None
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if (found := difference(one, other, f"{path}[{number}]")) is not None:
                return found
        return None if len(ours) == len(theirs) else f"{path} has {len(theirs)} instead of {len(ours)}"
    same = type(ours) is type(theirs) and ours == theirs
    return None if same else f"{path} is {theirs!r} instead of {ours!r}"


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _changes(ours: str, theirs: str) -> Sequence[str]:
    return list(difflib.ndiff(ours.split("\n"), theirs.split("\n")))
