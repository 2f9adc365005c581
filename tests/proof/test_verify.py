"""What verification says of good bundles, and of those that lack something."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.proof import checks
from monitor.proof.bundle import Amendment
from monitor.proof.checkpoint import Checkpoint
from monitor.proof.container import BundleError
from monitor.proof.keyring import Keyring, revocation_note, rotation_note
from monitor.proof.ledger import COMMON, LedgerError, LogState, heartbeat_log, heartbeat_origin, seal_day
from monitor.proof.note import SeedSigner, sign_note
from monitor.proof.segment import DAY_MS, Gap, Row
from monitor.proof.verdict import BUT, INVALID, NOTE, VALID_BUT, Verdict
from monitor.proof.verify import Known, difference, verify
from tests import verify_bundle
from tests.proof.world import CONTRACT_TEXT, ORIGIN, SIGNER, World, recompute

KNOWN = Known(keys=(SIGNER.key,))
NEXT = SeedSigner(ORIGIN, b"\x02" * 32)


def found(verdict: Verdict, name: str) -> list[tuple[str, str]]:
    """State and text of a step's findings."""
    return [(step.state, step.text) for step in verdict.of(name)]


def test_each_step_says_a_sentence(bundle: bytes) -> None:
    """Every step is told, as a sentence."""
    verdict = verify(bundle, KNOWN, recompute)
    told = {step.name for step in verdict.steps}
    assert told == {"file", "signature", "key", "chain", "timestamps", "trees", "heartbeats", "balance", "contract",
                    "evaluation", "days"}  # fmt: skip
    assert not any(step.text[0].islower() or not step.text.endswith(".") for step in verdict.steps)
    assert (verdict.status, verdict.exit_code) == (VALID_BUT, 2)


def test_identical_input_gives_identical_bytes() -> None:
    """A bundle built twice is the same, byte for byte."""
    assert World().bundle() == World().bundle()


def test_an_unknown_key_is_missing_and_another_is_wrong(bundle: bytes) -> None:
    """Without a key to compare with the verdict is VALID BUT, with another one INVALID."""
    assert found(verify(bundle), "key")[0][0] == BUT
    assert verify(bundle, Known(keys=(NEXT.key,))).status == INVALID


def test_the_contract_given_is_compared(bundle: bytes) -> None:
    """To the letter the same is good; a changed line is named."""
    assert found(verify(bundle, replace(KNOWN, contract=CONTRACT_TEXT.encode())), "contract")[0][0] == "good"
    other = verify(bundle, replace(KNOWN, contract=CONTRACT_TEXT.replace("99.9%", "99%").encode()))
    assert other.status == INVALID
    assert "line 4" in str(other.places())


def test_a_missing_day_is_told() -> None:
    """Days that the evaluation looked at and that are not sealed make the verdict VALID BUT."""
    world = World()
    verdict = verify(world.bundle(days=("2026-10-01", "2026-10-04")), KNOWN, recompute)
    assert found(verdict, "days") == [(BUT, "1 days are not sealed in this bundle: 2026-10-04.")]
    assert "days that are sealed" in verify_bundle.verify(world.bundle(days=("2026-10-01", "2026-10-04")))


def test_what_came_late_is_a_supplement() -> None:
    """Observations that came after their day was sealed stand in a supplement and count."""
    world = World()
    slot = world.entries[1].shown["mailer"].segments[0].gaps[0].start
    world.supplement("2026-10-02", [Row(slot + 3, 50, True, "ok", 200), Row(slot + 3_600_003, 51, True, "ok", 200)])
    bundle = world.bundle()
    verdict = verify(bundle, KNOWN, recompute)
    assert [step.text for step in verdict.steps if step.state == "bad"] == []
    assert "1 supplements" in found(verdict, "chain")[0][1]
    assert "72 observations, 0 slots in gaps" in found(verdict, "balance")[0][1]
    assert verify_bundle.verify(bundle, [str(SIGNER.key)]) == ["timestamps"]


def test_missing_slots_are_named() -> None:
    """A day on which slots are neither observed nor in a gap is INVALID, and named; admitted, it is VALID BUT."""

    class Forgetful(World):
        reason: str | None = None

        def segment(self, day, target, location):
            made = super().segment(day, target, location)
            gaps = tuple(Gap(g.start, g.end, g.slots, self.reason) for g in made.gaps) if self.reason else ()
            return replace(made, gaps=gaps)

    verdict = verify(Forgetful().bundle(), KNOWN, recompute)
    assert verdict.places() == ["2026-10-02, api from fra"]
    with pytest.raises(ValueError, match="slots are missing"):
        verify_bundle.verify(Forgetful().bundle())
    Forgetful.reason = "unaccounted"
    verdict = verify(Forgetful().bundle(), KNOWN, recompute)
    assert verdict.status == VALID_BUT
    assert found(verdict, "balance")[0] == (
        BUT, "The monitor cannot account for some slots: 2026-10-02, api from fra.",
    )  # fmt: skip


def rotated(at_day: int = 1, *notes: str) -> tuple[World, Keyring]:
    """A monitor whose key is rotated before the day of that number is sealed."""

    class Rotating(World):
        def seal(self, day):
            if day == f"2026-10-{at_day + 1:02d}":
                self.signer = NEXT
            super().seal(day)

    world = Rotating()
    rotation = rotation_note(ORIGIN, SIGNER, NEXT, world.start + (at_day + 1) * DAY_MS + 1000)
    return world, Keyring.of([SIGNER.key, NEXT.key], [rotation, *notes], ORIGIN)


def test_a_rotated_key_is_trusted_from_either_side() -> None:
    """Who knows the old key or the new one trusts a bundle whose days were signed by both."""
    world, ring = rotated()
    bundle = world.bundle(keys=ring)
    for key in (SIGNER.key, NEXT.key):
        assert [s.text for s in verify(bundle, Known(keys=(key,)), recompute).steps if s.state == "bad"] == []
        assert verify_bundle.verify(bundle, [str(key)]) == ["timestamps"]


def test_a_replaced_key_signs_no_more() -> None:
    """A checkpoint signed by a key after it was replaced is wrong."""
    world = World()
    ring = Keyring.of([SIGNER.key, NEXT.key], [rotation_note(ORIGIN, SIGNER, NEXT, world.start)], ORIGIN)
    verdict = verify(world.bundle(keys=ring), KNOWN, recompute)
    assert "2026-10-01 (day, entry 2)" in verdict.places()
    with pytest.raises(ValueError, match="in use"):
        verify_bundle.verify(world.bundle(keys=ring))


def test_a_revoked_key_s_older_proof_verifies_and_says_so() -> None:
    """A key revoked later leaves the older proof good but for the want of a timestamp; one revoked before does not."""
    world, ring = rotated(at_day=9)
    bundle = world.bundle(keys=Keyring.of([SIGNER.key], [], ORIGIN))
    made_at = world.given().made_at
    later = revocation_note(ORIGIN, SIGNER.key, NEXT, made_at + DAY_MS, "the disk was stolen")
    verdict = verify(bundle, Known(keys=(NEXT.key,), notes=(*ring.notes, later)), recompute)
    assert verdict.status == VALID_BUT
    assert any("the disk was stolen" in text for _, text in found(verdict, "key"))
    before = revocation_note(ORIGIN, SIGNER.key, NEXT, world.start, "the disk was stolen")
    assert verify(bundle, Known(keys=(NEXT.key,), notes=(*ring.notes, before)), recompute).status == INVALID


def test_a_stranger_cannot_revoke() -> None:
    """A revocation signed by a key that nothing links to the revoked one changes nothing."""
    note = revocation_note(ORIGIN, SIGNER.key, NEXT, 0, "because")
    ring = Keyring.of([SIGNER.key, NEXT.key], [note], ORIGIN)
    assert ring.revoked(SIGNER.key) is None


def test_other_customers_do_not_show(bundle: bytes) -> None:
    """No name of another contract's stands in the bundle, and no salt of theirs that would confirm a guess."""
    import zlib

    from monitor.proof.container import read_container

    for name, data in read_container(bundle).members.items():
        plain = zlib.decompress(data) if name.endswith(".z") and not name.startswith("rows") else data
        assert b"other-0" not in plain
    secrets = World().secrets
    assert secrets["other-0"].hex().encode() not in bundle
    assert len(set(secrets.values())) == len(secrets)


def test_an_amendment_names_what_changed(bundle: bytes, world: World) -> None:
    """A later revision says which file it amends, and why."""
    amends = Amendment(of="ab" * 32, why="the provider showed that it was announced", changes=("one window more",))
    amended = world.bundle(revision=2, amends=amends)
    facts = verify(amended, KNOWN, recompute).facts
    assert (facts["revision"], facts["amends"]["why"]) == (2, "the provider showed that it was announced")
    with pytest.raises(BundleError):
        world.bundle(revision=1, amends=amends)


def test_days_are_sealed_in_turn(world: World) -> None:
    """A day out of turn, a day sealed twice, and a day that has not ended are refused."""
    state = world.state
    for day in ("2026-10-03", "2026-10-05"):
        with pytest.raises(LedgerError):
            seal_day(state, day=day, groups=[], sealed_at=world.start + 30 * DAY_MS)
    with pytest.raises(LedgerError, match="not ended"):
        seal_day(state, day="2026-10-04", groups=[], sealed_at=world.start + 3 * DAY_MS)
    with pytest.raises(LedgerError, match="common"):
        seal_day(state, day="2026-10-04", groups=[], sealed_at=world.start + 9 * DAY_MS)
    assert LogState.from_json(state.to_json()) == state


def test_heartbeats_can_stay_closed(world: World) -> None:
    """A bundle that does not open its heartbeats is as good, and says so."""
    closed = [replace(entry, heartbeats=None) for entry in world.entries]
    verdict = verify(world.bundle(entries=tuple(closed)), KNOWN, recompute)
    assert found(verdict, "heartbeats") == [(NOTE, "9 are committed to, but not opened here.")]


def test_rewriting_the_day_after_a_heartbeat_shows() -> None:
    """A day that was sealed and signed with other observations than its heartbeats committed to is found out."""
    honest, rewritten = World(), World(failing=0.5)
    mixed = [replace(e, heartbeats=h.heartbeats) for e, h in zip(rewritten.entries, honest.entries, strict=True)]
    verdict = verify(rewritten.bundle(entries=tuple(mixed)), KNOWN, recompute)
    assert verdict.status == INVALID
    assert [step.name for step in verdict.steps if step.state == "bad"] == ["heartbeats"] * 3


def test_a_received_checkpoint_is_compared() -> None:
    """Whoever kept a checkpoint or a heartbeat sees that the chain is the same, or that it was rewritten."""
    world = World()
    bundle = world.bundle()
    beats = world.entries[1].heartbeats
    assert beats is not None
    log = heartbeat_log([one.entry for one in beats[:2]])
    beat = sign_note(Checkpoint(heartbeat_origin(ORIGIN, "2026-10-02"), 2, log.root()).text(), SIGNER)
    kept = (world.entries[1].note, beat)
    good = verify(bundle, replace(KNOWN, checkpoints=kept), recompute)
    assert [state for state, _ in found(good, "received")] == ["good", "good"]
    other = World(failing=0.5).bundle()
    assert verify(other, KNOWN, recompute).places() == []
    rewritten = verify(other, replace(KNOWN, checkpoints=kept), recompute)
    assert rewritten.places() == ["received checkpoint 1", "received checkpoint 2"]
    elsewhere = sign_note(Checkpoint(ORIGIN, 99, bytes(32)).text(), SIGNER)
    stranger = sign_note(Checkpoint(ORIGIN, 4, bytes(32)).text(), NEXT)
    states = found(verify(bundle, replace(KNOWN, checkpoints=(elsewhere, stranger, "x")), recompute), "received")
    assert [state for state, _ in states] == [NOTE, "bad", "bad"]


def test_what_was_stated_in_earlier_months_is_shown_and_cannot_be_left_out() -> None:
    """A bundle shows the contract's events from before its first entry; without one of them it is INVALID."""
    start = World().start
    spans = [{"start": start - DAY_MS - n, "end": start + 7_200_000, "reason": "customer_error"} for n in (1000, 2000)]
    world = World(exclusions=spans)
    assert len(world.earlier) == 2
    assert verify(world.bundle(), KNOWN, recompute).places() == []
    assert verify_bundle.verify(world.bundle(), [str(SIGNER.key)]) == ["timestamps"]
    for earlier in (world.earlier[:1], world.earlier[1:], world.earlier[::-1], (*world.earlier, world.earlier[0])):
        without = world.bundle(earlier=earlier)
        assert "2026-10-01 (day, entry 2)" in verify(without, KNOWN, recompute).places()
        with pytest.raises(ValueError, match=r"not what was sealed|stands twice"):
            verify_bundle.verify(without)


def test_many_findings_are_told_a_few_at_a_time() -> None:
    """A step that finds the same fault on each of many days names the first of them."""
    told: list[str] = []
    checker = checks.Checker(None, Keyring(()), lambda *args: told.append(args[1]))  # type: ignore[arg-type]
    for number in range(100):
        checker.bad("chain", "Wrong.", str(number))
    assert len(told) == checks.MOST


def test_differences_are_named() -> None:
    """Two answers that differ differ at a path, with both values."""
    assert difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == "a[1].b is 3 instead of 2"
    assert difference({"a": 1}, {}) == "a stands in one of them alone"
    assert difference([1], [1, 2]) == " has 2 instead of 1"
    assert difference({"a": True}, {"a": 1}) == "a is 1 instead of True"
    assert difference({"a": [None]}, {"a": [None]}) is None


def test_the_common_group_is_always_there(world: World) -> None:
    """Every entry shows what concerned everybody."""
    assert all(COMMON in entry.shown for entry in world.entries)


def test_the_proof_imports_little() -> None:
    """``monitor.proof`` uses nothing of slaproof but itself, reads no clock and opens no file."""
    allowed = {"__future__", "array", "base64", "binascii", "bisect", "collections", "cryptography", "dataclasses",
               "datetime", "difflib", "functools",
               "hashlib", "hmac", "itertools", "json", "operator", "re", "typing", "zlib"}  # fmt: skip
    for path in Path("monitor/proof").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in allowed or name.startswith("monitor.proof"), (path.name, name)
    code = "import sys, monitor.proof.verify as v; print(sorted(m for m in sys.modules if m.startswith('monitor')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "monitor.sla" not in loaded
    assert "monitor.store" not in loaded


def test_the_small_verifier_is_small() -> None:
    """One file of at most 300 lines, with no dependency but cryptography, and nothing of slaproof in it."""
    text = Path("tests/verify_bundle.py").read_text()
    assert len(text.splitlines()) <= 300
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert names - set(sys.stdlib_module_names) == {"cryptography"}
