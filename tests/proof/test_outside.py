"""Timestamps over checkpoints, and the pages that a bundle is attached to, in all three verifiers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from monitor.proof import cms, pdf
from monitor.proof.verdict import INVALID, VALID, VALID_BUT
from monitor.proof.verify import Known, verify
from monitor.proving.recount import recount
from monitor.statement.sign import own_identity
from tests import verify_bundle
from tests.proof.browser import opened, verify_in
from tests.proof.outside import IDENTITY, fingerprint, pages, sign, stamps, token, tsa_in
from tests.proof.world import SIGNER, World
from tests.servers.chromium import launch
from tests.servers.tsa import Tsa

KEY = str(SIGNER.key)
OCTOBER = {"days": 31, "interval_ms": 21_600_000, "beat_every_ms": 43_200_000, "others": 0, "before_days": 0}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tsa, list[x509.Certificate]]:
    """A timestamp authority and its root."""
    return tsa_in(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def stamped(authority: tuple[Tsa, list[x509.Certificate]]) -> bytes:
    """October, whole, every checkpoint stamped, the pages' signer named."""
    world = World(**OCTOBER)
    return world.real_bundle(timestamps=stamps(world, authority[0]), pdf_signer=fingerprint())


@pytest.fixture(scope="module")
def shown() -> Iterator[Any]:
    """The page."""
    with launch() as browser, opened(browser) as found:
        yield found


def known(authorities: list[x509.Certificate]) -> Known:
    """Who knows the key and the authority."""
    return Known(keys=(SIGNER.key,), authorities=tuple(authorities))


def in_page(shown: Any, data: bytes, authorities: list[x509.Certificate]) -> dict[str, Any]:
    """What the page finds."""
    return verify_in(shown, data, certificates=[one.public_bytes(Encoding.DER) for one in authorities])


def test_a_whole_stamped_month_is_valid(
    shown: Any, stamped: bytes, authority: tuple[Tsa, list[x509.Certificate]]
) -> None:
    """With the key and the authority known nothing is missing: VALID, in every verifier."""
    verdict = verify(stamped, known(authority[1]), recount)
    assert [(s.name, s.text) for s in verdict.steps if s.state in ("but", "bad")] == []
    assert (verdict.status, verdict.exit_code) == (VALID, 0)
    assert verify_bundle.verify(stamped, [KEY]) == []
    found = in_page(shown, stamped, authority[1])
    assert (found["status"], [s for s in found["steps"] if s[1] in ("but", "bad")]) == (VALID, [])


def test_an_unknown_authority_is_told(shown: Any, stamped: bytes) -> None:
    """Timestamps of an authority that the reader does not know leave VALID BUT, with the authority's name."""
    verdict = verify(stamped, known([]), recount)
    assert verdict.status == in_page(shown, stamped, [])["status"] == VALID_BUT
    assert "slaproof test time-stamping signer" in next(s.text for s in verdict.steps if s.name == "timestamps")


@pytest.mark.parametrize("what", ["another checkpoint's", "a flipped byte", "of nothing", "too old"])
def test_a_wrong_timestamp_is_refused(shown: Any, authority: tuple[Tsa, list[x509.Certificate]], what: str) -> None:
    """A token over something else, a broken one, one for no checkpoint here, and one older than its day."""
    tsa, roots = authority
    world = World(first_day="2027-10-01") if what == "too old" else World()
    tokens = stamps(world, tsa)
    first, second = list(tokens)[:2]
    if what == "another checkpoint's":
        tokens[first] = tokens[second]
    elif what == "a flipped byte":
        tokens[first] = tokens[first][:-5] + bytes([tokens[first][-5] ^ 1]) + tokens[first][-4:]
    elif what == "of nothing":
        tokens[99] = token(tsa, b"nothing")
    bundle = world.bundle(timestamps=tokens)
    verdict = verify(bundle, known(roots))
    assert verdict.status == INVALID
    assert "timestamps" in [s.name for s in verdict.steps if s.state == "bad"]
    found = in_page(shown, bundle, roots)
    assert "timestamps" in [s[0] for s in found["steps"] if s[1] == "bad"]
    if what in ("another checkpoint's", "of nothing"):
        with pytest.raises(ValueError, match=r"timestamp|left over"):
            verify_bundle.verify(bundle)


def test_tokens_that_are_none_are_refused(authority: tuple[Tsa, list[x509.Certificate]]) -> None:
    """Cut anywhere, a token is malformed and nothing else happens."""
    good = token(authority[0], b"data")
    assert cms.trusted(cms.open_timestamp(good, b"data").authority, authority[1])
    for cut in range(0, len(good), 41):
        with pytest.raises(cms.CmsError):
            cms.open_timestamp(good[:cut], b"data")
    for at in range(0, len(good), 23):
        broken = good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :]
        with pytest.raises(cms.CmsError):
            cms.open_timestamp(broken, b"other data")


# --- pages


@pytest.fixture(scope="module")
def statement(stamped: bytes) -> bytes:
    """A signed statement."""
    return pages(stamped)


def test_signed_pages_are_valid(
    shown: Any, statement: bytes, stamped: bytes, authority: tuple[Tsa, list[x509.Certificate]]
) -> None:
    """A statement is verified with its pages, in every verifier."""
    assert pdf.bundle_of(statement) == stamped
    verdict = verify(statement, known(authority[1]), recount)
    assert (verdict.status, verdict.of("statement")[0].state) == (VALID, "good")
    assert "Example GmbH" in verdict.of("statement")[0].text
    assert verify_bundle.verify(statement, [KEY]) == []
    found = in_page(shown, statement, authority[1])
    assert (found["status"], found["steps"][-1][2]) == (VALID, "pdf")


def edited(statement: bytes) -> bytes:
    """The pages' title altered in place, the signature left as it is."""
    at = statement.index(b"/Title")
    return statement[: at + 10] + b"X" + statement[at + 11 :]


def without_signature(statement: bytes) -> bytes:
    """The file as it was before it was signed, altered."""
    return statement[: statement.index(b"%%EOF") + 6].replace(b"/Title (t)", b"/Title (u)")


def signed_by_another(statement: bytes) -> bytes:
    """Other pages around the same bundle, signed by somebody else."""
    other = own_identity(b"q" * 32, "Example GmbH", 1_767_225_600_000)
    return sign(pages(pdf.bundle_of(statement), "Availability 100 %", signed=False), other)


FORGERIES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "edited": (edited, INVALID),
    "unsigned": (without_signature, INVALID),
    "other signer": (signed_by_another, INVALID),
    "signature blanked": (lambda s: re.sub(rb"/ByteRange", b"/ByteXange", s), INVALID),
    "something added": (lambda s: s + b"\n% more\n", VALID_BUT),
    "no bundle": (lambda s: s.replace(b"/EmbeddedFile", b"/EmbeddedFilm"), INVALID),
    "two bundles": (lambda s: s + s, INVALID),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_pages_are_refused(
    shown: Any, statement: bytes, authority: tuple[Tsa, list[x509.Certificate]], name: str
) -> None:
    """Pages that were edited, that lost their signature, or that somebody else signed: each verifier says so."""
    forge, wanted = FORGERIES[name]
    data = forge(statement)
    verdict = verify(data, known(authority[1]), recount)
    assert verdict.status == wanted
    assert all("PDF" in place for place in verdict.places())
    found = in_page(shown, data, authority[1])
    assert found["status"] == wanted
    assert all("PDF" in step[3] for step in found["steps"] if step[1] == "bad")
    with pytest.raises(ValueError, match="PDF"):
        verify_bundle.verify(data)


def test_each_byte_of_a_statement_counts(statement: bytes) -> None:
    """A flipped byte of the pages is as fatal as one of the bundle."""
    match = re.search(rb"/ByteRange \[0 (\d+) (\d+)", statement)
    assert match
    start, end = map(int, match.groups())  # the signature itself
    for at in range(0, len(statement), 1499):
        if not start <= at < end:
            data = statement[:at] + bytes([statement[at] ^ 1]) + statement[at + 1 :]
            assert verify(data).status == INVALID, at
            with pytest.raises(Exception):  # noqa: B017
                verify_bundle.verify(data)


def test_the_identity_is_the_one_that_the_bundle_names(tmp_path: Path) -> None:
    """The fingerprint is that of the whole certificate."""
    assert fingerprint() == IDENTITY.fingerprint
