"""Notes and keys agree with what others published, byte for byte."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.proof.checkpoint import Checkpoint
from monitor.proof.note import Note, NoteError, SeedSigner, VerifierKey, open_note, sign_note

# The key pair and the note that Go's sumdb/note is tested with, and the example of C2SP signed-note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_NOTE = (
    PETER_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


@pytest.mark.parametrize(("key", "note"), [(PETER, PETER_NOTE), (FOO, FOO_NOTE)])
def test_published_notes_open(key: str, note: str) -> None:
    """Notes that others signed verify under the keys that they published."""
    assert open_note(note, [VerifierKey.parse(key)]) == note.rsplit("\n\n", 1)[0] + "\n"


def test_published_key_signs_the_published_note() -> None:
    """Ed25519 has no chance in it: signing the published text gives the published note."""
    signer = SeedSigner.parse(PETER_PRIVATE)
    assert str(signer.key) == PETER
    assert signer.private_text() == PETER_PRIVATE
    assert sign_note(PETER_TEXT, signer) == PETER_NOTE


def test_mangled_keys_are_refused() -> None:
    """No part of a key, and no key with a wrong byte, is a key."""
    for start in range(len(PETER)):
        for end in range(start + 1, len(PETER) + 1):
            if (start, end) != (0, len(PETER)):
                with pytest.raises(NoteError):
                    VerifierKey.parse(PETER[start:end])
    for at in range(len(PETER)):
        with pytest.raises(NoteError):
            VerifierKey.parse(PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :])
    for wrong in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(NoteError):
            VerifierKey.parse(wrong)


def test_mangled_notes_are_refused() -> None:
    """A note that is cut, that has control characters, or whose signature is another's, does not open."""
    key = VerifierKey.parse(PETER)
    for wrong in (
        PETER_TEXT,
        PETER_NOTE[:-1],
        PETER_NOTE.replace("cryptography", "cryptographY"),
        PETER_NOTE.replace("\n\n", "\n"),
        PETER_NOTE.replace("problem is", "problem\x01is"),
        PETER_NOTE.replace("— ", "- "),
        FOO_NOTE,
    ):
        with pytest.raises(NoteError):
            open_note(wrong, [key])


def test_unknown_signatures_are_passed_over() -> None:
    """A note signed by a stranger too is as good as before; a known key's wrong signature spoils it."""
    stranger = SeedSigner("stranger.example", b"\x07" * 32)
    both = sign_note(PETER_TEXT, SeedSigner.parse(PETER_PRIVATE), stranger)
    assert open_note(both, [VerifierKey.parse(PETER)]) == PETER_TEXT
    spoiled = both.replace(both[-12:-8], "AAAA")
    with pytest.raises(NoteError):
        open_note(spoiled, [VerifierKey.parse(PETER), stranger.key])


def test_stray_bits_in_base64_are_refused() -> None:
    """A signature has one spelling: the unused bits at its end are zero."""
    with pytest.raises(NoteError, match="stray"):
        Note.parse(PETER_NOTE.replace("nAM=\n", "nAN=\n"))


def test_published_checkpoint_parses() -> None:
    """The example of C2SP tlog-checkpoint reads, and is written back as it was."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    head = Checkpoint.parse(text)
    assert (head.origin, head.size, base64.b64encode(head.root)) == (
        "example.com/behind-the-sofa", 20852163, b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
    )  # fmt: skip
    assert head.text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\nAAAA\n",
        "a\n-1\nAAAA\n",
        "a\n1\nAAAA\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    """A size with a leading zero, a short root, a missing line: none is a checkpoint."""
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@given(
    seed=st.binary(min_size=32, max_size=32), text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]))
)
def test_what_is_signed_opens(seed: bytes, text: str) -> None:
    """Any text without control characters comes back out of its note, and keys out of their spelling."""
    signer = SeedSigner("monitor.example/a", seed)
    note = sign_note(text + "\n", signer)
    assert open_note(note, [VerifierKey.parse(str(signer.key))]) == text + "\n"
    assert SeedSigner.parse(signer.private_text()) == signer


def test_a_key_does_not_show_its_seed() -> None:
    """Printing a signer never prints the private key."""
    assert "\\x07" not in repr(SeedSigner("a", b"\x07" * 32))
