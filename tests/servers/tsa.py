"""A time-stamping authority (RFC 3161) on loopback: ``openssl ts`` behind a few lines of HTTP.

The answers carry the signer's certificate alone: ``certs`` is left out of the configuration, because rfc3161-client
refuses answers whose set of certificates is not sorted, and OpenSSL does not sort it.
"""

from __future__ import annotations

import contextlib
import datetime
import http.server
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.servers import HOST, answers, eventually, free_port, need

_CONF = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
ordering = no
tsa_name = yes
"""


class Tsa:
    """The authority at `url`; ``root`` is its certificate (PEM). ``fault``: none, ``silent``, ``500``, ``garbage``."""

    FAULTS: ClassVar[tuple[str, ...]] = ("silent", "500", "garbage")

    def __init__(self, folder: Path) -> None:
        self._openssl = need("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = free_port()
        self.root = folder / "root.pem"
        self.signer = folder / "signer.pem"
        self.fault: str | None = None
        self.requests = 0
        self._over = threading.Event()
        self._server: http.server.ThreadingHTTPServer | None = None
        self._make_certificates()
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONF.format(folder=folder))

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return f"http://{HOST}:{self.port}/"

    def _make_certificates(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slaproof test time-stamping root")])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slaproof test time-stamping signer")])

        def builder(subject: x509.Name, key: rsa.RSAPrivateKey, authority: bool) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(root_name)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - day)
                .not_valid_after(now + 3650 * day)
                .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
                .add_extension(
                    x509.KeyUsage(
                        digital_signature=not authority,
                        content_commitment=not authority,
                        key_encipherment=False,
                        data_encipherment=False,
                        key_agreement=False,
                        key_cert_sign=authority,
                        crl_sign=authority,
                        encipher_only=False,
                        decipher_only=False,
                    ),
                    critical=True,
                )
            )

        root = builder(root_name, keys[0], True).sign(keys[0], hashes.SHA256())
        signer = (
            builder(name, keys[1], False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .sign(keys[0], hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.root.write_bytes(root.public_bytes(pem))
        self.signer.write_bytes(signer.public_bytes(pem))
        (self._folder / "signer.key").write_bytes(
            keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )

    def reply(self, request: bytes) -> bytes:
        """The time-stamp response to a request (both DER)."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            query, answer = Path(folder, "query"), Path(folder, "answer")
            query.write_bytes(request)
            subprocess.run(
                [
                    self._openssl,
                    "ts",
                    "-reply",
                    "-config",
                    self._folder / "tsa.cnf",
                    "-queryfile",
                    query,
                    "-out",
                    answer,
                ],
                check=True,
                capture_output=True,
            )
            return answer.read_bytes()

    def start(self) -> Self:
        """Begin to answer."""
        tsa = self
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                tsa.requests += 1
                if tsa.fault == "silent":
                    tsa._over.wait()
                    return
                code, answer = 200, b"this is no time stamp"
                if tsa.fault == "500":
                    code = 500
                elif tsa.fault is None:
                    with lock:  # one file of serial numbers
                        answer = tsa.reply(body)
                with contextlib.suppress(OSError):
                    self.send_response(code)
                    self.send_header("Content-Type", "application/timestamp-reply")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._over.clear()
        self._server = http.server.ThreadingHTTPServer((HOST, self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        eventually(lambda: answers(self.port))
        return self

    def stop(self) -> None:
        """Answer no more."""
        self._over.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Tsa]:
    """A running time-stamping authority."""
    with Tsa(tmp_path / "tsa") as server:
        yield server


@pytest.fixture(scope="session")
def session_tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    """A time-stamping authority for the whole run, for tests that do not disturb it."""
    with Tsa(tmp_path_factory.mktemp("tsa")) as server:
        yield server
