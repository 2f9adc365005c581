"""What stands around a bundle: tokens of a timestamp authority, and pages that it is attached to."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from monitor.proof import der
from monitor.proof.canonical import sha256
from monitor.statement.sign import PageIdentity, own_identity, sign_pages
from tests.proof.world import World
from tests.servers.tsa import Tsa

_DATE = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)
IDENTITY: PageIdentity = own_identity(b"p" * 32, "Example GmbH", 1_767_225_600_000)


def tsa_in(folder: Path) -> tuple[Tsa, list[x509.Certificate]]:
    """An authority and its root certificate."""
    tsa = Tsa(folder)
    return tsa, x509.load_pem_x509_certificates(tsa.root.read_bytes())


def token(tsa: Tsa, data: bytes) -> bytes:
    """A token of the authority over the data: the request's and the answer's DER taken by hand."""
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(data)
    request = b"\x30" + bytes([3 + len(digest) + 3]) + b"\x02\x01\x01" + digest + b"\x01\x01\xff"
    return der.read(tsa.reply(request)).children()[1].whole


def stamps(world: World, tsa: Tsa) -> dict[int, bytes]:
    """Tokens over every checkpoint of a ledger."""
    before = world.before.size
    return {before + i + 1: token(tsa, one.note.encode()) for i, one in enumerate(world.entries)}


def pages(bundle: bytes, text: str = "Availability 99.9 %", *, signed: bool = True) -> bytes:
    """A one-page statement with the bundle attached."""
    import typst

    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "b.slaproof").write_bytes(bundle)
        how = 'relationship: "data", mime-type: "application/vnd.slaproof.bundle", description: "evidence"'
        (folder / "main.typ").write_text(f'#set document(title: "t")\n#pdf.attach("b.slaproof", {how})\n{text}\n')
        made = typst.compile(folder / "main.typ", root=folder, format="pdf", pdf_standards=["a-3b"], timestamp=_DATE)
    return sign(made) if signed else made


def sign(pdf: bytes, identity: PageIdentity = IDENTITY) -> bytes:
    """Sign pages, in a thread of its own: a browser's event loop may be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(sign_pages, pdf, identity, reason="test").result()


def fingerprint() -> str:
    """What a bundle says of the pages' signer."""
    return sha256(IDENTITY.certificate.public_bytes(Encoding.DER)).hex()
